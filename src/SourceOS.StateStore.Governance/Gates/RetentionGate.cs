// Why this file exists: what must be kept is kept: a legal hold blocks deletion and purge whatever rights the actor has, and retained objects leave only by an
// administrator's hand. Invariants: a hold is set and cleared by changes of its own, each an event; no change ends a hold and deletes in one go.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Retention;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Legal holds, retention, and the states that an object moves through.</summary>
internal sealed class RetentionGate(GateContext context) : ICommitGate
{
    private static readonly int s_hold = Slots.Of(RecordKind.Object, "legal_hold");
    private static readonly int s_retention = Slots.Of(RecordKind.Object, "retention_class");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Action == EventAction.Purge && JudgePurge(commit, change, state) is { } no)
            {
                return no;
            }

            if (change.Kind == RecordKind.Object && change.Action != EventAction.None && Judge(commit, change, state) is { } decision)
            {
                return decision;
            }
        }

        return GateDecision.Allow;
    }

    /// <summary>Whether an object is under a legal hold.</summary>
    public static bool IsHeld(RecordBodyView body) =>
        (body.TryGetBoolean(s_hold, out bool held) && held) || Slots.Text(body, s_retention) == "legal_hold";

    // A purge takes the history with it, so it is for those who answer for the store, and never takes what tells who decided what.
    private GateDecision? JudgePurge(ProposedCommit commit, in ProposedChange change, IStateView state)
    {
        if (!PurgePlan.Kinds.Contains(change.Kind) || (change.Kind == RecordKind.Object && change.Id == PolicySource.ObjectId))
        {
            return GateDecision.Deny(Refusals.Of("purge.kind", $"{Refusals.Name(change)} tells who may or did what, and stays.", "Revoke or delete it instead.", change));
        }

        return RightsOf(commit, state).Holds(Capabilities.Administer) ? null : GateDecision.Deny(Refusals.Of(
            "purge.administrator", $"{Refusals.Name(change)} is purged by an administrator only: its history goes with it.", $"Act as an actor that holds '{Capabilities.Administer}', or delete it.", change));
    }

    private GateDecision? Judge(ProposedCommit commit, in ProposedChange change, IStateView state)
    {
        if (!state.TryGet(RecordKind.Object, change.Id, out RecordView record))
        {
            return null;
        }

        RecordBodyView old = record.Body;
        bool held = IsHeld(old);
        if (change.Action != EventAction.Put)
        {
            return held ? Held(change, change.Action == EventAction.Purge ? "purged" : "deleted") : JudgeRetained(commit, change, state, old);
        }

        RecordBodyView proposed = Slots.Open(change.Body);
        string to = Slots.Text(proposed, s_state);
        if (held && to is "deleted" or "tombstoned" && Slots.Text(old, s_state) != to)
        {
            return Held(change, to);
        }

        Rights rights = RightsOf(commit, state);
        if (held && !IsHeld(proposed) && !rights.Holds(Capabilities.Administer))
        {
            return GateDecision.Deny(Refusals.Of("retention.hold-clear", $"{Refusals.Name(change)} is under a legal hold, which only an administrator clears.", $"As one: statestore hold clear {change.Id}", change));
        }

        return JudgeState(change, Slots.Text(old, s_state), to, rights);
    }

    private static GateDecision Held(in ProposedChange change, string what) => GateDecision.Deny(Refusals.Of(
        "retention.legal-hold", $"{Refusals.Name(change)} is under a legal hold and cannot be {what}.", $"An administrator clears the hold first, if the law permits: statestore hold clear {change.Id}", change));

    private GateDecision? JudgeRetained(ProposedCommit commit, in ProposedChange change, IStateView state, RecordBodyView old) =>
        Slots.Text(old, s_retention) != "retained" || RightsOf(commit, state).Holds(Capabilities.Administer) ? null : GateDecision.Review(Refusals.Of(
            "retention.retained", $"{Refusals.Name(change)} is retained; deleting it wants an administrator.", "Have an administrator delete it, or change its retention class.", change));

    // Leaving quarantine or a conflict is the outcome of repair or merge, not of an ordinary write.
    private static GateDecision? JudgeState(in ProposedChange change, string from, string to, in Rights rights)
    {
        string? needed = from == to ? null : from switch
        {
            "quarantined" => Capabilities.Repair,
            "conflicted" => Capabilities.Merge,
            _ => null,
        };
        return needed is null || rights.Holds(needed) ? null : GateDecision.Deny(Refusals.Of(
            "object.state", $"{Refusals.Name(change)} is {from}; taking it out of that state needs the capability '{needed}'.", $"Act as an actor that holds '{needed}'.", change));
    }

    // The scope gate ran before, so the actor is registered, or this is a new store's first commit, which holds no objects yet.
    private Rights RightsOf(ProposedCommit commit, IStateView state) =>
        new(context, state, context.Actors.Find(state, commit.Session.ActorId) ?? throw new InvalidOperationException("An unregistered actor passed the scope gate."), context.Now(commit));
}
