// Why this file exists: checking documents with the schemas of a snapshot, which are compiled once however many documents there are. Invariants: checking writes nothing; what the gate would say of an object is said in the same words.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>What checking one document found.</summary>
/// <param name="Id">The object's identifier; empty when the document is not an object record.</param>
/// <param name="SchemaId">The schema it was checked with; empty when none is named or known.</param>
/// <param name="Fault">What is wrong; null when nothing is.</param>
/// <param name="Errors">The errors by place, when the JSON Schema found them.</param>
public sealed record SchemaFinding(string Id, string SchemaId, string? Fault, IReadOnlyList<SchemaError> Errors);

/// <summary>Checks documents. Not thread-safe; good as long as its snapshot.</summary>
/// <param name="snapshot">The state.</param>
public sealed class SchemaChecker(ReadSnapshot snapshot)
{
    private readonly Lazy<Dictionary<string, ObjectSchema>> _schemas = new(() => ObjectSchemas.CompileAll(snapshot));
    private readonly ObjectValidator _validator = new();

    /// <summary>Checks an object's document with the schema that it names, or with a given one.</summary>
    /// <param name="document">The object record's document, or, with <paramref name="schemaId"/>, any JSON.</param>
    /// <param name="schemaId">The schema; null for the one that the document names.</param>
    /// <returns>What was found.</returns>
    public SchemaFinding Check(ReadOnlyMemory<byte> document, string? schemaId = null)
    {
        bool isObject = RecordJson.TryParse(document.Span, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault) && kind == RecordKind.Object;
        if (!isObject && schemaId is null)
        {
            return new SchemaFinding("", "", kind == default || body is null ? $"The document is not an object record: {fault.Message}" : $"The document is a record of kind {RecordKinds.Get(kind).Name}; only objects have schemas.", []);
        }

        string named = schemaId ?? Slots.Text(Slots.Open(body!), Slots.Of(RecordKind.Object, "schema_id"));
        if (named.Length == 0)
        {
            return new SchemaFinding(id!, "", null, []);
        }

        if (!_schemas.Value.TryGetValue(named, out ObjectSchema? schema) || schema.Broken is not null)
        {
            return new SchemaFinding(id ?? "", named, schema is null ? $"Schema '{named}' is not registered here." : $"Schema '{named}' cannot be used: {schema.Broken}", []);
        }

        return isObject ? CheckObject(schema, id!, body!, document) : CheckBare(schema, document);
    }

    private SchemaFinding CheckObject(ObjectSchema schema, string id, byte[] body, ReadOnlyMemory<byte> document)
    {
        string? fault = _validator.Validate(schema, id, Slots.Open(body));
        IReadOnlyList<SchemaError> errors = fault is null || schema.Compiled is null ? [] : schema.Compiled.Evaluate(document.Span).Errors;
        return new SchemaFinding(id, schema.Id, fault, errors);
    }

    private static SchemaFinding CheckBare(ObjectSchema schema, ReadOnlyMemory<byte> document)
    {
        if (schema.Compiled is null)
        {
            return new SchemaFinding("", schema.Id, null, []);
        }

        SchemaEvaluationResult result = schema.Compiled.Evaluate(document.Span);
        return new SchemaFinding("", schema.Id, result.IsValid ? null : $"The document is not valid by schema '{schema.Id}'.", result.Errors);
    }
}
