// Why this file exists: an actor's rights, read from its record once and kept while the record stays the same. Invariants: facts are used only after the record's
// sequence in the commit's own view was compared, so a revocation works at once, inside the same group of commits too; memory is bounded.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>A scope: everything, or a set of identifiers.</summary>
internal sealed class ScopeSet
{
    private readonly HashSet<string> _ids;

    public ScopeSet(IReadOnlyList<string> ids)
    {
        _ids = new HashSet<string>(ids, StringComparer.Ordinal);
        IsAll = _ids.Contains("*");
    }

    public bool IsAll { get; }

    public IEnumerable<string> Ids => _ids;

    public bool Covers(string id) => IsAll || _ids.Contains(id);

    public bool CoversAll(ScopeSet other) => IsAll || (!other.IsAll && other._ids.IsSubsetOf(_ids));
}

/// <summary>What an actor's record says of its rights.</summary>
internal sealed record ActorFacts(
    string Id, ulong Sequence, string Type, string Trust, bool IsRevoked, ScopeSet Workspaces, ScopeSet Profiles, HashSet<string> Capabilities)
{
    public bool IsHuman => Type == "human";

    /// <summary>Reads an actor's body.</summary>
    public static ActorFacts Of(string id, ulong sequence, bool isTombstone, RecordBodyView body) => new(
        id,
        sequence,
        Slots.Text(body, Slots.Actor.Type),
        Slots.Text(body, Slots.Actor.Trust),
        isTombstone || Slots.Has(body, Slots.Actor.RevokedAt),
        new ScopeSet(Slots.List(body, Slots.Actor.WorkspaceScope)),
        new ScopeSet(Slots.List(body, Slots.Actor.ProfileScope)),
        new HashSet<string>(Slots.List(body, Slots.Actor.Capabilities), StringComparer.Ordinal));
}

/// <summary>Finds actors. Writer thread only.</summary>
internal sealed class ActorDirectory
{
    private const int MaxKept = 1024;
    private readonly Dictionary<string, ActorFacts> _kept = new(StringComparer.Ordinal);

    /// <summary>Finds an actor as the state has it now; null when it was never registered.</summary>
    public ActorFacts? Find(IStateView state, string id)
    {
        if (id.Length == 0 || !state.TryGet(RecordKind.Actor, id, out RecordView record))
        {
            return null;
        }

        if (_kept.TryGetValue(id, out ActorFacts? facts) && facts.Sequence == record.Sequence)
        {
            return facts;
        }

        if (_kept.Count >= MaxKept)
        {
            _kept.Clear();
        }

        facts = ActorFacts.Of(id, record.Sequence, record.IsTombstone, record.Body);
        _kept[id] = facts;
        return facts;
    }
}
