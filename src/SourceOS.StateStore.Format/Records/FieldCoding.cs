// Why this file exists: which tag a field's value takes is one rule (format-spec/records.md, Body): the field's own type when the value's text comes back
// equal from it, else text or JSON. Invariants: equal values of a field always give equal bytes; every value gives some.

using System.Buffers.Binary;
using System.Buffers.Text;

namespace SourceOS.StateStore.Format;

internal static class FieldCoding
{
    private const int LongestIntegerText = 20;

    // A list of one-byte texts needs five bytes for each of their four.
    private const int ExpansionFactor = 5;
    private const int SmallestRoom = 64;

    /// <summary>Bytes of room that any value of a length can be encoded in.</summary>
    internal static int RoomFor(int jsonLength) => (jsonLength * ExpansionFactor) + SmallestRoom;

    /// <summary>Finds the encoding of a JSON value in a field.</summary>
    /// <param name="type">The field's type.</param>
    /// <param name="json">One JSON value that a scanner accepted.</param>
    /// <param name="room">Takes the encoded bytes; <see cref="RoomFor"/> bytes.</param>
    /// <param name="tag">The tag.</param>
    /// <returns>Number of encoded bytes; for a boolean, 1 for true and 0 for false.</returns>
    internal static int Encode(FieldType type, ReadOnlySpan<byte> json, Span<byte> room, out FieldTag tag)
    {
        var scanner = new JsonScanner(json, JsonScanner.DeepestDepth, allowSpace: true);
        _ = scanner.Read();
        switch (scanner.Token)
        {
            case JsonToken.Null:
                tag = FieldTag.Null;
                return 0;
            case JsonToken.Text:
                int length = JsonEscapes.Unescape(scanner.Content, room);
                return EncodeText(type, room, length, out tag);
            case JsonToken.True or JsonToken.False when type == FieldType.Boolean:
                tag = FieldTag.Boolean;
                return scanner.Token == JsonToken.True ? 1 : 0;
            case JsonToken.Number when type == FieldType.Integer && TryParseInteger(scanner.Raw, out long number):
                tag = FieldTag.Integer;
                BinaryPrimitives.WriteInt64LittleEndian(room, number);
                return sizeof(long);
            case JsonToken.BeginArray when type == FieldType.TextList && TryEncodeList(json, room, out int listLength):
                tag = FieldTag.TextList;
                return listLength;
            default:
                tag = FieldTag.Json;
                return JsonMinifier.Minify(json, room);
        }
    }

    /// <summary>Finds the encoding of a text in a field; the text stands at the start of the room and its encoding replaces it.</summary>
    internal static int EncodeText(FieldType type, Span<byte> room, int length, out FieldTag tag)
    {
        ReadOnlySpan<byte> text = room[..length];
        if (type == FieldType.Time && TimeText.TryParse(text, out long micros))
        {
            tag = FieldTag.Time;
            BinaryPrimitives.WriteInt64LittleEndian(room, micros);
            return sizeof(long);
        }

        if (type == FieldType.Sha256 && HashText.TryParse(text, out Hash256 hash))
        {
            tag = FieldTag.Sha256;
            hash.CopyTo(room);
            return Hash256.LengthBytes;
        }

        tag = FieldTag.Text;
        return length;
    }

    /// <summary>Reads a number whose text is the shortest decimal form of a 64-bit integer.</summary>
    internal static bool TryParseInteger(ReadOnlySpan<byte> text, out long number)
    {
        number = 0;
        if (text.Length > LongestIntegerText || !Utf8Parser.TryParse(text, out number, out int consumed, 'D') || consumed != text.Length)
        {
            return false;
        }

        Span<byte> again = stackalloc byte[LongestIntegerText];
        return Utf8Formatter.TryFormat(number, again, out int written) && text.SequenceEqual(again[..written]);
    }

    /// <summary>Encodes an array of texts; false when it is anything else.</summary>
    private static bool TryEncodeList(ReadOnlySpan<byte> json, Span<byte> room, out int length)
    {
        length = 0;
        int count = CountTexts(json);
        if (count < 0)
        {
            return false;
        }

        var scanner = new JsonScanner(json, JsonScanner.DeepestDepth, allowSpace: true);
        _ = scanner.Read();
        BinaryPrimitives.WriteUInt32LittleEndian(room, (uint)count);
        int at = sizeof(uint) + (count * sizeof(uint));
        for (int i = 0; i < count; i++)
        {
            _ = scanner.Read();
            int written = JsonEscapes.Unescape(scanner.Content, room[at..]);
            BinaryPrimitives.WriteUInt32LittleEndian(room[(sizeof(uint) + (i * sizeof(uint)))..], (uint)written);
            at += written;
        }

        length = at;
        return true;
    }

    private static int CountTexts(ReadOnlySpan<byte> json)
    {
        var scanner = new JsonScanner(json, JsonScanner.DeepestDepth, allowSpace: true);
        _ = scanner.Read();
        int count = 0;
        while (scanner.Read() && scanner.Token != JsonToken.EndArray)
        {
            if (scanner.Token != JsonToken.Text)
            {
                return -1;
            }

            count++;
        }

        return scanner.Fault.IsFault ? -1 : count;
    }
}
