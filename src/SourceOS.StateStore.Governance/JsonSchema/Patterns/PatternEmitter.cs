// Why this file exists: writes the .NET expression that means what an ECMA-262 pattern means.
// Invariants: only constructs whose meaning is the same in .NET under any culture are written; sets are written over the letters of
// an alphabet, or over UTF-16 with surrogate pairs as units, so no class or dot matches half a character; the length is bounded.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Writes .NET expressions.</summary>
internal sealed class PatternEmitter
{
    private const int MaxLength = 256 * 1024;
    private const string Never = @"[^\s\S]";
    private readonly StringBuilder _text = new();
    private readonly PatternAlphabet? _alphabet;
    private readonly Dictionary<CodePointSet, string> _sets = [];

    private PatternEmitter(PatternAlphabet? alphabet) => _alphabet = alphabet;

    /// <summary>Whether the pattern used what only a backtracking matcher knows: looks, boundaries, references.</summary>
    private bool NeedsBacktracking { get; set; }

    /// <summary>Writes a pattern.</summary>
    /// <param name="node">The pattern.</param>
    /// <param name="alphabet">The letters that texts are rewritten over; null to match UTF-16 itself.</param>
    /// <param name="needsBacktracking">Whether only a backtracking matcher can run it.</param>
    /// <returns>Null when it would grow too long.</returns>
    public static string? Emit(PatternNode node, PatternAlphabet? alphabet, out bool needsBacktracking)
    {
        PatternEmitter emitter = new(alphabet);
        emitter.Write(node);
        needsBacktracking = emitter.NeedsBacktracking;
        return emitter._text.Length > MaxLength ? null : emitter._text.ToString();
    }

    /// <summary>Estimates the states of a pattern with its counted repeats unrolled; saturates.</summary>
    public static int Weight(PatternNode node)
    {
        const int Cap = 1_000_000;
        long weight = 1;
        switch (node)
        {
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts)
                {
                    weight += Weight(part);
                }

                break;
            case PatternNode.Choice choice:
                foreach (PatternNode option in choice.Options)
                {
                    weight += Weight(option);
                }

                break;
            case PatternNode.Repeat repeat:
                weight = (long)Weight(repeat.Part) * Math.Max(1, Math.Max(repeat.Min, repeat.Max));
                break;
            case PatternNode.Capture capture:
                weight = Weight(capture.Part);
                break;
            case PatternNode.Look look:
                weight = Weight(look.Part);
                break;
        }

        return (int)Math.Min(weight, Cap);
    }

    private void Write(PatternNode node)
    {
        if (_text.Length > MaxLength)
        {
            return;
        }

        switch (node)
        {
            case PatternNode.Set set:
                _text.Append(SetText(set.Members));
                break;
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts)
                {
                    WriteGrouped(part, onlyChoices: true);
                }

                break;
            case PatternNode.Choice choice:
                for (int i = 0; i < choice.Options.Count; i++)
                {
                    _text.Append(i > 0 ? "|" : string.Empty);
                    Write(choice.Options[i]);
                }

                break;
            case PatternNode.Repeat repeat:
                WriteGrouped(repeat.Part, onlyChoices: false);
                WriteQuantifier(repeat);
                break;
            case PatternNode.Capture capture:
                _text.Append(CultureInfo.InvariantCulture, $"(?<g{capture.Number}>");
                Write(capture.Part);
                _text.Append(')');
                break;
            case PatternNode.Start:
                _text.Append("\\A");
                break;
            case PatternNode.End:
                _text.Append("\\z");
                break;
            default:
                WriteBacktracking(node);
                break;
        }
    }

    private void WriteBacktracking(PatternNode node)
    {
        NeedsBacktracking = true;
        switch (node)
        {
            case PatternNode.Backreference { Number: > 0 } reference:
                // A group that took no part matches the empty text in ECMA-262, where .NET would fail.
                _text.Append(CultureInfo.InvariantCulture, $"(?(g{reference.Number})\\k<g{reference.Number}>)");
                break;
            case PatternNode.WordBoundary boundary:
                string word = SetText(CodePointSet.Word);
                _text.Append(boundary.Negated
                    ? $"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"
                    : $"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))");
                break;
            case PatternNode.Look look:
                _text.Append("(?").Append(look.Behind ? "<" : string.Empty).Append(look.Negated ? '!' : '=');
                Write(look.Part);
                _text.Append(')');
                break;
        }
    }

    private void WriteGrouped(PatternNode node, bool onlyChoices)
    {
        bool simpleSet = node is PatternNode.Set set && SetText(set.Members)[0] != '(';
        bool bare = simpleSet || node is PatternNode.Capture || (onlyChoices && node is not PatternNode.Choice);
        _text.Append(bare ? string.Empty : "(?:");
        Write(node);
        _text.Append(bare ? string.Empty : ")");
    }

    private void WriteQuantifier(PatternNode.Repeat repeat)
    {
        string quantifier = (repeat.Min, repeat.Max) switch
        {
            (0, -1) => "*",
            (1, -1) => "+",
            (0, 1) => "?",
            (_, -1) => string.Create(CultureInfo.InvariantCulture, $"{{{repeat.Min},}}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{{{repeat.Min},{repeat.Max}}}"),
        };
        _text.Append(quantifier).Append(repeat.Lazy ? "?" : string.Empty);
    }

    private string SetText(CodePointSet set)
    {
        if (!_sets.TryGetValue(set, out string? text))
        {
            text = _alphabet is null ? Utf16Text(set) : LetterText(_alphabet.LettersOf(set));
            _sets.Add(set, text);
        }

        return text;
    }

    private static string LetterText(SortedSet<char> letters)
    {
        if (letters.Count == 0)
        {
            return Never;
        }

        StringBuilder text = new("[");
        int first = -1;
        int last = -1;
        foreach (char letter in letters)
        {
            if (letter != last + 1 || first < 0)
            {
                AppendBasic(text, first, last);
                first = letter;
            }

            last = letter;
        }

        AppendRange(text, first, last);
        return text.Append(']').ToString();
    }

    private static string Utf16Text(CodePointSet set)
    {
        StringBuilder basic = new("[");
        Dictionary<int, StringBuilder> byHigh = [];
        List<(int First, int Last)> fullHighs = [];
        for (int i = 0; i < set.RangeCount; i++)
        {
            (int first, int last) = set.Range(i);
            AppendBasic(basic, first, Math.Min(last, 0xD7FF));
            AppendBasic(basic, Math.Max(first, 0xE000), Math.Min(last, 0xFFFF));
            if (last > 0xFFFF)
            {
                SplitAstral(Math.Max(first, 0x10000), last, byHigh, fullHighs);
            }
        }

        string basicText = basic.Length > 1 ? basic.Append(']').ToString() : Never;
        if (byHigh.Count == 0 && fullHighs.Count == 0)
        {
            return basicText;
        }

        StringBuilder text = new("(?:");
        text.Append(basicText);
        foreach ((int first, int last) in fullHighs)
        {
            text.Append("|[");
            AppendRange(text, first, last);
            text.Append("][\\uDC00-\\uDFFF]");
        }

        foreach ((int high, StringBuilder lows) in byHigh)
        {
            text.Append('|');
            AppendUnit(text, high);
            text.Append('[').Append(lows).Append(']');
        }

        return text.Append(')').ToString();
    }

    /// <summary>Splits a range beyond the basic plane by its high surrogates: part of the first, whole ones, part of the last.</summary>
    private static void SplitAstral(int first, int last, Dictionary<int, StringBuilder> byHigh, List<(int First, int Last)> fullHighs)
    {
        int firstHigh = 0xD800 + ((first - 0x10000) >> 10);
        int lastHigh = 0xD800 + ((last - 0x10000) >> 10);
        int firstLow = 0xDC00 + (first & 0x3FF);
        int lastLow = 0xDC00 + (last & 0x3FF);
        if (firstLow > 0xDC00 || (firstHigh == lastHigh && lastLow < 0xDFFF))
        {
            AppendLows(byHigh, firstHigh, firstLow, firstHigh == lastHigh ? lastLow : 0xDFFF);
            firstHigh++;
        }

        if (lastHigh >= firstHigh && lastLow < 0xDFFF)
        {
            AppendLows(byHigh, lastHigh, 0xDC00, lastLow);
            lastHigh--;
        }

        if (firstHigh <= lastHigh)
        {
            fullHighs.Add((firstHigh, lastHigh));
        }
    }

    private static void AppendLows(Dictionary<int, StringBuilder> byHigh, int high, int first, int last)
    {
        if (!byHigh.TryGetValue(high, out StringBuilder? lows))
        {
            lows = new StringBuilder();
            byHigh.Add(high, lows);
        }

        AppendRange(lows, first, last);
    }

    private static void AppendBasic(StringBuilder text, int first, int last)
    {
        if (first >= 0 && first <= last)
        {
            AppendRange(text, first, last);
        }
    }

    private static void AppendRange(StringBuilder text, int first, int last)
    {
        AppendUnit(text, first);
        if (last > first)
        {
            text.Append(last > first + 1 ? "-" : string.Empty);
            AppendUnit(text, last);
        }
    }

    private static void AppendUnit(StringBuilder text, int unit)
    {
        if (unit < 0x80 && char.IsAsciiLetterOrDigit((char)unit))
        {
            text.Append((char)unit);
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"\\u{unit:X4}");
        }
    }
}
