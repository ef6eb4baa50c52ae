// Why this file exists: what a repair did, told to people and programs, kept where it can be read even when the state cannot. Invariants: a report says what was damaged,
// that no user data was changed, or how much of it is lost, how much was made again, what was set aside and what a person has to look at; its file appears whole or not at all.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>What a repair counted.</summary>
/// <param name="Rebuilt">Frames folded or records written again.</param>
/// <param name="Replanned">Plans that must be made again; none is, as long as no plan depends on what was repaired.</param>
/// <param name="Quarantined">Bytes or files set aside.</param>
/// <param name="Unresolved">Matters left to a person.</param>
internal readonly record struct RepairCounts(ulong Rebuilt, ulong Replanned, long Quarantined, int Unresolved);

/// <summary>Reports of repairs.</summary>
internal static class RepairReports
{
    private const int MaxReportBytes = 1 << 20;
    private const int MaxReports = 10_000;

    /// <summary>Makes the report's document.</summary>
    internal static byte[] Make(RepairPlan plan, SessionIdentity identity, string reportId, string summary, RepairCounts counts, DateTimeOffset at, RepairConsentAnswer? consent = null)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            string now = at.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
            writer.WriteStartObject();
            writer.WriteString("schema", RecordKinds.Get(RecordKind.Report).Schema);
            writer.WriteString("report_id", reportId);
            writer.WriteString("report_type", "repair");
            writer.WriteString("status", "completed");
            writer.WriteString("actor_id", identity.ActorId);
            writer.WriteString("created_at", now);
            writer.WriteString("completed_at", now);
            writer.WriteString("summary", Tell(plan, summary, counts));
            writer.WriteString("plan_hash", "sha256:" + plan.PlanHash);
            writer.WriteStartArray("steps");
            foreach (RepairStep step in plan.Steps)
            {
                writer.WriteStartObject();
                writer.WriteNumber("order", step.Order);
                writer.WriteString("action", step.Action.ToString());
                writer.WriteString("target", step.Target);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartObject("counts");
            writer.WriteNumber("rebuilt", counts.Rebuilt);
            writer.WriteNumber("replanned", counts.Replanned);
            writer.WriteNumber("quarantined", counts.Quarantined);
            writer.WriteNumber("unresolved", counts.Unresolved);
            writer.WriteEndObject();
            writer.WriteStartObject("loss");
            writer.WriteNumber("events", plan.LostEvents);
            writer.WriteNumber("records", plan.LostRecords);
            FenceBuild.WriteRanges(writer, plan.LostRanges.Take(1024));
            writer.WriteEndObject();
            if (consent is not null)
            {
                writer.WriteString("approved_by", consent.ApprovedBy.Length > 0 ? consent.ApprovedBy : identity.ActorId);
                writer.WriteString("approval", consent.Approval);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Keeps a report as a file.</summary>
    internal static void Keep(FileOps ops, StoreLayout layout, string reportId, ReadOnlySpan<byte> report)
    {
        if (StoreDirectory.CreateIfMissing(ops, layout.ReportsPath))
        {
            StoreDirectory.Sync(ops, layout.StorePath);
        }

        StoreTree.WriteWhole(ops, Path.Combine(layout.ReportsPath, reportId.Replace(':', '-') + ".json"), report);
    }

    /// <summary>Reads the reports of a store, oldest name first; what cannot be parsed is left out.</summary>
    internal static List<byte[]> Read(FileOps ops, StoreLayout layout)
    {
        List<byte[]> reports = [];
        if (!ops.Exists(layout.ReportsPath))
        {
            return reports;
        }

        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.ReportsPath).Where(static entry => entry.Kind == FileKind.File && entry.Name.EndsWith(".json", StringComparison.Ordinal)).Take(MaxReports))
        {
            byte[] bytes = StoreTree.ReadUpTo(ops, Path.Combine(layout.ReportsPath, entry.Name), MaxReportBytes);
            if (IsObject(bytes))
            {
                reports.Add(bytes);
            }
        }

        return reports;
    }

    private static bool IsObject(byte[] json)
    {
        // The parser does not look into strings, and whoever reads one out of bytes that are no text is thrown out.
        if (!Utf8.IsValid(json))
        {
            return false;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 64 });
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Tell(RepairPlan plan, string summary, RepairCounts counts)
    {
        string damaged = string.Join("; ", plan.Steps.Select(static step => $"{step.Target}"));
        string lost = plan.LostRanges.Count == 0 ? "Nothing acknowledged is lost." : $"Lost from the history: {plan.LostEvents} events (sequences {string.Join(", ", plan.LostRanges.Take(16))}{(plan.LostRanges.Count > 16 ? " and more" : "")}).";
        string records = plan.LostRecords == 0 ? "User data was not modified: every record is as it was."
            : string.Create(CultureInfo.InvariantCulture, $"Up to {plan.LostRecords} records are missing, or as they were before a lost change; every other record is as it was, and none was modified otherwise.");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Damaged: {damaged}. {summary} {records} {counts.Rebuilt} entries were rebuilt. {lost} For review: {(plan.HumanReview.Count == 0 ? "nothing" : string.Join(" ", plan.HumanReview))}");
    }
}
