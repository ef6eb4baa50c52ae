// Why this file exists: the life of an agent's transaction: draft, propose, approve or reject, apply, revert. Invariants: nothing of a transaction touches an object before it is applied; it is applied in one
// commit that also holds the moved status, and only onto the versions that its author saw; a revert restores exactly what was there before, as new events.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Governance.Agents;

/// <summary>What a step of a transaction came to.</summary>
/// <param name="TransactionId">The transaction.</param>
/// <param name="Status">Its status afterwards.</param>
/// <param name="Receipt">The commit; a refused one changed nothing.</param>
public sealed record AgentStep(string TransactionId, string Status, CommitReceipt Receipt);

/// <summary>Runs agents' transactions. Thread-safe: it keeps nothing.</summary>
public static class AgentRoom
{
    private static readonly int s_status = Slots.Of(RecordKind.Transaction, "status");
    private static readonly int s_updated = Slots.Of(RecordKind.Transaction, "updated_at");
    private static readonly int s_reviewer = Slots.Of(RecordKind.Transaction, "reviewed_by");
    private static readonly int s_changes = Slots.Of(RecordKind.Transaction, "changes");
    private static readonly int s_bases = Slots.Of(RecordKind.Transaction, "base_sequences");
    private static readonly int s_expires = Slots.Of(RecordKind.Transaction, "expires_at");

    /// <summary>The most transactions that one <see cref="ExpireAsync"/> rejects.</summary>
    public const int MaxExpiredAtOnce = 256;

    /// <summary>Stores a draft in the session's name, on the versions that the store has now.</summary>
    public static async Task<AgentStep> DraftAsync(StateStore store, StateSession session, AgentDraft draft, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(draft);
        string id = NewId.Of("agent-txn");
        Dictionary<string, ulong> bases = Bases(store, session.Identity.ActorId, draft.Changes);
        ReadOnlyMemory<byte> document = Documents.Build(RecordKind.Transaction, id, writer =>
        {
            writer.WriteString("actor_id"u8, session.Identity.ActorId);
            Documents.WriteOptional(writer, "workspace_id", draft.WorkspaceId);
            Documents.WriteOptional(writer, "profile_id", session.Identity.ProfileId);
            Documents.WriteList(writer, "object_ids", draft.Changes.Select(static change => change.ObjectId));
            writer.WriteString("operation"u8, draft.Operation);
            writer.WriteString("status"u8, "draft"u8);
            writer.WriteNull("policy_decision_ref"u8);
            writer.WriteString("created_at"u8, Documents.TimeText(now));
            writer.WriteString("updated_at"u8, Documents.TimeText(now));
            writer.WriteString("expires_at"u8, Documents.TimeText(draft.ExpiresAt));
            Documents.WriteOptional(writer, "rationale", draft.Rationale);
            writer.WritePropertyName("changes"u8);
            writer.WriteRawValue(ChangesJson(draft.Changes));
            writer.WritePropertyName("base_sequences"u8);
            writer.WriteRawValue(BasesJson(bases));
        });
        CommitBatch batch = new CommitBatch().PutJson(document.Span, new ChangeOptions { ExpectedSequence = 0, EventType = "sync.transaction.drafted" });
        return new AgentStep(id, "draft", await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Moves a transaction to `proposed`, `approved` or `rejected`.</summary>
    /// <param name="session">Who acts.</param>
    /// <param name="transaction">The transaction as it was looked at.</param>
    /// <param name="status">The status it shall have.</param>
    /// <param name="reason">Why, for people; may be empty.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What happened. A stale transaction is refused by rule `transaction.expired`, but for rejecting it.</returns>
    public static async Task<AgentStep> MoveAsync(StateSession session, AgentTransaction transaction, string status, string reason, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(transaction);
        if (status != "rejected" && Expired(transaction, now) is { } stale)
        {
            return stale;
        }

        byte[] body = Documents.Changed(transaction.Record, builder =>
        {
            builder.SetText(s_status, status).SetTime(s_updated, now);
            if (status is "approved" or "rejected")
            {
                builder.SetText(s_reviewer, session.Identity.ActorId);
            }
        });
        CommitBatch batch = new CommitBatch().Put(RecordKind.Transaction, transaction.Record.Id, body, Options(transaction, status, reason));
        return new AgentStep(transaction.Record.Id, status, await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Applies an approved transaction in one commit. Refused with status conflict when an object moved since it was drafted; see <see cref="RebaseAsync"/>.</summary>
    public static async Task<AgentStep> ApplyAsync(StateSession session, AgentTransaction transaction, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(transaction);
        if (Expired(transaction, now) is { } stale)
        {
            return stale;
        }

        if (transaction.Changes.Count == 0)
        {
            return Refuse(transaction, "transaction.no-changes", "The transaction holds no changes: it came from elsewhere, where they are.", "Draft it here.");
        }

        CommitBatch batch = new();
        foreach (AgentChange change in transaction.Changes)
        {
            ChangeOptions options = new() { ExpectedSequence = transaction.Bases.GetValueOrDefault(change.ObjectId), DataJson = Attribution(transaction) };
            if (change.IsDelete)
            {
                batch.Delete(RecordKind.Object, change.ObjectId, options);
            }
            else
            {
                batch.PutJson(change.Record.Span, options);
            }
        }

        byte[] body = Documents.Changed(transaction.Record, builder => builder.SetText(s_status, "applied").SetTime(s_updated, now));
        batch.Put(RecordKind.Transaction, transaction.Record.Id, body, Options(transaction, "applied", ""));
        return new AgentStep(transaction.Record.Id, "applied", await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Reverts an applied transaction: each object gets back the body it had before, byte for byte, or is deleted when it did not exist. Refused with status conflict when one was changed since.</summary>
    public static async Task<AgentStep> RevertAsync(StateStore store, StateSession session, AgentTransaction transaction, string reason, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(transaction);
        if (transaction.Status != "applied")
        {
            return Refuse(transaction, "transaction.not-applied", $"The transaction is {transaction.Status}; only what was applied can be reverted.", "Apply it first.");
        }

        CommitBatch batch = new();
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            for (int i = 0; i < transaction.Changes.Count; i++)
            {
                AddReverse(batch, snapshot, transaction, i);
            }
        }

        byte[] body = Documents.Changed(transaction.Record, builder => builder.SetText(s_status, "reverted").SetTime(s_updated, now));
        batch.Put(RecordKind.Transaction, transaction.Record.Id, body, Options(transaction, "reverted", reason));
        return new AgentStep(transaction.Record.Id, "reverted", await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The drafts, proposals and approvals that nobody applied in time, oldest end first.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="now">Now.</param>
    /// <param name="scope">What the reader may see; everything when null.</param>
    /// <returns>At most <see cref="MaxExpiredAtOnce"/> of them.</returns>
    public static IReadOnlyList<AgentTransaction> Stale(ReadSnapshot snapshot, DateTimeOffset now, ReadScope? scope = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        List<AgentTransaction> stale = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Transaction))
        {
            if (Slots.Text(record.Body, s_status) is "draft" or "proposed" or "approved"
                && record.Body.TryGetTime(s_expires, out long micros) && DateTimeOffset.UnixEpoch.AddMicroseconds(micros) <= now
                && AgentTransaction.Find(snapshot, System.Text.Encoding.UTF8.GetString(record.Id)) is { } transaction && scope?.Allows(transaction.Record) != false)
            {
                stale.Add(transaction);
            }
        }

        return [.. stale.OrderBy(static one => one.ExpiresAt).ThenBy(static one => one.Record.Id, StringComparer.Ordinal).Take(MaxExpiredAtOnce)];
    }

    /// <summary>Rejects stale transactions for good, each with an event `sync.transaction.expired`; all of them or none. One that moved meanwhile refuses the commit.</summary>
    /// <param name="session">Who says so.</param>
    /// <param name="stale">The transactions, see <see cref="Stale"/>; at least one.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt.</returns>
    public static async Task<CommitReceipt> ExpireAsync(StateSession session, IReadOnlyList<AgentTransaction> stale, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(stale);
        CommitBatch batch = new();
        foreach (AgentTransaction transaction in stale)
        {
            if (Expired(transaction, now) is null)
            {
                throw new ArgumentException($"Transaction '{transaction.Record.Id}' is not stale.", nameof(stale));
            }

            byte[] body = Documents.Changed(transaction.Record, builder => builder.SetText(s_status, "rejected").SetTime(s_updated, now));
            batch.Put(RecordKind.Transaction, transaction.Record.Id, body, Options(transaction, "expired", $"it was good until {Documents.TimeText(transaction.ExpiresAt!.Value)}"));
        }

        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts a transaction onto the versions that the store has now, when its changes and those made meanwhile touch different fields. It must be approved again.</summary>
    /// <returns>What happened; refused by rule `transaction.clash` with the fields that both changed.</returns>
    public static async Task<AgentStep> RebaseAsync(StateStore store, StateSession session, AgentTransaction transaction, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(transaction);
        if (transaction.Status is not ("draft" or "proposed"))
        {
            return Refuse(transaction, "transaction.rebase", $"The transaction is {transaction.Status}; only a draft or a proposal can be rebased.", "Reject it and draft it anew.");
        }

        List<AgentChange> changes = [];
        Dictionary<string, ulong> bases = new(StringComparer.Ordinal);
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            foreach (AgentChange change in transaction.Changes)
            {
                StoredRecord? current = snapshot.Get(RecordKind.Object, change.ObjectId);
                if (Rebase(snapshot, transaction, change, current, out IReadOnlyList<string> clashes) is not { } moved)
                {
                    return Refuse(transaction, "transaction.clash", $"Object '{change.ObjectId}' was changed meanwhile in the same place: {string.Join(", ", clashes)}.", "Look at both and draft it anew.");
                }

                changes.Add(moved);
                bases[change.ObjectId] = current?.Sequence ?? 0;
            }
        }

        byte[] body = Documents.Changed(transaction.Record, builder =>
            builder.SetJson(s_changes, ChangesJson(changes)).SetJson(s_bases, BasesJson(bases)).SetTime(s_updated, now));
        ChangeOptions options = new() { ExpectedSequence = transaction.Record.Sequence, EventType = "sync.transaction.rebased" };
        CommitBatch batch = new CommitBatch().Put(RecordKind.Transaction, transaction.Record.Id, body, options);
        return new AgentStep(transaction.Record.Id, transaction.Status, await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>What a transaction would change, field by field, against what the store has now.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="transaction">The transaction.</param>
    /// <param name="scope">What the reader may see; everything when null. An object beyond it counts as one that does not exist.</param>
    /// <returns>For each object: its changes, and whether it moved since the draft.</returns>
    public static IReadOnlyList<(string ObjectId, IReadOnlyList<FieldChange> Fields, bool HasMoved)> Diff(ReadSnapshot snapshot, AgentTransaction transaction, ReadScope? scope = null)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(transaction);
        List<(string, IReadOnlyList<FieldChange>, bool)> all = [];
        foreach (AgentChange change in transaction.Changes)
        {
            StoredRecord? current = snapshot.Get(RecordKind.Object, change.ObjectId) is { } known && scope?.Allows(known) != false ? known : null;
            ReadOnlyMemory<byte> before = current is null or { IsTombstone: true } ? default : current.ToJson();
            bool hasMoved = (current?.Sequence ?? 0) != transaction.Bases.GetValueOrDefault(change.ObjectId);
            all.Add((change.ObjectId, FieldDiff.Of(before, change.Record), hasMoved));
        }

        return all;
    }

    private static AgentChange? Rebase(ReadSnapshot snapshot, AgentTransaction transaction, AgentChange change, StoredRecord? current, out IReadOnlyList<string> clashes)
    {
        ulong basis = transaction.Bases.GetValueOrDefault(change.ObjectId);
        clashes = [];
        if ((current?.Sequence ?? 0) == basis)
        {
            return change;
        }

        // A deletion on either side meets a change on the other: no field by field merge can say what is meant.
        StoredRecord? origin = basis == 0 ? null : snapshot.GetAsOf(RecordKind.Object, change.ObjectId, basis);
        if (change.IsDelete || current is null or { IsTombstone: true } || (basis != 0 && origin is null))
        {
            clashes = ["the object as a whole"];
            return null;
        }

        ReadOnlyMemory<byte> before = origin is null or { IsTombstone: true } ? default : origin.ToJson();
        byte[]? merged = FieldDiff.Merge(before, current.ToJson(), change.Record, static field => field is "updated_at" or "last_modified_by_actor", out clashes);
        return merged is null ? null : new AgentChange(change.ObjectId, merged);
    }

    private static void AddReverse(CommitBatch batch, ReadSnapshot snapshot, AgentTransaction transaction, int index)
    {
        AgentChange change = transaction.Changes[index];
        ulong basis = transaction.Bases.GetValueOrDefault(change.ObjectId);
        StoredRecord? before = basis == 0 ? null : snapshot.GetAsOf(RecordKind.Object, change.ObjectId, basis);
        if (basis != 0 && before is null)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, $"What object '{change.ObjectId}' was at sequence {basis} was erased, so it cannot be restored.", $"object {change.ObjectId}", "Write it anew.");
        }

        ChangeOptions options = new() { ExpectedSequence = transaction.AppliedSequenceOf(index), DataJson = Attribution(transaction) };
        if (before is null or { IsTombstone: true })
        {
            batch.Delete(RecordKind.Object, change.ObjectId, options);
        }
        else
        {
            options.KeepsAttribution = true;
            batch.Put(RecordKind.Object, change.ObjectId, before.Body, options);
        }
    }

    // An object that the agent may not see counts as one that does not exist: the bases stand in the draft, which the agent can read.
    private static Dictionary<string, ulong> Bases(StateStore store, string actorId, IReadOnlyList<AgentChange> changes)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        bool sees = ReadScope.Resolve(snapshot, actorId, null, out ReadScope scope) == ReadScopeFault.None;
        return changes.ToDictionary(
            static change => change.ObjectId,
            change => snapshot.Get(RecordKind.Object, change.ObjectId) is { } record && (!sees || scope.Allows(record)) ? record.Sequence : 0,
            StringComparer.Ordinal);
    }

    private static ChangeOptions Options(AgentTransaction transaction, string status, string reason) => new()
    {
        ExpectedSequence = transaction.Record.Sequence,
        EventType = $"sync.transaction.{status}",
        DataJson = Documents.Data(writer => Documents.WriteOptional(writer, "reason", reason)),
    };

    private static byte[] Attribution(AgentTransaction transaction) => Documents.Data(writer =>
    {
        writer.WriteString("transaction"u8, transaction.Record.Id);
        writer.WriteString("proposed_by"u8, transaction.ActorId);
        Documents.WriteOptional(writer, "approved_by", transaction.Record.Text("reviewed_by"));
    });

    private static AgentStep? Expired(AgentTransaction transaction, DateTimeOffset now) => transaction.ExpiresAt is { } expires && expires <= now
        ? Refuse(transaction, "transaction.expired", $"The transaction was good until {expires:u}.", "Draft it anew; statestore agent expire --apply puts away what is stale.")
        : null;

    private static AgentStep Refuse(AgentTransaction transaction, string rule, string reason, string remedy) => new(
        transaction.Record.Id,
        transaction.Status,
        CommitReceipt.Refused(CommitStatus.Conflict, new CommitRefusal(rule, reason, remedy, RecordKind.Transaction, transaction.Record.Id)));

    private static byte[] ChangesJson(IReadOnlyList<AgentChange> changes)
    {
        System.Buffers.ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartArray();
            foreach (AgentChange change in changes)
            {
                if (change.IsDelete)
                {
                    writer.WriteStartObject();
                    writer.WriteString("delete"u8, change.ObjectId);
                    writer.WriteEndObject();
                }
                else
                {
                    writer.WriteRawValue(change.Record.Span);
                }
            }

            writer.WriteEndArray();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] BasesJson(Dictionary<string, ulong> bases) => Documents.Data(writer =>
    {
        foreach ((string id, ulong sequence) in bases.OrderBy(static item => item.Key, StringComparer.Ordinal))
        {
            writer.WriteNumber(id, sequence);
        }
    });
}
