// Why this file exists: turning verified bytes into what the API hands out, and JSON into bodies, in one place. Invariants: a body that does
// not decode is damage with its record named; a document that is not a record is InvalidInput with rule and offset.

using System.Buffers;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>Verified bytes to views.</summary>
internal static class RecordReading
{
    internal static RecordView ToView(RecordKind kind, ReadOnlySpan<byte> id, RecordEnvelope envelope, ReadSnapshot? owner = null) => new(kind, id, envelope, owner);

    internal static RecordBodyView OpenBody(RecordKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> bytes)
    {
        if (!RecordBodyView.TryRead(bytes, out RecordBodyView body, out FormatFault fault))
        {
            ThrowBody(kind, id, fault);
        }

        return body;
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowBody(RecordKind kind, ReadOnlySpan<byte> id, FormatFault fault)
    {
        Span<byte> key = stackalloc byte[Tables.MaxKeyLengthBytes];
        State.StateFaults.ThrowEntry(StateTable.Records, key[..Tables.RecordKey((byte)kind, id, key)], fault.ToString());
    }
}

/// <summary>A record taken out of its JSON document.</summary>
internal readonly record struct ParsedRecord(RecordKind Kind, string Id, ReadOnlyMemory<byte> Body);

/// <summary>JSON to records and back.</summary>
internal static class RecordParsing
{
    internal static ParsedRecord ParseOrThrow(ReadOnlySpan<byte> utf8Json)
    {
        if (!RecordJson.TryParse(utf8Json, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault))
        {
            throw new StateStoreException(
                StateStoreErrorCode.InvalidInput,
                $"The document is not a record: {fault.Message}",
                $"offset {fault.OffsetBytes}",
                "See records.md in the format specification for what a record's document must hold.");
        }

        return new ParsedRecord(kind, id, body);
    }

    internal static byte[] ToJson(RecordKind kind, string id, ReadOnlySpan<byte> body)
    {
        ArrayBufferWriter<byte> buffer = new(body.Length + 256);
        _ = RecordBodyView.TryRead(body, out RecordBodyView view, out _);
        RecordJson.Write(buffer, kind, Encoding.UTF8.GetBytes(id), view);
        return buffer.WrittenSpan.ToArray();
    }

    internal static string? Text(RecordKind kind, ReadOnlySpan<byte> body, string field)
    {
        if (!RecordKinds.Get(kind).TryGetField(field, out KnownField? known))
        {
            throw new ArgumentException($"'{field}' is not a known field of {kind}.", nameof(field));
        }

        _ = RecordBodyView.TryRead(body, out RecordBodyView view, out _);
        return view.TryGetText(known.Slot, out ReadOnlySpan<byte> text) ? Encoding.UTF8.GetString(text) : null;
    }

    internal static void CheckEventData(ReadOnlySpan<byte> json)
    {
        if (json.Length > FormatLimits.MaxEventDataLengthBytes)
        {
            throw new ArgumentException($"Event data has {json.Length} bytes; the bound is {FormatLimits.MaxEventDataLengthBytes}.");
        }

        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = FormatLimits.MaxJsonDepth });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                {
                    _ = reader.GetString();
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new ArgumentException($"Event data is not one JSON value of depth {FormatLimits.MaxJsonDepth} or less: {exception.Message}", exception);
        }
    }
}
