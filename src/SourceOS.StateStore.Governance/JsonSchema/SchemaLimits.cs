// Why this file exists: schemas and instances come from strangers, so everything that they can make grow has a bound here.
// Invariants: every bound is checked before the work or memory it bounds is spent; reaching one is a structured outcome.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Bounds on schemas, instances and evaluations. Immutable and thread-safe.</summary>
public sealed class SchemaLimits
{
    /// <summary>The bounds used where none are given.</summary>
    public static SchemaLimits Default { get; } = new();

    /// <summary>Largest schema document in bytes of UTF-8; at least 1. Default 4 MiB.</summary>
    public int MaxSchemaBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Largest sum of all documents of a registry in bytes; at least 1. Default 64 MiB.</summary>
    public long MaxTotalSchemaBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>Deepest nesting of a schema document; 1 to 512. Default 256.</summary>
    public int MaxSchemaDepth { get; init; } = 256;

    /// <summary>Largest number of subschemas of one batch; at least 1. Default 200,000.</summary>
    public int MaxSubschemas { get; init; } = 200_000;

    /// <summary>Largest instance in bytes of UTF-8; at least 1. Default 64 MiB.</summary>
    public int MaxInstanceBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Deepest nesting of an instance; 1 to 512. Default 256.</summary>
    public int MaxInstanceDepth { get; init; } = 256;

    /// <summary>Largest number of JSON values in an instance; at least 1. Default 4,000,000.</summary>
    public int MaxInstanceValues { get; init; } = 4_000_000;

    /// <summary>Deepest nesting of subschemas during one evaluation, references included; 1 to 10,000. Default 2,048.</summary>
    public int MaxEvaluationDepth { get; init; } = 2_048;

    /// <summary>
    /// Steps that one evaluation may take; at least 1. A step is a subschema applied, a member or item looked at, a value
    /// compared, 64 bytes of text, or one place of a pattern tried. Default 50,000,000.
    /// </summary>
    public long MaxEvaluationSteps { get; init; } = 50_000_000;

    /// <summary>Largest number of different patterns of one batch; at least 1. Default 4,096.</summary>
    public int MaxPatterns { get; init; } = 4_096;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSchemaBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTotalSchemaBytes, 1);
        ThrowIfOutside(MaxSchemaDepth, JsonTapeBuilder.MaxSupportedDepth, nameof(MaxSchemaDepth));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSubschemas, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxInstanceBytes, 1);
        ThrowIfOutside(MaxInstanceDepth, JsonTapeBuilder.MaxSupportedDepth, nameof(MaxInstanceDepth));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxInstanceValues, 1);
        ThrowIfOutside(MaxEvaluationDepth, 10_000, nameof(MaxEvaluationDepth));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxEvaluationSteps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPatterns, 1);
    }

    private static void ThrowIfOutside(int value, int max, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, 1, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, max, name);
    }
}
