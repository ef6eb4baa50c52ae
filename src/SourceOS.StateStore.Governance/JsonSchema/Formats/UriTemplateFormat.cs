// Why this file exists: uri-template (RFC 6570, all levels), by its grammar.
// Invariants: one pass; literals and expressions are checked byte by byte.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for URI templates.</summary>
internal static class UriTemplateFormat
{
    /// <summary>Literals and expressions in braces.</summary>
    public static bool IsUriTemplate(ReadOnlySpan<byte> text)
    {
        int at = 0;
        while (at < text.Length)
        {
            if (text[at] == (byte)'{')
            {
                int close = text[at..].IndexOf((byte)'}');
                if (close < 0 || !IsExpression(text.Slice(at + 1, close - 1)))
                {
                    return false;
                }

                at += close + 1;
            }
            else if (!TakeLiteral(text, ref at))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TakeLiteral(ReadOnlySpan<byte> text, ref int at)
    {
        byte value = text[at];
        if (value >= 0x80)
        {
            Rune.DecodeFromUtf8(text[at..], out Rune rune, out int consumed);
            at += consumed;
            return rune.Value >= 0xA0 && rune != Rune.ReplacementChar;
        }

        if (value == (byte)'%')
        {
            return TakeEscape(text, ref at);
        }

        at++;
        return value > 0x20 && value != 0x7F && !"\"<>\\^`{|}"u8.Contains(value);
    }

    private static bool TakeEscape(ReadOnlySpan<byte> text, ref int at)
    {
        bool good = at + 2 < text.Length && char.IsAsciiHexDigit((char)text[at + 1]) && char.IsAsciiHexDigit((char)text[at + 2]);
        at += 3;
        return good;
    }

    private static bool IsExpression(ReadOnlySpan<byte> text)
    {
        if (text.Length > 0 && "+#./;?&=,!@|"u8.Contains(text[0]))
        {
            text = text[1..];
        }

        while (true)
        {
            int comma = text.IndexOf((byte)',');
            if (!IsVariable(comma < 0 ? text : text[..comma]))
            {
                return false;
            }

            if (comma < 0)
            {
                return true;
            }

            text = text[(comma + 1)..];
        }
    }

    private static bool IsVariable(ReadOnlySpan<byte> text)
    {
        int colon = text.IndexOf((byte)':');
        if (colon >= 0)
        {
            ReadOnlySpan<byte> length = text[(colon + 1)..];
            if (length.Length is 0 or > 4 || length[0] == (byte)'0' || length.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            {
                return false;
            }

            text = text[..colon];
        }
        else if (text.Length > 0 && text[^1] == (byte)'*')
        {
            text = text[..^1];
        }

        bool expectsCharacter = true;
        int at = 0;
        while (at < text.Length)
        {
            if (text[at] == (byte)'%')
            {
                if (!TakeEscape(text, ref at))
                {
                    return false;
                }

                expectsCharacter = false;
                continue;
            }

            bool dot = text[at] == (byte)'.';
            if (dot ? expectsCharacter : !char.IsAsciiLetterOrDigit((char)text[at]) && text[at] != (byte)'_')
            {
                return false;
            }

            expectsCharacter = dot;
            at++;
        }

        return !expectsCharacter;
    }
}
