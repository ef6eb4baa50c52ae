// Why this file exists: what every compiled keyword has in common.
// Invariants: immutable and stateless; what an evaluation knows lives in the Evaluation that is passed along.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Kinds of instances that a keyword says something about.</summary>
[Flags]
internal enum KeywordTargets : byte
{
    None = 0,
    Simple = 1,
    Numbers = 2,
    Strings = 4,
    Arrays = 8,
    Objects = 16,
    All = 31,
}

/// <summary>The order of evaluation: cheap checks first, what depends on others last.</summary>
internal enum KeywordRank : byte
{
    Type = 0,
    Value = 1,
    Scalar = 2,
    Count = 3,
    Children = 4,
    Unique = 5,
    Reference = 6,
    InPlace = 7,
    Unevaluated = 8,
}

/// <summary>A compiled keyword that can fail an instance.</summary>
internal abstract class Keyword
{
    protected Keyword(SchemaNode owner, string name, KeywordTargets targets, KeywordRank rank)
    {
        Owner = owner;
        Segment = "/" + JsonPointer.Escape(name);
        Targets = targets;
        Rank = rank;
    }

    /// <summary>The subschema the keyword is written in.</summary>
    public SchemaNode Owner { get; }

    /// <summary>The keyword as a JSON pointer segment.</summary>
    public string Segment { get; }

    /// <summary>What it applies to.</summary>
    public KeywordTargets Targets { get; }

    /// <summary>When it is evaluated.</summary>
    public KeywordRank Rank { get; }

    /// <summary>Applies the keyword.</summary>
    /// <param name="evaluation">The evaluation under way.</param>
    /// <param name="index">The instance's place on the tape.</param>
    /// <param name="tracker">Where evaluated members or items are marked; -1 when nobody asks.</param>
    /// <returns>Whether the instance passes.</returns>
    public abstract bool Apply(ref Evaluation evaluation, int index, int tracker);
}

/// <summary>A keyword whose value is an annotation and nothing else.</summary>
/// <param name="Segment">The keyword as a JSON pointer segment.</param>
/// <param name="Place">Its value's place on the schema's tape.</param>
/// <param name="Targets">Instances that it describes.</param>
internal sealed record AnnotationKeyword(string Segment, int Place, KeywordTargets Targets);
