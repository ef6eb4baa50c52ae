// Why this file exists: records as JSON documents and as cells of a table. Invariants: a document is the record's own; a cell shows a field's text, or its
// JSON when it is no text.

using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Records as text.</summary>
internal static class RecordText
{
    /// <summary>How documents are written.</summary>
    /// <param name="isIndented">For people, on several lines.</param>
    public static JsonWriterOptions Options(bool isIndented) => new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = isIndented };

    /// <summary>A field's text; empty when it is absent or null.</summary>
    /// <param name="record">The record.</param>
    /// <param name="field">The field's JSON name, known or not.</param>
    public static string Field(StoredRecord record, string field)
    {
        RecordKindInfo info = RecordKinds.Get(record.Kind);
        RecordBodyView body = RecordDocument.BodyOf(record);
        if (field == info.IdField)
        {
            return record.Id;
        }

        int slot = info.FindSlot(Encoding.UTF8.GetBytes(field));
        if (slot < 0)
        {
            foreach (RecordExtension extension in body.Extensions)
            {
                if (extension.Name.SequenceEqual(Encoding.UTF8.GetBytes(field)))
                {
                    return Plain(extension.Json);
                }
            }

            return "";
        }

        switch (body.TagOf(slot))
        {
            case FieldTag.Absent or FieldTag.Null:
                return slot == 0 ? info.Schema : "";
            case FieldTag.Text:
                return Encoding.UTF8.GetString(body.RawValue(slot));
            default:
                ArrayBufferWriter<byte> buffer = new();
                using (Utf8JsonWriter writer = new(buffer, Options(isIndented: false)))
                {
                    RecordJson.WriteValue(writer, body, slot);
                }

                return Plain(buffer.WrittenSpan);
        }
    }

    // A JSON string shows as its text, everything else as its JSON.
    private static string Plain(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        return reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : Encoding.UTF8.GetString(json);
    }
}
