// Why this file exists: when a store was last verified is worth knowing, and verifying only reads; who wants it known records it. Invariants: one record holds the newest, the log holds them all; what is recorded is what the verifier said, a damaged verdict too; it is read back in one look-up.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Repair;

/// <summary>The newest recorded verification of a store. Immutable.</summary>
/// <param name="At">When it was recorded.</param>
/// <param name="Verdict">`clean`, `damaged` or `unsafe`.</param>
/// <param name="Level">`quick`, `standard` or `deep`.</param>
/// <param name="Sequence">The last sequence that it covered.</param>
/// <param name="ActorId">Who recorded it.</param>
public sealed record VerificationRecord(string At, string Verdict, string Level, ulong Sequence, string ActorId)
{
    /// <summary>Identifier of the record.</summary>
    public const string ReportId = "report:verification";

    /// <summary>Reads the newest; null when none was recorded.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>The record.</returns>
    public static VerificationRecord? Of(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        if (snapshot.Get(RecordKind.Report, ReportId) is not { IsTombstone: false } record)
        {
            return null;
        }

        using JsonDocument document = JsonDocument.Parse(record.ToJson(), new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
        JsonElement root = document.RootElement;
        ulong sequence = root.TryGetProperty("verified_sequence"u8, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number) ? number : 0;
        return new VerificationRecord(Text(root, "completed_at"u8), Text(root, "status"u8), Text(root, "level"u8), sequence, Text(root, "actor_id"u8));
    }

    /// <summary>Records a verification as a report and an event.</summary>
    /// <param name="session">Who records it.</param>
    /// <param name="report">What the verifier said.</param>
    /// <param name="at">When.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt.</returns>
    public static async Task<CommitReceipt> RecordAsync(StateSession session, VerificationReport report, DateTimeOffset at, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(report);
        CommitBatch batch = new CommitBatch().PutJson(Document(session.Identity.ActorId, report, at), new ChangeOptions { Lane = Lane.Repair, EventType = "sync.verify.completed" });
        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    private static byte[] Document(string actorId, VerificationReport report, DateTimeOffset at)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            string verdict = report.Verdict.ToString().ToLowerInvariant();
            string now = at.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
            writer.WriteStartObject();
            writer.WriteString("schema"u8, RecordKinds.Get(RecordKind.Report).Schema);
            writer.WriteString("report_id"u8, ReportId);
            writer.WriteString("report_type"u8, "verification"u8);
            writer.WriteString("status"u8, verdict);
            writer.WriteString("actor_id"u8, actorId);
            writer.WriteString("created_at"u8, now);
            writer.WriteString("completed_at"u8, now);
            writer.WriteString("summary"u8, string.Create(CultureInfo.InvariantCulture, $"The store is {verdict}: {report.FramesChecked} frames, {report.RecordsChecked} records and {report.BytesChecked} bytes were checked, {report.FindingCount} findings."));
            writer.WriteString("level"u8, report.Level.ToString().ToLowerInvariant());
            writer.WriteNumber("verified_sequence"u8, report.LastSequence);
            writer.WriteString("log_root"u8, report.LogRoot);
            writer.WriteNumber("log_size"u8, report.LogSize);
            writer.WriteNumber("finding_count"u8, report.FindingCount);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string Text(JsonElement root, ReadOnlySpan<byte> name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
