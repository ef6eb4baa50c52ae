// Why this file exists: leases and memberships are asked for by actor, and the state has no such index. This keeps, by actor, the identifiers of records that may
// matter. Invariants: it holds hints, never rights: each identifier is looked up in the commit's own view before it counts, so a hint too many is harmless, and
// none is missing because every commit that writes such a record passes here first. Bounded by the number of live leases and memberships.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Identifiers of leases and memberships by actor. Writer thread only, after loading.</summary>
internal sealed class GrantIndex
{
    private readonly Dictionary<string, HashSet<string>> _leases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _memberships = new(StringComparer.Ordinal);

    /// <summary>Takes in what a store holds when it is opened.</summary>
    public void Load(ReadSnapshot snapshot)
    {
        foreach (RecordView record in snapshot.Range(RecordKind.Lease))
        {
            if (!Slots.Has(record.Body, Slots.Lease.RevokedAt))
            {
                Add(_leases, Slots.Text(record.Body, Slots.Lease.Actor), Encoding.UTF8.GetString(record.Id));
            }
        }

        foreach (RecordView record in snapshot.Range(RecordKind.Membership))
        {
            if (!Slots.Has(record.Body, Slots.Membership.RevokedAt))
            {
                Add(_memberships, Slots.Text(record.Body, Slots.Membership.Actor), Encoding.UTF8.GetString(record.Id));
            }
        }
    }

    /// <summary>Notes what a commit may be about to add.</summary>
    public void Note(ProposedCommit commit)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Action == EventAction.Put && change.Kind is RecordKind.Lease or RecordKind.Membership && !change.Body.IsEmpty)
            {
                bool isLease = change.Kind == RecordKind.Lease;
                Add(isLease ? _leases : _memberships, Slots.Text(Slots.Open(change.Body), isLease ? Slots.Lease.Actor : Slots.Membership.Actor), change.Id);
            }
        }
    }

    /// <summary>Leases that an actor may have.</summary>
    public IEnumerable<string> LeasesOf(string actorId) => _leases.TryGetValue(actorId, out HashSet<string>? ids) ? ids : [];

    /// <summary>Memberships that an actor may have.</summary>
    public IEnumerable<string> MembershipsOf(string actorId) => _memberships.TryGetValue(actorId, out HashSet<string>? ids) ? ids : [];

    private static void Add(Dictionary<string, HashSet<string>> index, string actorId, string id)
    {
        if (actorId.Length == 0)
        {
            return;
        }

        if (!index.TryGetValue(actorId, out HashSet<string>? ids))
        {
            index[actorId] = ids = new HashSet<string>(StringComparer.Ordinal);
        }

        ids.Add(id);
    }
}
