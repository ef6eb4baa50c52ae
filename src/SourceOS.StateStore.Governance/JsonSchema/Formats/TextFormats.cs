// Why this file exists: the small formats: uuid, the JSON pointers, regex.
// Invariants: RFC 4122 section 3, RFC 6901 section 3 and the relative JSON pointer draft, to the letter.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for uuid, json-pointer, relative-json-pointer and regex.</summary>
internal static class TextFormats
{
    /// <summary>8-4-4-4-12 hexadecimal digits.</summary>
    public static bool IsUuid(ReadOnlySpan<byte> text)
    {
        if (text.Length != 36)
        {
            return false;
        }

        for (int i = 0; i < text.Length; i++)
        {
            bool dash = i is 8 or 13 or 18 or 23;
            if (dash ? text[i] != (byte)'-' : !char.IsAsciiHexDigit((char)text[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Empty, or tokens that each begin with a slash; a tilde is followed by 0 or 1.</summary>
    public static bool IsJsonPointer(ReadOnlySpan<byte> text)
    {
        if (text.Length > 0 && text[0] != (byte)'/')
        {
            return false;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == (byte)'~' && (i + 1 >= text.Length || text[i + 1] is not ((byte)'0' or (byte)'1')))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A count without leading zeros, then a number sign or a JSON pointer.</summary>
    public static bool IsRelativeJsonPointer(ReadOnlySpan<byte> text)
    {
        int digits = 0;
        while (digits < text.Length && char.IsAsciiDigit((char)text[digits]))
        {
            digits++;
        }

        if (digits == 0 || (digits > 1 && text[0] == (byte)'0'))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = text[digits..];
        return rest.SequenceEqual("#"u8) || IsJsonPointer(rest);
    }

    /// <summary>A pattern of ECMA-262.</summary>
    public static bool IsRegex(ReadOnlySpan<byte> text) =>
        text.Length <= EcmaPattern.MaxLength && PatternParser.Parse(Encoding.UTF8.GetString(text), out _, out _) is not null;
}
