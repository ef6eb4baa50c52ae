// Why this file exists: writes the .NET expression that means what a pattern means, so that .NET can judge the matchers.
// Invariants: sets are written over UTF-16 with surrogate pairs as units; back-references to groups in loops mean something else in
// .NET. Lazy repeats are written greedy: whether there is a match is the same, and .NET misjudges some lazy loops over the empty text.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Governance.Tests.JsonSchema;

/// <summary>Writes .NET expressions.</summary>
internal sealed class NetRegexWriter
{
    private const string Never = @"[^\s\S]";
    private readonly StringBuilder _text = new();
    private readonly Dictionary<CodePointSet, string> _sets = [];

    /// <summary>Writes a pattern.</summary>
    public static string Emit(PatternNode node)
    {
        NetRegexWriter emitter = new();
        emitter.Write(node);
        return emitter._text.ToString();
    }

    private void Write(PatternNode node)
    {
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
                WriteAssertion(node);
                break;
        }
    }

    private void WriteAssertion(PatternNode node)
    {
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
        _text.Append(quantifier);
    }

    private string SetText(CodePointSet set)
    {
        if (!_sets.TryGetValue(set, out string? text))
        {
            text = Utf16Text(set);
            _sets.Add(set, text);
        }

        return text;
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
