// Why this file exists: the first gate: who acts, on which device, in which profile, and whether what the commit touches is in reach. Invariants: runs before
// anything tells whether a record exists; a store without any actor accepts exactly one kind of commit, the one that registers the actor who makes it.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Actor, device, profile, capability and boundary.</summary>
internal sealed class ScopeGate(GateContext context) : ICommitGate
{
    public GateStage Stage => GateStage.Scope;

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        context.Grants.Note(commit);
        DateTimeOffset now = context.Now(commit);
        if (state.CountLive(RecordKind.Actor) == 0)
        {
            return EvaluateFirst(commit);
        }

        if (JudgeSession(commit, state, out ActorFacts actor) is { } refusal)
        {
            return GateDecision.Deny(refusal);
        }

        Rights rights = new(context, state, actor, now);
        if (commit.Session.ProfileId.Length == 0 && !rights.Holds(Capabilities.StoreWide))
        {
            return GateDecision.Deny(Refusals.Of(
                "actor.store-wide", $"The session is bound to no profile, and actor '{actor.Id}' does not hold '{Capabilities.StoreWide}'.", "Bind the session to a profile: --profile."));
        }

        foreach (ProposedChange change in commit.Changes)
        {
            if (ChangeScope.Judge(commit.Session, change, state, rights, now) is { } no)
            {
                return GateDecision.Deny(no);
            }
        }

        return GateDecision.Allow;
    }

    private static GateDecision EvaluateFirst(ProposedCommit commit)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Action == EventAction.Put && change.Kind == RecordKind.Actor && change.Id == commit.Session.ActorId)
            {
                return GateDecision.Allow;
            }
        }

        return GateDecision.Deny(Refusals.Of(
            "actor.none-registered", "The store has no actor yet, so nobody can act in it.", "Set the store up first: statestore init."));
    }

    private CommitRefusal? JudgeSession(ProposedCommit commit, IStateView state, out ActorFacts actor)
    {
        SessionIdentity session = commit.Session;
        if (context.Actors.Find(state, session.ActorId) is not { } found)
        {
            actor = null!;
            return Refusals.Of("actor.registered", $"Actor '{session.ActorId}' is not registered in this store.", "Register it as someone who may: statestore put actors -", RecordKind.Actor, session.ActorId);
        }

        actor = found;
        if (found.IsRevoked)
        {
            return Refusals.Of("actor.revoked", $"Actor '{session.ActorId}' is revoked.", "Act as another actor.", RecordKind.Actor, session.ActorId);
        }

        if (found.Trust == "quarantined")
        {
            return Refusals.Of("actor.quarantined", $"Actor '{session.ActorId}' is quarantined.", "Review it, then change its trust level as an administrator.", RecordKind.Actor, session.ActorId);
        }

        return JudgeDevice(commit, state) ?? JudgeProfile(session, state, found);
    }

    // A machine whose device was revoked comes back as another one, by the commit that registers it. Whoever makes it needs the rights for that record, as every other change does.
    private static CommitRefusal? JudgeDevice(ProposedCommit commit, IStateView state)
    {
        SessionIdentity session = commit.Session;
        if (session.DeviceId.Length == 0)
        {
            return null;
        }

        if (!state.TryGet(RecordKind.Device, session.DeviceId, out RecordView device))
        {
            return Registers(commit, session.DeviceId) ? null : Refusals.Of("device.registered", $"Device '{session.DeviceId}' is not registered in this store.", "Register it: statestore put devices -", RecordKind.Device, session.DeviceId);
        }

        if (device.IsTombstone || Slots.Has(device.Body, Slots.Device.RevokedAt))
        {
            return Refusals.Of("device.revoked", $"Device '{session.DeviceId}' is revoked.", "Register this machine as another device, as someone who may: statestore init --device ID", RecordKind.Device, session.DeviceId);
        }

        string condition = Slots.Text(device.Body, Slots.Device.State);
        return condition is "revoked" or "quarantined"
            ? Refusals.Of($"device.{condition}", $"Device '{session.DeviceId}' is {condition}.", "Review the device, then change its state as an administrator.", RecordKind.Device, session.DeviceId)
            : null;
    }

    private static bool Registers(ProposedCommit commit, string deviceId)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Action == EventAction.Put && change.Kind == RecordKind.Device && change.Id == deviceId)
            {
                return true;
            }
        }

        return false;
    }

    private static CommitRefusal? JudgeProfile(SessionIdentity session, IStateView state, ActorFacts actor)
    {
        if (session.ProfileId.Length == 0)
        {
            return null;
        }

        if (!actor.Profiles.Covers(session.ProfileId))
        {
            return Refusals.Of("actor.profile-scope", $"Profile '{session.ProfileId}' is not in the scope of actor '{actor.Id}'.", "Act in a profile of its scope, or have the scope widened.", RecordKind.Profile, session.ProfileId);
        }

        return state.TryGet(RecordKind.Profile, session.ProfileId, out RecordView profile) && (profile.IsTombstone || Slots.Has(profile.Body, Slots.ProfileFields.RevokedAt))
            ? Refusals.Of("profile.revoked", $"Profile '{session.ProfileId}' is revoked; nothing is written in it any more.", "Act in another profile.", RecordKind.Profile, session.ProfileId)
            : null;
    }
}
