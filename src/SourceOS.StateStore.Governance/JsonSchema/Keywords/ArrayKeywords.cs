// Why this file exists: prefixItems with items, contains with its bounds, unevaluatedItems.
// Invariants: prefixItems and items are one pass; an item counts as evaluated once a subschema was applied to it and passed.

using System.Globalization;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The <c>prefixItems</c> and <c>items</c> keywords of one subschema.</summary>
internal sealed class ItemsKeyword : Keyword
{
    private readonly SchemaEdge[] _prefix;
    private readonly SchemaEdge? _items;

    public ItemsKeyword(SchemaNode owner, SchemaEdge[] prefix, SchemaEdge? items)
        : base(owner, "items", KeywordTargets.Arrays, KeywordRank.Children)
    {
        _prefix = prefix;
        _items = items;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int end = evaluation.Node(index).Next;
        int ordinal = 0;
        bool passed = true;
        for (int child = index + 1; child < end; child = evaluation.Node(child).Next, ordinal++)
        {
            SchemaEdge? edge = ordinal < _prefix.Length ? _prefix[ordinal] : _items;
            if (edge is null)
            {
                break;
            }

            if (!evaluation.Charge(1))
            {
                return false;
            }

            passed &= evaluation.Run(edge, child, -1);
            if (!passed && (!evaluation.WantsErrors || evaluation.IsAborted))
            {
                return false;
            }

            if (tracker >= 0)
            {
                evaluation.Mark(tracker, ordinal);
            }
        }

        if (passed && evaluation.WantsAnnotations)
        {
            AnnotateItems(ref evaluation, index, evaluation.Node(index).Count);
        }

        return passed;
    }

    private void AnnotateItems(ref Evaluation evaluation, int index, int count)
    {
        if (_prefix.Length > 0 && count > 0)
        {
            string last = count <= _prefix.Length ? "true" : (_prefix.Length - 1).ToString(CultureInfo.InvariantCulture);
            evaluation.Annotate(Owner, "/prefixItems", index, Encoding.ASCII.GetBytes(last));
        }

        if (_items is not null && count > _prefix.Length)
        {
            evaluation.Annotate(Owner, Segment, index, "true"u8.ToArray());
        }
    }
}

/// <summary>The <c>contains</c> keyword with <c>minContains</c> and <c>maxContains</c>.</summary>
internal sealed class ContainsKeyword : Keyword
{
    private readonly SchemaEdge _schema;
    private readonly long? _min;
    private readonly long? _max;

    public ContainsKeyword(SchemaNode owner, SchemaEdge schema, long? min, long? max)
        : base(owner, "contains", KeywordTargets.Arrays, KeywordRank.Children)
    {
        _schema = schema;
        _min = min;
        _max = max;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        long min = _min ?? 1;
        bool needsAll = tracker >= 0 || evaluation.WantsAnnotations || _max is not null;
        StringBuilder? matched = evaluation.WantsAnnotations ? new StringBuilder() : null;
        int end = evaluation.Node(index).Next;
        int ordinal = 0;
        long count = 0;
        for (int child = index + 1; child < end && (needsAll || count < min); child = evaluation.Node(child).Next, ordinal++)
        {
            if (!evaluation.Charge(1))
            {
                return false;
            }

            if (!evaluation.RunQuietly(_schema, child, -1))
            {
                continue;
            }

            count++;
            matched?.Append(CultureInfo.InvariantCulture, $"{(count > 1 ? "," : string.Empty)}{ordinal}");
            if (tracker >= 0)
            {
                evaluation.Mark(tracker, ordinal);
            }
        }

        if (evaluation.IsAborted)
        {
            return false;
        }

        if (count < min)
        {
            string segment = _min is null ? Segment : "/minContains";
            return evaluation.WantsErrors && evaluation.Fail(Owner, segment, index, Describe(count, "least", min));
        }

        if (count > _max)
        {
            return evaluation.WantsErrors && evaluation.Fail(Owner, "/maxContains", index, Describe(count, "most", _max.Value));
        }

        if (matched is not null)
        {
            string json = count > 0 && count == ordinal ? "true" : $"[{matched}]";
            evaluation.Annotate(Owner, Segment, index, Encoding.ASCII.GetBytes(json));
        }

        return true;
    }

    private static string Describe(long count, string side, long bound) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} items match where at {side} {bound} must");
}

/// <summary>The <c>unevaluatedItems</c> keyword.</summary>
internal sealed class UnevaluatedItemsKeyword : Keyword
{
    private readonly SchemaEdge _schema;

    public UnevaluatedItemsKeyword(SchemaNode owner, SchemaEdge schema)
        : base(owner, "unevaluatedItems", KeywordTargets.Arrays, KeywordRank.Unevaluated) => _schema = schema;

    public override bool Apply(ref Evaluation evaluation, int index, int tracker)
    {
        int end = evaluation.Node(index).Next;
        int ordinal = 0;
        bool passed = true;
        bool any = false;
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

            any = true;
            passed &= evaluation.Run(_schema, child, -1);
            if (!passed && (!evaluation.WantsErrors || evaluation.IsAborted))
            {
                return false;
            }

            evaluation.Mark(tracker, ordinal);
        }

        if (passed && any)
        {
            evaluation.Annotate(Owner, Segment, index, "true"u8.ToArray());
        }

        return passed;
    }
}
