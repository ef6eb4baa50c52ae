// Why this file exists: what gives an actor something to read: its record, its memberships, its leases. Invariants: counted as the gates count them for writing (`Gates/Rights.cs`), so nobody reads where nobody could let them write; a
// revoked membership or lease, one that has run out, and one of a revoked grantor give nothing.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Scopes;

/// <summary>Profiles and workspaces that go together; null for all of them.</summary>
/// <param name="Profiles">The profiles.</param>
/// <param name="Workspaces">The workspaces.</param>
/// <param name="Reach">Profiles that it reaches when one is asked for by name; all when null.</param>
internal sealed record Grant(HashSet<string>? Profiles, ScopeSet? Workspaces, ScopeSet? Reach = null);

/// <summary>Reads the grants of one actor. Used by one thread, as long as its snapshot.</summary>
internal sealed class ReadGrants(ReadSnapshot snapshot, ActorFacts actor)
{
    private readonly ScopeSet _workspaces = WithMemberships(snapshot, actor);

    /// <summary>What the actor's own record gives.</summary>
    /// <param name="isEverything">Whether that is the whole store.</param>
    public Grant Own(bool isEverything) => isEverything ? new Grant(null, null) : new Grant(ProfilesOf(actor.Profiles), AllOrNull(_workspaces), actor.Profiles);

    /// <summary>What leases give.</summary>
    /// <param name="validUntil">When the first of them runs out.</param>
    public List<Grant> Leased(out DateTimeOffset validUntil)
    {
        validUntil = DateTimeOffset.MaxValue;
        List<Grant> found = [];
        DateTimeOffset? now = null;
        foreach (RecordView record in snapshot.Range(RecordKind.Lease))
        {
            RecordBodyView body = record.Body;
            if (Slots.Text(body, Slots.Lease.Actor) != actor.Id || Slots.Text(body, Slots.Lease.Capability) != Capabilities.Read || Slots.Has(body, Slots.Lease.RevokedAt))
            {
                continue;
            }

            now ??= Now();
            if (!body.TryGetTime(Slots.Lease.ExpiresAt, out long micros) || DateTimeOffset.UnixEpoch.AddMicroseconds(micros) is var expires && expires <= now || !IsGrantorThere(Slots.Text(body, Slots.Lease.GrantedBy)))
            {
                continue;
            }

            validUntil = expires < validUntil ? expires : validUntil;
            IReadOnlyList<string> profiles = Slots.List(body, Slots.Lease.ProfileScope);
            ScopeSet workspaces = new([.. Slots.List(body, Slots.Lease.WorkspaceScope), .. _workspaces.Ids]);
            ScopeSet reach = profiles.Count == 0 ? actor.Profiles : new ScopeSet(profiles);
            found.Add(new Grant(ProfilesOf(reach), AllOrNull(workspaces), reach));
        }

        return found;
    }

    private static ScopeSet? AllOrNull(ScopeSet workspaces) => workspaces.IsAll ? null : workspaces;

    // A scope of all profiles is the store's own one, unless the reader may see the whole store or names another.
    private HashSet<string> ProfilesOf(ScopeSet profiles) => [.. profiles.IsAll ? [LocalIdentity.Profile(snapshot) ?? ""] : profiles.Ids];

    private static ScopeSet WithMemberships(ReadSnapshot snapshot, ActorFacts actor)
    {
        if (actor.Workspaces.IsAll)
        {
            return actor.Workspaces;
        }

        List<string> ids = [.. actor.Workspaces.Ids];
        foreach (RecordView record in snapshot.Range(RecordKind.Membership))
        {
            // A membership admits to the workspace that it names; one of "*" names none.
            if (!Slots.Has(record.Body, Slots.Membership.RevokedAt) && Slots.Text(record.Body, Slots.Membership.Actor) == actor.Id && Slots.Text(record.Body, Slots.Membership.Workspace) is { Length: > 0 } workspace && workspace != "*")
            {
                ids.Add(workspace);
            }
        }

        return new ScopeSet(ids);
    }

    private bool IsGrantorThere(string grantor) => grantor.Length == 0
        || (snapshot.TryGet(RecordKind.Actor, Encoding.UTF8.GetBytes(grantor), out RecordView record) && !ActorFacts.Of(grantor, record.Sequence, record.IsTombstone, record.Body).IsRevoked);

    // A clock set back does not bring a lease back to life.
    private DateTimeOffset Now()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return snapshot.GetStatus().LastCommitAt is { } last && last > now ? last : now;
    }
}
