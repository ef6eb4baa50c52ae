// Why this file exists: the schemas of the store, compiled, as the commit under judgement would find them. Invariants: what is compiled is what the state holds: a schema that a commit adds is compiled once, on top
// of the others, and counts when the state shows it; one that takes the place of another, and a group that failed and took one back, make everything compile anew before the next use; identifiers kept here are hints,
// looked up in the state before they count.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>A schema record ready to judge objects.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Sequence">Sequence of its record.</param>
/// <param name="ObjectType">The type it describes.</param>
/// <param name="RequiredFields">Fields that an object must have.</param>
/// <param name="Compiled">Its JSON Schema; null when it has none.</param>
/// <param name="Broken">Why its JSON Schema cannot be used; null when it can, or there is none.</param>
internal sealed record ObjectSchema(string Id, ulong Sequence, string ObjectType, IReadOnlyList<string> RequiredFields, CompiledSchema? Compiled, string? Broken);

/// <summary>Finds compiled schemas. Writer thread only, after loading.</summary>
internal sealed class ObjectSchemas
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private Dictionary<string, ObjectSchema> _compiled = new(StringComparer.Ordinal);
    private SchemaRegistry _registry = SchemaRegistry.Create();
    private Pending? _pending;
    private ulong _lastSeen;
    private bool _isStale = true;

    /// <summary>Schemas that a commit brings, until the state shows whether it happened.</summary>
    private sealed record Pending(IReadOnlyList<RegisteredSchema> Sources, Dictionary<string, ObjectSchema> Compiled, SchemaRegistry Registry);

    /// <summary>How many documents were compiled so far; tests count that registering does not compile everything again.</summary>
    internal long CompiledDocuments { get; private set; }

    /// <summary>Takes in what a store holds when it is opened.</summary>
    public void Load(ReadSnapshot snapshot)
    {
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            _known.Add(Encoding.UTF8.GetString(record.Id));
        }
    }

    /// <summary>Looks at a commit before it is judged.</summary>
    public void Observe(ProposedCommit commit, IStateView state)
    {
        // A state that is behind what was seen before took a group back.
        _isStale |= state.Sequence < _lastSeen;
        _lastSeen = state.Sequence;
        TakeIn(state);
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind == RecordKind.Schema && change.Action != EventAction.None)
            {
                _known.Add(change.Id);
            }
        }
    }

    /// <summary>Finds a schema as the state has it, without the commit's own.</summary>
    public ObjectSchema? Find(string id, IStateView state)
    {
        if (_isStale && _known.Contains(id))
        {
            CompileAnew(state);
        }

        return _isStale ? null : _compiled.GetValueOrDefault(id);
    }

    /// <summary>Compiles the schemas that a commit brings, on top of the store's.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="state">The state that it finds.</param>
    /// <param name="isWhole">Whether the answer holds the store's other schemas too, because the commit does more than add.</param>
    /// <returns>The schemas; those of the commit that cannot be used say why.</returns>
    public Dictionary<string, ObjectSchema> With(ProposedCommit commit, IStateView state, out bool isWhole)
    {
        if (_isStale)
        {
            CompileAnew(state);
        }

        List<RegisteredSchema> coming = [.. commit.Changes
            .Where(static change => change.Kind == RecordKind.Schema && change.Action == EventAction.Put)
            .Select(static change => RegisteredSchema.Of(change.Id, 0, Slots.Open(change.Body)))];
        bool onlyAdds = coming.Count == commit.Changes.Count(static change => change.Kind == RecordKind.Schema && change.Action != EventAction.None)
            && coming.TrueForAll(schema => !_compiled.ContainsKey(schema.Id)) && _compiled.Values.All(static schema => schema.Broken is null);
        isWhole = !onlyAdds;
        return onlyAdds ? Add(coming) : Replace(commit, state);
    }

    /// <summary>Compiles every schema of a snapshot.</summary>
    public static Dictionary<string, ObjectSchema> CompileAll(ReadSnapshot snapshot)
    {
        List<RegisteredSchema> sources = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            sources.Add(RegisteredSchema.Of(Encoding.UTF8.GetString(record.Id), record.Sequence, record.Body));
        }

        return Compile(sources, out _);
    }

    // A registry only grows and shares what it has, so a new schema costs its own compilation and no other.
    private Dictionary<string, ObjectSchema> Add(List<RegisteredSchema> coming)
    {
        RegisteredSchema[] documents = [.. coming.Where(static schema => schema.Json is not null)];
        SchemaRegistrationResult result = _registry.Register(documents.Select(static schema => schema.ToDocument()));
        CompiledDocuments += documents.Length;
        Dictionary<string, ObjectSchema> compiled = coming.Where(static schema => schema.Json is null).ToDictionary(static schema => schema.Id, static schema => schema.With(null, null), StringComparer.Ordinal);
        if (!result.Succeeded)
        {
            MarkBroken(documents, result.Errors, compiled);
            return compiled;
        }

        for (int i = 0; i < documents.Length; i++)
        {
            compiled[documents[i].Id] = documents[i].With(result.Schemas[i], null);
        }

        _pending = new Pending(coming, compiled, result.Registry);
        return compiled;
    }

    // The commit is refused whole, so the first that is to blame is enough; the others are named too where the errors name them.
    private static void MarkBroken(RegisteredSchema[] documents, IReadOnlyList<SchemaRegistrationError> errors, Dictionary<string, ObjectSchema> compiled)
    {
        foreach (RegisteredSchema document in documents)
        {
            SchemaRegistrationError? own = errors.FirstOrDefault(error => error.SchemaUri == document.Id || (document.StatedId.Length > 0 && error.SchemaUri == document.StatedId));
            compiled[document.Id] = document.With(null, own is null ? null : $"{own.Message} (at {own.SchemaUri}{own.Location})");
        }

        if (compiled.Values.All(static schema => schema.Broken is null) && documents.Length > 0)
        {
            compiled[documents[0].Id] = documents[0].With(null, $"{errors[0].Message} (at {errors[0].SchemaUri}{errors[0].Location})");
        }
    }

    // A schema that takes the place of another may change what a third means, so everything is compiled; that is rare.
    private Dictionary<string, ObjectSchema> Replace(ProposedCommit commit, IStateView state)
    {
        _isStale = true;
        List<RegisteredSchema> sources = Documents(state, commit);
        CompiledDocuments += sources.Count;
        return Compile(sources, out _);
    }

    private void CompileAnew(IStateView state)
    {
        List<RegisteredSchema> sources = Documents(state, null);
        CompiledDocuments += sources.Count;
        _compiled = Compile(sources, out _registry);
        _pending = null;
        _isStale = false;
    }

    // What a commit brought counts when the state has it, byte for byte; a commit that did not happen leaves nothing.
    private void TakeIn(IStateView state)
    {
        if (_pending is not { } pending)
        {
            return;
        }

        _pending = null;
        int there = 0;
        foreach (RegisteredSchema source in pending.Sources)
        {
            if (state.TryGet(RecordKind.Schema, source.Id, out RecordView record) && !record.IsTombstone)
            {
                RegisteredSchema now = RegisteredSchema.Of(source.Id, record.Sequence, record.Body);
                bool isIt = now.ObjectType == source.ObjectType && now.Version == source.Version && now.RequiredFields.SequenceEqual(source.RequiredFields, StringComparer.Ordinal)
                    && (now.Json ?? []).AsSpan().SequenceEqual(source.Json ?? []);
                there += isIt ? 1 : 0;
                _isStale |= !isIt;
                pending.Compiled[source.Id] = pending.Compiled[source.Id] with { Sequence = record.Sequence };
            }
        }

        _isStale |= there > 0 && there < pending.Sources.Count;
        if (there == pending.Sources.Count && !_isStale)
        {
            _registry = pending.Registry;
            foreach ((string id, ObjectSchema schema) in pending.Compiled)
            {
                _compiled[id] = schema;
            }
        }
    }

    private List<RegisteredSchema> Documents(IStateView state, ProposedCommit? commit)
    {
        Dictionary<string, RegisteredSchema> sources = new(StringComparer.Ordinal);
        foreach (string id in _known)
        {
            if (state.TryGet(RecordKind.Schema, id, out RecordView record) && !record.IsTombstone)
            {
                sources[id] = RegisteredSchema.Of(id, record.Sequence, record.Body);
            }
        }

        foreach (ProposedChange change in commit?.Changes ?? [])
        {
            if (change.Kind == RecordKind.Schema && change.Action == EventAction.Put)
            {
                sources[change.Id] = RegisteredSchema.Of(change.Id, 0, Slots.Open(change.Body));
            }
            else if (change.Kind == RecordKind.Schema && change.Action != EventAction.None)
            {
                sources.Remove(change.Id);
            }
        }

        return [.. sources.Values];
    }

    private static Dictionary<string, ObjectSchema> Compile(List<RegisteredSchema> sources, out SchemaRegistry registry)
    {
        Dictionary<string, ObjectSchema> compiled = new(StringComparer.Ordinal);
        RegisteredSchema[] documents = [.. sources.Where(static source => source.Json is not null)];
        SchemaRegistrationResult all = SchemaRegistry.Create().Register(documents.Select(static source => source.ToDocument()));
        registry = all.Registry;
        for (int i = 0; i < documents.Length; i++)
        {
            compiled[documents[i].Id] = all.Succeeded ? documents[i].With(all.Schemas[i], null) : documents[i].With(null, "not tried");
        }

        foreach (RegisteredSchema source in sources.Where(static source => source.Json is null))
        {
            compiled[source.Id] = source.With(null, null);
        }

        if (!all.Succeeded)
        {
            registry = CompileOneByOne(documents, compiled);
        }

        return compiled;
    }

    // One bad schema must not take the others down, so each that can be added is added, until a round adds none.
    private static SchemaRegistry CompileOneByOne(RegisteredSchema[] documents, Dictionary<string, ObjectSchema> compiled)
    {
        SchemaRegistry registry = SchemaRegistry.Create();
        List<RegisteredSchema> waiting = [.. documents.OrderBy(static source => source.Sequence == 0 ? ulong.MaxValue : source.Sequence)];
        int before;
        do
        {
            before = waiting.Count;
            for (int i = 0; i < waiting.Count;)
            {
                SchemaRegistrationResult result = registry.Register(waiting[i].ToDocument());
                if (result.Succeeded)
                {
                    registry = result.Registry;
                    compiled[waiting[i].Id] = waiting[i].With(result.Schemas[0], null);
                    waiting.RemoveAt(i);
                }
                else
                {
                    SchemaRegistrationError error = result.Errors[0];
                    compiled[waiting[i].Id] = waiting[i].With(null, $"{error.Message} (at {error.SchemaUri}{error.Location})");
                    i++;
                }
            }
        }
        while (waiting.Count > 0 && waiting.Count < before);
        return registry;
    }
}

/// <summary>A schema record before it is compiled.</summary>
internal sealed record RegisteredSchema(string Id, ulong Sequence, string ObjectType, string Version, IReadOnlyList<string> RequiredFields, byte[]? Json)
{
    private static readonly int s_type = Slots.Of(RecordKind.Schema, "object_type");
    private static readonly int s_version = Slots.Of(RecordKind.Schema, "schema_version");
    private static readonly int s_required = Slots.Of(RecordKind.Schema, "required_fields");
    private static readonly int s_json = Slots.Of(RecordKind.Schema, "json_schema");

    public static RegisteredSchema Of(string id, ulong sequence, RecordBodyView body) => new(
        id,
        sequence,
        Slots.Text(body, s_type),
        Slots.Text(body, s_version),
        Slots.List(body, s_required),
        body.TryGetJson(s_json, out ReadOnlySpan<byte> json) ? json.ToArray() : null);

    /// <summary>The $id that the JSON Schema states at its root; empty when it states none.</summary>
    public string StatedId => StatedIdOf(Json);

    public SchemaDocument ToDocument() => new(Uri.TryCreate(Id, UriKind.Absolute, out _) ? Id : null, Json!);

    public ObjectSchema With(CompiledSchema? schema, string? broken) => new(Id, Sequence, ObjectType, RequiredFields, schema, broken);

    private static string StatedIdOf(byte[]? json)
    {
        if (json is null)
        {
            return "";
        }

        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 256 });
        return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("$id", out JsonElement id) && id.ValueKind == JsonValueKind.String ? id.GetString()! : "";
    }
}
