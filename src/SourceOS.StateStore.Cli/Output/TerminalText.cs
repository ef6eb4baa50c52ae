// Why this file exists: names and titles come from files and from other devices, and a terminal obeys control characters. Text for
// people therefore shows them instead of sending them. Invariants: the result holds no control character, no bidirectional
// override and no newline; printable text comes back as it is.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Text made safe for a terminal, and how wide it is there.</summary>
internal static class TerminalText
{
    /// <summary>Replaces what a terminal would obey by a visible form.</summary>
    /// <param name="text">Any text.</param>
    public static string Clean(string text)
    {
        bool isClean = true;
        foreach (Rune rune in text.EnumerateRunes())
        {
            isClean &= !IsUnsafe(rune);
        }

        if (isClean)
        {
            return text;
        }

        StringBuilder clean = new(text.Length + 16);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!IsUnsafe(rune))
            {
                clean.Append(rune.ToString());
            }
            else if (rune.Value <= 0xFF)
            {
                clean.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}");
            }
            else
            {
                clean.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
        }

        return clean.ToString();
    }

    /// <summary>How many columns a clean text takes.</summary>
    /// <param name="text">The text.</param>
    public static int Width(string text)
    {
        int width = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            width += Width(rune);
        }

        return width;
    }

    /// <summary>Cuts a clean text to a width, with an ellipsis when something is missing.</summary>
    /// <param name="text">The text.</param>
    /// <param name="columns">At least 1.</param>
    public static string Cut(string text, int columns)
    {
        if (Width(text) <= columns)
        {
            return text;
        }

        StringBuilder cut = new(columns);
        int width = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (width + Width(rune) > columns - 1)
            {
                break;
            }

            width += Width(rune);
            cut.Append(rune.ToString());
        }

        return cut.Append('…').ToString();
    }

    private static bool IsUnsafe(Rune rune) =>
        rune.Value is < 0x20 or (>= 0x7F and <= 0x9F) or 0x061C or (>= 0x200E and <= 0x200F) or (>= 0x2028 and <= 0x202E) or (>= 0x2066 and <= 0x2069) or 0xFEFF;

    private static int Width(Rune rune)
    {
        int value = rune.Value;
        if (value < 0x300)
        {
            return 1;
        }

        UnicodeCategory category = Rune.GetUnicodeCategory(rune);
        if (category is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format)
        {
            return 0;
        }

        bool isWide = value is (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0x303E) or (>= 0x3041 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3)
            or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6)
            or (>= 0x1F300 and <= 0x1F64F) or (>= 0x1F680 and <= 0x1F6FF) or (>= 0x1F900 and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD);
        return isWide ? 2 : 1;
    }
}
