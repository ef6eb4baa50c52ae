// Why this file exists: what people sign must not depend on white space or the order of fields, so a document has one form that is signed (format-spec/signatures.md). Invariants: two documents with the same form are equal as JSON; members stand in
// the order of their names' UTF-8 bytes, numbers as they were written, text with the fewest escapes, which no library version decides; a document that names a member twice has no form.

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.Records;

/// <summary>The one form of a JSON document.</summary>
internal static class CanonicalJson
{
    /// <summary>The form of a value.</summary>
    /// <param name="value">The value.</param>
    /// <returns>UTF-8; null when a member is named twice or a text is not valid Unicode.</returns>
    public static byte[]? Of(JsonElement value)
    {
        ArrayBufferWriter<byte> buffer = new();
        try
        {
            return TryWrite(buffer, value) ? buffer.WrittenSpan.ToArray() : null;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which shows only when the text is read.
            return null;
        }
    }

    private static bool TryWrite(ArrayBufferWriter<byte> buffer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return TryWriteObject(buffer, value);
            case JsonValueKind.Array:
                buffer.Write("["u8);
                bool isFirst = true;
                foreach (JsonElement item in value.EnumerateArray())
                {
                    buffer.Write(isFirst ? ""u8 : ","u8);
                    isFirst = false;
                    if (!TryWrite(buffer, item))
                    {
                        return false;
                    }
                }

                buffer.Write("]"u8);
                return true;
            case JsonValueKind.String:
                WriteText(buffer, value.GetString()!);
                return true;
            default:
                buffer.Write(Encoding.UTF8.GetBytes(value.GetRawText()));
                return true;
        }
    }

    private static bool TryWriteObject(ArrayBufferWriter<byte> buffer, JsonElement value)
    {
        SortedDictionary<byte[], (string Name, JsonElement Value)> members = new(Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b)));
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (!members.TryAdd(Encoding.UTF8.GetBytes(property.Name), (property.Name, property.Value)))
            {
                return false;
            }
        }

        buffer.Write("{"u8);
        bool isFirst = true;
        foreach ((string name, JsonElement member) in members.Values)
        {
            buffer.Write(isFirst ? ""u8 : ","u8);
            isFirst = false;
            WriteText(buffer, name);
            buffer.Write(":"u8);
            if (!TryWrite(buffer, member))
            {
                return false;
            }
        }

        buffer.Write("}"u8);
        return true;
    }

    private static void WriteText(ArrayBufferWriter<byte> buffer, string text)
    {
        StringBuilder escaped = new(text.Length + 2);
        escaped.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => escaped.Append("\\\""),
                '\\' => escaped.Append("\\\\"),
                '\b' => escaped.Append("\\b"),
                '\t' => escaped.Append("\\t"),
                '\n' => escaped.Append("\\n"),
                '\f' => escaped.Append("\\f"),
                '\r' => escaped.Append("\\r"),
                < ' ' => escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => escaped.Append(c),
            };
        }

        buffer.Write(Encoding.UTF8.GetBytes(escaped.Append('"').ToString()));
    }
}
