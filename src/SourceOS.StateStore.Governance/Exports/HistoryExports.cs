// Why this file exists: the events in three vocabularies of others: provenance, local operations, operational history. Invariants: an event without a counterpart in a vocabulary is left out; payloads are never carried, so
// nothing private leaves with them; what an event does not say stays null.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>What the three have in common.</summary>
internal static class HistoryFacts
{
    private static readonly int s_type = Slots.Of(RecordKind.Object, "object_type");
    private static readonly int s_hash = Slots.Of(RecordKind.Object, "content_hash");

    /// <summary>The type of the object that an event is about, or empty.</summary>
    public static string ObjectType(StoredEvent item) => item.SubjectKind == RecordKind.Object && !item.Image.IsEmpty ? Slots.Text(Slots.Open(item.Image), s_type) : "";

    /// <summary>The content hash that an event's object states, or null when it states none that is a SHA-256.</summary>
    public static string? ContentHash(StoredEvent item)
    {
        if (item.SubjectKind != RecordKind.Object || item.Image.IsEmpty)
        {
            return null;
        }

        RecordBodyView body = Slots.Open(item.Image);
        if (body.TryGetSha256(s_hash, out Hash256 hash))
        {
            return $"sha256:{hash}";
        }

        string text = Slots.Text(body, s_hash);
        return text.StartsWith("sha256:", StringComparison.Ordinal) ? text : null;
    }

    /// <summary>Whether an event records that something was refused.</summary>
    public static bool IsRefusal(StoredEvent item) => item.Type is "sync.policy.denied" or "sync.profile.boundary_violation";

    /// <summary>Events that may be seen and are not erased.</summary>
    public static IEnumerable<StoredEvent> Of(ExportContext context) => context.Events().Where(static item => !item.IsErased);

    /// <summary>The actors that are not people, whom agent registries know.</summary>
    public static HashSet<string> Agents(ExportContext context) =>
        [.. context.Snapshot.Range(RecordKind.Actor, includeTombstones: true).ToList().Where(static actor => actor.Text("actor_type") is "agent" or "model_runtime").Select(static actor => actor.Id)];

    /// <summary>The decision that allowed an event, as a list.</summary>
    public static IEnumerable<string> Decisions(StoredEvent item) => item.DecisionId.Length > 0 ? [item.DecisionId] : [];
}

/// <summary>The `provenance` format: one record for each change of an object.</summary>
internal static class ProvenanceExport
{
    public static void Write(ExportContext context, Stream output)
    {
        string store = context.Status.StoreId.ToString("D");
        foreach (StoredEvent item in HistoryFacts.Of(context).Where(static item => item.SubjectKind == RecordKind.Object && item.Action != EventAction.None))
        {
            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("id"u8, $"urn:srcos:prov:{store}:{item.Sequence}");
                writer.WriteString("type"u8, "ProvenanceRecord"u8);
                writer.WriteString("specVersion"u8, "2.2.0"u8);
                writer.WriteString("activity"u8, $"{item.Type}#commit-{item.CommitId}");
                writer.WriteString("agent"u8, item.ActorId);
                writer.WriteStartArray("entities"u8);
                if (item.PreviousSequence != 0)
                {
                    WriteEntity(writer, $"{item.SubjectId}@{item.PreviousSequence}", "input", null);
                }

                WriteEntity(writer, $"{item.SubjectId}@{item.Sequence}", "output", HistoryFacts.ContentHash(item));
                writer.WriteEndArray();
                writer.WriteString("createdAt"u8, ExportContext.Time(item.OccurredAt));
                writer.WriteNull("signature"u8);
            });
        }
    }

    private static void WriteEntity(Utf8JsonWriter writer, string id, string role, string? hash)
    {
        writer.WriteStartObject();
        writer.WriteString("entityId"u8, id);
        writer.WriteString("role"u8, role);
        Documents.WriteOptional(writer, "hash", hash);
        writer.WriteEndObject();
    }
}

/// <summary>The `operation-log` format.</summary>
internal static class OperationLogExport
{
    public static void Write(ExportContext context, Stream output)
    {
        string store = context.Status.StoreId.ToString("D");
        HashSet<string> agents = HistoryFacts.Agents(context);
        foreach (StoredEvent item in HistoryFacts.Of(context))
        {
            if (TypeOf(item) is not { } type)
            {
                continue;
            }

            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("id"u8, $"urn:srcos:local-operation-log:{store}:{item.Sequence}");
                writer.WriteString("type"u8, "LocalOperationLog"u8);
                writer.WriteString("specVersion"u8, "2.2.0"u8);
                writer.WriteString("operationType"u8, type);
                writer.WriteString("surface"u8, "other"u8);
                writer.WriteString("occurredAt"u8, ExportContext.Time(item.OccurredAt));
                writer.WriteString("actorRef"u8, item.ActorId);
                Documents.WriteOptional(writer, "agentRegistryRef", agents.Contains(item.ActorId) ? item.ActorId : null);
                writer.WriteString("deviceRef"u8, $"urn:srcos:device-identity:{(item.DeviceId.Length > 0 ? item.DeviceId : store)}");
                Documents.WriteOptional(writer, "workspaceRef", item.WorkspaceId);
                writer.WriteString("durabilityTier"u8, "local-durable"u8);
                writer.WriteBoolean("replaySafe"u8, false);
                writer.WriteString("payloadMode"u8, "metadata-only"u8);
                Documents.WriteList(writer, "policyDecisionRefs", HistoryFacts.Decisions(item));
                Documents.WriteList(writer, "evidenceRefs", [$"event:{item.Sequence}"]);
            });
        }
    }

    private static string? TypeOf(StoredEvent item) => item.SubjectKind switch
    {
        RecordKind.Object when HistoryFacts.ObjectType(item) is "file" or "folder" => item.Action switch
        {
            EventAction.None => null,
            EventAction.Put => "file.write",
            _ => "file.delete",
        },
        RecordKind.Conflict => "sync.conflict",
        RecordKind.Decision => "policy.decision",
        RecordKind.Transaction => "agent.execution",
        _ when HistoryFacts.IsRefusal(item) => "policy.decision",
        _ => item.Type switch
        {
            "sync.checkpoint.signed" => "sync.checkpoint",
            LineTakeIn.TerminalEvent => "terminal.command",
            LineTakeIn.GuardrailDecision => "policy.decision",
            _ => null,
        },
    };
}

/// <summary>The `ops-history` format.</summary>
internal static class OpsHistoryExport
{
    public static void Write(ExportContext context, Stream output)
    {
        string store = context.Status.StoreId.ToString("D");
        HashSet<string> agents = HistoryFacts.Agents(context);
        foreach (StoredEvent item in HistoryFacts.Of(context))
        {
            if (ClassOf(item) is not { } eventClass)
            {
                continue;
            }

            ExportFormats.WriteLine(output, writer =>
            {
                writer.WriteString("eventId"u8, $"urn:srcos:ops-history-event:{store}:{item.Sequence}");
                writer.WriteString("specVersion"u8, "2.2.0"u8);
                writer.WriteString("eventClass"u8, eventClass);
                writer.WriteString("occurredAt"u8, ExportContext.Time(item.OccurredAt));
                writer.WriteString("actorRef"u8, item.ActorId);
                Documents.WriteOptional(writer, "agentRegistryRef", agents.Contains(item.ActorId) ? item.ActorId : null);
                writer.WriteStartObject("scope"u8);
                writer.WriteString("sourcePlane"u8, "other"u8);
                Documents.WriteOptional(writer, "profileRef", item.ProfileId);
                writer.WriteEndObject();
                writer.WriteString("payloadMode"u8, "ref-only"u8);
                Documents.WriteList(writer, "artifactRefs", item.SubjectId.Length > 0 ? [item.SubjectId] : []);
                Documents.WriteList(writer, "policyDecisionRefs", HistoryFacts.Decisions(item));
                Documents.WriteList(writer, "evidenceRefs", [$"event:{item.Sequence}"]);
            });
        }
    }

    private static string? ClassOf(StoredEvent item)
    {
        if (HistoryFacts.IsRefusal(item) || item.SubjectKind == RecordKind.Decision)
        {
            return "policy.decision";
        }

        if (item.Type.EndsWith(".revoked", StringComparison.Ordinal))
        {
            return "revocation.notice";
        }

        return item switch
        {
            { SubjectKind: RecordKind.Object, Action: EventAction.Put } => HistoryFacts.ObjectType(item) == "memory_fact" ? "memory.writeback" : "artifact.reference",
            { SubjectKind: RecordKind.Object, Action: not EventAction.None } => "redaction.tombstone",
            { Type: LineTakeIn.TerminalEvent } => "shell.receipt",
            { Type: LineTakeIn.GuardrailDecision } => "policy.decision",
            _ => null,
        };
    }
}
