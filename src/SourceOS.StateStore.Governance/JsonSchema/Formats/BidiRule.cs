// Why this file exists: the Bidi rule of RFC 5893 section 2, which every label of a name with right-to-left code points obeys.
// Invariants: labels are short, so the sets are searched code point by code point.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The Bidi rule.</summary>
internal static class BidiRule
{
    private static readonly Lazy<CodePointSet> s_left = new(() => Idna.Table("~bidi_left"));
    private static readonly Lazy<CodePointSet> s_right = new(() => Idna.Table("~bidi_right"));
    private static readonly Lazy<CodePointSet> s_arabicNumber = new(() => Idna.Table("~bidi_arabic_number"));
    private static readonly Lazy<CodePointSet> s_europeanNumber = new(() => Idna.Table("~bidi_european_number"));
    private static readonly Lazy<CodePointSet> s_neutral = new(() => Idna.Table("~bidi_neutral"));
    private static readonly Lazy<CodePointSet> s_mark = new(() => Idna.Table("~bidi_mark"));

    /// <summary>Whether a code point of the class R, AL or AN is among these.</summary>
    public static bool IsRightToLeft(ReadOnlySpan<int> label)
    {
        foreach (int codePoint in label)
        {
            if (s_right.Value.Contains(codePoint) || s_arabicNumber.Value.Contains(codePoint))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a label of a Bidi name obeys the six conditions.</summary>
    public static bool Allows(ReadOnlySpan<int> label)
    {
        bool rightToLeft = !label.IsEmpty && s_right.Value.Contains(label[0]);
        if (label.IsEmpty || (!rightToLeft && !s_left.Value.Contains(label[0])))
        {
            return false;
        }

        bool european = false;
        bool arabic = false;
        bool endsWell = false;
        foreach (int codePoint in label)
        {
            if (s_mark.Value.Contains(codePoint))
            {
                continue;
            }

            bool isEuropean = s_europeanNumber.Value.Contains(codePoint);
            bool isArabic = s_arabicNumber.Value.Contains(codePoint);
            bool isLetter = (rightToLeft ? s_right : s_left).Value.Contains(codePoint);
            bool strong = isLetter || isEuropean || (isArabic && rightToLeft);
            if (!strong && !s_neutral.Value.Contains(codePoint))
            {
                return false;
            }

            endsWell = strong;
            european |= isEuropean;
            arabic |= isArabic;
        }

        return endsWell && !(rightToLeft && european && arabic);
    }
}
