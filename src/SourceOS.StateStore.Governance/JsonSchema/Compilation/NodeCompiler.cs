// Why this file exists: turns scanned subschemas into nodes: one pass over the members of each, keyword by keyword.
// Invariants: a node exists before its keywords compile, so cycles need no special care; work is a list, not recursion; every
// keyword checks the form of its value even where no meta-schema would.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Compiles the subschemas of one batch.</summary>
internal sealed partial class NodeCompiler
{
    private readonly BatchErrors _errors;
    private readonly SchemaRegistryOptions _options;
    private readonly Func<string, SchemaResource?> _findResource;
    private readonly List<SchemaSource> _sources;
    private readonly Stack<SchemaNode> _pending = new();
    private readonly Dictionary<(SchemaSource Source, int Place), SchemaNode> _unplaced = [];
    private readonly Dictionary<string, EcmaPattern> _patterns = new(StringComparer.Ordinal);
    private int _remaining;

    // What the subschema in hand has gathered so far.
    private SchemaNode _node = null!;
    private JsonTape _tape = null!;
    private Dialect _dialect = null!;
    private List<Keyword> _keywords = [];
    private List<AnnotationKeyword> _annotations = [];
    private Dictionary<string, int> _gathered = new(StringComparer.Ordinal);

    public NodeCompiler(BatchErrors errors, SchemaRegistryOptions options, Func<string, SchemaResource?> findResource, List<SchemaSource> sources)
    {
        _errors = errors;
        _options = options;
        _findResource = findResource;
        _sources = sources;
        _remaining = options.Limits.MaxSubschemas;
    }

    /// <summary>Compiles every subschema of the batch, referred to or not.</summary>
    public void CompileAll(IEnumerable<SchemaResource> resources)
    {
        foreach (SchemaSource source in _sources)
        {
            foreach (int place in source.Subschemas)
            {
                NodeAt(source, place, source.ResourceAt(place)!);
            }

            foreach (int place in source.Subschemas)
            {
                // A resource that repeats a known one is not published, but is entered all the same.
                SchemaResource resource = source.ResourceAt(place)!;
                if (resource.Place == place)
                {
                    FillDynamicAnchors(resource);
                }
            }
        }

        while (_pending.TryPop(out SchemaNode? node))
        {
            Compile(node);
        }
    }

    private void FillDynamicAnchors(SchemaResource resource)
    {
        foreach ((string name, int place) in resource.DynamicPlaces)
        {
            resource.DynamicAnchors[name] = NodeAt(resource.Source, place, resource);
        }
    }

    /// <summary>The node of a subschema, made on first use.</summary>
    /// <param name="source">The document.</param>
    /// <param name="place">The place in it.</param>
    /// <param name="enclosing">The resource around it, for a place where no keyword puts a subschema.</param>
    private SchemaNode NodeAt(SchemaSource source, int place, SchemaResource enclosing)
    {
        SchemaResource? resource = source.ResourceAt(place);
        if (resource is not null && source.NodeAt(place) is { } known)
        {
            return known;
        }

        if (resource is null && _unplaced.TryGetValue((source, place), out SchemaNode? unplaced))
        {
            return unplaced;
        }

        SchemaForm form = source.Tape.Kind(place) switch
        {
            JsonKind.True => SchemaForm.True,
            JsonKind.False => SchemaForm.False,
            _ => SchemaForm.Object,
        };
        SchemaNode node = new(resource ?? enclosing, source, place, form);
        if (resource is not null)
        {
            source.SetNode(place, node);
        }
        else
        {
            // Documents of earlier batches are read by others, so what they did not compile is kept with this batch.
            _unplaced.Add((source, place), node);
            if (--_remaining == 0)
            {
                _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, source, place, "the batch refers to more subschemas than allowed");
            }
        }

        if (form == SchemaForm.Object && _remaining > 0)
        {
            _pending.Push(node);
        }

        return node;
    }

    private void Compile(SchemaNode node)
    {
        _node = node;
        _tape = node.Source.Tape;
        _dialect = node.Resource.Dialect;
        _keywords = [];
        _annotations = [];
        _gathered = new Dictionary<string, int>(StringComparer.Ordinal);
        if (_tape.Kind(node.Place) != JsonKind.Object)
        {
            Complain(node.Place, "a schema must be an object or a boolean");
            return;
        }

        for (int child = JsonTape.FirstChild(node.Place); child < _tape.Next(node.Place); child = _tape.Next(child))
        {
            string keyword = _tape.Name(child);
            if (_dialect.Has(Dialect.VocabularyOf(keyword)))
            {
                CompileKeyword(keyword, child);
            }
            else
            {
                AddAnnotation(keyword, child, KeywordTargets.All);
            }
        }

        CompileMembers();
        CompileArrays();
        CompileCondition();
        node.Freeze(_keywords, _annotations);
    }

    private void CompileKeyword(string keyword, int place)
    {
        switch (keyword)
        {
            case "$ref":
                CompileRef(place);
                break;
            case "$dynamicRef":
                CompileDynamicRef(place);
                break;
            case "properties" or "patternProperties" or "additionalProperties" or "propertyNames" or "required" or "dependentRequired"
                or "dependentSchemas" or "dependencies" or "prefixItems" or "items" or "contains" or "minContains" or "maxContains" or "if" or "then" or "else":
                _gathered.Add(keyword, place);
                break;
            case "allOf":
                CompileBranches(keyword, place, branches => new AllOfKeyword(_node, branches));
                break;
            case "anyOf":
                CompileBranches(keyword, place, branches => new AnyOfKeyword(_node, branches));
                break;
            case "oneOf":
                CompileBranches(keyword, place, branches => new OneOfKeyword(_node, branches));
                break;
            case "not":
                _keywords.Add(new NotKeyword(_node, EdgeTo(place, "/not")));
                break;
            case "unevaluatedItems":
                _keywords.Add(new UnevaluatedItemsKeyword(_node, EdgeTo(place, "/unevaluatedItems")));
                break;
            case "unevaluatedProperties":
                _keywords.Add(new UnevaluatedPropertiesKeyword(_node, EdgeTo(place, "/unevaluatedProperties")));
                break;
            case "title" or "description" or "default" or "deprecated" or "readOnly" or "writeOnly" or "examples":
                AddAnnotation(keyword, place, KeywordTargets.All);
                break;
            case "contentEncoding" or "contentMediaType":
                AddAnnotation(keyword, place, KeywordTargets.Strings);
                break;
            case "contentSchema" when _tape.Member(_node.Place, "contentMediaType") >= 0:
                AddAnnotation(keyword, place, KeywordTargets.Strings);
                break;
            default:
                CompileAssertion(keyword, place);
                break;
        }
    }

    private void AddAnnotation(string keyword, int place, KeywordTargets targets) =>
        _annotations.Add(new AnnotationKeyword("/" + JsonPointer.Escape(keyword), place, targets));

    private SchemaEdge EdgeTo(int place, string segment) => new(NodeAt(_node.Source, place, _node.Resource), segment);

    private void CompileBranches(string keyword, int place, Func<SchemaEdge[], Keyword> create)
    {
        SchemaEdge[]? branches = ReadEdges(keyword, place);
        if (branches is { Length: > 0 })
        {
            _keywords.Add(create(branches));
        }
        else if (branches is not null)
        {
            Complain(place, $"{keyword} must not be empty");
        }
    }

    private SchemaEdge[]? ReadEdges(string keyword, int place)
    {
        if (_tape.Kind(place) != JsonKind.Array)
        {
            Complain(place, $"{keyword} must be an array of schemas");
            return null;
        }

        List<SchemaEdge> edges = [];
        for (int child = JsonTape.FirstChild(place); child < _tape.Next(place); child = _tape.Next(child))
        {
            edges.Add(EdgeTo(child, $"/{keyword}/{edges.Count}"));
        }

        return [.. edges];
    }

    private void CompileArrays()
    {
        bool hasPrefix = _gathered.TryGetValue("prefixItems", out int prefixPlace);
        bool hasItems = _gathered.TryGetValue("items", out int itemsPlace);
        if (hasPrefix || hasItems)
        {
            SchemaEdge[] prefix = hasPrefix ? ReadEdges("prefixItems", prefixPlace) ?? [] : [];
            _keywords.Add(new ItemsKeyword(_node, prefix, hasItems ? EdgeTo(itemsPlace, "/items") : null));
        }

        if (_gathered.TryGetValue("contains", out int contains))
        {
            long? min = _gathered.TryGetValue("minContains", out int minPlace) ? ReadCount("minContains", minPlace) : null;
            long? max = _gathered.TryGetValue("maxContains", out int maxPlace) ? ReadCount("maxContains", maxPlace) : null;
            _keywords.Add(new ContainsKeyword(_node, EdgeTo(contains, "/contains"), min, max));
        }
    }

    private void CompileCondition()
    {
        if (_gathered.TryGetValue("if", out int condition))
        {
            SchemaEdge? then = _gathered.TryGetValue("then", out int thenPlace) ? EdgeTo(thenPlace, "/then") : null;
            SchemaEdge? otherwise = _gathered.TryGetValue("else", out int elsePlace) ? EdgeTo(elsePlace, "/else") : null;
            _keywords.Add(new IfKeyword(_node, EdgeTo(condition, "/if"), then, otherwise));
        }
    }

    private void Complain(int place, string message) =>
        _errors.Add(SchemaRegistrationErrorCode.InvalidKeyword, _node.Source, place, message);
}
