// Why this file exists: hostname (RFC 1123 section 2.1, A-labels checked) and idn-hostname (RFC 5890).
// Invariants: a label is at most 63 octets in its ASCII form, a name at most 253; the label rules proper live in Idna.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks for host names.</summary>
internal static class HostnameFormats
{
    private const int MaxName = 253;
    private const int MaxLabel = 63;

    /// <summary>A host name in ASCII whose A-labels are valid.</summary>
    public static bool IsHostname(ReadOnlySpan<byte> text) => IsAsciiName(text, checkLabels: true);

    /// <summary>A host name in ASCII by its letters alone, as in a mail address.</summary>
    public static bool IsPlainHostname(ReadOnlySpan<byte> text) => IsAsciiName(text, checkLabels: false);

    /// <summary>A host name whose labels may be U-labels; any of the four full stops separates them.</summary>
    public static bool IsIdnHostname(ReadOnlySpan<byte> text) => IsInternationalName(text, strict: true);

    /// <summary>A host name as mail addresses may carry it: not normalised, letters and marks of any script.</summary>
    public static bool IsLooseIdnHostname(ReadOnlySpan<byte> text) => IsInternationalName(text, strict: false);

    private static bool IsAsciiName(ReadOnlySpan<byte> text, bool checkLabels)
    {
        if (text.Length is 0 or > MaxName)
        {
            return false;
        }

        while (true)
        {
            int dot = text.IndexOf((byte)'.');
            ReadOnlySpan<byte> label = dot < 0 ? text : text[..dot];
            if (!IsAsciiLabel(label) || (checkLabels && Idna.IsMarkedAsALabel(label) && !Idna.IsALabel(label)))
            {
                return false;
            }

            if (dot < 0)
            {
                return true;
            }

            text = text[(dot + 1)..];
        }
    }

    private static bool IsAsciiLabel(ReadOnlySpan<byte> label)
    {
        if (label.Length is 0 or > MaxLabel || label[0] == (byte)'-' || label[^1] == (byte)'-')
        {
            return false;
        }

        foreach (byte value in label)
        {
            if (!char.IsAsciiLetterOrDigit((char)value) && value != (byte)'-')
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsInternationalName(ReadOnlySpan<byte> text, bool strict)
    {
        // Every code point takes at least one octet of the ASCII form, so a longer text cannot fit.
        if (text.Length is 0 or > 4 * MaxName)
        {
            return false;
        }

        bool isBidiName = strict && IsBidiName(text);
        Span<int> label = stackalloc int[MaxName + 1];
        int length = 0;
        int total = -1;
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out Rune rune, out int consumed);
            text = text[consumed..];
            bool separator = rune.Value is '.' or 0x3002 or 0xFF0E or 0xFF61;
            if (!separator && length == label.Length)
            {
                return false;
            }

            if (!separator)
            {
                label[length++] = rune.Value;
                continue;
            }

            total += 1 + LabelLength(label[..length], strict, isBidiName);
            length = 0;
            if (total < 0 || text.IsEmpty)
            {
                return false;
            }
        }

        total += 1 + LabelLength(label[..length], strict, isBidiName);
        return total is > 0 and <= MaxName;
    }

    private static bool IsBidiName(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out Rune rune, out int consumed);
            text = text[consumed..];
            if (rune.Value >= 0x80 && BidiRule.IsRightToLeft([rune.Value]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The octets of a label's ASCII form; far below zero when it is not a label.</summary>
    private static int LabelLength(ReadOnlySpan<int> label, bool strict, bool isBidiName)
    {
        const int Bad = -1_000_000;
        Span<byte> ascii = stackalloc byte[MaxLabel];
        if (!label.ContainsAnyExceptInRange(0, 0x7F))
        {
            if (label.Length > MaxLabel)
            {
                return Bad;
            }

            for (int i = 0; i < label.Length; i++)
            {
                ascii[i] = (byte)label[i];
            }

            ReadOnlySpan<byte> plain = ascii[..label.Length];
            bool good = IsAsciiLabel(plain) && (!isBidiName || BidiRule.Allows(label)) && (!strict || !Idna.HasHyphensThirdAndFourth(label) || Idna.IsALabel(plain));
            return good ? label.Length : Bad;
        }

        if (strict ? !Idna.IsULabel(label, isBidiName) : !Idna.IsLooseLabel(label))
        {
            return Bad;
        }

        int encoded = Punycode.Encode(label, ascii[4..]);
        return encoded < 0 ? Bad : encoded + 4;
    }
}
