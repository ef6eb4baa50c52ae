// Why this file exists: governance makes records of many kinds; each is built as the document that anyone else would write, so that one parser's rules hold for all. Invariants: a document
// that is built here and is not a record is a defect, not input.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>Builds record documents and changes of records.</summary>
internal static class Documents
{
    /// <summary>Builds a record's document.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="fields">Writes its other fields.</param>
    public static ReadOnlyMemory<byte> Build(RecordKind kind, string id, Action<Utf8JsonWriter> fields)
    {
        RecordKindInfo info = RecordKinds.Get(kind);
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("schema"u8, info.Schema);
            writer.WriteString(info.IdField, id);
            fields(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    /// <summary>Writes a list of text.</summary>
    public static void WriteList(Utf8JsonWriter writer, string name, IEnumerable<string> items)
    {
        writer.WriteStartArray(name);
        foreach (string item in items)
        {
            writer.WriteStringValue(item);
        }

        writer.WriteEndArray();
    }

    /// <summary>Writes a text, or null when there is none.</summary>
    public static void WriteOptional(Utf8JsonWriter writer, string name, string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            writer.WriteNull(name);
        }
        else
        {
            writer.WriteString(name, text);
        }
    }

    /// <summary>A time as records spell it.</summary>
    public static string TimeText(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    /// <summary>A record's body with some fields changed.</summary>
    /// <param name="record">The record.</param>
    /// <param name="change">Changes fields.</param>
    public static byte[] Changed(StoredRecord record, Action<RecordBodyBuilder> change)
    {
        RecordBodyBuilder builder = new RecordBodyBuilder().CopyFrom(Slots.Open(record.Body));
        change(builder);
        return builder.Build();
    }

    /// <summary>Event data built as JSON.</summary>
    public static byte[] Data(Action<Utf8JsonWriter> fields)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
