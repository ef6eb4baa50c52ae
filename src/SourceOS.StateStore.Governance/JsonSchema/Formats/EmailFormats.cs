// Why this file exists: email (the Mailbox of RFC 5321 section 4.1.2) and idn-email (RFC 6531).
// Invariants: no comments and no display names; the local part is at most 64 octets.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for mail addresses.</summary>
internal static class EmailFormats
{
    private const int MaxLocalBytes = 64;

    /// <summary>An address in ASCII.</summary>
    public static bool IsEmail(ReadOnlySpan<byte> text) => IsMailbox(text, international: false);

    /// <summary>An address whose local part and domain may be international.</summary>
    public static bool IsIdnEmail(ReadOnlySpan<byte> text) => IsMailbox(text, international: true);

    private static bool IsMailbox(ReadOnlySpan<byte> text, bool international)
    {
        // The last at-sign separates: a domain cannot hold one, a quoted local part can.
        int at = text.LastIndexOf((byte)'@');
        if (at <= 0 || at > MaxLocalBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> local = text[..at];
        ReadOnlySpan<byte> domain = text[(at + 1)..];
        bool localGood = local[0] == (byte)'"' ? IsQuoted(local, international) : IsDotAtom(local, international);
        return localGood && IsDomain(domain, international);
    }

    private static bool IsDomain(ReadOnlySpan<byte> domain, bool international)
    {
        if (domain.Length > 2 && domain[0] == (byte)'[' && domain[^1] == (byte)']')
        {
            ReadOnlySpan<byte> literal = domain[1..^1];
            return literal.StartsWith("IPv6:"u8) ? AddressFormats.IsIpv6(literal[5..]) : AddressFormats.IsIpv4(literal);
        }

        return international ? HostnameFormats.IsLooseIdnHostname(domain) : HostnameFormats.IsPlainHostname(domain);
    }

    private static bool IsDotAtom(ReadOnlySpan<byte> local, bool international)
    {
        bool expectsAtom = true;
        foreach (byte value in local)
        {
            if (value == (byte)'.')
            {
                if (expectsAtom)
                {
                    return false;
                }

                expectsAtom = true;
                continue;
            }

            bool atom = char.IsAsciiLetterOrDigit((char)value) || "!#$%&'*+-/=?^_`{|}~"u8.Contains(value) || (international && value >= 0x80);
            if (!atom)
            {
                return false;
            }

            expectsAtom = false;
        }

        return !expectsAtom;
    }

    private static bool IsQuoted(ReadOnlySpan<byte> local, bool international)
    {
        if (local.Length < 2 || local[^1] != (byte)'"')
        {
            return false;
        }

        ReadOnlySpan<byte> inner = local[1..^1];
        for (int i = 0; i < inner.Length; i++)
        {
            byte value = inner[i];
            if (value == (byte)'\\')
            {
                i++;
                if (i >= inner.Length || inner[i] is < 32 or > 126)
                {
                    return false;
                }
            }
            else if (value == (byte)'"' || value < 32 || value == 127 || (value >= 0x80 && !international))
            {
                return false;
            }
        }

        return true;
    }
}
