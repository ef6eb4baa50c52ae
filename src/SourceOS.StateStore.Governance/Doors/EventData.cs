// Why this file exists: an event stores its data as JSON without white space; people type it with some. Invariants: the value is the same; what is not one
// JSON value within the format's depth is refused with its offset.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>Event data as the format stores it.</summary>
public static class EventData
{
    /// <summary>Checks a JSON value and takes the white space out.</summary>
    /// <param name="json">What was given.</param>
    /// <param name="stored">The stored form, when there is no fault.</param>
    /// <returns>No fault, or the first one with its offset.</returns>
    public static FormatFault Check(ReadOnlySpan<byte> json, out byte[] stored)
    {
        stored = [];
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = FormatLimits.MaxJsonDepth });
        ArrayBufferWriter<byte> buffer = new(json.Length + 16);
        try
        {
            using Utf8JsonWriter writer = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            if (json[(int)reader.BytesConsumed..].ContainsAnyExcept(" \t\r\n"u8))
            {
                return new FormatFault(FaultCode.TrailingBytes, reader.BytesConsumed);
            }

            document.WriteTo(writer);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return new FormatFault(FaultCode.InvalidJson, reader.BytesConsumed);
        }

        stored = buffer.WrittenSpan.ToArray();
        return JsonText.Check(stored);
    }
}
