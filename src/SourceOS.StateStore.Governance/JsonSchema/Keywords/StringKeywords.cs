// Why this file exists: the assertions on strings.
// Invariants: lengths are counted in code points; patterns are unanchored; format fails an instance only when it is asserted.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>minLength and maxLength.</summary>
internal sealed class StringLengthKeyword : Keyword
{
    private readonly bool _isMaximum;
    private readonly long _bound;

    public StringLengthKeyword(SchemaNode owner, bool isMaximum, long bound)
        : base(owner, isMaximum ? "maxLength" : "minLength", KeywordTargets.Strings, KeywordRank.Scalar)
    {
        _isMaximum = isMaximum;
        _bound = bound;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        ReadOnlySpan<byte> raw = evaluation.Raw(index);
        if (!evaluation.Charge(raw.Length >> 6))
        {
            return false;
        }

        int length = JsonText.CountCodePoints(raw, evaluation.Node(index).Escaped);
        if (_isMaximum ? length <= _bound : length >= _bound)
        {
            return true;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, string.Create(
            CultureInfo.InvariantCulture, $"{length} characters where at {(_isMaximum ? "most" : "least")} {_bound} are allowed"));
    }
}

/// <summary>The <c>pattern</c> keyword.</summary>
internal sealed class PatternKeyword : Keyword
{
    private readonly EcmaPattern _pattern;
    private readonly string _text;

    public PatternKeyword(SchemaNode owner, EcmaPattern pattern, string text)
        : base(owner, "pattern", KeywordTargets.Strings, KeywordRank.Scalar)
    {
        _pattern = pattern;
        _text = text;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker) =>
        evaluation.IsMatch(_pattern, evaluation.Text(index))
        || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, $"does not match the pattern {_text}"));
}

/// <summary>The <c>format</c> keyword with a known format.</summary>
internal sealed class FormatKeyword : Keyword
{
    private readonly FormatCheck _check;
    private readonly string _name;
    private readonly bool _always;

    public FormatKeyword(SchemaNode owner, string name, FormatCheck check, bool always)
        : base(owner, "format", KeywordTargets.Strings, KeywordRank.Scalar)
    {
        _check = check;
        _name = name;
        _always = always;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        if (!_always && !evaluation.AssertFormat)
        {
            return true;
        }

        ReadOnlySpan<byte> text = evaluation.Text(index);
        return evaluation.Charge(text.Length >> 3)
            && (_check(text) || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, $"not of the format {_name}")));
    }
}
