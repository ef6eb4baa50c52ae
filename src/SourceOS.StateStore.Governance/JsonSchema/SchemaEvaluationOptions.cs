// Why this file exists: what a caller may ask of one evaluation beyond the verdict.
// Invariants: no option changes the verdict but AssertFormat.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Options of one evaluation. Immutable and thread-safe.</summary>
public sealed class SchemaEvaluationOptions
{
    /// <summary>The options used where none are given.</summary>
    public static SchemaEvaluationOptions Default { get; } = new();

    /// <summary>
    /// Whether <c>format</c> fails an instance. Null leaves it to the registry's option; a dialect with the format-assertion
    /// vocabulary asserts formats always.
    /// </summary>
    public bool? AssertFormat { get; init; }

    /// <summary>Whether a valid instance's annotations are collected. Default false.</summary>
    public bool CollectAnnotations { get; init; }

    /// <summary>Largest number of errors and of annotations kept; at least 1. Default 256.</summary>
    public int MaxOutputUnits { get; init; } = 256;
}
