// Why this file exists: whether an actor holds a capability somewhere: by its own record, or by a lease that has not run out. Invariants: answers follow from records
// as the commit finds them; an expired or revoked lease gives nothing and is named in the refusal; a lease of a revoked grantor gives nothing.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Rights of one actor in one commit.</summary>
internal readonly struct Rights(GateContext context, IStateView state, ActorFacts actor, DateTimeOffset now)
{
    public ActorFacts Actor => actor;

    /// <summary>Whether the actor holds a capability, wherever.</summary>
    public bool Holds(string capability) => Check(capability, "", "", RecordKind.Actor, actor.Id) is null;

    /// <summary>Checks a capability in a profile and a workspace, either of which may be empty.</summary>
    /// <returns>Null when the actor holds it, else why not.</returns>
    public CommitRefusal? Check(string capability, string profile, string workspace, RecordKind kind, string id)
    {
        bool own = actor.Capabilities.Contains(capability);
        string lapsed = "";
        if (own && Covers(actor.Profiles, profile) && CoversWorkspace(actor.Workspaces, workspace))
        {
            return null;
        }

        foreach (string leaseId in context.Grants.LeasesOf(actor.Id))
        {
            if (LeaseGives(leaseId, capability, profile, workspace, ref lapsed))
            {
                return null;
            }
        }

        if (lapsed.Length > 0)
        {
            return Refusals.Of("actor.lease-lapsed", lapsed, "Ask who granted it for a new lease: statestore lease grant.", kind, id);
        }

        if (!own)
        {
            return Refusals.Of("actor.capability", $"Actor '{actor.Id}' does not hold the capability '{capability}'.", $"Act as an actor that holds it, or have it granted for a time: statestore lease grant {actor.Id} {capability}.", kind, id);
        }

        return Covers(actor.Profiles, profile)
            ? Refusals.Of("actor.workspace-scope", $"Workspace '{workspace}' is not in the scope of actor '{actor.Id}', and no membership admits it.", "Act as a member of the workspace, or have the actor's scope widened.", kind, id)
            : Refusals.Of("actor.profile-scope", $"Profile '{profile}' is not in the scope of actor '{actor.Id}'.", "Act as an actor of that profile, or have the actor's scope widened.", kind, id);
    }

    private static bool Covers(ScopeSet scope, string id) => id.Length == 0 || scope.Covers(id);

    private bool CoversWorkspace(ScopeSet scope, string workspace)
    {
        if (Covers(scope, workspace))
        {
            return true;
        }

        foreach (string id in context.Grants.MembershipsOf(actor.Id))
        {
            if (state.TryGet(RecordKind.Membership, id, out RecordView record) && !record.IsTombstone
                && !Slots.Has(record.Body, Slots.Membership.RevokedAt)
                && Slots.Text(record.Body, Slots.Membership.Actor) == actor.Id
                && Slots.Text(record.Body, Slots.Membership.Workspace) == workspace)
            {
                return true;
            }
        }

        return false;
    }

    private bool LeaseGives(string leaseId, string capability, string profile, string workspace, ref string lapsed)
    {
        if (!state.TryGet(RecordKind.Lease, leaseId, out RecordView record) || record.IsTombstone)
        {
            return false;
        }

        RecordBodyView body = record.Body;
        if (Slots.Text(body, Slots.Lease.Actor) != actor.Id || Slots.Text(body, Slots.Lease.Capability) != capability
            || !LeaseCovers(body, Slots.Lease.ProfileScope, profile, actor.Profiles)
            || !(LeaseCovers(body, Slots.Lease.WorkspaceScope, workspace, actor.Workspaces) || CoversWorkspace(actor.Workspaces, workspace)))
        {
            return false;
        }

        if (Slots.Has(body, Slots.Lease.RevokedAt))
        {
            lapsed = $"Lease '{leaseId}' of actor '{actor.Id}' for '{capability}' was revoked.";
            return false;
        }

        // A lease without an expiry that can be read is no lease: what does not run out belongs into the actor's record.
        if (!body.TryGetTime(Slots.Lease.ExpiresAt, out long expiresMicros) || DateTimeOffset.UnixEpoch.AddMicroseconds(expiresMicros) <= now)
        {
            lapsed = $"Lease '{leaseId}' of actor '{actor.Id}' for '{capability}' has run out.";
            return false;
        }

        string grantor = Slots.Text(body, Slots.Lease.GrantedBy);
        if (grantor.Length > 0 && context.Actors.Find(state, grantor) is not { IsRevoked: false })
        {
            lapsed = $"Lease '{leaseId}' was granted by '{grantor}', who is revoked or not registered.";
            return false;
        }

        return true;
    }

    // A lease that names no scope is as wide as its actor's own record.
    private static bool LeaseCovers(RecordBodyView body, int slot, string id, ScopeSet own)
    {
        if (id.Length == 0)
        {
            return true;
        }

        if (!body.TryGetList(slot, out TextList list) || list.Count == 0)
        {
            return own.Covers(id);
        }

        return list.Contains("*"u8) || list.Contains(Encoding.UTF8.GetBytes(id));
    }
}
