// Why this file exists: the assertions on numbers.
// Invariants: comparisons are exact on decimal text; plain integers of up to 18 digits take a fast path with the same answers.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Which side of the bound a number must lie on.</summary>
internal enum NumberBound : byte
{
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

/// <summary>minimum, maximum, exclusiveMinimum and exclusiveMaximum.</summary>
internal sealed class NumberBoundKeyword : Keyword
{
    private readonly NumberBound _bound;
    private readonly byte[] _text;
    private readonly bool _isSmall;
    private readonly long _small;

    public NumberBoundKeyword(SchemaNode owner, string name, NumberBound bound, ReadOnlySpan<byte> text)
        : base(owner, name, KeywordTargets.Numbers, KeywordRank.Scalar)
    {
        _bound = bound;
        _text = text.ToArray();
        _isSmall = DecimalNumber.TryParseSmall(text, out _small);
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        ReadOnlySpan<byte> text = evaluation.Raw(index);
        int order;
        if (_isSmall && DecimalNumber.TryParseSmall(text, out long value))
        {
            order = value.CompareTo(_small);
        }
        else if (!evaluation.Charge(text.Length >> 6)
            || !DecimalNumber.TryCompare(DecimalNumber.Parse(text), DecimalNumber.Parse(_text), out order))
        {
            return evaluation.Abort(SchemaLimit.NumberExponent);
        }

        bool passed = _bound switch
        {
            NumberBound.Minimum => order >= 0,
            NumberBound.Maximum => order <= 0,
            NumberBound.ExclusiveMinimum => order > 0,
            _ => order < 0,
        };
        return passed || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, Describe()));
    }

    private string Describe()
    {
        string words = _bound switch
        {
            NumberBound.Minimum => "below the minimum",
            NumberBound.Maximum => "above the maximum",
            NumberBound.ExclusiveMinimum => "not above the exclusive minimum",
            _ => "not below the exclusive maximum",
        };
        return $"{words} {Encoding.ASCII.GetString(_text.AsSpan(0, Math.Min(_text.Length, 64)))}";
    }
}

/// <summary>The <c>multipleOf</c> keyword.</summary>
internal sealed class MultipleOfKeyword : Keyword
{
    private readonly DecimalDivisor _divisor;
    private readonly long _small;

    public MultipleOfKeyword(SchemaNode owner, DecimalDivisor divisor, ReadOnlySpan<byte> text)
        : base(owner, "multipleOf", KeywordTargets.Numbers, KeywordRank.Scalar)
    {
        _divisor = divisor;
        _small = DecimalNumber.TryParseSmall(text, out long small) ? small : 0;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        ReadOnlySpan<byte> text = evaluation.Raw(index);
        bool passed = _small > 0 && DecimalNumber.TryParseSmall(text, out long value)
            ? value % _small == 0
            : evaluation.Charge(text.Length) && _divisor.Divides(DecimalNumber.Parse(text));
        return passed || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, "not a multiple of the number given"));
    }
}
