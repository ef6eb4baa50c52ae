// Why this file exists: the state integrity report v1alpha1, also what `/statez` answers. Invariants: a damaged store is never reported healthy, and its lanes are not active; what this process cannot know is null or listed as
// unavailable.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `integrity-report` format.</summary>
public static class IntegrityReportExport
{
    private const int MaxInvariants = 200;

    /// <summary>Writes the report's fields.</summary>
    /// <param name="context">What to report.</param>
    /// <param name="writer">Where to; inside an object.</param>
    public static void Write(ExportContext context, Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteString("schema"u8, "sourceos.state-integrity-report/v1alpha1"u8);
        writer.WriteString("generated_at"u8, ExportContext.Time(context.Now));
        WriteIdentity(context, writer);
        WriteCollection(context, writer);
        WriteRuntime(context, writer);
        WriteStores(context, writer);
        WriteLanes(context, writer);
        writer.WriteStartObject("pipeline"u8);
        writer.WriteNumber("sequence"u8, context.Status.Sequence);
        writer.WriteNumber("durable_sequence"u8, context.Status.DurableSequence);
        writer.WriteEndObject();
        WriteResources(context, writer);
        WritePolicy(context, writer);
        WriteInvariants(context, writer);
        WriteDiagnosis(context, writer);
        writer.WriteStartArray("controls"u8);
        writer.WriteEndArray();
        writer.WriteStartObject("attestation"u8);
        writer.WriteBoolean("signed"u8, false);
        writer.WriteString("reason"u8, "A report is not signed; a checkpoint of the log is (statestore checkpoint --sign)."u8);
        writer.WriteString("log_root"u8, context.Status.LogRoot);
        writer.WriteNumber("log_size"u8, context.Status.FrameCount);
        writer.WriteEndObject();
    }

    internal static string Version => typeof(IntegrityReportExport).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    private static void WriteIdentity(ExportContext context, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("identity"u8);
        writer.WriteString("component"u8, "sourceos-statestore"u8);
        writer.WriteString("repo"u8, "SourceOS.StateStore"u8);
        writer.WriteNumber("pid"u8, Environment.ProcessId);
        writer.WriteString("process_name"u8, Path.GetFileNameWithoutExtension(Environment.ProcessPath) is { Length: > 0 } name ? name : "statestore");
        writer.WriteString("node_id_hash"u8, $"sha256:{Checksum.Sha256(System.Text.Encoding.UTF8.GetBytes(context.Status.StoreId.ToString("D")))}");
        writer.WriteNull("boot_id"u8);
        writer.WriteString("version"u8, Version);
        writer.WriteString("platform"u8, OperatingSystem.IsLinux() ? "linux"u8 : "unknown"u8);
        writer.WriteString("service_manager"u8, Environment.GetEnvironmentVariable("INVOCATION_ID") is null ? "manual"u8 : "systemd"u8);
        writer.WriteEndObject();
    }

    private static void WriteCollection(ExportContext context, Utf8JsonWriter writer)
    {
        bool isComplete = context.Verification is { IsComplete: true };
        writer.WriteStartObject("collection"u8);
        writer.WriteString("status"u8, isComplete ? "complete"u8 : "partial"u8);
        writer.WriteStartArray("errors"u8);
        writer.WriteEndArray();
        foreach (string empty in (string[])["redacted_fields", "permission_denied_fields", "timed_out_fields"])
        {
            writer.WriteStartArray(empty);
            writer.WriteEndArray();
        }

        writer.WriteStartArray("unavailable_fields"u8);
        foreach (NotChecked left in context.Verification?.NotChecked ?? [])
        {
            writer.WriteStringValue($"{left.What}: {left.Why}");
        }

        if (context.Verification is null)
        {
            writer.WriteStringValue("invariants: the store was not verified for this report"u8);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteRuntime(ExportContext context, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("runtime"u8);
        writer.WriteNull("process_started_at"u8);
        writer.WriteNull("last_clean_shutdown_at"u8);
        if (context.Status.LastCommitAt is { } last)
        {
            writer.WriteString("last_heartbeat_at"u8, ExportContext.Time(last));
        }
        else
        {
            writer.WriteNull("last_heartbeat_at"u8);
        }

        writer.WriteEndObject();
    }

    private static void WriteStores(ExportContext context, Utf8JsonWriter writer)
    {
        string checksums = context.Verification switch
        {
            null => "unverified",
            { Verdict: VerificationVerdict.Clean } => "verified",
            _ => "mismatch",
        };
        writer.WriteStartArray("stores"u8);
        foreach ((string name, string backend, ulong generation) in (IEnumerable<(string, string, ulong)>)[("events", "faster", 0), ("state", "lmdb", context.Status.StateGeneration)])
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, name);
            writer.WriteString("role"u8, "active"u8);
            writer.WriteString("backend"u8, backend);
            writer.WriteString("schema_version"u8, context.Status.FormatVersion.ToString(System.Globalization.CultureInfo.InvariantCulture));
            writer.WriteString("runtime_version"u8, Version);
            writer.WriteString("migration_state"u8, "none"u8);
            writer.WriteNumber("active_generation"u8, generation);
            writer.WriteString("checksum_state"u8, checksums);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteLanes(ExportContext context, Utf8JsonWriter writer)
    {
        string diagnosis = context.Diagnosis;
        writer.WriteStartArray("lanes"u8);
        foreach (LaneStatus lane in context.Status.Lanes)
        {
            string status = diagnosis switch
            {
                "unsafe" => "unsafe",
                "degraded" => "degraded",
                "repairing" => "repairing",
                _ => lane.Events == 0 ? "dormant" : "active",
            };
            writer.WriteStartObject();
            writer.WriteString("name"u8, lane.Lane.ToString().ToLowerInvariant());
            writer.WriteString("status"u8, status);
            writer.WriteStartObject("sla"u8);
            writer.WriteEndObject();
            writer.WriteStartObject("objects"u8);
            writer.WriteEndObject();
            writer.WriteStartObject("journal"u8);
            writer.WriteNumber("events"u8, lane.Events);
            writer.WriteNumber("last_sequence"u8, lane.LastSequence);
            writer.WriteNumber("replay_lag_events"u8, context.Status.DurableSequence - context.Status.Sequence);
            writer.WriteEndObject();
            writer.WriteStartObject("maintenance"u8);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteResources(ExportContext context, Utf8JsonWriter writer)
    {
        DriveInfo drive = new(Path.GetFullPath(context.StorePath));
        long total = Math.Max(1, drive.TotalSize);
        double ratio = Math.Clamp((double)drive.AvailableFreeSpace / total, 0, 1);
        writer.WriteStartObject("resources"u8);
        writer.WriteStartObject("disk"u8);
        writer.WriteString("filesystem"u8, drive.DriveFormat);
        writer.WriteNumber("free_bytes"u8, drive.AvailableFreeSpace);
        writer.WriteNumber("total_bytes"u8, total);
        writer.WriteNumber("free_ratio"u8, Math.Round(ratio, 6));
        writer.WriteString("pressure"u8, ratio switch
        {
            < 0.02 => "critical",
            < 0.05 => "warning",
            < 0.1 => "watch",
            _ => "none",
        });
        writer.WriteNumber("log_bytes"u8, context.Status.LogLengthBytes);
        writer.WriteNumber("state_bytes"u8, context.Status.StateLengthBytes);
        writer.WriteEndObject();
        writer.WriteStartObject("memory"u8);
        writer.WriteNumber("working_set_bytes"u8, Environment.WorkingSet);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WritePolicy(ExportContext context, Utf8JsonWriter writer)
    {
        (PolicyRules rules, _) = PolicySource.Of(context.Snapshot);
        Dictionary<string, int> counts = new(StringComparer.Ordinal) { ["allow"] = 0, ["deny"] = 0, ["review_required"] = 0 };
        foreach (StoredRecord decision in context.Records(RecordKind.Decision))
        {
            string effect = decision.Text("effect") ?? "";
            counts[effect] = counts.GetValueOrDefault(effect) + 1;
        }

        writer.WriteStartObject("policy"u8);
        writer.WriteString("policy_engine"u8, "local-rules"u8);
        writer.WriteString("policy_id"u8, rules.Id);
        writer.WriteString("policy_version"u8, rules.Version);
        writer.WriteStartObject("policy_decisions"u8);
        foreach ((string effect, int count) in counts.OrderBy(static item => item.Key, StringComparer.Ordinal))
        {
            writer.WriteNumber(effect.Length == 0 ? "unknown" : effect, count);
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteInvariants(ExportContext context, Utf8JsonWriter writer)
    {
        writer.WriteStartArray("invariants"u8);
        if (context.Verification is { } report)
        {
            WriteInvariant(writer, "store.verified", report.Verdict == VerificationVerdict.Clean ? "pass" : "fail", report.Verdict == VerificationVerdict.Unsafe ? "critical" : report.Verdict == VerificationVerdict.Damaged ? "error" : "info", $"{report.Level} check, {report.FindingCount} findings", report.Verdict == VerificationVerdict.Clean ? "Nothing to do." : "Run `statestore doctor`.");
            foreach (Finding finding in report.Findings.Where(static finding => finding.Severity != FindingSeverity.Info).Take(MaxInvariants))
            {
                bool isError = finding.Severity == FindingSeverity.Error;
                WriteInvariant(writer, finding.Code, isError ? "fail" : "warn", isError ? "error" : "warning", $"{finding.Message} [{finding.Place}]", finding.AutoRepair ? "Run `statestore repair`." : "Run `statestore doctor`; a person decides.");
            }
        }

        writer.WriteEndArray();
    }

    private static void WriteInvariant(Utf8JsonWriter writer, string id, string status, string severity, string evidence, string remediation)
    {
        writer.WriteStartObject();
        writer.WriteString("id"u8, id);
        writer.WriteString("status"u8, status);
        writer.WriteString("severity"u8, severity);
        writer.WriteStartObject("evidence"u8);
        writer.WriteString("text"u8, evidence);
        writer.WriteEndObject();
        writer.WriteString("remediation"u8, remediation);
        writer.WriteEndObject();
    }

    private static void WriteDiagnosis(ExportContext context, Utf8JsonWriter writer)
    {
        string diagnosis = context.Diagnosis;
        writer.WriteStartObject("diagnosis"u8);
        writer.WriteString("status"u8, diagnosis);
        writer.WriteString("severity"u8, diagnosis switch
        {
            "healthy" => "info",
            "unsafe" => "critical",
            _ => "error",
        });
        writer.WriteString("summary"u8, diagnosis == "healthy" ? "Everything that was checked is sound." : context.Status.NextAction is { Length: > 0 } next ? next : "Run `statestore doctor`.");
        writer.WriteEndObject();
    }
}
