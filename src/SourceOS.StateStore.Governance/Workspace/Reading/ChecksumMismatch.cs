// Why this file exists: a file that is not what its record says is a conflict between the two, and somebody decides which one holds. Invariants: one open conflict for one file, however often it is read; reading it again and
// again folds into one storm record; a conflict ends by the file as it is then, read at that moment, and by nothing else.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Conflicts;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What recording a mismatch came to.</summary>
/// <param name="ConflictId">The conflict that stands for it; empty when none could be recorded.</param>
/// <param name="IsNew">Whether it was recorded by this call.</param>
/// <param name="Receipt">The commit; null when nothing had to be written.</param>
public sealed record MismatchRecord(string ConflictId, bool IsNew, CommitReceipt? Receipt);

/// <summary>Conflicts of type `checksum-mismatch`. Thread-safe: it keeps nothing.</summary>
public static class ChecksumMismatch
{
    /// <summary>The type of these conflicts.</summary>
    public const string ConflictType = "checksum-mismatch";

    /// <summary>The event of a read that met an open conflict again.</summary>
    public const string SeenAgain = "sync.file.checksum_mismatch";

    private const int MaxLooks = 100;
    private const int LookAgainMs = 10;
    private const int MaxSingle = 3;
    private const ulong MaxEventsRead = 256;
    private static readonly TimeSpan s_window = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_writeAtMostEvery = TimeSpan.FromSeconds(10);

    /// <summary>Records that a file differs from its record: a conflict when none is open for it, else one more sight of the open one; more than three within a minute fold into one storm record.</summary>
    /// <param name="store">The store, open for writing.</param>
    /// <param name="session">Who read; needs the capability `write` where the file's object is.</param>
    /// <param name="check">What was found; <see cref="FileCheck.IsMismatch"/> holds.</param>
    /// <param name="now">Now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The conflict, or the refusal.</returns>
    /// <exception cref="ArgumentException">The check is no mismatch, or its object is gone.</exception>
    public static async Task<MismatchRecord> RecordAsync(StateStore store, StateSession session, FileCheck check, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(check);
        if (!check.IsMismatch)
        {
            throw new ArgumentException("The file is as its record says, or was not read.", nameof(check));
        }

        CommitBatch batch = new();
        string id = NewId.Of("conflict");
        string? open;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            StoredRecord current = snapshot.Get(RecordKind.Object, check.ObjectId) is { IsTombstone: false } record ? record : throw new ArgumentException($"There is no object '{check.ObjectId}'.", nameof(check));
            open = FindOpen(snapshot, check.ObjectId);
            if (open is null)
            {
                ConflictReport report = new(check.ObjectId, ConflictType, new ConflictVersions(default, current.ToJson(), OnDisk(current, check)), [session.Identity.ActorId], session.Identity.DeviceId.Length > 0 ? [session.Identity.DeviceId] : []);
                ConflictRoom.Add(batch, current, report, id, now, proposal: Proposal(check));
            }
            else if (!AddSight(batch, snapshot, session.Identity, check, open, now))
            {
                return new MismatchRecord(open, false, null);
            }
        }

        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        if (open is not null || receipt.IsCommitted)
        {
            return new MismatchRecord(open ?? id, open is null, receipt);
        }

        // Two readers may meet it at once; the object moved under the second one because of the first one's conflict, which may not be visible yet.
        for (int look = 0; receipt.Status == CommitStatus.Conflict && look < MaxLooks; look++)
        {
            using (ReadSnapshot after = store.OpenSnapshot())
            {
                if (FindOpen(after, check.ObjectId) is { } other)
                {
                    return new MismatchRecord(other, false, null);
                }
            }

            await Task.Delay(LookAgainMs, cancellationToken).ConfigureAwait(false);
        }

        return new MismatchRecord("", false, receipt);
    }

    /// <summary>The open conflict of a file.</summary>
    internal static string? FindOpen(ReadSnapshot snapshot, string objectId)
    {
        foreach (RecordView view in snapshot.Range(RecordKind.Conflict))
        {
            if (Slots.Text(view.Body, s_object) == objectId && Slots.Text(view.Body, s_type) == ConflictType && Slots.Text(view.Body, s_status) is not ("resolved" or "closed"))
            {
                return System.Text.Encoding.UTF8.GetString(view.Id);
            }
        }

        return null;
    }

    /// <summary>Adds what an option does to a file's object; the conflict itself is added by the caller.</summary>
    /// <returns>Why not; null when it may happen.</returns>
    internal static CommitRefusal? Settle(CommitBatch batch, string option, StoredRecord conflict, StoredRecord subject, FileCheck check, SettleBy by, out string effect)
    {
        effect = "";
        if (check.Sequence != subject.Sequence)
        {
            return new CommitRefusal("engine.expected-sequence", "The record changed while its file was read.", "Resolve it again.", RecordKind.Object, subject.Id, check.Sequence, subject.Sequence);
        }

        if (check.Verdict is not (FileVerdict.Matches or FileVerdict.Differs or FileVerdict.Changed))
        {
            return new CommitRefusal("conflict.file-not-readable", $"The file is {check.Word.Replace('_', ' ')}{(check.Reason.Length > 0 ? $" ({check.Reason})" : "")}, so neither side can be proven.", "Bring it back or make it readable; if it was removed on purpose: statestore adopt.", RecordKind.Conflict, conflict.Id);
        }

        if (option == "skip" && check.IsMismatch)
        {
            return new CommitRefusal(
                "conflict.not-restored", $"The record stays only when the file is as it says: {check.RecordedHash}; it is {check.FoundHash}.", "Restore the file from a copy, then resolve again; or take the file as it is with --option merge.", RecordKind.Conflict, conflict.Id);
        }

        if (option == "fork" && check.IsMismatch)
        {
            AddRecorded(batch, conflict, subject, by.ForkId);
        }

        byte[] body = Documents.Changed(subject, builder =>
        {
            builder.SetText(ObjectFields.State, "active");
            if (check.IsMismatch)
            {
                Describe(builder, check, by.Session, by.Now);
            }
        });
        batch.Put(RecordKind.Object, subject.Id, body, new ChangeOptions { ExpectedSequence = subject.Sequence });
        effect = !check.IsMismatch ? "The file is as its record says; the record stays."
            : option == "fork" ? $"The file is recorded as it is now; what was recorded before is kept as '{by.ForkId}'."
            : "The file was read again and is recorded as it is now.";
        return null;
    }

    /// <summary>Who settles, when, and what a fork is called.</summary>
    internal readonly record struct SettleBy(SessionIdentity Session, DateTimeOffset Now, string ForkId);

    private static readonly int s_object = Slots.Of(RecordKind.Conflict, "object_id");
    private static readonly int s_type = Slots.Of(RecordKind.Conflict, "conflict_type");
    private static readonly int s_status = Slots.Of(RecordKind.Conflict, "status");

    private static ConflictProposal Proposal(FileCheck check) => check.Verdict == FileVerdict.Differs
        ? new ConflictProposal(null, false, "Size and time are as recorded and the bytes are not: restore the file and choose skip, or take it as it is with merge; fork keeps the recorded hash beside it.", "skip")
        : new ConflictProposal(null, false, "The file was changed since it was recorded: merge takes it as it is, skip needs the recorded bytes back first, fork keeps the recorded hash beside it.", "merge");

    private static byte[] OnDisk(StoredRecord current, FileCheck check)
    {
        byte[] body = Documents.Changed(current, builder => Describe(builder, check, null, null));
        return new StoredRecord(RecordKind.Object, current.Id, current.Sequence, current.Surrogate, false, false, body).ToJson();
    }

    private static void Describe(RecordBodyBuilder builder, FileCheck check, SessionIdentity? session, DateTimeOffset? now)
    {
        builder.SetSha256(ObjectFields.ContentHash, new Hash256(Convert.FromHexString(check.FoundHash)));
        builder.SetInteger(ObjectFields.SizeBytes, check.Found.SizeBytes);
        builder.SetInteger(ObjectFields.ModifiedNs, check.Found.ModifiedUnixNs);
        builder.SetInteger(ObjectFields.Mode, check.Found.Mode);
        if (session is not null && now is { } time)
        {
            builder.SetText(ObjectFields.LastModifiedByActor, session.ActorId).SetTime(ObjectFields.UpdatedAt, time);
        }
    }

    // What was recorded is kept as an object without a path, so that nobody takes it for a file that is there.
    private static void AddRecorded(CommitBatch batch, StoredRecord conflict, StoredRecord subject, string forkId)
    {
        byte[] document = JsonEdit.Set(subject.ToJson(), "object_id", writer => writer.WriteStringValue(forkId));
        document = JsonEdit.Set(document, "path", null);
        document = JsonEdit.Set(document, "title", writer => writer.WriteStringValue($"{subject.Text("path")} as recorded at sequence {subject.Sequence.ToString(CultureInfo.InvariantCulture)}, before {conflict.Id}"));
        document = JsonEdit.Set(document, "state", static writer => writer.WriteStringValue("active"u8));
        batch.PutJson(document, new ChangeOptions { ExpectedSequence = 0, KeepsAttribution = true });
    }

    // The first sights are events of their own, then one storm record counts; false when there is nothing to write.
    private static bool AddSight(CommitBatch batch, ReadSnapshot snapshot, SessionIdentity session, FileCheck check, string conflictId, DateTimeOffset now)
    {
        string suffix = ":" + Convert.ToHexStringLower(Checksum.Sha256(System.Text.Encoding.UTF8.GetBytes($"{ConflictType}\n{check.ObjectId}")).Bytes[..8]);
        int sights = 0;
        DateTimeOffset first = now;
        StoredEvent? storm = null;
        ulong from = snapshot.Sequence > MaxEventsRead ? snapshot.Sequence - MaxEventsRead + 1 : 1;
        foreach (StoredEvent item in snapshot.ReadEvents(from))
        {
            if (item.IsErased || now - item.OccurredAt > s_window)
            {
                continue;
            }

            if ((item.SubjectKind == RecordKind.Object && item.SubjectId == check.ObjectId && item.Type == SeenAgain) || (item.SubjectKind == RecordKind.Conflict && item.SubjectId == conflictId && item.Type == "sync.conflict.created"))
            {
                sights++;
                first = item.OccurredAt < first ? item.OccurredAt : first;
            }
            else if (item.SubjectKind == RecordKind.Observation && item.Type == "sync.storm.recorded" && item.SubjectId.EndsWith(suffix, StringComparison.Ordinal))
            {
                storm = item;
            }
        }

        if (sights < MaxSingle && storm is null)
        {
            batch.Append(SeenAgain, RecordKind.Object, check.ObjectId, new ChangeOptions { Lane = Lane.Audit, DataJson = Documents.Data(writer => writer.WriteString("conflict"u8, conflictId)) });
            return true;
        }

        if (storm is not null && now - storm.OccurredAt < s_writeAtMostEvery)
        {
            return false;
        }

        string id = storm?.SubjectId ?? $"storm:{first.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}{suffix}";
        long count = storm is null ? sights + 1 : CountOf(storm) + 1;
        batch.PutJson(Documents.Build(RecordKind.Observation, id, writer => DescribeStorm(writer, session, check, conflictId, count, first, now)).Span, new ChangeOptions { EventType = "sync.storm.recorded", Lane = Lane.Audit });
        return true;
    }

    private static void DescribeStorm(Utf8JsonWriter writer, SessionIdentity session, FileCheck check, string conflictId, long count, DateTimeOffset first, DateTimeOffset now)
    {
        writer.WriteString("event_type"u8, "sync.storm"u8);
        writer.WriteString("occurred_at"u8, Documents.TimeText(first));
        writer.WriteString("summary"u8, $"At least {count.ToString(CultureInfo.InvariantCulture)} reads of '{check.ObjectId}' met open conflict {conflictId} since {first:u}.");
        writer.WriteString("actor_id"u8, session.ActorId);
        writer.WriteString("object_id"u8, check.ObjectId);
        Documents.WriteOptional(writer, "profile_id", session.ProfileId);
        Documents.WriteOptional(writer, "device_id", session.DeviceId);
        writer.WriteString("rule"u8, ConflictType);
        writer.WriteNumber("count"u8, count);
        writer.WriteString("last_at"u8, Documents.TimeText(now));
    }

    private static long CountOf(StoredEvent storm)
    {
        using JsonDocument json = JsonDocument.Parse(new StoredRecord(RecordKind.Observation, storm.SubjectId, storm.Sequence, 0, false, false, storm.Image).ToJson());
        return json.RootElement.TryGetProperty("count", out JsonElement count) && count.TryGetInt64(out long times) ? times : MaxSingle;
    }
}
