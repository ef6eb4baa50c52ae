// Why this file exists: takes a batch of documents from text to a new registry state: load, identify, scan, compile, check.
// Invariants: documents may refer to each other in any order and in cycles; the prior state is only read; a state comes out
// only when there is no error at all. One instance compiles one batch.

using System.Collections.Immutable;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Compiles one batch.</summary>
internal sealed class BatchCompiler
{
    private readonly RegistryState _prior;
    private readonly SchemaRegistryOptions _options;
    private readonly BatchErrors _errors = new();
    private readonly Dictionary<string, SchemaResource> _resources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaSource> _roots = new(StringComparer.Ordinal);
    private readonly List<SchemaSource> _sources = [];
    private readonly List<(string Alias, SchemaSource Source)> _aliases = [];
    private readonly DialectResolver _dialects;
    private long _totalBytes;

    public BatchCompiler(RegistryState prior, SchemaRegistryOptions options)
    {
        _prior = prior;
        _options = options;
        _totalBytes = prior.TotalBytes;
        _dialects = new DialectResolver(_errors, FindDocument);
    }

    /// <summary>The errors found.</summary>
    public IReadOnlyList<SchemaRegistrationError> Errors => _errors.ToList();

    /// <summary>Compiles the batch.</summary>
    /// <param name="documents">The documents.</param>
    /// <param name="checkMetaSchema">Whether documents are validated by their meta-schemas; false only for those of the draft themselves.</param>
    /// <param name="roots">The compiled roots, in the order of the documents.</param>
    /// <returns>The new state; null when there are errors.</returns>
    public RegistryState? Compile(IReadOnlyList<SchemaDocument> documents, bool checkMetaSchema, out SchemaNode[] roots)
    {
        roots = [];
        SchemaSource?[] sources = new SchemaSource?[documents.Count];
        for (int i = 0; i < documents.Count; i++)
        {
            sources[i] = Load(documents[i], i);
        }

        // Documents that cannot be read are reported before references into them would be.
        if (_errors.Any || !ScanAll())
        {
            return null;
        }

        NodeCompiler compiler = new(_errors, _options, FindResource, _sources);
        compiler.CompileAll(_resources.Values);
        if (checkMetaSchema)
        {
            CheckMetaSchemas();
        }

        if (_errors.Any)
        {
            return null;
        }

        roots = Array.ConvertAll(sources, source => source!.NodeAt(0)!);
        return Publish(documents.Count);
    }

    private SchemaSource? Load(SchemaDocument document, int ordinal)
    {
        string baseUri = _options.DefaultBaseUri;
        UriReference parsedBase = UriReference.Parse(baseUri);
        UriReference given = UriReference.Parse(document.Uri ?? $"document/{_prior.DocumentCount + ordinal}");
        string retrieval = given.ResolveAgainst(parsedBase).ToResourceUri();
        if (!string.IsNullOrEmpty(given.Fragment))
        {
            _errors.Add(SchemaRegistrationErrorCode.InvalidIdentifier, retrieval, string.Empty, "a document's identifier must not have a fragment");
            return null;
        }

        JsonTape? tape = BuildTape(document, retrieval);
        if (tape is null)
        {
            return null;
        }

        SchemaSource probe = new(tape, retrieval, retrieval);
        int repeated = tape.FindRepeatedName();
        if (repeated >= 0)
        {
            _errors.Add(SchemaRegistrationErrorCode.RepeatedMember, probe, repeated, "a member name is repeated in one object");
            return null;
        }

        int id = tape.Member(0, "$id");
        string? rootUri = id < 0 ? retrieval : SchemaScanner.ResolveId(probe, id, UriReference.Parse(retrieval), _errors);
        return rootUri is null ? null : Identify(rootUri == retrieval ? probe : new SchemaSource(tape, retrieval, rootUri));
    }

    private JsonTape? BuildTape(SchemaDocument document, string uri)
    {
        SchemaLimits limits = _options.Limits;
        _totalBytes += document.Utf8Json.Length;
        if (document.Utf8Json.Length > limits.MaxSchemaBytes || _totalBytes > limits.MaxTotalSchemaBytes)
        {
            _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, uri, string.Empty, "the document, or all documents together, are larger than allowed");
            return null;
        }

        // Files often begin with a byte order mark, which RFC 8259 lets a reader pass over.
        ReadOnlySpan<byte> given = document.Utf8Json.Span;
        byte[] text = (given.StartsWith("\uFEFF"u8) ? given[3..] : given).ToArray();
        JsonTapeNode[] nodes = [];
        JsonTapeFault fault = JsonTapeBuilder.Build(text, limits.MaxSchemaDepth, int.MaxValue, document.IsLenient, ref nodes, out int count, out long offset);
        switch (fault)
        {
            case JsonTapeFault.Malformed:
                _errors.Add(SchemaRegistrationErrorCode.MalformedJson, uri, string.Empty, $"the text is not JSON near byte {offset}");
                return null;
            case not JsonTapeFault.None:
                _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, uri, string.Empty, $"the document is nested more deeply than allowed at byte {offset}");
                return null;
        }

        // One spare node stays at the end: an evaluation of the document by its meta-schema shows names there.
        Array.Resize(ref nodes, count + 1);
        return new JsonTape(text, nodes, count);
    }

    /// <summary>Settles what a document is called; an equal document that is already known stands for this one.</summary>
    private SchemaSource? Identify(SchemaSource source)
    {
        SchemaSource? known = FindDocument(source.RootUri, out int place);
        if (known is not null)
        {
            // The draft's own meta-schemas are built in; copies of them differ in what does not matter and are passed over.
            bool same = MetaSchemas.Owns(source.RootUri) || SameContent(known, 0, source, 0);
            if (place != 0 || !same)
            {
                _errors.Add(SchemaRegistrationErrorCode.DuplicateIdentifier, source.RootUri, string.Empty, "another schema with different content has this identifier");
                return null;
            }

            _aliases.Add((source.RetrievalUri, known));
            return known;
        }

        _roots.Add(source.RootUri, source);
        _sources.Add(source);
        _aliases.Add((source.RetrievalUri, source));
        return source;
    }

    private bool ScanAll()
    {
        foreach ((string alias, SchemaSource source) in _aliases)
        {
            SchemaSource? known = FindDocument(alias, out int place);
            if (known is not null && (place != 0 || !ReferenceEquals(known, source)))
            {
                _errors.Add(SchemaRegistrationErrorCode.DuplicateIdentifier, alias, string.Empty, "another schema with different content has this identifier");
            }

            _roots.TryAdd(alias, source);
        }

        int remaining = _options.Limits.MaxSubschemas;
        foreach (SchemaSource source in _sources)
        {
            int schema = source.Tape.Member(0, "$schema");
            bool isText = schema >= 0 && source.Tape.Kind(schema) == JsonKind.String;
            string uri = isText ? source.Tape.String(schema) : _options.DefaultDialect;
            Dialect? dialect = _dialects.Resolve(uri, source, Math.Max(schema, 0));
            if (dialect is not null)
            {
                new SchemaScanner(source, _errors, _dialects.Resolve, PublishResource, remaining).Scan(dialect);
                remaining -= source.Subschemas.Count;
            }
        }

        foreach ((string alias, SchemaSource source) in _aliases)
        {
            if (source.ResourceAt(0) is { } root && !_resources.ContainsKey(alias) && !_prior.Resources.ContainsKey(alias))
            {
                _resources.Add(alias, root);
            }
        }

        return !_errors.Any;
    }

    private void PublishResource(SchemaResource resource)
    {
        SchemaResource? known = FindResource(resource.Uri);
        if (known is null)
        {
            _resources.Add(resource.Uri, resource);
        }
        else if (!SameContent(known.Source, known.Place, resource.Source, resource.Place))
        {
            _errors.Add(
                SchemaRegistrationErrorCode.DuplicateIdentifier, resource.Source, resource.Place, $"another schema with different content has the identifier {resource.Uri}");
        }
    }

    private SchemaResource? FindResource(string uri) =>
        _resources.TryGetValue(uri, out SchemaResource? resource) || _prior.Resources.TryGetValue(uri, out resource) ? resource : null;

    /// <summary>The document, and the place in it, that an identifier names before resources are scanned.</summary>
    private SchemaSource? FindDocument(string uri, out int place)
    {
        place = 0;
        if (_roots.TryGetValue(uri, out SchemaSource? source))
        {
            return source;
        }

        if (!_prior.Resources.TryGetValue(uri, out SchemaResource? resource))
        {
            return null;
        }

        place = resource.Place;
        return resource.Source;
    }

    private static bool SameContent(SchemaSource left, int i, SchemaSource right, int j)
    {
        long budget = long.MaxValue;
        return JsonEquality.AreEqual(left.Tape.View, i, right.Tape.View, j, ref budget);
    }

    private void CheckMetaSchemas()
    {
        EvaluationScratch scratch = new();
        foreach (SchemaSource source in _sources)
        {
            SchemaResource root = source.ResourceAt(0)!;
            CheckMetaSchema(source, root, scratch);
            foreach (int place in source.Subschemas)
            {
                // A resource of another dialect inside the document has a meta-schema of its own to satisfy.
                SchemaResource resource = source.ResourceAt(place)!;
                if (resource.Place == place && resource.Dialect != root.Dialect)
                {
                    CheckMetaSchema(source, resource, scratch);
                }
            }
        }
    }

    private void CheckMetaSchema(SchemaSource source, SchemaResource resource, EvaluationScratch scratch)
    {
        const int MaxReported = 20;
        if (FindResource(resource.Dialect.Uri) is not { } meta || meta.Source.NodeAt(meta.Place) is not { } metaSchema)
        {
            _errors.Add(SchemaRegistrationErrorCode.UnsupportedDialect, source, resource.Place, $"the meta-schema {resource.Dialect.Uri} is not registered");
            return;
        }

        scratch.Nodes = source.Tape.View.Nodes;
        EvaluationOutput output = new(MaxReported, annotations: false);
        Evaluation evaluation = new(source.Tape.View.Text, scratch, source.Tape.Count, _options.Limits, output, assertFormat: false);
        bool passed = evaluation.RunRoot(metaSchema, resource.Place);
        if (evaluation.Limit is { } limit)
        {
            _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, source, resource.Place, $"validating the schema by its meta-schema exceeded a limit: {limit}");
        }
        else if (!passed)
        {
            _errors.RemoveKeywordErrors(source.RootUri);
            foreach (SchemaError error in output.Errors)
            {
                _errors.Add(SchemaRegistrationErrorCode.MetaSchemaViolation, source.RootUri, error.InstanceLocation, $"{error.Message} ({error.AbsoluteKeywordLocation})");
            }
        }
    }

    private RegistryState Publish(int documentCount)
    {
        ImmutableDictionary<string, SchemaResource> resources = _prior.Resources.AddRange(_resources);
        return new RegistryState(resources, _totalBytes, _prior.DocumentCount + documentCount);
    }
}
