// Why this file exists: putting one field into a JSON document without touching the others, for documents that are merged or migrated. Invariants: the other fields keep their order and their value.

using System.Buffers;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>Edits JSON objects.</summary>
internal static class JsonEdit
{
    /// <summary>Sets a top-level field; at its place when it is there, else at the end.</summary>
    /// <param name="document">A JSON object.</param>
    /// <param name="field">The field.</param>
    /// <param name="value">Writes its value; null to take the field out.</param>
    public static byte[] Set(ReadOnlyMemory<byte> document, string field, Action<Utf8JsonWriter>? value)
    {
        using JsonDocument json = JsonDocument.Parse(document);
        ArrayBufferWriter<byte> buffer = new(document.Length + 64);
        using (Utf8JsonWriter writer = new(buffer))
        {
            bool isSet = value is null;
            writer.WriteStartObject();
            foreach (JsonProperty property in json.RootElement.EnumerateObject())
            {
                if (property.Name != field)
                {
                    writer.WritePropertyName(property.Name);
                    property.Value.WriteTo(writer);
                }
                else if (!isSet)
                {
                    writer.WritePropertyName(field);
                    value!(writer);
                    isSet = true;
                }
            }

            if (!isSet)
            {
                writer.WritePropertyName(field);
                value!(writer);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
