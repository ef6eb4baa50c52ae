// Why this file exists: everything the eleven answers follow from, read once and as of one sequence. Invariants: as of N means as of N for every record
// that is looked at; the number of records read is bounded.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Explain;

/// <summary>Something that keeps an object from leaving.</summary>
/// <param name="Rule">A stable name.</param>
/// <param name="Sentence">For people.</param>
/// <param name="Evidence">What it follows from.</param>
/// <param name="NeedsReview">Whether a person must decide.</param>
internal sealed record ExplainBlock(string Rule, string Sentence, string Evidence, bool NeedsReview);

/// <summary>What is known of an object as of a sequence.</summary>
internal sealed class ExplainFacts
{
    /// <summary>Most conflict records looked at; as many decisions, plans and transactions each.</summary>
    internal const int MaxConflictsRead = 1000;

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

    /// <summary>Reads the facts; null when there was no such object then.</summary>
    internal static ExplainFacts? Gather(ReadSnapshot snapshot, string objectId, ulong asOf, ILookup<string, StoredRecord>? conflicts = null)
    {
        if (snapshot.GetAsOf(RecordKind.Object, objectId, asOf) is not { } record)
        {
            return null;
        }

        ExplainFacts facts = new(record) { LastEvent = snapshot.ReadEvent(record.Sequence) };
        facts.LastActor = facts.LastEvent is { IsErased: false } last ? Find(snapshot, RecordKind.Actor, last.ActorId, asOf) : null;
        facts.Schema = Find(snapshot, RecordKind.Schema, facts.Text("schema_id"), asOf);
        facts.Decision = Find(snapshot, RecordKind.Decision, facts.Text("policy_decision_ref"), asOf) ?? Find(snapshot, RecordKind.Decision, facts.LastEvent?.DecisionId, asOf);
        facts.Decision ??= Naming(snapshot, RecordKind.Decision, objectId, asOf).MaxBy(static decision => decision.Sequence);
        if (conflicts is null)
        {
            facts.Proposals = [.. Naming(snapshot, RecordKind.Transaction, objectId, asOf).Where(static item => item.Text("status") is "proposed" or "approved")];
            facts.Plans = [.. Naming(snapshot, RecordKind.Plan, objectId, asOf).Where(static item => item.Text("status") is not ("completed" or "cancelled"))];
        }

        facts.Policy = PolicySource.Of(snapshot, asOf).Rules.Evaluate(PolicyAsking.Input(snapshot, record, SyncQuestion(record), facts.LastEvent?.ActorId ?? "", asOf));
        facts.Conflicts = [.. (conflicts ?? facts.ReadConflicts(snapshot, asOf))[objectId]];
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

    // Records of one kind that name the object as their subject or in their list of objects; a bounded number of records is looked at.
    private static List<StoredRecord> Naming(ReadSnapshot snapshot, RecordKind kind, string objectId, ulong asOf)
    {
        List<StoredRecord> found = [];
        bool hasList = RecordKinds.Get(kind).TryGetField("object_ids", out KnownField? list);
        byte[] wanted = System.Text.Encoding.UTF8.GetBytes(objectId);
        int read = 0;
        foreach (RecordView view in snapshot.Range(kind, includeTombstones: true))
        {
            if (++read > MaxConflictsRead)
            {
                break;
            }

            StoredRecord? then = view.Sequence <= asOf ? view.ToStored() : snapshot.GetAsOf(kind, System.Text.Encoding.UTF8.GetString(view.Id), asOf);
            bool names = then is { IsTombstone: false }
                && (hasList ? Slots.Open(then.Body).TryGetList(list!.Slot, out TextList ids) && ids.Contains(wanted) : then.Text("object_id") == objectId);
            if (names)
            {
                found.Add(then!);
            }
        }

        return found;
    }

    private static string SyncQuestion(StoredRecord record) => record.Text("sync_visibility") switch
    {
        "org" => PolicyQuestions.SyncOrganization,
        "public" => PolicyQuestions.SyncRemote,
        _ => PolicyQuestions.SyncWorkspace,
    };

    /// <summary>The conflicts of a snapshot by their object, for callers that look at many objects.</summary>
    internal static ILookup<string, StoredRecord> ConflictsByObject(ReadSnapshot snapshot) => ReadConflicts(snapshot, snapshot.Sequence, out _);

    private ILookup<string, StoredRecord> ReadConflicts(ReadSnapshot snapshot, ulong asOf)
    {
        ILookup<string, StoredRecord> found = ReadConflicts(snapshot, asOf, out bool truncated);
        ConflictsTruncated = truncated;
        return found;
    }

    private static ILookup<string, StoredRecord> ReadConflicts(ReadSnapshot snapshot, ulong asOf, out bool truncated)
    {
        truncated = false;
        List<StoredRecord> found = [];
        int read = 0;
        foreach (RecordView view in snapshot.Range(RecordKind.Conflict, includeTombstones: true))
        {
            if (++read > MaxConflictsRead)
            {
                truncated = true;
                break;
            }

            StoredRecord? then = view.Sequence <= asOf ? view.ToStored() : snapshot.GetAsOf(RecordKind.Conflict, System.Text.Encoding.UTF8.GetString(view.Id), asOf);
            if (then is { IsTombstone: false })
            {
                found.Add(then);
            }
        }

        return found.ToLookup(static conflict => conflict.Text("object_id") ?? "", StringComparer.Ordinal);
    }

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
            blocks.Add(new ExplainBlock($"policy.{answer.RuleId}", $"{answer.Rationale} ({answer.PolicyId} {answer.PolicyVersion})", $"rule:{answer.PolicyId}/{answer.RuleId}", answer.Effect == PolicyEffect.ReviewRequired));
        }

        if (Plans.FirstOrDefault(static plan => plan.Text("status") == "blocked") is { } blockedPlan)
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
