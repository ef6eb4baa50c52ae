// Why this file exists: the answer to a registration: a new snapshot, or everything that is wrong with the batch.
// Invariants: immutable; a batch is taken whole or not at all, so there are errors exactly when there is no new snapshot.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Why a schema is refused.</summary>
public enum SchemaRegistrationErrorCode
{
    /// <summary>The text is not JSON.</summary>
    MalformedJson = 1,

    /// <summary>The document or the batch exceeds a bound.</summary>
    LimitExceeded = 2,

    /// <summary>An object repeats a member name, so what the schema says is ambiguous.</summary>
    RepeatedMember = 3,

    /// <summary>An identifier names two schemas that differ.</summary>
    DuplicateIdentifier = 4,

    /// <summary>An anchor is used twice in one resource.</summary>
    DuplicateAnchor = 5,

    /// <summary>An <c>$id</c>, <c>$anchor</c>, <c>$dynamicAnchor</c> or identifier given is not one.</summary>
    InvalidIdentifier = 6,

    /// <summary>The <c>$schema</c> is neither draft 2020-12 nor a registered meta-schema whose vocabularies are known.</summary>
    UnsupportedDialect = 7,

    /// <summary>A reference leads to nothing that is registered.</summary>
    UnresolvedReference = 8,

    /// <summary>A keyword's value is not of the form the draft asks for, or beyond what is supported.</summary>
    InvalidKeyword = 9,

    /// <summary>A pattern is not one of ECMA-262.</summary>
    InvalidPattern = 10,

    /// <summary>The document does not satisfy its meta-schema.</summary>
    MetaSchemaViolation = 11,
}

/// <summary>One reason why a batch is refused.</summary>
/// <param name="Code">What kind of reason it is.</param>
/// <param name="SchemaUri">The identifier of the document.</param>
/// <param name="Location">JSON pointer into the document.</param>
/// <param name="Message">What is wrong, in words; not stable.</param>
public sealed record SchemaRegistrationError(SchemaRegistrationErrorCode Code, string SchemaUri, string Location, string Message);

/// <summary>The outcome of registering a batch. Immutable and thread-safe.</summary>
public sealed class SchemaRegistrationResult
{
    internal SchemaRegistrationResult(SchemaRegistry registry, IReadOnlyList<CompiledSchema> schemas, IReadOnlyList<SchemaRegistrationError> errors)
    {
        Registry = registry;
        Schemas = schemas;
        Errors = errors;
    }

    /// <summary>Whether the batch was taken.</summary>
    public bool Succeeded => Errors.Count == 0;

    /// <summary>The snapshot with the batch; the snapshot from before when the batch was refused.</summary>
    public SchemaRegistry Registry { get; }

    /// <summary>The compiled documents in the order of the batch; empty when it was refused.</summary>
    public IReadOnlyList<CompiledSchema> Schemas { get; }

    /// <summary>Why the batch was refused; at most 1,000 reasons.</summary>
    public IReadOnlyList<SchemaRegistrationError> Errors { get; }
}
