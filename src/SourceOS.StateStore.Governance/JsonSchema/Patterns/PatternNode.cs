// Why this file exists: the tree between an ECMA-262 pattern and the .NET expression that means the same.
// Invariants: immutable; depth is bounded by the parser; sets are sets of code points.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A part of a pattern.</summary>
internal abstract record PatternNode
{
    /// <summary>One code point out of a set.</summary>
    public sealed record Set(CodePointSet Members) : PatternNode;

    /// <summary>Parts one after the other.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>One of several parts.</summary>
    public sealed record Choice(IReadOnlyList<PatternNode> Options) : PatternNode;

    /// <summary>A part repeated; <paramref name="Max"/> is -1 without bound.</summary>
    public sealed record Repeat(PatternNode Part, int Min, int Max, bool Lazy) : PatternNode;

    /// <summary>A capturing group, numbered from 1.</summary>
    public sealed record Capture(PatternNode Part, int Number) : PatternNode;

    /// <summary>What a group captured.</summary>
    public sealed record Backreference(int Number) : PatternNode;

    /// <summary>The start of the text.</summary>
    public sealed record Start : PatternNode;

    /// <summary>The end of the text.</summary>
    public sealed record End : PatternNode;

    /// <summary>A word boundary, or its absence.</summary>
    public sealed record WordBoundary(bool Negated) : PatternNode;

    /// <summary>A look ahead or behind.</summary>
    public sealed record Look(PatternNode Part, bool Behind, bool Negated) : PatternNode;
}
