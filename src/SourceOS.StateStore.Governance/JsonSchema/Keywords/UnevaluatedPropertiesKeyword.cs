// Why this file exists: unevaluatedProperties, which looks at what every other keyword of its subschema left over.
// Invariants: runs last; its subschema always has a tracker, so marks are there to read.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The <c>unevaluatedProperties</c> keyword.</summary>
internal sealed class UnevaluatedPropertiesKeyword : Keyword
{
    private readonly SchemaEdge _schema;

    public UnevaluatedPropertiesKeyword(SchemaNode owner, SchemaEdge schema)
        : base(owner, "unevaluatedProperties", KeywordTargets.Objects, KeywordRank.Unevaluated) => _schema = schema;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        List<string>? names = evaluation.WantsAnnotations ? [] : null;
        int end = evaluation.Node(index).Next;
        int ordinal = 0;
        bool passed = true;
        for (int child = index + 1; child < end; child = evaluation.Node(child).Next, ordinal++)
        {
            if (!evaluation.Charge(1))
            {
                return false;
            }

            if (evaluation.IsMarked(tracker, ordinal))
            {
                continue;
            }

            passed &= evaluation.Run(_schema, child, -1);
            if (!passed && (!evaluation.WantsErrors || evaluation.IsAborted))
            {
                return false;
            }

            evaluation.Mark(tracker, ordinal);
            names?.Add(evaluation.NameText(child));
        }

        if (passed && names is not null)
        {
            evaluation.Annotate(Owner, Segment, index, MembersKeyword.WriteNames(names));
        }

        return passed;
    }
}
