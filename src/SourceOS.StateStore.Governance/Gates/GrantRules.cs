// Why this file exists: an administrator can give away what it holds and no more, and a store always keeps someone who can act. Invariants: a new or changed actor or
// lease never has a capability or scope that the one who writes it lacks; nobody decides in someone else's name or leases to itself.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Rules for records that give rights.</summary>
internal static class GrantRules
{
    public static CommitRefusal? Judge(in ProposedChange change, in Rights rights)
    {
        if (change.Kind == RecordKind.Actor && change.Id == rights.Actor.Id && change.Action != EventAction.None)
        {
            bool ends = change.Action != EventAction.Put || Slots.Has(Slots.Open(change.Body), Slots.Actor.RevokedAt);
            if (ends)
            {
                return Refusals.Of("actor.self-revocation", $"Actor '{change.Id}' cannot revoke itself: the store could be left with nobody who can act.", "Revoke it as another administrator.", change);
            }
        }

        if (change.Action != EventAction.Put)
        {
            return null;
        }

        return change.Kind switch
        {
            RecordKind.Actor => JudgeActor(change, rights),
            RecordKind.Lease => JudgeLease(change, rights),
            RecordKind.Transaction => JudgeTransaction(change, rights),
            _ => null,
        };
    }

    private static CommitRefusal? JudgeActor(in ProposedChange change, in Rights rights)
    {
        ActorFacts proposed = ActorFacts.Of(change.Id, 0, false, Slots.Open(change.Body));
        foreach (string capability in proposed.Capabilities)
        {
            if (!rights.Actor.Capabilities.Contains(capability))
            {
                return Amplifies(change, rights, $"the capability '{capability}'");
            }
        }

        return !rights.Actor.Profiles.CoversAll(proposed.Profiles) ? Amplifies(change, rights, "profiles beyond its own scope")
            : !rights.Actor.Workspaces.CoversAll(proposed.Workspaces) ? Amplifies(change, rights, "workspaces beyond its own scope")
            : null;
    }

    private static CommitRefusal? JudgeLease(in ProposedChange change, in Rights rights)
    {
        RecordBodyView body = Slots.Open(change.Body);
        string capability = Slots.Text(body, Slots.Lease.Capability);
        if (Slots.Has(body, Slots.Lease.RevokedAt))
        {
            return null;
        }

        if (!rights.Actor.Capabilities.Contains(capability))
        {
            return Amplifies(change, rights, $"the capability '{capability}'");
        }

        if (Slots.Text(body, Slots.Lease.Actor) == rights.Actor.Id)
        {
            return Refusals.Of("lease.self", $"Actor '{rights.Actor.Id}' cannot grant a lease to itself.", "Have someone else grant it.", change);
        }

        string grantor = Slots.Text(body, Slots.Lease.GrantedBy);
        if (grantor.Length > 0 && grantor != rights.Actor.Id)
        {
            return Refusals.Of("lease.grantor", $"The lease names '{grantor}' as its grantor; '{rights.Actor.Id}' writes it.", "Leave granted_by out, or act as the grantor.", change);
        }

        ScopeSet profiles = new(Slots.List(body, Slots.Lease.ProfileScope));
        ScopeSet workspaces = new(Slots.List(body, Slots.Lease.WorkspaceScope));
        return !rights.Actor.Profiles.CoversAll(profiles) || !rights.Actor.Workspaces.CoversAll(workspaces) ? Amplifies(change, rights, "a scope beyond its own") : null;
    }

    // An agent proposes in its own name alone; who may approve and apply is judged by status.
    private static CommitRefusal? JudgeTransaction(in ProposedChange change, in Rights rights)
    {
        string owner = Slots.Text(Slots.Open(change.Body), s_transactionActor);
        return owner == rights.Actor.Id || rights.Holds(Capabilities.Merge)
            ? null
            : Refusals.Of("transaction.owner", $"The transaction is in the name of '{owner}'; '{rights.Actor.Id}' writes it without the capability '{Capabilities.Merge}'.", "Propose in your own name.", change);
    }

    private static CommitRefusal Amplifies(in ProposedChange change, in Rights rights, string what) =>
        Refusals.Of("actor.amplification", $"Actor '{rights.Actor.Id}' would grant {what}, which it does not hold itself.", "Act as an administrator who holds it.", change);

    private static readonly int s_transactionActor = Slots.Of(RecordKind.Transaction, "actor_id");
}
