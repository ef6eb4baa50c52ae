// Why this file exists: what other substrates ask before they rest on the store: may an agent act on this state, and what kind of state root is it. Invariants: an unsafe store fails closed, a store that was not checked is not current.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `trust-gate` format.</summary>
internal static class TrustGateExport
{
    public static void Write(ExportContext context, Utf8JsonWriter writer)
    {
        string diagnosis = context.Verification is null ? "unknown" : context.Diagnosis;
        string id = context.Status.StoreId.ToString("D");
        writer.WriteString("kind"u8, "SubstrateTrustGate"u8);
        writer.WriteString("gate_id"u8, $"substrate-trust-gate:{id}:{context.Status.Sequence}");
        writer.WriteString("substrate_ref"u8, $"statestore:{id}");
        writer.WriteString("substrate_type"u8, "local_state"u8);
        writer.WriteString("report_ref"u8, $"state-integrity-report:{id}:{context.Status.Sequence}");
        writer.WriteBoolean("report_schema_valid"u8, true);
        writer.WriteString("report_freshness"u8, context.Verification is null ? "missing"u8 : "current"u8);
        writer.WriteString("diagnosis_status"u8, diagnosis);
        writer.WriteString("lane_status"u8, diagnosis switch
        {
            "healthy" => "compliant",
            "unsafe" => "blocked",
            "unknown" => "unknown",
            _ => "degraded",
        });
        writer.WriteBoolean("replay_lag_acceptable"u8, context.Status.DurableSequence == context.Status.Sequence);
        writer.WriteBoolean("repair_complete"u8, diagnosis == "healthy");

        // A degraded store is allowed by nobody here: that takes an explicit authorization, which only policy can give.
        writer.WriteString("gate_decision"u8, diagnosis switch
        {
            "healthy" => "allow",
            "degraded" or "repairing" => "deny",
            _ => "fail_closed",
        });
        writer.WriteString("trusted_report_ref"u8, $"statestore-root:{id}/{context.Status.FrameCount}/{context.Status.LogRoot}");
        writer.WriteString("policy_decision_ref"u8, $"policy:{Policy.PolicySource.Of(context.Snapshot).Rules.Id}");
        writer.WriteStartArray("non_claims"u8);
        writer.WriteStringValue("It is about the state store alone, not about the files, models or networks that records refer to."u8);
        writer.WriteEndArray();
        writer.WriteString("evaluated_at"u8, ExportContext.Time(context.Now));
    }
}

/// <summary>The `node-state` format.</summary>
internal static class NodeStateExport
{
    private const string Fallback = "/var/lib/sourceos/statestore";

    public static void Write(ExportContext context, Utf8JsonWriter writer)
    {
        string path = Path.GetFullPath(context.StorePath);
        bool fits = path.StartsWith("/var/lib/", StringComparison.Ordinal) || path.StartsWith("/var/cache/", StringComparison.Ordinal);
        writer.WriteString("id"u8, $"urn:srcos:node-state-schema:statestore-{context.Status.StoreId:D}");
        writer.WriteString("type"u8, "NodeStateSchema"u8);
        writer.WriteString("specVersion"u8, "2.2.0"u8);
        writer.WriteString("name"u8, "SourceOS state store"u8);
        writer.WriteString("rootPath"u8, fits ? path : Fallback);
        writer.WriteString("stateClass"u8, "durable-truth"u8);
        writer.WriteString("primaryPlane"u8, "node-substrate"u8);
        writer.WriteString("schemaRef"u8, $"sourceos-statestore-format:{context.Status.FormatVersion}");
        writer.WriteString("rollbackCompatibility"u8, "best-effort"u8);
        writer.WriteString("mutability"u8, "append-only"u8);
        writer.WriteBoolean("evidenceRequired"u8, true);
        writer.WriteBoolean("desktopVisible"u8, true);
        writer.WriteString("notes"u8, fits ? "The log is the truth; the state beside it is rebuilt from the log." : "This store stands elsewhere; the root is where an installed device keeps it.");
    }
}
