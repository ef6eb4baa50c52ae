// Why this file exists: what holds of the store now, in the envelope that lampstand keeps. Invariants: the digest is that of the artifact in Python's canonical JSON, so there is no float in it; it is not signed and says so.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `lampstand-evidence` format.</summary>
internal static class LampstandEvidenceExport
{
    private const string Kind = "local-state-summary";
    private const string Writer = "sourceos-statestore";

    public static void Write(ExportContext context, Utf8JsonWriter writer)
    {
        string artifact = Artifact(context);
        string subject = $"statestore:{context.Status.StoreId:D}";
        SortedDictionary<string, string> seed = PythonCanonical.Fields();
        string digest = PythonCanonical.Digest(artifact);
        seed["artifact_digest"] = PythonCanonical.Quote(digest);
        seed["evidence_type"] = PythonCanonical.Quote(Kind);
        seed["subject"] = PythonCanonical.Quote(subject);
        seed["writer"] = PythonCanonical.Quote(Writer);
        writer.WriteString("schema"u8, "sourceos.lampstand-evidence/v1alpha1"u8);
        writer.WriteString("evidence_id"u8, "evidence-" + PythonCanonical.Digest(PythonCanonical.Object(seed))[7..27]);
        writer.WriteString("generated_at"u8, ExportContext.Time(context.Now));
        writer.WriteString("writer"u8, Writer);
        writer.WriteString("evidence_type"u8, Kind);
        writer.WriteString("subject"u8, subject);
        writer.WriteString("artifact_digest"u8, digest);
        writer.WritePropertyName("artifact"u8);
        writer.WriteRawValue(artifact);
        writer.WriteStartObject("attestation"u8);
        writer.WriteBoolean("signed"u8, false);
        writer.WriteNull("signature"u8);
        writer.WriteString("reason"u8, "An envelope is not signed; a checkpoint of the log is (statestore checkpoint --sign)."u8);
        writer.WriteEndObject();
    }

    private static string Artifact(ExportContext context)
    {
        StateStoreStatus status = context.Status;
        VerificationReport? report = context.Verification;
        SortedDictionary<string, string> counts = PythonCanonical.Fields();
        foreach (KindStatus kind in status.Kinds)
        {
            counts[RecordKinds.Get(kind.Kind).PluralName] = PythonCanonical.Number(kind.Live);
        }

        SortedDictionary<string, string> fields = PythonCanonical.Fields();
        fields["counts"] = PythonCanonical.Object(counts);
        fields["diagnosis"] = PythonCanonical.Quote(context.Diagnosis);
        fields["durable_sequence"] = PythonCanonical.Number(status.DurableSequence);
        fields["findings"] = PythonCanonical.List((report?.Findings ?? []).Where(static finding => finding.Severity != FindingSeverity.Info).Select(static finding => finding.Code).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        fields["format_version"] = PythonCanonical.Number((ulong)status.FormatVersion);
        fields["log_root"] = PythonCanonical.Quote(status.LogRoot);
        fields["log_size"] = PythonCanonical.Number(status.FrameCount);
        fields["sequence"] = PythonCanonical.Number(status.Sequence);
        fields["store_id"] = PythonCanonical.Quote(status.StoreId.ToString("D"));
        fields["verification"] = PythonCanonical.Quote(report is null ? "none" : report.Verdict.ToString().ToLowerInvariant());
        return PythonCanonical.Object(fields);
    }
}
