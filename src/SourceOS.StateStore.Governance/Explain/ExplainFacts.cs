// Why this file exists: everything the eleven answers follow from, read once and as of one sequence. Invariants: as of N means as of N for every record
// that is looked at; the number of records read is bounded.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Plans;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>Something that keeps an object from leaving.</summary>
/// <param name="Rule">A stable name.</param>
/// <param name="Sentence">For people.</param>
/// <param name="Evidence">What it follows from.</param>
/// <param name="NeedsReview">Whether a person must decide.</param>
/// <param name="IsPolicyNow">Whether it is what policy says now, which a plan asks by itself.</param>
internal sealed record ExplainBlock(string Rule, string Sentence, string Evidence, bool NeedsReview, bool IsPolicyNow = false);

/// <summary>What is known of an object as of a sequence.</summary>
internal sealed class ExplainFacts
{
    private ExplainFacts(StoredRecord record) => Record = record;

    internal StoredRecord Record { get; }

    internal string RecordEvidence => $"record:object/{Record.Id}@{Record.Sequence}";

    internal StoredEvent? LastEvent { get; private set; }

    internal StoredRecord? LastActor { get; private set; }

    internal StoredRecord? Schema { get; private set; }

    internal StoredRecord? Decision { get; private set; }

    internal IReadOnlyList<StoredRecord> Conflicts { get; private set; } = [];

    internal bool ConflictsTruncated { get; private set; }

    internal IReadOnlyList<ExplainBlock> Blocks { get; private set; } = [];

    /// <summary>Proposed transactions that would change the object.</summary>
    internal IReadOnlyList<StoredRecord> Proposals { get; private set; } = [];

    /// <summary>Plans that are not finished and name the object.</summary>
    internal IReadOnlyList<StoredRecord> Plans { get; private set; } = [];

    /// <summary>What the policy in force then says of syncing it.</summary>
    internal PolicyAnswer? Policy { get; private set; }

    /// <summary>What the policy service last said of it; null when the policy names no service.</summary>
    internal ServiceFacts? Service { get; private set; }

    /// <summary>Reads the facts; null when there was no such object then.</summary>
    internal static ExplainFacts? Gather(ReadSnapshot snapshot, string objectId, ulong asOf)
    {
        ExplainWorld world = ExplainWorld.Read(snapshot, asOf);
        ExplainFacts? facts = Gather(snapshot, objectId, asOf, world);
        if (facts is not null)
        {
            facts.Proposals = [.. Listing(snapshot, RecordKind.Transaction, objectId, asOf).Where(static item => item.Text("status") is "proposed" or "approved")];
            facts.Plans = [.. world.Plans.Where(plan => ServiceFacts.Names(plan, objectId)).Where(static item => item.Text("status") is not ("completed" or "cancelled"))];
            facts.Service = ServiceFacts.Read(facts.Record, world);
            facts.Blocks = facts.FindBlocks();
        }

        return facts;
    }

    /// <summary>Reads the facts that keep an object here, for callers that look at many objects: proposals and plans are left out.</summary>
    internal static ExplainFacts? Gather(ReadSnapshot snapshot, string objectId, ulong asOf, ExplainWorld world)
    {
        if (snapshot.GetAsOf(RecordKind.Object, objectId, asOf) is not { } record)
        {
            return null;
        }

        ExplainFacts facts = new(record) { LastEvent = snapshot.ReadEvent(record.Sequence) };
        facts.LastActor = facts.LastEvent is { IsErased: false } last ? Find(snapshot, RecordKind.Actor, last.ActorId, asOf) : null;
        facts.Schema = Find(snapshot, RecordKind.Schema, facts.Text("schema_id"), asOf);
        facts.Decision = Find(snapshot, RecordKind.Decision, facts.Text("policy_decision_ref"), asOf) ?? Find(snapshot, RecordKind.Decision, facts.LastEvent?.DecisionId, asOf);
        facts.Decision ??= world.Decisions[objectId].Where(static decision => PlanParts.PlanOf(decision).Length == 0).MaxBy(static decision => decision.Sequence);
        facts.Policy = world.Policy.Evaluate(PolicyAsking.Input(snapshot, record, SyncQuestion(record), facts.LastEvent?.ActorId ?? "", asOf));
        facts.Conflicts = [.. world.Conflicts[objectId]];
        facts.ConflictsTruncated = world.ConflictsTruncated;
        facts.Blocks = facts.FindBlocks();
        return facts;
    }

    internal static bool IsOpen(StoredRecord conflict) => conflict.Text("status") is not ("resolved" or "closed");

    /// <summary>A text field of the object, a time or hash in its text form included.</summary>
    internal string? Text(string field) => Record.Text(field) is { Length: > 0 } text ? text : null;

    /// <summary>Whether a field is present and not null.</summary>
    internal bool Has(string field)
    {
        _ = RecordKinds.Get(RecordKind.Object).TryGetField(field, out KnownField? known);
        return RecordBodyView.TryRead(Record.Body.Span, out RecordBodyView body, out _) && body.TagOf(known!.Slot) is not (FieldTag.Absent or FieldTag.Null);
    }

    private static StoredRecord? Find(ReadSnapshot snapshot, RecordKind kind, string? id, ulong asOf) =>
        string.IsNullOrEmpty(id) || !Identifier.IsValid(id) ? null : snapshot.GetAsOf(kind, id, asOf);

    // Records of one kind whose list of objects has this one; a bounded number of records is looked at.
    private static IEnumerable<StoredRecord> Listing(ReadSnapshot snapshot, RecordKind kind, string objectId, ulong asOf)
    {
        int slot = Slots.Of(kind, "object_ids");
        byte[] wanted = System.Text.Encoding.UTF8.GetBytes(objectId);
        return ExplainWorld.ReadKind(snapshot, kind, asOf, out _).Where(record => Slots.Open(record.Body).TryGetList(slot, out TextList ids) && ids.Contains(wanted));
    }

    private static string SyncQuestion(StoredRecord record) => record.Text("sync_visibility") switch
    {
        "org" => PolicyQuestions.SyncOrganization,
        "public" => PolicyQuestions.SyncRemote,
        _ => PolicyQuestions.SyncWorkspace,
    };

    private List<ExplainBlock> FindBlocks()
    {
        List<ExplainBlock> blocks = [];
        string state = Record.IsTombstone ? "deleted" : Text("state") ?? "active";
        if (state is "deleted" or "tombstoned" or "quarantined" or "conflicted")
        {
            blocks.Add(new ExplainBlock($"state.{state}", $"It is {state}.", RecordEvidence, state is "quarantined" or "conflicted"));
        }

        if (Text("sync_visibility") == "local_only")
        {
            blocks.Add(new ExplainBlock("visibility.local-only", "Its visibility is local_only.", RecordEvidence, false));
        }

        if (Text("privacy_class") == "secret")
        {
            blocks.Add(new ExplainBlock("privacy.secret", "Its privacy class is secret.", RecordEvidence, false));
        }

        if (Decision is { } decision && decision.Text("effect") is ("deny" or "review_required") and { } effect)
        {
            string what = effect == "deny" ? "denies it" : "requires a review first";
            blocks.Add(new ExplainBlock($"policy.{effect}", $"Policy decision {decision.Id} {what}.", $"record:decision/{decision.Id}@{decision.Sequence}", effect == "review_required"));
        }

        // The rules for what was looked at above say the same thing in their own words, so policy speaks only when nothing else does.
        if (blocks.Count == 0 && Decision?.Text("effect") != "allow" && Policy is { Effect: not PolicyEffect.Allow } answer)
        {
            blocks.Add(new ExplainBlock($"policy.{answer.RuleId}", $"{answer.Rationale} ({answer.PolicyId} {answer.PolicyVersion})", $"rule:{answer.PolicyId}/{answer.RuleId}", answer.Effect == PolicyEffect.ReviewRequired, IsPolicyNow: true));
        }

        if (blocks.Count == 0 && Decision?.Text("effect") != "allow" && Service is { IsCurrent: true, Effect: not "allow" } said)
        {
            blocks.Add(new ExplainBlock($"policy.{said.Rule}", said.Sentence, said.Evidence, said.Effect == "review_required", IsPolicyNow: true));
        }

        // A plan is no cause of its own: it is shown beside what keeps the object here.
        if (blocks.Count > 0 && Plans.FirstOrDefault(static plan => plan.Text("status") == "blocked") is { } blockedPlan)
        {
            blocks.Add(new ExplainBlock("plan.blocked", $"Plan {blockedPlan.Id} is blocked.", $"record:plan/{blockedPlan.Id}@{blockedPlan.Sequence}", false));
        }

        if (Conflicts.FirstOrDefault(IsOpen) is { } open)
        {
            blocks.Add(new ExplainBlock("conflict.open", $"Conflict {open.Id} is open.", $"record:conflict/{open.Id}@{open.Sequence}", true));
        }

        return blocks;
    }
}
