// Why this file exists: ipv4 (RFC 2673 section 3.2, dotted quad) and ipv6 (RFC 4291 section 2.2).
// Invariants: no leading zeros in decimal parts, no zone, no brackets.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for IP addresses.</summary>
internal static class AddressFormats
{
    /// <summary>Four decimal parts of 0 to 255.</summary>
    public static bool IsIpv4(ReadOnlySpan<byte> text)
    {
        for (int part = 0; part < 4; part++)
        {
            int dot = text.IndexOf((byte)'.');
            ReadOnlySpan<byte> digits = part == 3 ? text : dot < 0 ? default : text[..dot];
            if (!IsOctet(digits))
            {
                return false;
            }

            text = part == 3 ? default : text[(dot + 1)..];
        }

        return true;
    }

    /// <summary>Eight groups, a run of which may be left out once, the last two of which may be dotted.</summary>
    public static bool IsIpv6(ReadOnlySpan<byte> text)
    {
        int gap = text.IndexOf("::"u8);
        if (gap < 0)
        {
            return CountGroups(text, allowDotted: true) == 8;
        }

        ReadOnlySpan<byte> before = text[..gap];
        ReadOnlySpan<byte> after = text[(gap + 2)..];
        int groupsBefore = before.IsEmpty ? 0 : CountGroups(before, allowDotted: false);
        int groupsAfter = after.IsEmpty ? 0 : CountGroups(after, allowDotted: true);
        return groupsBefore >= 0 && groupsAfter >= 0 && groupsBefore + groupsAfter <= 7;
    }

    private static bool IsOctet(ReadOnlySpan<byte> digits)
    {
        if (digits.Length is 0 or > 3 || (digits.Length > 1 && digits[0] == (byte)'0'))
        {
            return false;
        }

        int value = 0;
        foreach (byte digit in digits)
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            value = (value * 10) + (digit - '0');
        }

        return value <= 255;
    }

    /// <summary>Counts the groups of 16 bits; -1 when something is not one.</summary>
    private static int CountGroups(ReadOnlySpan<byte> text, bool allowDotted)
    {
        int groups = 0;
        while (true)
        {
            int colon = text.IndexOf((byte)':');
            ReadOnlySpan<byte> group = colon < 0 ? text : text[..colon];
            if (colon < 0 && allowDotted && group.Contains((byte)'.'))
            {
                return IsIpv4(group) ? groups + 2 : -1;
            }

            if (group.Length is 0 or > 4 || groups > 8)
            {
                return -1;
            }

            foreach (byte digit in group)
            {
                if (!char.IsAsciiHexDigit((char)digit))
                {
                    return -1;
                }
            }

            groups++;
            if (colon < 0)
            {
                return groups;
            }

            text = text[(colon + 1)..];
        }
    }
}
