// Why this file exists: strings are compared, measured and matched by their code points, straight from the JSON text.
// Invariants: no input makes these functions throw; a lone surrogate escape becomes U+FFFD when text is decoded, so decoded
// text is well-formed wherever the source was; decoded text is never longer than its source.

using System.Buffers.Text;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Decoding and measuring of JSON string bodies.</summary>
internal static class JsonText
{
    /// <summary>Decodes the escapes of a string body.</summary>
    /// <param name="source">The body between the quotes, whose escapes a JSON reader has accepted.</param>
    /// <param name="destination">At least as long as the source.</param>
    /// <returns>Bytes written.</returns>
    public static int Unescape(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        int read = 0;
        int written = 0;
        while (read < source.Length)
        {
            int plain = source[read..].IndexOf((byte)'\\');
            if (plain < 0)
            {
                plain = source.Length - read;
            }

            source.Slice(read, plain).CopyTo(destination[written..]);
            read += plain;
            written += plain;
            if (read + 1 >= source.Length)
            {
                break;
            }

            byte kind = source[read + 1];
            if (kind != (byte)'u')
            {
                destination[written++] = SimpleEscape(kind);
                read += 2;
                continue;
            }

            read += ReadUnicodeEscape(source[read..], out int codePoint);
            Rune rune = Rune.IsValid(codePoint) ? new Rune(codePoint) : Rune.ReplacementChar;
            written += rune.EncodeToUtf8(destination[written..]);
        }

        return written;
    }

    /// <summary>Counts the code points of a string body; an escaped surrogate pair is one, a lone surrogate is one.</summary>
    public static int CountCodePoints(ReadOnlySpan<byte> source, bool escaped)
    {
        if (!escaped)
        {
            return CountLeadingBytes(source);
        }

        int total = 0;
        int read = 0;
        while (read < source.Length)
        {
            int plain = source[read..].IndexOf((byte)'\\');
            if (plain < 0)
            {
                return total + CountLeadingBytes(source[read..]);
            }

            total += CountLeadingBytes(source.Slice(read, plain)) + 1;
            read += plain;
            read += read + 1 < source.Length && source[read + 1] == (byte)'u' ? ReadUnicodeEscape(source[read..], out _) : 2;
        }

        return total;
    }

    /// <summary>Decodes a string body into a new string; for messages and compilation, not for hot paths.</summary>
    public static string ToText(ReadOnlySpan<byte> source, bool escaped)
    {
        if (!escaped)
        {
            return Encoding.UTF8.GetString(source);
        }

        byte[] buffer = new byte[source.Length];
        int length = Unescape(source, buffer);
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    private static int CountLeadingBytes(ReadOnlySpan<byte> source)
    {
        if (Ascii.IsValid(source))
        {
            return source.Length;
        }

        int count = 0;
        foreach (byte value in source)
        {
            count += (value & 0xC0) != 0x80 ? 1 : 0;
        }

        return count;
    }

    private static int ReadUnicodeEscape(ReadOnlySpan<byte> source, out int codePoint)
    {
        codePoint = HexUnit(source);
        if (codePoint is < 0xD800 or > 0xDBFF)
        {
            return Math.Min(6, source.Length);
        }

        if (source.Length >= 12 && source[6] == (byte)'\\' && source[7] == (byte)'u')
        {
            int low = HexUnit(source[6..]);
            if (low is >= 0xDC00 and <= 0xDFFF)
            {
                codePoint = 0x10000 + ((codePoint - 0xD800) << 10) + (low - 0xDC00);
                return 12;
            }
        }

        return Math.Min(6, source.Length);
    }

    private static int HexUnit(ReadOnlySpan<byte> source) =>
        source.Length >= 6 && Utf8Parser.TryParse(source.Slice(2, 4), out ushort unit, out int consumed, 'x') && consumed == 4
            ? unit
            : 0xFFFD;

    private static byte SimpleEscape(byte kind) => kind switch
    {
        (byte)'n' => (byte)'\n',
        (byte)'t' => (byte)'\t',
        (byte)'r' => (byte)'\r',
        (byte)'b' => (byte)'\b',
        (byte)'f' => (byte)'\f',
        _ => kind,
    };
}
