// Why this file exists: what people sign must not depend on white space or the order of fields, so a document has one form that is signed. Invariants: two documents with the same form are equal as JSON; members stand in
// the order of their names' UTF-8 bytes, numbers as they were written, text with the fewest escapes; a document that names a member twice has no form.

using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>The one form of a JSON document.</summary>
internal static class CanonicalJson
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The form of a value.</summary>
    /// <param name="value">The value.</param>
    /// <returns>UTF-8; null when a member is named twice or a text is not valid Unicode.</returns>
    public static byte[]? Of(JsonElement value)
    {
        ArrayBufferWriter<byte> buffer = new();
        try
        {
            using Utf8JsonWriter writer = new(buffer, s_options);
            if (!TryWrite(writer, value))
            {
                return null;
            }
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which shows only when the text is read.
            return null;
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static bool TryWrite(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return TryWriteObject(writer, value);
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (JsonElement item in value.EnumerateArray())
                {
                    if (!TryWrite(writer, item))
                    {
                        return false;
                    }
                }

                writer.WriteEndArray();
                return true;
            case JsonValueKind.String:
                writer.WriteStringValue(value.GetString());
                return true;
            default:
                writer.WriteRawValue(value.GetRawText(), skipInputValidation: true);
                return true;
        }
    }

    private static bool TryWriteObject(Utf8JsonWriter writer, JsonElement value)
    {
        SortedDictionary<byte[], (string Name, JsonElement Value)> members = new(Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b)));
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (!members.TryAdd(Encoding.UTF8.GetBytes(property.Name), (property.Name, property.Value)))
            {
                return false;
            }
        }

        writer.WriteStartObject();
        foreach ((string name, JsonElement member) in members.Values)
        {
            writer.WritePropertyName(name);
            if (!TryWrite(writer, member))
            {
                return false;
            }
        }

        writer.WriteEndObject();
        return true;
    }
}
