// Why this file exists: escapes in JSON text, both ways. Invariants: a surrogate is valid only as a pair, so that unescaped text is always well-formed UTF-8;
// unescaped text is never longer than its escaped form.

using System.Text;

namespace SourceOS.StateStore.Format;

internal static class JsonEscapes
{
    /// <summary>Length of the escape that starts at an offset: 2, 6, or 12 for a surrogate pair; 0 when it is none.</summary>
    internal static int LengthAt(ReadOnlySpan<byte> json, int at)
    {
        if (at + 1 >= json.Length)
        {
            return 0;
        }

        if (json[at + 1] is (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t')
        {
            return 2;
        }

        int unit = json[at + 1] == (byte)'u' ? ReadUnit(json, at + 2) : -1;
        if (unit < 0 || char.IsLowSurrogate((char)unit))
        {
            return 0;
        }

        if (!char.IsHighSurrogate((char)unit))
        {
            return 6;
        }

        bool hasLow = at + 7 < json.Length && json[at + 6] == (byte)'\\' && json[at + 7] == (byte)'u'
            && ReadUnit(json, at + 8) is int low && low >= 0 && char.IsLowSurrogate((char)low);
        return hasLow ? 12 : 0;
    }

    /// <summary>Decodes text that a scanner accepted.</summary>
    /// <param name="content">The bytes between the quotes.</param>
    /// <param name="destination">At least as long as the content.</param>
    /// <returns>The number of bytes written.</returns>
    internal static int Unescape(ReadOnlySpan<byte> content, Span<byte> destination)
    {
        int written = 0;
        while (true)
        {
            int plain = content.IndexOf((byte)'\\');
            plain = plain < 0 ? content.Length : plain;
            content[..plain].CopyTo(destination[written..]);
            written += plain;
            if (plain == content.Length)
            {
                return written;
            }

            content = content[plain..];
            int length = LengthAt(content, 0);
            if (length == 2)
            {
                destination[written++] = Simple(content[1]);
            }
            else
            {
                int unit = ReadUnit(content, 2);
                Rune rune = length == 12 ? new Rune((char)unit, (char)ReadUnit(content, 8)) : new Rune((char)unit);
                written += rune.EncodeToUtf8(destination[written..]);
            }

            content = content[length..];
        }
    }

    private static byte Simple(byte code) => code switch
    {
        (byte)'b' => (byte)'\b',
        (byte)'f' => (byte)'\f',
        (byte)'n' => (byte)'\n',
        (byte)'r' => (byte)'\r',
        (byte)'t' => (byte)'\t',
        _ => code,
    };

    private static int ReadUnit(ReadOnlySpan<byte> json, int at)
    {
        if (json.Length - at < 4)
        {
            return -1;
        }

        int unit = 0;
        for (int i = 0; i < 4; i++)
        {
            int digit = json[at + i] switch
            {
                >= (byte)'0' and <= (byte)'9' and byte value => value - '0',
                >= (byte)'a' and <= (byte)'f' and byte value => value - 'a' + 10,
                >= (byte)'A' and <= (byte)'F' and byte value => value - 'A' + 10,
                _ => -1,
            };
            if (digit < 0)
            {
                return -1;
            }

            unit = (unit << 4) | digit;
        }

        return unit;
    }
}
