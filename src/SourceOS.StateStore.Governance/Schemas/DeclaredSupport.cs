// Why this file exists: a client says which versions of schemas it understands, in its actor's record (docs/schemas.md), so that it can be told when others have gone on. Invariants: who declares nothing is told nothing; a declaration binds nobody.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>What a client declares to understand. Immutable.</summary>
internal sealed class DeclaredSupport
{
    /// <summary>The field of actors: a list of schema identifiers, each with or without `@` and a version.</summary>
    public const string Field = "supported_schemas";

    private const int MaxDeclared = 1024;
    private readonly string _actorId;
    private readonly HashSet<string> _declared = new(StringComparer.Ordinal);
    private readonly HashSet<string> _types = new(StringComparer.Ordinal);

    private DeclaredSupport(string actorId) => _actorId = actorId;

    /// <summary>What an actor declares.</summary>
    public static DeclaredSupport Of(ReadSnapshot snapshot, string actorId)
    {
        DeclaredSupport support = new(actorId);
        if (Identifier.IsValid(actorId) && snapshot.Get(RecordKind.Actor, actorId) is { } actor)
        {
            foreach (string declared in Texts(SchemaDrift.Extension(Slots.Open(actor.Body), "supported_schemas"u8)).Take(MaxDeclared))
            {
                string id = declared.Split('@')[0];
                support._declared.Add(declared);
                if (Identifier.IsValid(id) && snapshot.Get(RecordKind.Schema, id) is { } schema)
                {
                    support._types.Add(RegisteredSchema.Of(id, 0, Slots.Open(schema.Body)).ObjectType);
                }
            }
        }

        return support;
    }

    /// <summary>Judges one object. A client that says nothing of a type is told nothing about it.</summary>
    public IEnumerable<DriftWarning> Judge(string schemaId, string version, string objectType)
    {
        if (_types.Contains(objectType) && !_declared.Contains(schemaId) && !_declared.Contains($"{schemaId}@{version}"))
        {
            string known = string.Join(", ", _declared.Order(StringComparer.Ordinal).Take(4));
            yield return new DriftWarning("schema.client", $"Actor '{_actorId}' declares support for {known}, and the object follows '{schemaId}'{(version.Length > 0 ? $" {version}" : "")}.", "/schema_id");
        }
    }

    private static List<string> Texts(string json)
    {
        if (json.Length == 0)
        {
            return [];
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.ValueKind == JsonValueKind.Array
            ? [.. document.RootElement.EnumerateArray().Where(static item => item.ValueKind == JsonValueKind.String).Select(static item => item.GetString()!)] : [];
    }
}
