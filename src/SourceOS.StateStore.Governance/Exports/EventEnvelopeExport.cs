// Why this file exists: the store's events as the field's canonical envelopes. Invariants: narrative, privacy, causality and sync follow from the event and the record it is about; what neither says is stated as unknown or taken
// at its most careful value; identifiers are unique because sequences are.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Exports;

/// <summary>The `events` format.</summary>
internal static class EventEnvelopeExport
{
    private static readonly int s_privacy = Slots.Of(RecordKind.Object, "privacy_class");
    private static readonly int s_visibility = Slots.Of(RecordKind.Object, "sync_visibility");
    private static readonly int s_retention = Slots.Of(RecordKind.Object, "retention_class");

    public static void Write(ExportContext context, Stream output)
    {
        Dictionary<string, string> actorTypes = context.Snapshot.Range(RecordKind.Actor, includeTombstones: true).ToList().ToDictionary(static actor => actor.Id, static actor => actor.Text("actor_type") ?? "", StringComparer.Ordinal);
        string host = context.Status.StoreId.ToString("D");
        foreach (StoredEvent item in context.Events())
        {
            if (!item.IsErased)
            {
                ExportFormats.WriteLine(output, writer => WriteEnvelope(writer, item, host, actorTypes.GetValueOrDefault(item.ActorId, "")));
            }
        }
    }

    /// <summary>An event's identifier in the envelope.</summary>
    public static string IdOf(ulong sequence) => $"evt_{sequence.ToString("D8", CultureInfo.InvariantCulture)}";

    private static void WriteEnvelope(Utf8JsonWriter writer, StoredEvent item, string host, string actorType)
    {
        string id = IdOf(item.Sequence);
        bool isRefusal = item.Type is "sync.policy.denied" or "sync.profile.boundary_violation";
        string tier = Tier(item);
        writer.WriteString("schema_version"u8, "sourceos.event.v0.1"u8);
        writer.WriteString("event_id"u8, id);
        writer.WriteString("event_class"u8, ClassOf(item, actorType));
        writer.WriteString("lane"u8, item.Lane is Lane.Policy or Lane.Audit ? "policy"u8 : item.Lane == Lane.Secure ? "security"u8 : "sync"u8);
        writer.WriteString("severity"u8, isRefusal ? "warning"u8 : "info"u8);
        writer.WriteString("outcome"u8, isRefusal ? "blocked_expected"u8 : "observed"u8);
        writer.WriteString("created_at"u8, ExportContext.Time(item.OccurredAt));
        writer.WriteStartObject("host"u8);
        writer.WriteString("host_id"u8, item.DeviceId.Length > 0 ? item.DeviceId : host);
        writer.WriteString("platform"u8, "linux"u8);
        writer.WriteString("privacy_zone"u8, tier);
        writer.WriteEndObject();
        writer.WriteStartObject("actor"u8);
        writer.WriteString("actor_id"u8, item.ActorId);
        writer.WriteString("actor_type"u8, actorType switch
        {
            "human" => "user",
            "agent" or "model_runtime" => "agent",
            _ => "service",
        });
        writer.WriteString("display_name"u8, item.ActorId);
        writer.WriteEndObject();
        WriteCausality(writer, item, id);
        WriteSubject(writer, item);
        WritePrivacy(writer, item, tier);
        WriteNarrative(writer, item, isRefusal);
        WriteSync(writer, item, tier);
    }

    private static string ClassOf(StoredEvent item, string actorType) => item.SubjectKind == RecordKind.Schema ? "schema.validation"
        : item.Type.StartsWith("sync.repair", StringComparison.Ordinal) || item.Lane == Lane.Repair ? "object.repair"
        : actorType is "agent" or "model_runtime" ? "agent.action" : "sync.replication";

    private static void WriteCausality(Utf8JsonWriter writer, StoredEvent item, string id)
    {
        writer.WriteStartObject("causality"u8);
        if (item.PreviousSequence != 0)
        {
            writer.WriteString("parent_event_id"u8, IdOf(item.PreviousSequence));
        }
        else
        {
            writer.WriteNull("parent_event_id"u8);
        }

        // The cause that the store knows of is the event before this one of the same record.
        writer.WriteString("root_event_id"u8, item.PreviousSequence != 0 ? IdOf(item.PreviousSequence) : id);
        writer.WriteString("span_id"u8, $"event-{item.Sequence}");
        writer.WriteString("trace_id"u8, $"commit-{item.CommitId}");
        writer.WriteEndObject();
    }

    private static void WriteSubject(Utf8JsonWriter writer, StoredEvent item)
    {
        string subject = item.SubjectId.Length > 0 ? item.SubjectId : item.Type;
        writer.WriteStartObject("subject"u8);
        writer.WriteString("type"u8, item.SubjectKind switch
        {
            RecordKind.Schema or RecordKind.Migration => "schema",
            RecordKind.Decision => "policy",
            RecordKind.Key or RecordKind.Trust => "trust_root",
            RecordKind.Plan => "replica",
            _ => "object",
        });
        writer.WriteString("id"u8, subject);
        writer.WriteString("display"u8, subject);
        writer.WriteEndObject();
    }

    private static void WritePrivacy(Utf8JsonWriter writer, StoredEvent item, string tier)
    {
        writer.WriteStartObject("privacy"u8);
        writer.WriteString("tier"u8, tier);
        writer.WriteString("redaction_policy"u8, tier == "sealed_secret" ? "sealed"u8 : "preserve_causality"u8);
        writer.WriteStartArray("secret_fields"u8);
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteStartArray("evidence"u8);
        writer.WriteStartObject();
        writer.WriteString("evidence_id"u8, $"event:{item.Sequence}");
        writer.WriteString("source"u8, "sync-engine"u8);
        writer.WriteString("raw_ref"u8, $"frame:{item.FrameNumber}");
        writer.WriteString("summary"u8, $"Event {item.Sequence} of commit {item.CommitId} in the state store's log.");
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private static void WriteNarrative(Utf8JsonWriter writer, StoredEvent item, bool isRefusal)
    {
        string what = item.SubjectId.Length > 0 ? $"{item.Type} on {item.SubjectId}" : item.Type;
        writer.WriteStartObject("operator_narrative"u8);
        writer.WriteString("summary"u8, $"{item.ActorId}: {what}.");
        writer.WriteString("risk"u8, isRefusal ? "low"u8 : "none"u8);
        writer.WriteString("why"u8, isRefusal ? "A gate of the store refused a commit; nothing was changed." : "The store committed it; every gate passed.");
        writer.WriteString("next_action"u8, isRefusal ? $"See why: statestore log --from {item.Sequence} --to {item.Sequence}." : "None.");
        writer.WriteEndObject();
    }

    private static void WriteSync(Utf8JsonWriter writer, StoredEvent item, string tier)
    {
        string visibility = Field(item, s_visibility);
        writer.WriteStartObject("sync"u8);
        writer.WriteString("replication_policy"u8, visibility switch
        {
            "org" => "org_controlled",
            "public" => "public_demo",
            "workspace" or "profile" => "private_mesh",
            _ => "local_only",
        });
        writer.WriteString("retention_class"u8, Field(item, s_retention) switch
        {
            "ephemeral" => "ephemeral",
            "legal_hold" => "sealed",
            "retained" => "forensic",
            _ => "standard",
        });
        writer.WriteBoolean("exportable"u8, tier != "sealed_secret" && visibility is not ("" or "local_only"));
        writer.WriteEndObject();
    }

    private static string Tier(StoredEvent item) => Field(item, s_privacy) switch
    {
        "public" => "public_summary",
        "secret" => "sealed_secret",
        "confidential" or "regulated" => "admin_forensic",
        _ => "user_private",
    };

    private static string Field(StoredEvent item, int slot) =>
        item.SubjectKind == RecordKind.Object && !item.Image.IsEmpty ? Slots.Text(Slots.Open(item.Image), slot) : "";
}
