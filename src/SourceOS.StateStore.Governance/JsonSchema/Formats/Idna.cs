// Why this file exists: which labels RFC 5890 to 5893 allow: code points (RFC 5892) and their contexts; the Bidi rule is beside.
// Invariants: tables are built once; labels reaching here are at most a name long, so every loop is short.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Rules of internationalised labels.</summary>
internal static class Idna
{
    private static readonly Lazy<CodePointSet> s_unstable = new(() => Table("Changes_When_NFKC_Casefolded"));
    private static readonly Lazy<CodePointSet> s_virama = new(() => Table("~virama"));
    private static readonly Lazy<CodePointSet> s_joinsAfter = new(() => Table("~joins_after"));
    private static readonly Lazy<CodePointSet> s_joinsBefore = new(() => Table("~joins_before"));
    private static readonly Lazy<CodePointSet> s_joinsThrough = new(() => Table("~joins_through"));
    private static readonly Lazy<CodePointSet> s_greek = new(() => Table("sc=Greek"));
    private static readonly Lazy<CodePointSet> s_hebrew = new(() => Table("sc=Hebrew"));
    private static readonly Lazy<CodePointSet> s_japanese = new(() => Union("sc=Hiragana", "sc=Katakana", "sc=Han"));
    /// <summary>Whether a label begins with xn--.</summary>
    public static bool IsMarkedAsALabel(ReadOnlySpan<byte> label) =>
        label.Length >= 4 && (label[0] | 0x20) == 'x' && (label[1] | 0x20) == 'n' && label[2] == (byte)'-' && label[3] == (byte)'-';

    /// <summary>Whether hyphens stand in the third and fourth place, which is reserved.</summary>
    public static bool HasHyphensThirdAndFourth(ReadOnlySpan<int> label) => label.Length >= 4 && label[2] == '-' && label[3] == '-';

    /// <summary>Whether an ASCII label beginning with xn-- stands for a valid U-label, in its one canonical form.</summary>
    public static bool IsALabel(ReadOnlySpan<byte> label)
    {
        if (!IsMarkedAsALabel(label) || label.Length > 63)
        {
            return false;
        }

        Span<int> decoded = stackalloc int[64];
        int length = Punycode.Decode(label[4..], decoded);
        if (length <= 0 || !decoded[..length].ContainsAnyExceptInRange(0, 0x7F))
        {
            return false;
        }

        for (int i = 0; i < length; i++)
        {
            decoded[i] = decoded[i] is >= 'A' and <= 'Z' ? decoded[i] + 32 : decoded[i];
        }

        Span<byte> encoded = stackalloc byte[64];
        int encodedLength = Punycode.Encode(decoded[..length], encoded);
        return encodedLength == label.Length - 4 && EqualsIgnoringCase(encoded[..encodedLength], label[4..]) 
            && IsULabel(decoded[..length], BidiRule.IsRightToLeft(decoded[..length]));
    }

    /// <summary>Whether the code points form a valid U-label.</summary>
    /// <param name="label">The label.</param>
    /// <param name="isBidiName">Whether the name it is in holds right-to-left code points, in this label or another.</param>
    public static bool IsULabel(ReadOnlySpan<int> label, bool isBidiName)
    {
        if (label.IsEmpty || label[0] == '-' || label[^1] == '-' || HasHyphensThirdAndFourth(label) || IsMark(label[0]))
        {
            return false;
        }

        for (int i = 0; i < label.Length; i++)
        {
            if (!IsAllowed(label, i))
            {
                return false;
            }
        }

        return !isBidiName || BidiRule.Allows(label);
    }

    /// <summary>Whether a label in a mail address is one: letters, digits, marks and hyphens, not normalised.</summary>
    public static bool IsLooseLabel(ReadOnlySpan<int> label)
    {
        bool good = !label.IsEmpty && label[0] != '-' && label[^1] != '-';
        foreach (int codePoint in label)
        {
            good &= codePoint < 0x80
                ? codePoint == '-' || char.IsAsciiLetterOrDigit((char)codePoint)
                : IsLetterOrDigit(codePoint) || codePoint is 0x200C or 0x200D;
        }

        return good;
    }

    private static bool IsAllowed(ReadOnlySpan<int> label, int at)
    {
        int codePoint = label[at];
        switch (codePoint)
        {
            case 0xDF or 0x3C2 or 0x6FD or 0x6FE or 0xF0B or 0x3007:
                return true;
            case 0x640 or 0x7FA or 0x302E or 0x302F or (>= 0x3031 and <= 0x3035) or 0x303B:
                return false;
            case 0xB7:
                return at > 0 && label[at - 1] == 'l' && at + 1 < label.Length && label[at + 1] == 'l';
            case 0x375:
                return at + 1 < label.Length && s_greek.Value.Contains(label[at + 1]);
            case 0x5F3 or 0x5F4:
                return at > 0 && s_hebrew.Value.Contains(label[at - 1]);
            case 0x30FB:
                return ContainsJapanese(label);
            case >= 0x660 and <= 0x669:
                return !label.ContainsAnyInRange(0x6F0, 0x6F9);
            case >= 0x6F0 and <= 0x6F9:
                return !label.ContainsAnyInRange(0x660, 0x669);
            case 0x200D:
                return at > 0 && s_virama.Value.Contains(label[at - 1]);
            case 0x200C:
                return at > 0 && (s_virama.Value.Contains(label[at - 1]) || JoinsAround(label, at));
        }

        if (codePoint < 0x80)
        {
            return codePoint is '-' or (>= '0' and <= '9') or (>= 'a' and <= 'z');
        }

        // Old Hangul letters compose freely and are disallowed as a class.
        bool oldHangul = codePoint is (>= 0x1100 and <= 0x11FF) or (>= 0xA960 and <= 0xA97C) or (>= 0xD7B0 and <= 0xD7FB);
        return !oldHangul && IsLetterOrDigit(codePoint) && !s_unstable.Value.Contains(codePoint);
    }

    private static bool IsLetterOrDigit(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint)
        is UnicodeCategory.LowercaseLetter or UnicodeCategory.UppercaseLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
        or UnicodeCategory.DecimalDigitNumber;

    private static bool IsMark(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private static bool ContainsJapanese(ReadOnlySpan<int> label)
    {
        foreach (int codePoint in label)
        {
            if (codePoint != 0x30FB && s_japanese.Value.Contains(codePoint))
            {
                return true;
            }
        }

        return false;
    }

    private static bool JoinsAround(ReadOnlySpan<int> label, int at)
    {
        int before = at - 1;
        while (before >= 0 && s_joinsThrough.Value.Contains(label[before]))
        {
            before--;
        }

        int after = at + 1;
        while (after < label.Length && s_joinsThrough.Value.Contains(label[after]))
        {
            after++;
        }

        return before >= 0 && after < label.Length
            && s_joinsAfter.Value.Contains(label[before]) && s_joinsBefore.Value.Contains(label[after]);
    }

    private static bool EqualsIgnoringCase(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        bool equal = left.Length == right.Length;
        for (int i = 0; equal && i < left.Length; i++)
        {
            equal = char.ToLowerInvariant((char)left[i]) == char.ToLowerInvariant((char)right[i]);
        }

        return equal;
    }

    internal static CodePointSet Table(string name) =>
        UnicodeProperties.Table(name) ?? throw new InvalidOperationException($"The Unicode property table lacks '{name}'.");

    private static CodePointSet Union(params ReadOnlySpan<string> names)
    {
        List<(int First, int Last)> ranges = [];
        foreach (string name in names)
        {
            Table(name).AddTo(ranges);
        }

        return CodePointSet.FromRanges(ranges);
    }
}
