// Why this file exists: the policy's word on each object that a commit writes or deletes. Invariants: a policy that is not valid is never loaded; the policy in force is the one
// in the state that the commit finds; only an administrator replaces it.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Local policy rules.</summary>
internal sealed class PolicyGate(GateContext context) : IPreparedGate
{
    public ValueTask<object?> PrepareAsync(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes, CancellationToken cancellationToken) =>
        context.Service.AskAsync(store, session, changes, cancellationToken);

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        PolicyRules? policy = null;
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind != RecordKind.Object || change.Action == EventAction.None)
            {
                continue;
            }

            if (change.Id == PolicySource.ObjectId)
            {
                if (JudgeLoading(commit, change, state) is { } refusal)
                {
                    return GateDecision.Deny(refusal);
                }

                context.Service.PolicyMayChange();
            }

            policy ??= context.Policy.InForce(state);
            if (Judge(policy, commit, change, state) is { } decision)
            {
                return decision;
            }
        }

        return GateDecision.Allow;
    }

    private CommitRefusal? JudgeLoading(ProposedCommit commit, in ProposedChange change, IStateView state)
    {
        if (context.Actors.Find(state, commit.Session.ActorId) is { } actor && !new Rights(context, state, actor, context.Now(commit)).Holds(Capabilities.Administer))
        {
            return Refusals.Of("policy.administrator", "Only an administrator changes the policy in force.", $"Act as an actor that holds '{Capabilities.Administer}'.", change);
        }

        if (change.Action != EventAction.Put)
        {
            return null;
        }

        _ = PolicySource.Read(Slots.Open(change.Body), out PolicyFault? fault);
        return fault is null ? null : Refusals.Of("policy.invalid", $"The policy is not valid: {fault.Message} ({fault.Place})", "Mend it; `statestore policy check FILE` reads it without loading it.", change);
    }

    private GateDecision? Judge(PolicyRules policy, ProposedCommit commit, in ProposedChange change, IStateView state)
    {
        bool deletes = change.Action != EventAction.Put;
        RecordBodyView body;
        if (deletes)
        {
            if (!state.TryGet(RecordKind.Object, change.Id, out RecordView record))
            {
                return null;
            }

            body = record.Body;
        }
        else
        {
            body = Slots.Open(change.Body);
        }

        ActorFacts? found = context.Actors.Find(state, commit.Session.ActorId);
        Asker asker = new(commit.Session.ActorId, found?.Type ?? "", found?.Trust ?? "");
        string profileClass = ClassOf(Slots.Profile(RecordKind.Object, body), state);
        PolicyAnswer? answer = null;
        foreach (PolicyInput input in PolicyInputs.OfChange(change, body, asker, profileClass))
        {
            PolicyAnswer next = policy.Evaluate(input);

            // A policy that cannot be replaced because its service answers nonsense would be one for ever.
            if (policy.Service is not null && next.Effect != PolicyEffect.Deny && change.Id != PolicySource.ObjectId)
            {
                next = PolicyEngines.Stronger(next, ServiceAsking.Told(commit.PreparedBy(this), input));
            }

            answer = answer is null || next.Effect > answer.Effect ? next : answer;
        }

        if (answer is null)
        {
            return null;
        }

        if (answer.Effect == PolicyEffect.Allow || IsDecided(change, state, commit))
        {
            return null;
        }

        CommitRefusal refusal = Refusals.Of($"policy.{answer.RuleId}", $"{answer.Rationale} ({answer.PolicyId} {answer.PolicyVersion}, rule {answer.RuleId})", answer.Remedy.Length > 0 ? answer.Remedy : "Ask for a review.", change);
        return answer.Effect == PolicyEffect.Deny ? GateDecision.Deny(refusal) : GateDecision.Review(refusal);
    }

    // A recorded decision of an administrator that names this object and this question stands above the rules; it was judged when it was written.
    private bool IsDecided(in ProposedChange change, IStateView state, ProposedCommit commit)
    {
        string question = change.Action == EventAction.Put ? PolicyQuestions.Write : PolicyQuestions.Delete;
        return !string.IsNullOrEmpty(change.Options.DecisionId)
            && state.TryGet(RecordKind.Decision, change.Options.DecisionId, out RecordView decision)
            && !decision.IsTombstone
            && DecisionRules.Allows(decision.Body, question, change.Id, context.Now(commit));
    }

    private static string ClassOf(string profileId, IStateView state) =>
        Identifier.IsValid(profileId) && state.TryGet(RecordKind.Profile, profileId, out RecordView profile) ? Slots.Text(profile.Body, Slots.ProfileFields.Class) : "";
}
