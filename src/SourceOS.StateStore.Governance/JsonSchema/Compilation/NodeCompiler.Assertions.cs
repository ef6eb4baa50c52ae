// Why this file exists: compiles the keywords of the validation and format vocabularies.
// Invariants: as for the compiler; counts beyond 10^18 saturate, which no instance can tell from the exact bound.

namespace SourceOS.StateStore.Governance.JsonSchema;

internal sealed partial class NodeCompiler
{
    private void CompileAssertion(string keyword, int place)
    {
        switch (keyword)
        {
            case "type":
                CompileType(place);
                break;
            case "const":
                _keywords.Add(new ConstKeyword(_node, _tape, place));
                break;
            case "enum" when Expect(place, JsonKind.Array, "enum must be an array"):
                _keywords.Add(new EnumKeyword(_node, _tape, place));
                break;
            case "minimum":
                CompileBound(keyword, NumberBound.Minimum, place);
                break;
            case "maximum":
                CompileBound(keyword, NumberBound.Maximum, place);
                break;
            case "exclusiveMinimum":
                CompileBound(keyword, NumberBound.ExclusiveMinimum, place);
                break;
            case "exclusiveMaximum":
                CompileBound(keyword, NumberBound.ExclusiveMaximum, place);
                break;
            case "multipleOf" when Expect(place, JsonKind.Number, "multipleOf must be a number"):
                CompileMultipleOf(place);
                break;
            case "minLength" or "maxLength" when ReadCount(keyword, place) is { } length:
                _keywords.Add(new StringLengthKeyword(_node, keyword == "maxLength", length));
                break;
            case "minItems" or "maxItems" when ReadCount(keyword, place) is { } items:
                _keywords.Add(new ChildCountKeyword(_node, keyword, KeywordTargets.Arrays, keyword == "maxItems", items));
                break;
            case "minProperties" or "maxProperties" when ReadCount(keyword, place) is { } members:
                _keywords.Add(new ChildCountKeyword(_node, keyword, KeywordTargets.Objects, keyword == "maxProperties", members));
                break;
            case "uniqueItems":
                CompileUniqueItems(place);
                break;
            case "pattern" when Expect(place, JsonKind.String, "pattern must be a string"):
                string text = _tape.String(place);
                if (CompilePattern(text, place) is { } pattern)
                {
                    _keywords.Add(new PatternKeyword(_node, pattern, text));
                }

                break;
            case "format" when Expect(place, JsonKind.String, "format must be a string"):
                CompileFormat(place);
                break;
        }
    }

    private bool Expect(int place, JsonKind kind, string message)
    {
        if (_tape.Kind(place) == kind)
        {
            return true;
        }

        Complain(place, message);
        return false;
    }

    private void CompileType(int place)
    {
        SchemaTypes types = SchemaTypes.None;
        bool isList = _tape.Kind(place) == JsonKind.Array;
        bool good = isList ? _tape.ChildCount(place) > 0 : true;
        for (int child = isList ? JsonTape.FirstChild(place) : place; child < _tape.Next(place); child = _tape.Next(child))
        {
            SchemaTypes type = _tape.Kind(child) == JsonKind.String ? TypeKeyword.Parse(_tape.String(child)) : SchemaTypes.None;
            good &= type != SchemaTypes.None;
            types |= type;
        }

        if (good)
        {
            _keywords.Add(new TypeKeyword(_node, types));
        }
        else
        {
            Complain(place, "type must be one of the seven type names, or an array of them");
        }
    }

    private void CompileBound(string keyword, NumberBound bound, int place)
    {
        if (Expect(place, JsonKind.Number, $"{keyword} must be a number"))
        {
            _keywords.Add(new NumberBoundKeyword(_node, keyword, bound, _tape.RawValue(place).Span));
        }
    }

    private void CompileMultipleOf(int place)
    {
        ReadOnlySpan<byte> text = _tape.RawValue(place).Span;
        if (DecimalDivisor.TryCreate(text) is { } divisor)
        {
            _keywords.Add(new MultipleOfKeyword(_node, divisor, text));
        }
        else
        {
            Complain(place, $"multipleOf must be a number above 0 with at most {DecimalDivisor.MaxDigits} digits and an exponent of at most {DecimalDivisor.MaxExponent}");
        }
    }

    private void CompileUniqueItems(int place)
    {
        switch (_tape.Kind(place))
        {
            case JsonKind.True:
                _keywords.Add(new UniqueItemsKeyword(_node));
                break;
            case not JsonKind.False:
                Complain(place, "uniqueItems must be a boolean");
                break;
        }
    }

    private void CompileFormat(int place)
    {
        string name = _tape.String(place);
        bool always = _dialect.Has(Vocabularies.FormatAssertion);
        if (SchemaFormats.Find(name) is { } check)
        {
            _keywords.Add(new FormatKeyword(_node, name, check, always));
        }
        else if (always)
        {
            Complain(place, $"the format \"{name}\" is not known, and the dialect asserts formats");
        }

        AddAnnotation("format", place, KeywordTargets.Strings);
    }

    /// <summary>A count that is not negative; null after complaining. 2.0 and 1e2 are counts.</summary>
    private long? ReadCount(string keyword, int place)
    {
        const int MaxExactDigits = 18;
        DecimalNumber number = _tape.Kind(place) == JsonKind.Number ? DecimalNumber.Parse(_tape.RawValue(place).Span) : default;
        if (_tape.Kind(place) != JsonKind.Number || number.IsNegative || !number.IsInteger)
        {
            Complain(place, $"{keyword} must be an integer that is not negative");
            return null;
        }

        if (number.DigitCount + number.Exponent > MaxExactDigits)
        {
            return long.MaxValue;
        }

        long count = 0;
        for (int i = 0; i < number.DigitCount + number.Exponent; i++)
        {
            count = (count * 10) + (i < number.DigitCount ? number.Digit(i) : 0);
        }

        return count;
    }
}
