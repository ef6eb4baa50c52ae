// Why this file exists: what a policy service said of an object, as far as the store wrote it down: explaining asks nobody. Invariants: an answer counts as current only while policy and object are those that it was about; older ones are
// told and decide nothing.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Plans;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>The last recorded word of the policy service on an object.</summary>
/// <param name="Effect">allow, deny or review_required; empty when it was never asked.</param>
/// <param name="Rule">The rule; empty for allow.</param>
/// <param name="IsCurrent">Whether neither the policy nor the object changed since.</param>
/// <param name="Sentence">For people, with when it is asked again.</param>
/// <param name="Evidence">What it follows from.</param>
internal sealed record ServiceFacts(string Effect, string Rule, bool IsCurrent, string Sentence, string Evidence)
{
    private const string Again = "It is asked again by `statestore plan create`, `statestore policy check` and each commit that changes the object.";
    private static readonly int s_objects = Slots.Of(RecordKind.Plan, "object_ids");

    /// <summary>Whether a plan is about an object, what it blocked included.</summary>
    public static bool Names(StoredRecord plan, string objectId) =>
        (Slots.Open(plan.Body).TryGetList(s_objects, out TextList ids) && ids.Contains(Encoding.UTF8.GetBytes(objectId))) || PlanParts.Blocks(plan, objectId);

    /// <summary>Finds it; null when the policy in force names no service.</summary>
    public static ServiceFacts? Read(StoredRecord record, ExplainWorld world)
    {
        if (world.Policy.Service is not { } service)
        {
            return null;
        }

        StoredRecord? plan = world.Plans.Where(item => Names(item, record.Id)).Where(static item => ServiceWord.Of(item) is not null).MaxBy(static item => item.Sequence);
        if (plan is null || ServiceWord.Of(plan) is not { } word)
        {
            return new ServiceFacts("", "", false, $"The policy service at {service.Url} was not asked about it yet. {Again}", $"rule:{world.Policy.Id}/service");
        }

        StoredRecord? decision = world.Decisions[record.Id].Where(item => PlanParts.PlanOf(item) == plan.Id && (item.Text("rule_id") ?? "").StartsWith("service", StringComparison.Ordinal)).MaxBy(static item => item.Sequence);
        bool isBlocked = PlanParts.Blocks(plan, record.Id);
        string effect = !isBlocked ? "allow" : decision?.Text("effect") ?? "";
        bool isCurrent = effect.Length > 0 && plan.Sequence > world.PolicySequence && plan.Sequence > record.Sequence;
        string when = word.AskedAt.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        string said = effect switch
        {
            "allow" => word.Note.Length > 0 ? $"could not be heard at {when}: {word.Note}" : $"allowed it at {when}",
            "" => $"was asked about others at {when}",
            _ => $"said {effect.Replace('_', ' ')} at {when}: {decision!.Text("rationale")}",
        };
        string changed = isCurrent || effect.Length == 0 ? "" : " Policy or object changed since.";
        string evidence = decision is not null && isBlocked ? $"record:decision/{decision.Id}@{decision.Sequence}" : $"record:plan/{plan.Id}@{plan.Sequence}";
        return new ServiceFacts(effect, decision is not null && isBlocked ? decision.Text("rule_id") ?? "" : "", isCurrent, $"The policy service {said} ({word.PolicyId} {word.PolicyVersion}).{changed} {Again}", evidence);
    }
}
