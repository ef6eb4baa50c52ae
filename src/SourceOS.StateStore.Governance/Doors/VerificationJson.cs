// Why this file exists: what a check found, as every door shows it to programs. Invariants: the keys are the doors' contract; what was not checked is named.

using System.Text.Json;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Verification reports as JSON.</summary>
public static class VerificationJson
{
    /// <summary>Writes a report as a JSON object.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="report">The report.</param>
    public static void Write(Utf8JsonWriter writer, VerificationReport report)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(report);
        writer.WriteStartObject();
        writer.WriteString("verdict"u8, report.Verdict.ToString().ToLowerInvariant());
        writer.WriteString("level"u8, report.Level.ToString().ToLowerInvariant());
        writer.WriteString("storeId"u8, report.StoreId);
        writer.WriteNumber("framesChecked"u8, report.FramesChecked);
        writer.WriteNumber("eventsChecked"u8, report.EventsChecked);
        writer.WriteNumber("recordsChecked"u8, report.RecordsChecked);
        writer.WriteNumber("pagesChecked"u8, report.PagesChecked);
        writer.WriteNumber("bytesChecked"u8, report.BytesChecked);
        writer.WriteNumber("bytesOwned"u8, report.BytesOwned);
        writer.WriteNumber("seconds"u8, Math.Round(report.ElapsedSeconds, 6));
        writer.WriteString("root"u8, report.LogRoot);
        writer.WriteNumber("logSize"u8, report.LogSize);
        writer.WriteBoolean("writerSeen"u8, report.WriterSeen);
        writer.WriteBoolean("complete"u8, report.IsComplete);
        writer.WriteNumber("findingCount"u8, report.FindingCount);
        writer.WriteStartArray("findings"u8);
        foreach (Finding finding in report.Findings)
        {
            WriteFinding(writer, finding);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("notChecked"u8);
        foreach (NotChecked left in report.NotChecked)
        {
            writer.WriteStartObject();
            writer.WriteString("what"u8, left.What);
            writer.WriteString("why"u8, left.Why);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteFinding(Utf8JsonWriter writer, Finding finding)
    {
        writer.WriteStartObject();
        writer.WriteString("code"u8, finding.Code);
        writer.WriteString("severity"u8, finding.Severity.ToString().ToLowerInvariant());
        writer.WriteString("place"u8, finding.Place.ToString());
        writer.WriteString("class"u8, finding.Class.ToString().ToLowerInvariant());
        writer.WriteBoolean("autoRepair"u8, finding.AutoRepair);
        writer.WriteString("message"u8, finding.Message);
        writer.WriteString("lossIfIgnored"u8, finding.LossIfIgnored);
        if (finding.Place.File.Length > 0)
        {
            writer.WriteString("file"u8, finding.Place.File);
        }

        if (finding.Place.OffsetBytes is { } offset)
        {
            writer.WriteNumber("offset"u8, offset);
        }

        if (finding.Place.FirstSequence is { } first)
        {
            writer.WriteNumber("firstSequence"u8, first);
            writer.WriteNumber("lastSequence"u8, finding.Place.LastSequence ?? first);
        }

        writer.WriteEndObject();
    }
}
