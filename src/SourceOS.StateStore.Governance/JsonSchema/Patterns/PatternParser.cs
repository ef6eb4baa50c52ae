// Why this file exists: reads `pattern` in the dialect the draft names, ECMA-262 in Unicode mode, so that nothing of .NET's own
// dialect leaks in: what ECMA-262 does not know is refused with a place instead of meaning something else.
// Invariants: never throws on any text; nesting and length are bounded; punctuation may be escaped without need, as is common,
// but an unknown letter escape is refused.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Parses patterns. One instance reads one pattern.</summary>
internal sealed partial class PatternParser
{
    private const int MaxNesting = 100;

    private readonly string _text;
    private readonly List<(string Name, int Group)> _groupNames = [];
    private readonly List<(string Name, int At)> _namedReferences = [];
    private readonly List<(int Number, int At)> _references = [];
    private int _at;
    private int _depth;
    private int _groups;
    private bool _hasReferences;
    private string? _error;
    private int _errorAt;

    private PatternParser(string text) => _text = text;

    /// <summary>Parses a pattern.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="error">What is wrong with it.</param>
    /// <param name="hasReferences">Whether it refers to its own groups.</param>
    /// <returns>Null when it is not a pattern.</returns>
    public static PatternNode? Parse(string text, out string error, out bool hasReferences)
    {
        PatternParser parser = new(text);
        PatternNode node = parser.ParseChoice();
        if (parser._error is null && !parser.AtEnd)
        {
            parser.Fail("an unmatched ')'");
        }

        parser.CheckReferences();
        hasReferences = parser._hasReferences;
        error = parser._error is null
            ? string.Empty
            : string.Create(CultureInfo.InvariantCulture, $"{parser._error} at offset {parser._errorAt}");
        return parser._error is null ? node : null;
    }

    private bool AtEnd => _at >= _text.Length;

    private char Peek => _at < _text.Length ? _text[_at] : '\0';

    private bool Failed => _error is not null;

    private void Fail(string message, int at = -1)
    {
        if (_error is null)
        {
            _error = message;
            _errorAt = at < 0 ? _at : at;
        }
    }

    private bool Take(string expected)
    {
        bool found = string.CompareOrdinal(_text, _at, expected, 0, expected.Length) == 0;
        _at += found ? expected.Length : 0;
        return found;
    }

    private void CheckReferences()
    {
        foreach ((int number, int at) in _references)
        {
            if (number > _groups)
            {
                Fail("a reference to a group that does not exist", at);
            }
        }

        foreach ((string name, int at) in _namedReferences)
        {
            if (!_groupNames.Exists(entry => entry.Name == name))
            {
                Fail("a reference to a group that does not exist", at);
            }
        }
    }

    private PatternNode ParseChoice()
    {
        if (++_depth > MaxNesting)
        {
            Fail("groups nested too deeply");
            return new PatternNode.Sequence([]);
        }

        PatternNode first = ParseSequence();
        if (Peek != '|' || AtEnd)
        {
            _depth--;
            return first;
        }

        List<PatternNode> options = [first];
        while (!Failed && Take("|"))
        {
            options.Add(ParseSequence());
        }

        _depth--;
        return new PatternNode.Choice(options);
    }

    private PatternNode ParseSequence()
    {
        List<PatternNode> parts = [];
        while (!Failed && !AtEnd && Peek is not ('|' or ')'))
        {
            PatternNode part = ParseTerm(out bool quantifiable);
            parts.Add(quantifiable ? ParseQuantifier(part) : part);
        }

        return parts.Count == 1 ? parts[0] : new PatternNode.Sequence(parts);
    }

    private PatternNode ParseTerm(out bool quantifiable)
    {
        quantifiable = false;
        switch (Peek)
        {
            case '^':
                _at++;
                return new PatternNode.Start();
            case '$':
                _at++;
                return new PatternNode.End();
            case '(':
                return ParseGroup(out quantifiable);
            case '*' or '+' or '?':
                Fail("a quantifier with nothing before it");
                return new PatternNode.Sequence([]);
            case '\\' when _at + 1 < _text.Length && _text[_at + 1] is 'b' or 'B':
                _at += 2;
                return new PatternNode.WordBoundary(_text[_at - 1] == 'B');
        }

        quantifiable = true;
        switch (Peek)
        {
            case '.':
                _at++;
                return new PatternNode.Set(CodePointSet.Dot);
            case '[':
                return new PatternNode.Set(ParseClass());
            case '\\':
                return ParseEscape();
            case '{' when TryReadBounds(out _, out _, out _):
                Fail("a quantifier with nothing before it");
                return new PatternNode.Sequence([]);
            default:
                return new PatternNode.Set(CodePointSet.Of(NextCodePoint()));
        }
    }

    private PatternNode ParseGroup(out bool quantifiable)
    {
        int open = _at++;
        quantifiable = true;
        int capture = 0;
        bool isLook = false;
        bool behind = false;
        bool negated = false;
        if (Take("?:"))
        {
            capture = 0;
        }
        else if (Take("?=") || Take("?!"))
        {
            isLook = true;
            negated = _text[_at - 1] == '!';
        }
        else if (Take("?<=") || Take("?<!"))
        {
            isLook = behind = true;
            negated = _text[_at - 1] == '!';
        }
        else if (Take("?<"))
        {
            capture = ++_groups;
            string name = ReadGroupName();
            if (_groupNames.Exists(entry => entry.Name == name))
            {
                Fail("a group name used twice", open);
            }

            _groupNames.Add((name, capture));
        }
        else if (Peek == '?')
        {
            Fail("a group of a kind that ECMA-262 does not have");
        }
        else
        {
            capture = ++_groups;
        }

        PatternNode inner = Failed ? new PatternNode.Sequence([]) : ParseChoice();
        if (!Failed && !Take(")"))
        {
            Fail("a group that is not closed", open);
        }

        quantifiable = !isLook;
        return isLook ? new PatternNode.Look(inner, behind, negated)
            : capture > 0 ? new PatternNode.Capture(inner, capture)
            : inner is PatternNode.Sequence or PatternNode.Choice ? inner : new PatternNode.Sequence([inner]);
    }

    private string ReadGroupName()
    {
        int end = _text.IndexOf('>', _at);
        string name = end < 0 ? string.Empty : _text[_at..end];
        bool good = name.Length > 0 && !char.IsAsciiDigit(name[0]);
        foreach (char c in name)
        {
            good &= char.IsLetterOrDigit(c) || c is '_' or '$';
        }

        if (!good)
        {
            Fail("a group name that is not an identifier");
            return string.Empty;
        }

        _at = end + 1;
        return name;
    }

    private PatternNode ParseQuantifier(PatternNode part)
    {
        int min;
        int max;
        switch (Peek)
        {
            case '*':
                (min, max) = (0, -1);
                _at++;
                break;
            case '+':
                (min, max) = (1, -1);
                _at++;
                break;
            case '?' when !AtEnd:
                (min, max) = (0, 1);
                _at++;
                break;
            case '{' when TryReadBounds(out min, out max, out int length):
                if (max >= 0 && max < min)
                {
                    Fail("a quantifier whose bounds are out of order");
                }

                _at += length;
                break;
            default:
                return part;
        }

        bool lazy = Take("?");
        return new PatternNode.Repeat(part, min, max, lazy);
    }

    /// <summary>Reads {n}, {n,} or {n,m} without moving; a brace that is none of these is a plain character.</summary>
    private bool TryReadBounds(out int min, out int max, out int length)
    {
        int at = _at + 1;
        length = 0;
        max = -1;
        bool hasMin = ReadCount(ref at, out min);
        bool hasComma = hasMin && at < _text.Length && _text[at] == ',';
        if (hasComma)
        {
            at++;
            if (!ReadCount(ref at, out max))
            {
                max = -1;
            }
        }
        else
        {
            max = min;
        }

        length = at + 1 - _at;
        return hasMin && at < _text.Length && _text[at] == '}';
    }

    private bool ReadCount(ref int at, out int count)
    {
        int start = at;
        long value = 0;
        while (at < _text.Length && char.IsAsciiDigit(_text[at]))
        {
            value = Math.Min((value * 10) + (_text[at++] - '0'), int.MaxValue);
        }

        count = (int)value;
        return at > start;
    }

    private int NextCodePoint()
    {
        char unit = _text[_at++];
        if (char.IsHighSurrogate(unit) && !AtEnd && char.IsLowSurrogate(Peek))
        {
            return char.ConvertToUtf32(unit, _text[_at++]);
        }

        return unit;
    }
}
