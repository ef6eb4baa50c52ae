// Why this file exists: the schemas of the store, compiled, as the commit under judgement would find them. Invariants: what is compiled is what the state holds:
// a commit that registers a schema, and a group that failed and took one back, make everything compile anew before the next use; identifiers kept here
// are hints, looked up in the state before they count.

using System.Text;
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
    private ulong _lastSeen;
    private bool _isStale = true;

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
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind == RecordKind.Schema && change.Action != EventAction.None)
            {
                _known.Add(change.Id);
                _isStale = true;
            }
        }
    }

    /// <summary>Finds a schema as the state has it, without the commit's own.</summary>
    public ObjectSchema? Find(string id, IStateView state)
    {
        if (!_isStale && _compiled.TryGetValue(id, out ObjectSchema? schema))
        {
            return schema;
        }

        if (!_isStale || !_known.Contains(id))
        {
            return null;
        }

        _compiled = Compile(Documents(state, null));
        _isStale = false;
        return _compiled.GetValueOrDefault(id);
    }

    /// <summary>Compiles the store's schemas together with those that a commit brings.</summary>
    /// <returns>The schemas; those of the commit that cannot be used say why.</returns>
    public Dictionary<string, ObjectSchema> With(ProposedCommit commit, IStateView state)
    {
        // Whatever becomes of the commit, the next use starts from the state again.
        _isStale = true;
        return Compile(Documents(state, commit));
    }

    /// <summary>Compiles every schema of a snapshot.</summary>
    public static Dictionary<string, ObjectSchema> CompileAll(ReadSnapshot snapshot)
    {
        List<RegisteredSchema> sources = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            sources.Add(RegisteredSchema.Of(Encoding.UTF8.GetString(record.Id), record.Sequence, record.Body));
        }

        return Compile(sources);
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

    private static Dictionary<string, ObjectSchema> Compile(List<RegisteredSchema> sources)
    {
        Dictionary<string, ObjectSchema> compiled = new(StringComparer.Ordinal);
        RegisteredSchema[] documents = [.. sources.Where(static source => source.Json is not null)];
        SchemaRegistrationResult all = SchemaRegistry.Create().Register(documents.Select(static source => source.ToDocument()));
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
            CompileOneByOne(documents, compiled);
        }

        return compiled;
    }

    // One bad schema must not take the others down, so each that can be added is added, until a round adds none.
    private static void CompileOneByOne(RegisteredSchema[] documents, Dictionary<string, ObjectSchema> compiled)
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

    public SchemaDocument ToDocument() => new(Uri.TryCreate(Id, UriKind.Absolute, out _) ? Id : null, Json!);

    public ObjectSchema With(CompiledSchema? schema, string? broken) => new(Id, Sequence, ObjectType, RequiredFields, schema, broken);
}
