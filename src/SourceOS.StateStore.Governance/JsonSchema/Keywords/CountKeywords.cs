// Why this file exists: minItems, maxItems, minProperties and maxProperties, and uniqueItems beside them.
// Invariants: counts come from the tape, so they cost nothing.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A bound on the number of items or members.</summary>
internal sealed class ChildCountKeyword : Keyword
{
    private readonly bool _isMaximum;
    private readonly long _bound;

    public ChildCountKeyword(SchemaNode owner, string name, KeywordTargets target, bool isMaximum, long bound)
        : base(owner, name, target, KeywordRank.Count)
    {
        _isMaximum = isMaximum;
        _bound = bound;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int count = evaluation.Node(index).Count;
        if (_isMaximum ? count <= _bound : count >= _bound)
        {
            return true;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, string.Create(
            CultureInfo.InvariantCulture, $"{count} {(Targets == KeywordTargets.Arrays ? "items" : "members")} where at {(_isMaximum ? "most" : "least")} {_bound} are allowed"));
    }
}

/// <summary>The <c>uniqueItems</c> keyword when it is true.</summary>
internal sealed class UniqueItemsKeyword : Keyword
{
    public UniqueItemsKeyword(SchemaNode owner)
        : base(owner, "uniqueItems", KeywordTargets.Arrays, KeywordRank.Unique)
    {
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        if (!evaluation.TryFindEqualItems(index, out int first, out int second))
        {
            return !evaluation.IsAborted;
        }

        return evaluation.WantsErrors && evaluation.Fail(Owner, Segment, index, string.Create(
            CultureInfo.InvariantCulture, $"items {first} and {second} are equal"));
    }
}
