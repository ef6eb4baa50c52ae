// Why this file exists: legal holds are set and cleared by commits of their own, each an event with a reason. Invariants: a hold changes one field and nothing else of the object.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Retention;

/// <summary>Sets and clears legal holds. Thread-safe: it keeps nothing.</summary>
public static class HoldRoom
{
    private static readonly int s_hold = Slots.Of(RecordKind.Object, "legal_hold");
    private static readonly int s_retention = Slots.Of(RecordKind.Object, "retention_class");

    /// <summary>Sets or clears the hold of an object.</summary>
    /// <param name="store">The store.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="objectId">The object.</param>
    /// <param name="isHeld">Whether it shall be held.</param>
    /// <param name="reason">Why, for people; may be empty.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt; null when there is no such object. When nothing would change, a receipt without a commit: its last sequence is the record's.</returns>
    public static async Task<CommitReceipt?> SetAsync(StateStore store, StateSession session, string objectId, bool isHeld, string reason, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        StoredRecord? record;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            record = snapshot.Get(RecordKind.Object, objectId);
        }

        if (record is null or { IsTombstone: true })
        {
            return null;
        }

        RecordBodyView old = Slots.Open(record.Body);
        if (RetentionGate.IsHeld(old) == isHeld)
        {
            return new CommitReceipt { Status = CommitStatus.Committed, Stage = CommitStage.Visible, LastSequence = record.Sequence, FirstSequence = record.Sequence };
        }

        bool byClass = Slots.Text(old, s_retention) == "legal_hold";
        byte[] body = Documents.Changed(record, builder =>
        {
            builder.SetBoolean(s_hold, isHeld);
            if (!isHeld && byClass)
            {
                builder.SetText(s_retention, "normal");
            }
        });
        ChangeOptions options = new()
        {
            EventType = isHeld ? "sync.hold.set" : "sync.hold.cleared",
            ExpectedSequence = record.Sequence,
            Lane = Lane.Policy,
            DataJson = Documents.Data(writer => Documents.WriteOptional(writer, "reason", reason)),
        };
        return await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, objectId, body, options), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }
}
