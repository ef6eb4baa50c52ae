// Why this file exists: an event as every door shows it to programs. Invariants: an erased event shows that it was there and nothing else.

using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Events as JSON.</summary>
public static class EventJson
{
    /// <summary>Writes an event as a JSON object.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="item">The event.</param>
    public static void Write(Utf8JsonWriter writer, StoredEvent item)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(item);
        writer.WriteStartObject();
        writer.WriteNumber("sequence"u8, item.Sequence);
        writer.WriteNumber("frame"u8, item.FrameNumber);
        writer.WriteNumber("commit"u8, item.CommitId);
        writer.WriteString("committedAt"u8, DoorTimes.Exact(item.CommittedAt));
        if (item.IsErased)
        {
            writer.WriteBoolean("erased"u8, true);
            writer.WriteEndObject();
            return;
        }

        writer.WriteString("type"u8, item.Type);
        writer.WriteString("lane"u8, item.Lane.ToString().ToLowerInvariant());
        writer.WriteString("action"u8, item.Action.ToString().ToLowerInvariant());
        writer.WriteString("occurredAt"u8, DoorTimes.Exact(item.OccurredAt));
        WriteUnlessEmpty(writer, "kind", item.SubjectKind is { } kind ? RecordKinds.Get(kind).Name : "");
        WriteUnlessEmpty(writer, "object", item.SubjectId);
        WriteUnlessEmpty(writer, "actor", item.ActorId);
        WriteUnlessEmpty(writer, "device", item.DeviceId);
        WriteUnlessEmpty(writer, "profile", item.ProfileId);
        WriteUnlessEmpty(writer, "workspace", item.WorkspaceId);
        WriteUnlessEmpty(writer, "decision", item.DecisionId);
        if (item.PreviousSequence != 0)
        {
            writer.WriteNumber("previousSequence"u8, item.PreviousSequence);
        }

        if (item.IsBootCritical)
        {
            writer.WriteBoolean("bootCritical"u8, true);
        }

        if (!item.DataJson.IsEmpty)
        {
            writer.WritePropertyName("data"u8);
            writer.WriteRawValue(item.DataJson.Span);
        }

        writer.WriteEndObject();
    }

    private static void WriteUnlessEmpty(Utf8JsonWriter writer, string name, string text)
    {
        if (text.Length > 0)
        {
            writer.WriteString(name, text);
        }
    }
}
