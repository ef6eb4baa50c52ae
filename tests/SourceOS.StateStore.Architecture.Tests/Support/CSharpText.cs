// Why this file exists: the house rules ask what code says, not what its comments and texts say. This masks both without a compiler.
// Invariants: the result has the same length and the same line breaks as the source, so that positions carry over; holes of interpolated strings
// are masked with their string, since no rule looks inside one.

namespace SourceOS.StateStore.Architecture.Tests.Support;

/// <summary>Masks comments, and texts if asked, with spaces.</summary>
internal sealed class CSharpText
{
    private readonly string _source;
    private readonly char[] _result;
    private readonly bool _maskStrings;
    private int _at;

    private CSharpText(string source, bool maskStrings)
    {
        _source = source;
        _result = source.ToCharArray();
        _maskStrings = maskStrings;
    }

    /// <summary>The source without its comments.</summary>
    internal static string WithoutComments(string source) => new CSharpText(source, maskStrings: false).Run();

    /// <summary>The source without its comments, strings and characters.</summary>
    internal static string CodeOnly(string source) => new CSharpText(source, maskStrings: true).Run();

    private string Run()
    {
        while (_at < _source.Length)
        {
            int start = _at;
            if (StartsWith("//"))
            {
                _at = IndexOrEnd(_source.IndexOf('\n', _at));
                Mask(start);
            }
            else if (StartsWith("/*"))
            {
                int end = _source.IndexOf("*/", _at + 2, StringComparison.Ordinal);
                _at = end < 0 ? _source.Length : end + 2;
                Mask(start);
            }
            else if (SkipText())
            {
                if (_maskStrings)
                {
                    Mask(start);
                }
            }
            else
            {
                _at++;
            }
        }

        return new string(_result);
    }

    private bool SkipText()
    {
        char first = _source[_at];
        if (first == '\'')
        {
            _at++;
            SkipUntilQuote('\'', hasEscapes: true);
            return true;
        }

        int prefix = _at;
        while (prefix < _source.Length && _source[prefix] is '$' or '@')
        {
            prefix++;
        }

        if (prefix >= _source.Length || _source[prefix] != '"')
        {
            return false;
        }

        ReadOnlySpan<char> marks = _source.AsSpan(_at, prefix - _at);
        int dollars = marks.Count('$');
        bool isVerbatim = marks.Contains('@');
        int quotes = CountAt(prefix, '"');
        _at = prefix;
        if (quotes >= 3 && !isVerbatim)
        {
            string end = new('"', quotes);
            int close = _source.IndexOf(end, _at + quotes, StringComparison.Ordinal);
            _at = close < 0 ? _source.Length : close + quotes;
            return true;
        }

        _at++;
        if (dollars > 0)
        {
            SkipInterpolated(isVerbatim);
        }
        else
        {
            SkipUntilQuote('"', hasEscapes: !isVerbatim);
        }

        return true;
    }

    // Behind the opening quote of an interpolated string: texts inside holes nest.
    private void SkipInterpolated(bool isVerbatim)
    {
        int depth = 0;
        while (_at < _source.Length)
        {
            char c = _source[_at];
            if (depth == 0 && c == '"')
            {
                bool isDoubled = isVerbatim && StartsWith("\"\"");
                _at += isDoubled ? 2 : 1;
                if (!isDoubled)
                {
                    return;
                }
            }
            else if (depth == 0 && c == '\\' && !isVerbatim)
            {
                _at += 2;
            }
            else if (depth == 0 && (StartsWith("{{") || StartsWith("}}")))
            {
                _at += 2;
            }
            else if (depth == 0 || !SkipText())
            {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
                _at++;
            }
        }
    }

    private void SkipUntilQuote(char quote, bool hasEscapes)
    {
        while (_at < _source.Length)
        {
            char c = _source[_at++];
            if (c == '\\' && hasEscapes)
            {
                _at++;
            }
            else if (c == quote)
            {
                if (hasEscapes || _at >= _source.Length || _source[_at] != quote)
                {
                    return;
                }

                _at++;
            }
        }
    }

    private void Mask(int start)
    {
        for (int i = start; i < Math.Min(_at, _source.Length); i++)
        {
            if (_result[i] != '\n')
            {
                _result[i] = ' ';
            }
        }
    }

    private int CountAt(int position, char c)
    {
        int count = 0;
        while (position + count < _source.Length && _source[position + count] == c)
        {
            count++;
        }

        return count;
    }

    private int IndexOrEnd(int index) => index < 0 ? _source.Length : index;

    private bool StartsWith(string text) => string.CompareOrdinal(_source, _at, text, 0, text.Length) == 0;
}
