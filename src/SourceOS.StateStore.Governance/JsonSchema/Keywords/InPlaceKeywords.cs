// Why this file exists: allOf, anyOf, oneOf, not, if/then/else: subschemas on the same instance.
// Invariants: what a branch evaluated counts only if the branch passes; every branch is run where annotations are needed,
// otherwise evaluation stops as soon as the answer is known.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The <c>allOf</c> keyword.</summary>
internal sealed class AllOfKeyword : Keyword
{
    private readonly SchemaEdge[] _branches;

    public AllOfKeyword(SchemaNode owner, SchemaEdge[] branches)
        : base(owner, "allOf", KeywordTargets.All, KeywordRank.InPlace) => _branches = branches;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        bool passed = true;
        foreach (SchemaEdge branch in _branches)
        {
            passed &= evaluation.Run(branch, index, tracker);
            if (!passed && (!evaluation.WantsErrors || evaluation.IsAborted))
            {
                return false;
            }
        }

        return passed;
    }
}

/// <summary>The <c>anyOf</c> keyword.</summary>
internal sealed class AnyOfKeyword : Keyword
{
    private readonly SchemaEdge[] _branches;

    public AnyOfKeyword(SchemaNode owner, SchemaEdge[] branches)
        : base(owner, "anyOf", KeywordTargets.All, KeywordRank.InPlace) => _branches = branches;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        bool needsAll = tracker >= 0 || evaluation.WantsAnnotations;
        int mark = evaluation.ErrorMark;
        bool passed = false;
        foreach (SchemaEdge branch in _branches)
        {
            passed |= evaluation.RunTentative(branch, index, tracker);
            if (evaluation.IsAborted || (passed && !needsAll))
            {
                break;
            }
        }

        if (passed)
        {
            evaluation.ForgetErrors(mark);
            return true;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, "none of the schemas is satisfied");
    }
}

/// <summary>The <c>oneOf</c> keyword.</summary>
internal sealed class OneOfKeyword : Keyword
{
    private readonly SchemaEdge[] _branches;

    public OneOfKeyword(SchemaNode owner, SchemaEdge[] branches)
        : base(owner, "oneOf", KeywordTargets.All, KeywordRank.InPlace) => _branches = branches;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int mark = evaluation.ErrorMark;
        int first = -1;
        int second = -1;
        for (int i = 0; i < _branches.Length && second < 0 && !evaluation.IsAborted; i++)
        {
            if (!evaluation.RunTentative(_branches[i], index, tracker))
            {
                continue;
            }

            second = first < 0 ? -1 : i;
            first = first < 0 ? i : first;
        }

        if (first >= 0)
        {
            evaluation.ForgetErrors(mark);
        }

        if (first >= 0 && second < 0)
        {
            return true;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, first < 0
            ? "none of the schemas is satisfied"
            : string.Create(CultureInfo.InvariantCulture, $"schemas {first} and {second} are both satisfied"));
    }
}

/// <summary>The <c>not</c> keyword.</summary>
internal sealed class NotKeyword : Keyword
{
    private readonly SchemaEdge _schema;

    public NotKeyword(SchemaNode owner, SchemaEdge schema)
        : base(owner, "not", KeywordTargets.All, KeywordRank.InPlace) => _schema = schema;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int annotations = evaluation.AnnotationMark;
        bool matched = evaluation.RunQuietly(_schema, index, -1);
        evaluation.ForgetAnnotations(annotations);
        return !matched || (evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, "satisfies the schema that it must not"));
    }
}

/// <summary>The <c>if</c> keyword with <c>then</c> and <c>else</c>.</summary>
internal sealed class IfKeyword : Keyword
{
    private readonly SchemaEdge _condition;
    private readonly SchemaEdge? _then;
    private readonly SchemaEdge? _else;

    public IfKeyword(SchemaNode owner, SchemaEdge condition, SchemaEdge? then, SchemaEdge? otherwise)
        : base(owner, "if", KeywordTargets.All, KeywordRank.InPlace)
    {
        _condition = condition;
        _then = then;
        _else = otherwise;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        SchemaEdge? next = evaluation.RunQuietly(_condition, index, tracker) ? _then : _else;
        return next is null || evaluation.Run(next, index, tracker);
    }
}
