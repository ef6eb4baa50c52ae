// Why this file exists: an event in the shape that readers of the local state service know (`sourceos.journal-event/v1alpha1`), with the engine's own keys beside it. Invariants: the identifier is the sequence, so it is unique
// and sorts; an erased event says that it is erased and nothing of what it held.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Events as the HTTP door shows them.</summary>
public static class JournalEventJson
{
    private const string IdPrefix = "evt-";

    /// <summary>An event's identifier.</summary>
    /// <param name="sequence">Its sequence.</param>
    /// <returns>`evt-` and the sequence with at least eight digits.</returns>
    public static string IdOf(ulong sequence) => IdPrefix + sequence.ToString("D8", CultureInfo.InvariantCulture);

    /// <summary>Reads an identifier.</summary>
    /// <param name="text">`evt-00000017`, or the sequence alone.</param>
    /// <param name="sequence">The sequence, when it is one.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParseId(ReadOnlySpan<char> text, out ulong sequence)
    {
        ReadOnlySpan<char> digits = text.StartsWith(IdPrefix, StringComparison.Ordinal) ? text[IdPrefix.Length..] : text;
        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out sequence) && sequence > 0;
    }

    /// <summary>Writes an event.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="item">The event.</param>
    public static void Write(Utf8JsonWriter writer, StoredEvent item)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(item);
        writer.WriteStartObject();
        writer.WriteString("schema"u8, "sourceos.journal-event/v1alpha1"u8);
        writer.WriteString("event_id"u8, IdOf(item.Sequence));
        writer.WriteString("event_type"u8, item.IsErased ? "erased" : item.Type);
        if (!item.IsErased)
        {
            writer.WriteString("lane"u8, item.Lane.ToString().ToLowerInvariant());
            writer.WriteString("object_id"u8, item.SubjectId);
            writer.WriteString("producer"u8, item.ActorId);
        }

        writer.WriteString("created_at"u8, DoorTimes.Exact(item.IsErased ? item.CommittedAt : item.OccurredAt));
        WritePayload(writer, item);

        // A snapshot shows no event whose change the state does not hold.
        writer.WriteBoolean("applied"u8, true);
        writer.WriteNumber("sequence"u8, item.Sequence);
        writer.WriteNumber("commit"u8, item.CommitId);
        writer.WriteBoolean("erased"u8, item.IsErased);
        if (item.SubjectKind is { } kind)
        {
            writer.WriteString("kind"u8, RecordKinds.Get(kind).Name);
        }

        WriteUnlessEmpty(writer, "profile_id", item.ProfileId);
        WriteUnlessEmpty(writer, "workspace_id", item.WorkspaceId);
        WriteUnlessEmpty(writer, "decision_id", item.DecisionId);
        if (item.PreviousSequence != 0)
        {
            writer.WriteString("previous_event_id"u8, IdOf(item.PreviousSequence));
        }

        writer.WriteEndObject();
    }

    /// <summary>Writes what an event was, for people who ask for one.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="item">The event.</param>
    public static void WriteExplanation(Utf8JsonWriter writer, StoredEvent item)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(item);
        string id = IdOf(item.Sequence);
        string type = item.IsErased ? "erased" : item.Type;
        writer.WriteStartObject();
        writer.WriteString("event_id"u8, id);
        writer.WriteString("event_type"u8, type);
        writer.WriteString("summary"u8, item.IsErased
            ? $"Event {id} was erased; that it was there, and when, is all that is kept."
            : $"Event {id} recorded {type} on lane {item.Lane.ToString().ToLowerInvariant()}{(item.SubjectId.Length > 0 ? $" about {item.SubjectId}" : "")}.");
        writer.WriteString("actor_or_producer"u8, item.ActorId);
        writer.WriteString("object_id"u8, item.SubjectId);
        writer.WriteString("created_at"u8, DoorTimes.Exact(item.IsErased ? item.CommittedAt : item.OccurredAt));
        writer.WriteString("committed_at"u8, DoorTimes.Exact(item.CommittedAt));
        writer.WriteNumber("sequence"u8, item.Sequence);
        writer.WriteNumber("frame"u8, item.FrameNumber);
        writer.WriteNumber("commit"u8, item.CommitId);
        WriteUnlessEmpty(writer, "decision_id", item.DecisionId);
        if (item.PreviousSequence != 0)
        {
            writer.WriteString("previous_event_id"u8, IdOf(item.PreviousSequence));
        }

        writer.WriteString("next"u8, $"Prove that it is in the log: statestore prove event {item.Sequence.ToString(CultureInfo.InvariantCulture)}");
        writer.WriteEndObject();
    }

    private static void WritePayload(Utf8JsonWriter writer, StoredEvent item)
    {
        writer.WritePropertyName("payload"u8);
        if (item.IsErased || item.DataJson.IsEmpty)
        {
            writer.WriteStartObject();
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteRawValue(item.DataJson.Span);
        }
    }

    private static void WriteUnlessEmpty(Utf8JsonWriter writer, string name, string text)
    {
        if (text.Length > 0)
        {
            writer.WriteString(name, text);
        }
    }
}
