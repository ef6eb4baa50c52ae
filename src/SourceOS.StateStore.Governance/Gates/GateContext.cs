// Why this file exists: what all gates share: the directory of actors, the index of grants, the signing keys, the compiled schemas and policy, the clock that never goes back.
// Invariants: used by the writer thread alone once the store is open, so nothing here needs a lock.

using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Governance.Signing;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Shared state of the gates of one open store.</summary>
internal sealed class GateContext
{
    private DateTimeOffset _latest = DateTimeOffset.MinValue;

    public ActorDirectory Actors { get; } = new();

    public GrantIndex Grants { get; } = new();

    public ObjectSchemas Schemas { get; } = new();

    public PolicySource Policy { get; } = new();

    public SigningKeys Keys { get; } = new();

    /// <summary>The store's id, which signatures of changes cover.</summary>
    public Guid StoreId { get; set; }

    public ServiceAsking Service { get; } = new();

    /// <summary>The later of a commit's time and every time seen so far: a clock set back does not bring an expired lease back to life.</summary>
    public DateTimeOffset Now(ProposedCommit commit)
    {
        if (commit.ProposedAt > _latest)
        {
            _latest = commit.ProposedAt;
        }

        return _latest;
    }

    /// <summary>Takes in what the store holds when it is opened.</summary>
    public void Load(ReadSnapshot snapshot)
    {
        Grants.Load(snapshot);
        Keys.Load(snapshot);
        Schemas.Load(snapshot);
        Service.Load(snapshot);
        if (snapshot.Sequence > 0 && snapshot.ReadEvent(snapshot.Sequence) is { } last)
        {
            // Commit times never go back, so the last one is the highest that the log holds.
            _latest = last.CommittedAt;
        }
    }
}
