// Why this file exists: schemas are registered in batches and found by identifier; nothing outside a registry is ever looked up.
// Invariants: a registry is an immutable snapshot; registering yields a new one and leaves the old one as it was.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>
/// A snapshot of registered schemas for JSON Schema draft 2020-12, the draft's meta-schemas among them. Immutable and
/// thread-safe. Nothing is ever fetched: a reference resolves within the snapshot and the batch being registered, or is an error.
/// </summary>
public sealed class SchemaRegistry
{
    private readonly RegistryState _state;
    private readonly SchemaRegistryOptions _options;
    private readonly EvaluationScratchPool _pool;

    private SchemaRegistry(RegistryState state, SchemaRegistryOptions options, EvaluationScratchPool pool)
    {
        _state = state;
        _options = options;
        _pool = pool;
    }

    /// <summary>Identifiers of every registered resource.</summary>
    public IEnumerable<string> Identifiers => _state.Resources.Keys;

    /// <summary>Creates a registry that holds the meta-schemas of the draft.</summary>
    /// <param name="options">Options; null for the default.</param>
    /// <exception cref="ArgumentException">The default base is not an absolute identifier.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A bound is out of range.</exception>
    public static SchemaRegistry Create(SchemaRegistryOptions? options = null)
    {
        options ??= SchemaRegistryOptions.Default;
        ArgumentNullException.ThrowIfNull(options.Limits, nameof(options));
        options.Limits.Validate();
        UriReference baseUri = UriReference.Parse(options.DefaultBaseUri);
        if (!baseUri.IsAbsolute || baseUri.Fragment is not null)
        {
            throw new ArgumentException("The default base must be an absolute identifier without a fragment.", nameof(options));
        }

        return new SchemaRegistry(MetaSchemas.State, options, new EvaluationScratchPool());
    }

    /// <summary>Registers documents that may refer to each other in any order and in cycles. The batch is taken whole or not at all.</summary>
    /// <param name="documents">The documents.</param>
    /// <returns>The new snapshot and the compiled schemas, or the errors.</returns>
    /// <exception cref="ArgumentNullException">The batch, or a document in it, is null.</exception>
    public SchemaRegistrationResult Register(IEnumerable<SchemaDocument> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        SchemaDocument[] batch = [.. documents];
        foreach (SchemaDocument document in batch)
        {
            ArgumentNullException.ThrowIfNull(document, nameof(documents));
        }

        BatchCompiler compiler = new(_state, _options);
        RegistryState? state = compiler.Compile(batch, checkMetaSchema: true, out SchemaNode[] roots);
        return state is null
            ? new SchemaRegistrationResult(this, [], compiler.Errors)
            : new SchemaRegistrationResult(
                new SchemaRegistry(state, _options, _pool),
                Array.ConvertAll(roots, node => new CompiledSchema(node, _options, _pool)),
                []);
    }

    /// <summary>Registers one document.</summary>
    /// <param name="document">The document.</param>
    /// <returns>The new snapshot and the compiled schema, or the errors.</returns>
    /// <exception cref="ArgumentNullException">The document is null.</exception>
    public SchemaRegistrationResult Register(SchemaDocument document)
    {
        ArgumentNullException.ThrowIfNull(document);
        return Register([document]);
    }

    /// <summary>Finds a registered schema.</summary>
    /// <param name="uri">
    /// Its identifier, with a JSON pointer or an anchor as fragment to mean a part of it; relative ones are resolved against the
    /// default base.
    /// </param>
    /// <returns>The schema; null when there is none.</returns>
    /// <exception cref="ArgumentNullException">The identifier is null.</exception>
    public CompiledSchema? Find(string uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        UriReference reference = UriReference.Parse(uri).ResolveAgainst(UriReference.Parse(_options.DefaultBaseUri));
        if (!_state.Resources.TryGetValue(reference.ToResourceUri(), out SchemaResource? resource))
        {
            return null;
        }

        int place = NodeCompiler.FindPlace(ref resource, reference.DecodedFragment());
        SchemaNode? node = place < 0 ? null : resource.Source.NodeAt(place);
        return node is null ? null : new CompiledSchema(node, _options, _pool);
    }
}
