// Why this file exists: $ref and $dynamicRef.
// Invariants: targets were resolved when the batch was registered; nothing is fetched, ever.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The <c>$ref</c> keyword, and a <c>$dynamicRef</c> whose target is no dynamic anchor.</summary>
internal sealed class RefKeyword : Keyword
{
    private readonly SchemaEdge _edge;

    public RefKeyword(SchemaNode owner, string name, SchemaNode target)
        : base(owner, name, KeywordTargets.All, KeywordRank.Reference) => _edge = new SchemaEdge(target, Segment);

    public override bool Apply(ref Evaluation evaluation, int index, int tracker) =>
        evaluation.Follow(_edge, _edge.Target, index, tracker);
}

/// <summary>The <c>$dynamicRef</c> keyword.</summary>
internal sealed class DynamicRefKeyword : Keyword
{
    private readonly SchemaEdge _edge;
    private readonly string _anchor;

    public DynamicRefKeyword(SchemaNode owner, SchemaNode target, string anchor)
        : base(owner, "$dynamicRef", KeywordTargets.All, KeywordRank.Reference)
    {
        _edge = new SchemaEdge(target, Segment);
        _anchor = anchor;
    }

    public override bool Apply(ref Evaluation evaluation, int index, int tracker) =>
        evaluation.Follow(_edge, evaluation.ResolveDynamic(_anchor, _edge.Target), index, tracker);
}
