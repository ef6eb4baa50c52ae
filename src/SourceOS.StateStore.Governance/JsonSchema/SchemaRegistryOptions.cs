// Why this file exists: what a registry assumes where a schema is silent.
// Invariants: fixed for the life of a registry and of every snapshot made from it.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Options of a registry. Immutable and thread-safe.</summary>
public sealed class SchemaRegistryOptions
{
    /// <summary>The options used where none are given.</summary>
    public static SchemaRegistryOptions Default { get; } = new();

    /// <summary>An absolute identifier against which relative ones are resolved. Default <c>json-schema:///</c>.</summary>
    public string DefaultBaseUri { get; init; } = "json-schema:///";

    /// <summary>The meta-schema of documents without <c>$schema</c>. Default draft 2020-12.</summary>
    public string DefaultDialect { get; init; } = Dialect.Draft202012Uri;

    /// <summary>Whether <c>format</c> fails an instance. Default false: the draft makes it an annotation.</summary>
    public bool AssertFormat { get; init; }

    /// <summary>Bounds on schemas and evaluations.</summary>
    public SchemaLimits Limits { get; init; } = SchemaLimits.Default;
}
