// Why this file exists: uri and uri-reference (RFC 3986), iri and iri-reference (RFC 3987), by their grammars.
// Invariants: every byte is checked against the production it stands in; nothing is decoded or normalised.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for URIs and IRIs.</summary>
internal static class UriFormats
{
    private const string SubDelimiters = "!$&'()*+,;=";

    /// <summary>An absolute URI, with or without a fragment.</summary>
    public static bool IsUri(ReadOnlySpan<byte> text) => IsReference(text, international: false, absolute: true);

    /// <summary>A URI or a relative reference.</summary>
    public static bool IsUriReference(ReadOnlySpan<byte> text) => IsReference(text, international: false, absolute: false);

    /// <summary>An absolute IRI, with or without a fragment.</summary>
    public static bool IsIri(ReadOnlySpan<byte> text) => IsReference(text, international: true, absolute: true);

    /// <summary>An IRI or a relative reference.</summary>
    public static bool IsIriReference(ReadOnlySpan<byte> text) => IsReference(text, international: true, absolute: false);

    private static bool IsReference(ReadOnlySpan<byte> text, bool international, bool absolute)
    {
        int hash = text.IndexOf((byte)'#');
        if (hash >= 0)
        {
            if (!AllOf(text[(hash + 1)..], ":@/?", international, allowPrivate: false))
            {
                return false;
            }

            text = text[..hash];
        }

        int question = text.IndexOf((byte)'?');
        if (question >= 0)
        {
            if (!AllOf(text[(question + 1)..], ":@/?", international, allowPrivate: true))
            {
                return false;
            }

            text = text[..question];
        }

        int colon = SchemeLength(text);
        if (colon <= 0 && absolute)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = colon > 0 ? text[(colon + 1)..] : text;
        if (rest.StartsWith("//"u8))
        {
            rest = rest[2..];
            int slash = rest.IndexOf((byte)'/');
            ReadOnlySpan<byte> authority = slash < 0 ? rest : rest[..slash];
            return IsAuthority(authority, international) && (slash < 0 || AllOf(rest[slash..], ":@/", international, allowPrivate: false));
        }

        // Without a scheme the first segment may hold no colon, or it would read as one.
        int firstSlash = rest.IndexOf((byte)'/');
        bool colonFirst = colon <= 0 && (firstSlash < 0 ? rest : rest[..firstSlash]).Contains((byte)':');
        return !colonFirst && AllOf(rest, ":@/", international, allowPrivate: false);
    }

    /// <summary>The length of the scheme before its colon; -1 when there is none.</summary>
    private static int SchemeLength(ReadOnlySpan<byte> text)
    {
        int colon = text.IndexOf((byte)':');
        if (colon <= 0 || !char.IsAsciiLetter((char)text[0]))
        {
            return -1;
        }

        foreach (byte value in text[..colon])
        {
            if (!char.IsAsciiLetterOrDigit((char)value) && value is not ((byte)'+' or (byte)'-' or (byte)'.'))
            {
                return -1;
            }
        }

        return colon;
    }

    private static bool IsAuthority(ReadOnlySpan<byte> text, bool international)
    {
        int at = text.IndexOf((byte)'@');
        if (at >= 0)
        {
            if (!AllOf(text[..at], ":", international, allowPrivate: false))
            {
                return false;
            }

            text = text[(at + 1)..];
        }

        if (text.Length > 0 && text[0] == (byte)'[')
        {
            int close = text.IndexOf((byte)']');
            return close > 0 && IsIpLiteral(text[1..close]) && (close + 1 == text.Length || (text[close + 1] == (byte)':' && IsPort(text[(close + 2)..])));
        }

        int colon = text.IndexOf((byte)':');
        ReadOnlySpan<byte> host = colon < 0 ? text : text[..colon];
        return AllOf(host, string.Empty, international, allowPrivate: false) && (colon < 0 || IsPort(text[(colon + 1)..]));
    }

    private static bool IsIpLiteral(ReadOnlySpan<byte> text)
    {
        if (text.Length == 0 || (text[0] | 0x20) != 'v')
        {
            return AddressFormats.IsIpv6(text);
        }

        int dot = text.IndexOf((byte)'.');
        if (dot < 2 || dot + 1 >= text.Length)
        {
            return false;
        }

        foreach (byte value in text[1..dot])
        {
            if (!char.IsAsciiHexDigit((char)value))
            {
                return false;
            }
        }

        return !text.Contains((byte)'%') && AllOf(text[(dot + 1)..], ":", international: false, allowPrivate: false);
    }

    private static bool IsPort(ReadOnlySpan<byte> text) => !text.ContainsAnyExceptInRange((byte)'0', (byte)'9');

    /// <summary>Whether the text is unreserved characters, sub-delimiters, percent escapes and the further characters given.</summary>
    private static bool AllOf(ReadOnlySpan<byte> text, string further, bool international, bool allowPrivate)
    {
        for (int i = 0; i < text.Length; i++)
        {
            char value = (char)text[i];
            if (value >= 0x80)
            {
                Rune.DecodeFromUtf8(text[i..], out Rune rune, out int consumed);
                if (!international || !IsInternational(rune.Value, allowPrivate))
                {
                    return false;
                }

                i += consumed - 1;
            }
            else if (value == '%')
            {
                if (i + 2 >= text.Length || !char.IsAsciiHexDigit((char)text[i + 1]) || !char.IsAsciiHexDigit((char)text[i + 2]))
                {
                    return false;
                }

                i += 2;
            }
            else if (!char.IsAsciiLetterOrDigit(value) && value is not ('-' or '.' or '_' or '~')
                && !SubDelimiters.Contains(value, StringComparison.Ordinal) && !further.Contains(value, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The ucschar and iprivate productions of RFC 3987.</summary>
    private static bool IsInternational(int codePoint, bool allowPrivate)
    {
        if (codePoint is (>= 0xE000 and <= 0xF8FF) or >= 0xF0000)
        {
            return allowPrivate && (codePoint & 0xFFFE) != 0xFFFE;
        }

        return codePoint is (>= 0xA0 and <= 0xD7FF) or (>= 0xF900 and <= 0xFDCF) or (>= 0xFDF0 and <= 0xFFEF)
            || (codePoint >= 0x10000 && (codePoint & 0xFFFE) != 0xFFFE && codePoint is not (>= 0xE0000 and < 0xE1000));
    }
}
