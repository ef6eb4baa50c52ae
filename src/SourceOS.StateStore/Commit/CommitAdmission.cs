// Why this file exists: whether a commit may happen, judged on the state as it would find it. Invariants: reads only; the order of the checks is scope
// gates, then size, existence and expected sequences, then content gates: who may not see a record does not learn that it is there; the first "no"
// decides and names its rule.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Commit;

/// <summary>Judges commits. Writer thread only.</summary>
internal sealed class CommitAdmission(StateFold fold, IReadOnlyList<ICommitGate> gates, IRefusalAuditor? auditor, ICommitAmender? amender) : IStateView
{
    private readonly ICommitGate[] _scopeGates = [.. gates.Where(static gate => gate.Stage == GateStage.Scope)];
    private readonly ICommitGate[] _contentGates = [.. gates.Where(static gate => gate.Stage != GateStage.Scope)];

    /// <inheritdoc/>
    public ulong Sequence => fold.Header.LastSequence;

    /// <inheritdoc/>
    public ulong CountLive(RecordKind kind) => fold.Header.Kinds[(int)kind].Live;

    /// <summary>Judges a commit.</summary>
    /// <returns>The receipt of its refusal, and what shall be committed to record that; nulls when it may happen.</returns>
    internal (CommitReceipt? Refusal, CommitBatch? Audit) Judge(CommitWork work, CommitEncoder encoder, DateTimeOffset now)
    {
        if (amender is not null && Amend(work, now) is { } tooLarge)
        {
            return (tooLarge, null);
        }

        ProposedCommit? proposed = gates.Count == 0 ? null : Propose(work, now);
        CommitReceipt? refusal = JudgeGates(_scopeGates, proposed);
        if (refusal is null)
        {
            foreach (CommitChange change in work.Batch.Changes)
            {
                if (JudgeChange(change, encoder) is { } no)
                {
                    return (no, null);
                }
            }

            refusal = JudgeGates(_contentGates, proposed);
        }

        return refusal is null ? default : (refusal, auditor is null ? null : Describe(auditor, proposed!, refusal, encoder));
    }

    /// <inheritdoc/>
    public bool TryGet(RecordKind kind, string id, out RecordView record)
    {
        byte[] idBytes = CommitIds.Check(id);
        if (!fold.TryGetRecord(kind, idBytes, out RecordEnvelope envelope))
        {
            record = default;
            return false;
        }

        record = RecordReading.ToView(kind, idBytes, envelope);
        return true;
    }

    // Before the gates, so that they judge what will be written.
    private CommitReceipt? Amend(CommitWork work, DateTimeOffset now)
    {
        foreach (CommitChange change in work.Batch.Changes)
        {
            if (change.Action != EventAction.Put || change.IsSalvage)
            {
                continue;
            }

            byte[]? amended = amender!.Amend(work.Session, new ProposedChange(change.Action, change.Kind, change.Id, change.Body, change.Options, change.EventType), this, now);
            if (amended is null)
            {
                continue;
            }

            if (amended.Length > FormatLimits.MaxRecordBodyLengthBytes)
            {
                return Refuse(CommitStatus.Denied, "engine.body-size", $"With what the store adds the body has {amended.Length} bytes; the bound is {FormatLimits.MaxRecordBodyLengthBytes}.", "Make the body smaller.", change);
            }

            change.Amend(amended);
        }

        return null;
    }

    private CommitReceipt? JudgeChange(CommitChange change, CommitEncoder encoder)
    {
        if (change.Action != EventAction.None && !change.IsSalvage)
        {
            bool exists = fold.TryGetRecord(change.Kind, change.IdBytes, out RecordEnvelope record);
            if (change.Action == EventAction.Tombstone)
            {
                change.TombstoneUpperBoundBytes = exists ? record.Body.Length + CommitChange.TombstoneSlackBytes : 0;
            }

            CommitReceipt? refusal = JudgeSequence(change, exists, exists ? record.Sequence : 0, exists && record.IsTombstone);
            if (refusal is not null)
            {
                return refusal;
            }
        }

        return encoder.FitsAnyFrame(change)
            ? null
            : Refuse(CommitStatus.Denied, "engine.frame-size", "The change does not fit a frame of this store's log pages.", "Make the body smaller, or create the store with larger log pages.", change);
    }

    private static CommitReceipt? JudgeSequence(CommitChange change, bool exists, ulong actual, bool isTombstone)
    {
        if (change.Options.ExpectedSequence is ulong expected && expected != actual)
        {
            string what = exists ? $"is at sequence {actual}" : "does not exist";
            return CommitReceipt.Refused(CommitStatus.Conflict, new CommitRefusal(
                "engine.expected-sequence",
                $"The {RecordKinds.Get(change.Kind).Name} '{change.Id}' {what}; the commit expected {(expected == 0 ? "that it does not exist" : $"sequence {expected}")}.",
                "Read the record again and decide on what it holds now.",
                change.Kind,
                change.Id,
                expected,
                actual));
        }

        if ((change.Action == EventAction.Tombstone && (!exists || isTombstone)) || (change.Action == EventAction.Purge && !exists))
        {
            return Refuse(CommitStatus.NotFound, "engine.record-exists", $"The {RecordKinds.Get(change.Kind).Name} '{change.Id}' {(exists ? "is deleted already" : "does not exist")}.", "Name a record that exists.", change);
        }

        return null;
    }

    private static ProposedCommit Propose(CommitWork work, DateTimeOffset now) => new(work.Session, ChangesOf(work), now) { Prepared = work.Prepared };

    /// <summary>The changes of a commit as gates see them.</summary>
    internal static List<ProposedChange> ChangesOf(CommitWork work)
    {
        List<ProposedChange> changes = new(work.Batch.Count);
        foreach (CommitChange change in work.Batch.Changes)
        {
            changes.Add(new ProposedChange(change.Action, change.Kind, change.Id, change.Body, change.Options, change.EventType));
        }

        return changes;
    }

    private CommitReceipt? JudgeGates(ICommitGate[] asked, ProposedCommit? proposed)
    {
        foreach (ICommitGate gate in asked)
        {
            GateDecision decision = gate.Evaluate(proposed!, this);
            if (decision.Outcome != GateOutcome.Allow)
            {
                CommitStatus status = decision.Outcome == GateOutcome.ReviewRequired ? CommitStatus.ReviewRequired : CommitStatus.Denied;
                CommitRefusal refusal = decision.Refusal ?? new CommitRefusal("gate.unnamed", $"{gate.GetType().Name} refused without a reason.", "Ask the gate's owner.");
                return CommitReceipt.Refused(status, refusal);
            }
        }

        return null;
    }

    private CommitBatch? Describe(IRefusalAuditor audit, ProposedCommit proposed, CommitReceipt refusal, CommitEncoder encoder)
    {
        CommitBatch? batch = audit.Describe(proposed, refusal, this);
        if (batch is null || batch.Count == 0)
        {
            return null;
        }

        foreach (CommitChange change in batch.Changes)
        {
            if (JudgeChange(change, encoder) is { } no)
            {
                throw new InvalidOperationException($"The record of a refusal cannot be committed: {no.Refusal!.Reason}");
            }
        }

        batch.IsSubmitted = true;
        return batch;
    }

    private static CommitReceipt Refuse(CommitStatus status, string rule, string reason, string remedy, CommitChange change) =>
        CommitReceipt.Refused(status, new CommitRefusal(rule, reason, remedy, change.HasSubject ? change.Kind : null, change.Id));
}
