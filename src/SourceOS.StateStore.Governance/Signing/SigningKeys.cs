// Why this file exists: which keys an actor signs changes with, asked in every commit. Invariants: it holds hints: each key is looked up in the commit's own view before it counts, so a
// revocation works with the very next commit; a store without such keys costs one comparison.

using System.Collections.Concurrent;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Signing;

/// <summary>Keys for changes by actor. For the writer only, after loading, but for <see cref="Any"/> and <see cref="MayHave"/>.</summary>
internal sealed class SigningKeys
{
    private static readonly int s_actor = Slots.Of(RecordKind.Key, "actor_id");
    private static readonly int s_purpose = Slots.Of(RecordKind.Key, "purpose");
    private readonly Dictionary<string, HashSet<string>> _byActor = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _actors = new(StringComparer.Ordinal);
    private volatile bool _any;

    /// <summary>Whether the store may have a key for changes.</summary>
    public bool Any => _any;

    /// <summary>Whether an actor may have a key for changes, now or earlier; false is certain. For any thread.</summary>
    public bool MayHave(string actorId) => _actors.ContainsKey(actorId);

    /// <summary>Takes in what a store holds when it is opened.</summary>
    public void Load(ReadSnapshot snapshot)
    {
        foreach (RecordView record in snapshot.Range(RecordKind.Key))
        {
            Note(Encoding.UTF8.GetString(record.Id), record.Body);
        }
    }

    /// <summary>Notes what a commit may be about to add.</summary>
    public void Note(ProposedCommit commit)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind == RecordKind.Key && change.Action == EventAction.Put)
            {
                Note(change.Id, Slots.Open(change.Body));
            }
        }
    }

    /// <summary>The keys that an actor may sign with now.</summary>
    public List<KnownKey> ActiveOf(string actorId, IStateView state)
    {
        List<KnownKey> keys = [];
        foreach (string id in _byActor.TryGetValue(actorId, out HashSet<string>? ids) ? ids : [])
        {
            if (Find(id, state) is { } key && KeyRoom.IsActive(key, actorId))
            {
                keys.Add(key);
            }
        }

        return keys;
    }

    /// <summary>Whether any actor may sign changes now.</summary>
    public bool HasActive(IStateView state) => _byActor.Keys.Any(actor => ActiveOf(actor, state).Count > 0);

    /// <summary>Finds a key, revoked or not.</summary>
    public static KnownKey? Find(string id, IStateView state) =>
        Identifier.IsValid(id) && state.TryGet(RecordKind.Key, id, out RecordView record) && !record.IsTombstone ? KeyRoom.ToKey(record.ToStored()) : null;

    private void Note(string id, RecordBodyView body)
    {
        string actor = Slots.Text(body, s_actor);
        if (actor.Length == 0 || Slots.Text(body, s_purpose) != KeyRoom.ChangesPurpose)
        {
            return;
        }

        if (!_byActor.TryGetValue(actor, out HashSet<string>? ids))
        {
            _byActor[actor] = ids = new HashSet<string>(StringComparer.Ordinal);
        }

        ids.Add(id);
        _actors[actor] = true;
        _any = true;
    }
}
