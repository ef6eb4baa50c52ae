// Why this file exists: the escapes and character classes of ECMA-262 patterns, apart from the structure around them.
// Invariants: as for the parser; a class yields a set of code points and keeps no order.

namespace SourceOS.StateStore.Governance.JsonSchema;

internal sealed partial class PatternParser
{
    private PatternNode ParseEscape()
    {
        int start = _at;
        if (_at + 1 >= _text.Length)
        {
            Fail("a backslash at the end");
            return new PatternNode.Sequence([]);
        }

        char kind = _text[_at + 1];
        if (kind is >= '1' and <= '9')
        {
            _at++;
            ReadCount(ref _at, out int number);
            _references.Add((number, start));
            _hasReferences = true;
            return new PatternNode.Backreference(number);
        }

        if (kind == 'k')
        {
            _at += 2;
            if (!Take("<"))
            {
                Fail("a named reference without a name", start);
                return new PatternNode.Sequence([]);
            }

            return ResolveName(ReadGroupName(), start);
        }

        CodePointSet? set = ParseSetEscape();
        return new PatternNode.Set(set ?? CodePointSet.Of(ParseCharacterEscape(inClass: false)));
    }

    private PatternNode.Backreference ResolveName(string name, int at)
    {
        foreach ((string known, int group) in _groupNames)
        {
            if (known == name)
            {
                _hasReferences = true;
                return new PatternNode.Backreference(group);
            }
        }

        // A group that has not opened yet has captured nothing, so a reference to it matches the empty text.
        _namedReferences.Add((name, at));
        return new PatternNode.Backreference(0);
    }

    /// <summary>Reads \d \D \s \S \w \W \p{..} \P{..}; null, without moving, when the escape is none of them.</summary>
    private CodePointSet? ParseSetEscape()
    {
        char kind = _at + 1 < _text.Length ? _text[_at + 1] : '\0';
        CodePointSet? set = kind switch
        {
            'd' => CodePointSet.Digits,
            'D' => CodePointSet.Digits.Complement(),
            's' => CodePointSet.Space,
            'S' => CodePointSet.Space.Complement(),
            'w' => CodePointSet.Word,
            'W' => CodePointSet.Word.Complement(),
            _ => null,
        };
        if (set is not null)
        {
            _at += 2;
            return set;
        }

        return kind is 'p' or 'P' ? ParseProperty(kind == 'P') : null;
    }

    private CodePointSet ParseProperty(bool negated)
    {
        int start = _at;
        _at += 2;
        int end = Peek == '{' ? _text.IndexOf('}', _at) : -1;
        CodePointSet? set = end < 0 ? null : UnicodeProperties.Find(_text[(_at + 1)..end]);
        if (set is null)
        {
            Fail("a Unicode property that is not known", start);
            return CodePointSet.Empty;
        }

        _at = end + 1;
        return negated ? set.Complement() : set;
    }

    private int ParseCharacterEscape(bool inClass)
    {
        int start = _at;
        _at++;
        if (AtEnd)
        {
            Fail("a backslash at the end", start);
            return 0;
        }

        char kind = _text[_at++];
        switch (kind)
        {
            case 't': return '\t';
            case 'n': return '\n';
            case 'v': return '\v';
            case 'f': return '\f';
            case 'r': return '\r';
            case 'b' when inClass: return '\b';
            case '0' when !char.IsAsciiDigit(Peek): return 0;
            case 'c' when char.IsAsciiLetter(Peek): return _text[_at++] & 31;
            case 'x': return ReadHex(2, start);
            case 'u': return ReadUnicode(start);
        }

        if (char.IsAsciiLetterOrDigit(kind) || kind > 0x7F)
        {
            Fail($"the escape \\{kind}, which ECMA-262 does not have", start);
        }

        return kind;
    }

    private int ReadHex(int digits, int start)
    {
        int value = 0;
        for (int i = 0; i < digits; i++)
        {
            if (AtEnd || !char.IsAsciiHexDigit(Peek))
            {
                Fail("an escape with too few hexadecimal digits", start);
                return 0;
            }

            value = (value << 4) | Convert.ToInt32(_text.Substring(_at++, 1), 16);
        }

        return value;
    }

    private int ReadUnicode(int start)
    {
        if (Take("{"))
        {
            int end = _text.IndexOf('}', _at);
            ReadOnlySpan<char> digits = end < 0 ? default : _text.AsSpan(_at, end - _at).TrimStart('0');
            bool hasDigits = end > _at;
            int value = 0;
            foreach (char digit in digits[..Math.Min(7, digits.Length)])
            {
                hasDigits &= char.IsAsciiHexDigit(digit);
                value = hasDigits ? (value << 4) | Convert.ToInt32(digit.ToString(), 16) : 0;
            }

            if (!hasDigits || value > CodePointSet.Last)
            {
                Fail("a code point escape that is not one", start);
                return 0;
            }

            _at = end + 1;
            return value;
        }

        int unit = ReadHex(4, start);
        if (unit is >= 0xD800 and <= 0xDBFF && Peek == '\\' && _at + 5 < _text.Length && _text[_at + 1] == 'u')
        {
            int back = _at;
            _at += 2;
            int low = Peek == '{' ? 0 : ReadHex(4, start);
            if (low is >= 0xDC00 and <= 0xDFFF)
            {
                return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            }

            _at = back;
        }

        return unit;
    }

    private CodePointSet ParseClass()
    {
        int open = _at++;
        bool negated = Take("^");
        List<(int First, int Last)> ranges = [];
        while (!Failed && !AtEnd && Peek != ']')
        {
            int first = ParseClassMember(ranges);
            bool isRange = Peek == '-' && _at + 1 < _text.Length && _text[_at + 1] != ']';
            if (!isRange)
            {
                AddMember(ranges, first, first);
                continue;
            }

            int dash = _at++;
            int last = ParseClassMember(ranges);
            if (first < 0 || last < 0)
            {
                // One side is a set, so the dash stands for itself.
                AddMember(ranges, first, first);
                AddMember(ranges, '-', '-');
                AddMember(ranges, last, last);
                continue;
            }

            if (last < first)
            {
                Fail("a range whose bounds are out of order", dash);
            }

            AddMember(ranges, first, last);
        }

        if (!Failed && !Take("]"))
        {
            Fail("a class that is not closed", open);
        }

        CodePointSet set = CodePointSet.FromRanges(ranges);
        return negated ? set.Complement() : set;
    }

    private static void AddMember(List<(int First, int Last)> ranges, int first, int last)
    {
        if (first >= 0)
        {
            ranges.Add((first, last));
        }
    }

    /// <summary>Reads one member; a set is added at once and answered with -1.</summary>
    private int ParseClassMember(List<(int First, int Last)> ranges)
    {
        if (Peek != '\\')
        {
            return NextCodePoint();
        }

        CodePointSet? set = ParseSetEscape();
        if (set is null)
        {
            return ParseCharacterEscape(inClass: true);
        }

        set.AddTo(ranges);
        return -1;
    }
}
