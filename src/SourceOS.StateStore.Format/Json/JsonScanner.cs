// Why this file exists: JSON comes from outside and from stored bytes, and its text must be kept as it came: numbers, escapes, order. The platform's reader
// throws on bad input, so this one walks tokens and answers with faults. Invariants: RFC 8259 exactly; constant memory whatever the nesting; never
// reads outside, never throws, never allocates; each step consumes bytes, so it ends.

using System.Buffers;
using System.Text.Unicode;

namespace SourceOS.StateStore.Format;

/// <summary>What a token is.</summary>
internal enum JsonToken
{
    /// <summary>Nothing was read yet, or something is wrong.</summary>
    None = 0,

    /// <summary>An opening brace.</summary>
    BeginObject,

    /// <summary>A closing brace.</summary>
    EndObject,

    /// <summary>An opening bracket.</summary>
    BeginArray,

    /// <summary>A closing bracket.</summary>
    EndArray,

    /// <summary>A member's name, with its quotes.</summary>
    Name,

    /// <summary>A text value, with its quotes.</summary>
    Text,

    /// <summary>A number.</summary>
    Number,

    /// <summary>The literal true.</summary>
    True,

    /// <summary>The literal false.</summary>
    False,

    /// <summary>The literal null.</summary>
    Null,
}

/// <summary>Walks the tokens of one JSON value.</summary>
internal ref struct JsonScanner
{
    /// <summary>Deepest nesting that the scanner can follow.</summary>
    internal const int DeepestDepth = 64;

    private static readonly SearchValues<byte> StringStops = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, (byte)'"', (byte)'\\']);

    private readonly ReadOnlySpan<byte> _json;
    private readonly int _maxDepth;
    private readonly bool _allowSpace;
    private int _at;
    private int _colonAt;
    private ulong _objects;
    private Expect _expect;

    /// <summary>Starts before the first token.</summary>
    /// <param name="json">The bytes.</param>
    /// <param name="maxDepth">Deepest nesting of objects and arrays, at most 64.</param>
    /// <param name="allowSpace">Whether white space between tokens is allowed.</param>
    internal JsonScanner(ReadOnlySpan<byte> json, int maxDepth, bool allowSpace)
    {
        _json = json;
        _maxDepth = Math.Min(maxDepth, DeepestDepth);
        _allowSpace = allowSpace;
        _expect = Expect.Value;
    }

    private enum Expect : byte
    {
        Value,
        ValueOrEnd,
        NameOrEnd,
        Name,
        CommaOrEnd,
        Nothing,
    }

    /// <summary>The token the scanner stands on.</summary>
    internal JsonToken Token { get; private set; }

    /// <summary>Offset of the token.</summary>
    internal int Start { get; private set; }

    /// <summary>The token's bytes as they came.</summary>
    internal readonly ReadOnlySpan<byte> Raw => _json[Start.._at];

    /// <summary>A name's or text's bytes between its quotes, escapes as they came.</summary>
    internal readonly ReadOnlySpan<byte> Content => _json[(Start + 1)..(_at - 1)];

    /// <summary>Whether <see cref="Content"/> holds escapes.</summary>
    internal bool HasEscapes { get; private set; }

    /// <summary>Objects and arrays that are open.</summary>
    internal int Depth { get; private set; }

    /// <summary>Offset behind the token.</summary>
    internal readonly int End => _at;

    /// <summary>What is wrong; no fault while nothing is.</summary>
    internal FormatFault Fault { get; private set; }

    /// <summary>Whether the whole value was read and nothing follows it.</summary>
    internal readonly bool IsComplete => _expect == Expect.Nothing && !Fault.IsFault && _at == _json.Length;

    /// <summary>Checks that bytes are exactly one JSON value; white space between tokens is allowed.</summary>
    internal static FormatFault CheckValue(ReadOnlySpan<byte> json, int maxDepth) => CheckValue(json, maxDepth, allowSpace: true);

    /// <summary>Checks that bytes are exactly one JSON value.</summary>
    internal static FormatFault CheckValue(ReadOnlySpan<byte> json, int maxDepth, bool allowSpace)
    {
        var scanner = new JsonScanner(json, maxDepth, allowSpace);
        while (scanner.Read())
        {
        }

        return scanner.Fault;
    }

    /// <summary>Goes to the next token.</summary>
    /// <returns>False at the end of the value, and when something is wrong.</returns>
    internal bool Read()
    {
        if (Fault.IsFault || !SkipSpace())
        {
            return false;
        }

        if (_expect == Expect.CommaOrEnd && !ReadSeparator())
        {
            return Token is JsonToken.EndObject or JsonToken.EndArray && !Fault.IsFault;
        }

        if (_at == _json.Length)
        {
            return Fail(FaultCode.Truncated, _at);
        }

        byte first = _json[_at];
        Start = _at;
        return _expect switch
        {
            Expect.NameOrEnd when first == (byte)'}' => Close(JsonToken.EndObject),
            Expect.ValueOrEnd when first == (byte)']' => Close(JsonToken.EndArray),
            Expect.Name or Expect.NameOrEnd => ReadName(first),
            _ => ReadValue(first),
        };
    }

    /// <summary>Reads over the value the scanner stands on, if it is an object or array; stands on its last token then.</summary>
    /// <returns>False when something is wrong.</returns>
    internal bool Skip()
    {
        if (Token is not (JsonToken.BeginObject or JsonToken.BeginArray))
        {
            return !Fault.IsFault;
        }

        int outside = Depth - 1;
        while (Depth > outside)
        {
            if (!Read())
            {
                return false;
            }
        }

        return true;
    }

    private bool Fail(FaultCode code, int at)
    {
        Token = JsonToken.None;
        Fault = new FormatFault(code, at);
        return false;
    }

    /// <summary>Skips white space; false when the value is over, or white space stands where none may.</summary>
    private bool SkipSpace()
    {
        int start = _at;
        while (_at < _json.Length && _json[_at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
        {
            _at++;
        }

        if (_at > start && !_allowSpace)
        {
            return Fail(FaultCode.NotCanonical, start);
        }

        if (_expect != Expect.Nothing)
        {
            return true;
        }

        if (_at < _json.Length)
        {
            return Fail(FaultCode.TrailingBytes, _at);
        }

        Token = JsonToken.None;
        return false;
    }

    /// <summary>Reads a comma, or the end of the innermost object or array; false when there is no further token to read now.</summary>
    private bool ReadSeparator()
    {
        if (_at == _json.Length)
        {
            return Fail(FaultCode.Truncated, _at);
        }

        bool inObject = (_objects & 1) != 0;
        byte current = _json[_at];
        Start = _at;
        if (current == (byte)',')
        {
            _at++;
            _expect = inObject ? Expect.Name : Expect.Value;
            return SkipSpace();
        }

        if (current == (inObject ? (byte)'}' : (byte)']'))
        {
            _ = Close(inObject ? JsonToken.EndObject : JsonToken.EndArray);
            return false;
        }

        return Fail(FaultCode.InvalidJson, _at);
    }

    private bool Open(JsonToken token)
    {
        if (Depth >= _maxDepth)
        {
            return Fail(FaultCode.OutOfRange, _at);
        }

        bool isObject = token == JsonToken.BeginObject;
        _objects = (_objects << 1) | (isObject ? 1UL : 0UL);
        Depth++;
        _at++;
        _expect = isObject ? Expect.NameOrEnd : Expect.ValueOrEnd;
        Token = token;
        return true;
    }

    private bool Close(JsonToken token)
    {
        _objects >>= 1;
        Depth--;
        _at++;
        return EndValue(token);
    }

    private bool EndValue(JsonToken token)
    {
        _expect = Depth == 0 ? Expect.Nothing : Expect.CommaOrEnd;
        Token = token;
        return true;
    }

    private bool ReadName(byte first)
    {
        if (first != (byte)'"')
        {
            return Fail(FaultCode.InvalidJson, _at);
        }

        if (!ReadString())
        {
            return false;
        }

        // The colon is not part of the token, so it is looked for ahead and consumed with the value.
        int end = _at;
        if (!SkipSpace())
        {
            return false;
        }

        if (_at == _json.Length || _json[_at] != (byte)':')
        {
            return Fail(_at == _json.Length ? FaultCode.Truncated : FaultCode.InvalidJson, _at);
        }

        _colonAt = _at;
        _at = end;
        _expect = Expect.Value;
        Token = JsonToken.Name;
        return true;
    }

    private bool ReadValue(byte first)
    {
        if (Token == JsonToken.Name)
        {
            _at = _colonAt + 1;
            Token = JsonToken.None;
            if (!SkipSpace())
            {
                return false;
            }

            if (_at == _json.Length)
            {
                return Fail(FaultCode.Truncated, _at);
            }

            Start = _at;
            first = _json[_at];
        }

        return first switch
        {
            (byte)'{' => Open(JsonToken.BeginObject),
            (byte)'[' => Open(JsonToken.BeginArray),
            (byte)'"' => ReadString() && EndValue(JsonToken.Text),
            (byte)'t' => ReadLiteral("true"u8, JsonToken.True),
            (byte)'f' => ReadLiteral("false"u8, JsonToken.False),
            (byte)'n' => ReadLiteral("null"u8, JsonToken.Null),
            (byte)'-' or (>= (byte)'0' and <= (byte)'9') => ReadNumber() && EndValue(JsonToken.Number),
            _ => Fail(FaultCode.InvalidJson, _at),
        };
    }

    private bool ReadLiteral(ReadOnlySpan<byte> literal, JsonToken token)
    {
        if (!_json[_at..].StartsWith(literal))
        {
            return Fail(FaultCode.InvalidJson, _at);
        }

        _at += literal.Length;
        return EndValue(token);
    }

    private bool ReadNumber()
    {
        int at = _at + (_json[_at] == (byte)'-' ? 1 : 0);
        int whole = CountDigits(at);
        if (whole == 0 || (whole > 1 && _json[at] == (byte)'0'))
        {
            return Fail(FaultCode.InvalidJson, _at);
        }

        at += whole;
        if (at < _json.Length && _json[at] == (byte)'.')
        {
            int decimals = CountDigits(at + 1);
            if (decimals == 0)
            {
                return Fail(FaultCode.InvalidJson, at);
            }

            at += 1 + decimals;
        }

        if (at < _json.Length && _json[at] is (byte)'e' or (byte)'E')
        {
            int sign = at + 1 < _json.Length && _json[at + 1] is (byte)'+' or (byte)'-' ? 1 : 0;
            int digits = CountDigits(at + 1 + sign);
            if (digits == 0)
            {
                return Fail(FaultCode.InvalidJson, at);
            }

            at += 1 + sign + digits;
        }

        _at = at;
        return true;
    }

    private readonly int CountDigits(int at)
    {
        int start = at;
        while (at < _json.Length && _json[at] is >= (byte)'0' and <= (byte)'9')
        {
            at++;
        }

        return at - start;
    }

    private bool ReadString()
    {
        int at = _at + 1;
        HasEscapes = false;
        while (true)
        {
            int step = _json[at..].IndexOfAny(StringStops);
            if (step < 0)
            {
                return Fail(FaultCode.Truncated, _json.Length);
            }

            at += step;
            if (_json[at] == (byte)'"')
            {
                break;
            }

            int escape = _json[at] == (byte)'\\' ? JsonEscapes.LengthAt(_json, at) : 0;
            if (escape == 0)
            {
                return Fail(FaultCode.InvalidJson, at);
            }

            HasEscapes = true;
            at += escape;
        }

        if (!Utf8.IsValid(_json[(_at + 1)..at]))
        {
            return Fail(FaultCode.InvalidUtf8, _at + 1);
        }

        _at = at + 1;
        return true;
    }
}
