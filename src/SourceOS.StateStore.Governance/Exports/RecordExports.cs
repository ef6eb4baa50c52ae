// Why this file exists: small formats that are one line a record: search indexes, conflicts, stale state, storms. Invariants: a field that the record does not state is left out or null, and an identifier is the record's own
// behind the prefix that the format wants.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `records` format.</summary>
internal static class FlatRecordsExport
{
    private static readonly int s_tags = Slots.Of(RecordKind.Object, "policy_tags");

    public static void Write(ExportContext context, Stream output)
    {
        foreach (StoredRecord record in context.Records(RecordKind.Object))
        {
            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("id"u8, record.Id);
                writer.WriteString("type"u8, record.Text("object_type") ?? "");
                writer.WriteString("title"u8, record.Text("title") ?? record.Text("path") ?? record.Id);
                writer.WriteString("path"u8, record.Text("path") ?? "");
                Documents.WriteList(writer, "tags", Slots.List(Slots.Open(record.Body), s_tags));
                writer.WriteString("state"u8, record.Text("state") ?? "active");
                Documents.WriteOptional(writer, "updated", RecordText.Of(record, "updated_at"));
                writer.WriteNumber("sequence"u8, record.Sequence);
            });
        }
    }
}

/// <summary>Fields of any kind as text.</summary>
internal static class RecordText
{
    /// <summary>A field as its JSON text shows it, or null.</summary>
    public static string? Of(StoredRecord record, string field)
    {
        using JsonDocument json = JsonDocument.Parse(record.ToJson());
        return json.RootElement.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}

/// <summary>The `conflicts` format.</summary>
internal static class ConflictsExport
{
    public static void Write(ExportContext context, Stream output)
    {
        string device = Bootstrap.LocalIdentity.Device(context.Snapshot) ?? context.Status.StoreId.ToString("D");
        foreach (StoredRecord record in context.Records(RecordKind.Conflict))
        {
            ExportFormats.WriteLine(output, writer => WriteOne(context, writer, record, device));
        }
    }

    private static void WriteOne(ExportContext context, Utf8JsonWriter writer, StoredRecord record, string device)
    {
        StoredEvent? made = context.Snapshot.History(RecordKind.Conflict, record.Id).LastOrDefault();
        using JsonDocument json = JsonDocument.Parse(record.ToJson());
        bool settled = record.Text("status") is "resolved" or "closed";
        string chosen = json.RootElement.TryGetProperty("decision_card", out JsonElement card) && card.ValueKind == JsonValueKind.Object && card.TryGetProperty("selected_option", out JsonElement option) && option.ValueKind == JsonValueKind.String ? option.GetString()! : "";
        writer.WriteString("id"u8, $"urn:srcos:sync-conflict:{record.Id}");
        writer.WriteString("type"u8, "SyncConflictRecord"u8);
        writer.WriteString("specVersion"u8, "2.2.0"u8);
        writer.WriteString("deviceRef"u8, $"urn:srcos:device-identity:{device}");
        writer.WriteString("detectedAt"u8, RecordText.Of(record, "created_at") ?? ExportContext.Time(made?.OccurredAt ?? context.ChangedAt(record)));
        writer.WriteString("conflictKind"u8, record.Text("conflict_type") switch
        {
            "schema-mismatch" => "schema-mismatch",
            "delete-update" => "delete-update",
            "update-delete" => "update-delete",
            _ => "merge",
        });
        writer.WriteString("localOperationRef"u8, $"urn:srcos:local-operation-log:event-{made?.Sequence ?? record.Sequence}");
        writer.WriteNull("remoteOperationRef"u8);
        writer.WriteNull("artifactRef"u8);
        writer.WriteString("resolution"u8, settled && chosen is "merge" or "fork" or "skip" ? chosen : "pending");
        string? resolvedAt = settled ? RecordText.Of(record, "updated_at") : null;
        Documents.WriteOptional(writer, "resolvedAt", resolvedAt);
        Documents.WriteOptional(writer, "resolutionNote", record.Text("user_explanation"));
        writer.WriteStartArray("policyDecisionRefs"u8);
        writer.WriteEndArray();
        Documents.WriteList(writer, "evidenceRefs", [$"event:{record.Sequence}"]);
    }
}

/// <summary>The `stale-records` format: objects whose recorded state is not what holds.</summary>
internal static class StaleRecordsExport
{
    public static void Write(ExportContext context, Stream output)
    {
        foreach (StoredRecord conflict in context.Records(RecordKind.Conflict))
        {
            if (conflict.Text("status") is "resolved" or "closed")
            {
                continue;
            }

            ExportFormats.WriteLine(output, writer =>
            {
                bool isChecksum = conflict.Text("conflict_type") == "checksum-mismatch";
                writer.WriteString("id"u8, $"urn:srcos:stale-state:{conflict.Id}");
                writer.WriteString("type"u8, "StaleStateRecord"u8);
                writer.WriteString("specVersion"u8, "v0.1"u8);
                writer.WriteString("objectRef"u8, conflict.Text("object_id") ?? "");
                writer.WriteString("stalenessClass"u8, isChecksum ? "checksum-mismatch"u8 : "conflict-detected"u8);
                writer.WriteString("observedAt"u8, RecordText.Of(conflict, "created_at") ?? ExportContext.Time(context.ChangedAt(conflict)));
                writer.WriteBoolean("autoRepairEligible"u8, conflict.Text("severity") == "automatic");
                Documents.WriteList(writer, "evidenceRefs", [$"event:{conflict.Sequence}"]);
            });
        }
    }
}

/// <summary>The `storms` format.</summary>
internal static class StormsExport
{
    public static void Write(ExportContext context, Stream output)
    {
        foreach (StoredRecord record in context.Records(RecordKind.Observation))
        {
            if (record.Text("event_type") != "sync.storm")
            {
                continue;
            }

            using JsonDocument json = JsonDocument.Parse(record.ToJson());
            JsonElement root = json.RootElement;
            string rule = Text(root, "rule");
            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("id"u8, $"urn:srcos:diagnostic-storm:{record.Id}");
                writer.WriteString("type"u8, "DiagnosticStormRecord"u8);
                writer.WriteString("specVersion"u8, "2.2.0"u8);
                writer.WriteString("signature"u8, rule.Length > 0 ? rule : "sync.storm");
                writer.WriteString("sourceComponent"u8, "sourceos-statestore"u8);
                writer.WriteString("normalizedFailureClass"u8, rule.StartsWith("actor.", StringComparison.Ordinal) || rule.StartsWith("profile.", StringComparison.Ordinal) ? "capability-denial"u8 : "unknown"u8);
                writer.WriteString("firstSeen"u8, Text(root, "occurred_at"));
                writer.WriteString("lastSeen"u8, Text(root, "last_at") is { Length: > 0 } last ? last : Text(root, "occurred_at"));
                writer.WriteNumber("repeatCount"u8, root.TryGetProperty("count", out JsonElement count) && count.TryGetInt64(out long times) ? Math.Max(1, times) : 1);
                writer.WriteString("severity"u8, "warn"u8);
                writer.WriteString("suppressionPolicy"u8, "summarize"u8);
                writer.WriteString("terminalState"u8, "unknown"u8);
                Documents.WriteList(writer, "evidenceRefs", [$"event:{record.Sequence}"]);
                writer.WriteString("userVisibleSummary"u8, record.Text("summary") ?? "");
            });
        }
    }

    private static string Text(JsonElement root, string name) => root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
