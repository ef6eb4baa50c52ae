// Why this file exists: everything the eleven answers follow from, read once and as of one sequence. Invariants: as of N means as of N for every record
// that is looked at; the number of records read is bounded.

using SourceOS.StateStore.Format;

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
    /// <summary>Most conflict records looked at.</summary>
    internal const int MaxConflictsRead = 1000;

    private ExplainFacts(StoredRecord record, StateStoreStatus status)
    {
        Record = record;
        LogRoot = status.LogRoot;
        FrameCount = status.FrameCount;
    }

    internal StoredRecord Record { get; }

    internal string RecordEvidence => $"record:object/{Record.Id}@{Record.Sequence}";

    internal string LogRoot { get; }

    internal ulong FrameCount { get; }

    internal StoredEvent? LastEvent { get; private set; }

    internal StoredRecord? LastActor { get; private set; }

    internal StoredRecord? Schema { get; private set; }

    internal StoredRecord? Decision { get; private set; }

    internal IReadOnlyList<StoredRecord> Conflicts { get; private set; } = [];

    internal bool ConflictsTruncated { get; private set; }

    internal IReadOnlyList<ExplainBlock> Blocks { get; private set; } = [];

    /// <summary>Reads the facts; null when there was no such object then.</summary>
    internal static ExplainFacts? Gather(ReadSnapshot snapshot, string objectId, ulong asOf)
    {
        if (snapshot.GetAsOf(RecordKind.Object, objectId, asOf) is not { } record)
        {
            return null;
        }

        ExplainFacts facts = new(record, snapshot.GetStatus()) { LastEvent = snapshot.ReadEvent(record.Sequence) };
        facts.LastActor = facts.LastEvent is { IsErased: false } last ? Find(snapshot, RecordKind.Actor, last.ActorId, asOf) : null;
        facts.Schema = Find(snapshot, RecordKind.Schema, facts.Text("schema_id"), asOf);
        facts.Decision = Find(snapshot, RecordKind.Decision, facts.Text("policy_decision_ref"), asOf) ?? Find(snapshot, RecordKind.Decision, facts.LastEvent?.DecisionId, asOf);
        facts.ReadConflicts(snapshot, asOf);
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

    private void ReadConflicts(ReadSnapshot snapshot, ulong asOf)
    {
        List<StoredRecord> found = [];
        int read = 0;
        foreach (RecordView view in snapshot.Range(RecordKind.Conflict, includeTombstones: true))
        {
            if (++read > MaxConflictsRead)
            {
                ConflictsTruncated = true;
                break;
            }

            StoredRecord? then = view.Sequence <= asOf ? view.ToStored() : snapshot.GetAsOf(RecordKind.Conflict, System.Text.Encoding.UTF8.GetString(view.Id), asOf);
            if (then is { IsTombstone: false } && then.Text("object_id") == Record.Id)
            {
                found.Add(then);
            }
        }

        Conflicts = found;
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

        if (Conflicts.FirstOrDefault(IsOpen) is { } open)
        {
            blocks.Add(new ExplainBlock("conflict.open", $"Conflict {open.Id} is open.", $"record:conflict/{open.Id}@{open.Sequence}", true));
        }

        return blocks;
    }
}
