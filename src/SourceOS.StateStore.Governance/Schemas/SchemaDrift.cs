// Why this file exists: an object fitted its schema when it was written; since then the schema, the object's stated version or the client may have gone another way, and somebody should be told. Invariants: judging writes nothing and costs commits
// nothing; a warning has a stable code, a sentence and a place; what cannot be judged is not called drift.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>One way in which an object and its schema have come apart.</summary>
/// <param name="Code">`schema.unknown`, `schema.unusable`, `schema.body`, `schema.version`, `schema.field` or `schema.client`.</param>
/// <param name="Message">What it is, in a sentence.</param>
/// <param name="Place">Where in the object, as a JSON pointer; empty for the whole.</param>
public sealed record DriftWarning(string Code, string Message, string Place = "")
{
    /// <summary>Whether the object is not what its schema says; the others tell of things that may be as they should.</summary>
    public bool IsMisfit => Code is "schema.unknown" or "schema.unusable" or "schema.body";
}

/// <summary>Judges objects by the schemas of one snapshot. Not thread-safe.</summary>
public sealed class SchemaDrift
{
    private const int MaxFields = 16;
    private static readonly int s_schema = Slots.Of(RecordKind.Object, "schema_id");
    private static readonly int s_version = Slots.Of(RecordKind.Object, "schema_version");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");
    private static readonly int s_attributes = Slots.Of(RecordKind.Object, "attributes");
    private readonly Dictionary<string, ObjectSchema> _compiled;
    private readonly Dictionary<string, Facts> _facts = new(StringComparer.Ordinal);
    private readonly ObjectValidator _validator = new();
    private readonly DeclaredSupport _support;

    /// <summary>Takes in the schemas of a snapshot.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The client whose declared support counts; nobody's when empty.</param>
    public SchemaDrift(ReadSnapshot snapshot, string actorId = "")
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        _compiled = ObjectSchemas.CompileAll(snapshot);
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            _facts[Encoding.UTF8.GetString(record.Id)] = Facts.Of(record.ToStored());
        }

        _support = DeclaredSupport.Of(snapshot, actorId);
    }

    /// <summary>What has drifted of one object, for callers that look at one: only its own schema is compiled.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="record">The object.</param>
    /// <param name="actorId">The client whose declared support counts; nobody's when empty.</param>
    /// <returns>Warnings, the gravest first.</returns>
    public static IReadOnlyList<DriftWarning> OfOne(ReadSnapshot snapshot, StoredRecord record, string actorId = "")
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(record);
        RecordBodyView body = Slots.Open(record.Body);
        string id = Slots.Text(body, s_schema);
        return Identifier.IsValid(id) && snapshot.Get(RecordKind.Schema, id) is { IsTombstone: false } schema
            ? [.. Between(record, schema), .. DeclaredSupport.Of(snapshot, actorId).Judge(id, Slots.Text(body, s_version), Facts.Of(schema).ObjectType)]
            : [];
    }

    /// <summary>What has drifted.</summary>
    /// <param name="record">An object.</param>
    /// <returns>Warnings, the gravest first; empty when there is none, or the object names no schema or is in quarantine.</returns>
    public IReadOnlyList<DriftWarning> Of(StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        RecordBodyView body = Slots.Open(record.Body);
        string id = Slots.Text(body, s_schema);
        if (id.Length == 0 || record.IsTombstone || Slots.Text(body, s_state) == "quarantined")
        {
            return [];
        }

        if (!_compiled.TryGetValue(id, out ObjectSchema? schema))
        {
            return [new DriftWarning("schema.unknown", $"It names schema '{id}', which is not registered here.", "/schema_id")];
        }

        return [.. Judge(schema, _facts[id], record, _validator), .. _support.Judge(id, Slots.Text(body, s_version), schema.ObjectType)];
    }

    /// <summary>Whether the schema's own rule is to put what does not fit into quarantine.</summary>
    /// <param name="record">An object.</param>
    /// <returns>True when it is.</returns>
    public bool IsForQuarantine(StoredRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return _facts.TryGetValue(Slots.Text(Slots.Open(record.Body), s_schema), out Facts? facts) && facts.Quarantines && Of(record).Any(static warning => warning.Code == "schema.body");
    }

    /// <summary>What has drifted between one object and one schema, when that schema can be judged by itself.</summary>
    internal static IReadOnlyList<DriftWarning> Between(StoredRecord record, StoredRecord schema)
    {
        RegisteredSchema source = RegisteredSchema.Of(schema.Id, schema.Sequence, Slots.Open(schema.Body));
        if (source.Json is null)
        {
            return Judge(source.With(null, null), Facts.Of(schema), record, new ObjectValidator());
        }

        SchemaRegistrationResult alone = SchemaRegistry.Create().Register(source.ToDocument());
        return alone.Succeeded ? Judge(source.With(alone.Schemas[0], null), Facts.Of(schema), record, new ObjectValidator()) : [];
    }

    private static List<DriftWarning> Judge(ObjectSchema schema, Facts facts, StoredRecord record, ObjectValidator validator)
    {
        List<DriftWarning> warnings = [];
        RecordBodyView body = Slots.Open(record.Body);
        if (schema.Broken is not null)
        {
            warnings.Add(new DriftWarning("schema.unusable", $"Schema '{schema.Id}' cannot be used: {schema.Broken}", "/schema_id"));
        }
        else if (validator.Validate(schema, record.Id, body) is { } fault)
        {
            warnings.Add(new DriftWarning("schema.body", fault));
        }

        string stated = Slots.Text(body, s_version);
        if (stated.Length > 0 && facts.Version.Length > 0 && stated != facts.Version)
        {
            warnings.Add(new DriftWarning("schema.version", $"It was written by version {stated} of schema '{schema.Id}'; version {facts.Version} is registered now.", "/schema_version"));
        }

        warnings.AddRange(UnknownFields(facts, body).Take(MaxFields).Select(place => new DriftWarning("schema.field", $"Schema '{schema.Id}' does not know this field; it is kept.", place)));
        return warnings;
    }

    // Only schemas that list their fields and say nothing of others can be asked which ones they do not know.
    private static List<string> UnknownFields(Facts facts, RecordBodyView body)
    {
        List<string> places = [];
        if (facts.Fields is not null)
        {
            foreach (RecordExtension extension in body.Extensions)
            {
                string name = Encoding.UTF8.GetString(extension.Name);
                if (name != Migrations.MigrationStep.PreservedField && !facts.Fields.Contains(name))
                {
                    places.Add($"/{name}");
                }
            }
        }

        if (facts.Attributes is not null && body.TryGetJson(s_attributes, out ReadOnlySpan<byte> json))
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = FormatLimits.MaxJsonDepth });
            bool isObject = reader.Read() && reader.TokenType == JsonTokenType.StartObject;
            while (isObject && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                if (!facts.Attributes.Contains(name))
                {
                    places.Add($"/attributes/{name}");
                }

                reader.Read();
                reader.TrySkip();
            }
        }

        return places;
    }

    internal static string Extension(RecordBodyView body, ReadOnlySpan<byte> name)
    {
        foreach (RecordExtension extension in body.Extensions)
        {
            if (extension.Name.SequenceEqual(name))
            {
                return Encoding.UTF8.GetString(extension.Json);
            }
        }

        return "";
    }

    /// <summary>What drift asks of a schema beside its compiled form.</summary>
    private sealed record Facts(string ObjectType, string Version, bool Quarantines, HashSet<string>? Fields, HashSet<string>? Attributes)
    {
        public static Facts Of(StoredRecord record)
        {
            RecordBodyView body = Slots.Open(record.Body);
            RegisteredSchema schema = RegisteredSchema.Of(record.Id, record.Sequence, body);
            bool quarantines = Extension(body, "drift_policy"u8) == "\"quarantine\"";
            if (schema.Json is null)
            {
                return new Facts(schema.ObjectType, schema.Version, quarantines, null, null);
            }

            using JsonDocument document = JsonDocument.Parse(schema.Json, new JsonDocumentOptions { MaxDepth = 256 });
            JsonElement attributes = Member(Member(document.RootElement, "properties"), "attributes");
            return new Facts(schema.ObjectType, schema.Version, quarantines, Listed(document.RootElement), Listed(attributes));
        }

        private static JsonElement Member(JsonElement value, string name) => value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out JsonElement member) ? member : default;

        private static HashSet<string>? Listed(JsonElement schema)
        {
            JsonElement properties = Member(schema, "properties");
            bool saysMore = schema.ValueKind != JsonValueKind.Object
                || schema.EnumerateObject().Any(static keyword => keyword.Name is "$ref" or "$dynamicRef" or "allOf" or "anyOf" or "oneOf" or "if" or "patternProperties" or "additionalProperties" or "unevaluatedProperties" or "propertyNames");
            return saysMore || properties.ValueKind != JsonValueKind.Object ? null : [.. properties.EnumerateObject().Select(static property => property.Name)];
        }
    }
}
