// Why this file exists: a registered document and the resources in it, which compiled nodes point back to.
// Invariants: filled while the batch compiles, then only read; places are indices on the document's tape.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A schema document.</summary>
internal sealed class SchemaSource
{
    private readonly SchemaResource?[] _resources;
    private readonly SchemaNode?[] _nodes;
    private readonly ConcurrentDictionary<int, Dictionary<string, int>> _memberIndexes = new();
    private readonly ConcurrentDictionary<int, int[]> _itemIndexes = new();

    public SchemaSource(JsonTape tape, string retrievalUri, string rootUri)
    {
        Tape = tape;
        RetrievalUri = retrievalUri;
        RootUri = rootUri;
        _resources = new SchemaResource?[tape.Count];
        _nodes = new SchemaNode?[tape.Count];
    }

    /// <summary>The document's text and tape.</summary>
    public JsonTape Tape { get; }

    /// <summary>Where it was found.</summary>
    public string RetrievalUri { get; }

    /// <summary>What its root calls itself; the same as where it was found without an <c>$id</c>.</summary>
    public string RootUri { get; }

    /// <summary>Places of subschemas, in document order.</summary>
    public List<int> Subschemas { get; } = [];

    /// <summary>The resource a subschema belongs to; null where no keyword puts a subschema.</summary>
    public SchemaResource? ResourceAt(int place) => _resources[place];

    /// <summary>Marks a place as a subschema.</summary>
    public void AddSubschema(int place, SchemaResource resource)
    {
        _resources[place] = resource;
        Subschemas.Add(place);
    }

    /// <summary>The compiled subschema at a place.</summary>
    public SchemaNode? NodeAt(int place) => _nodes[place];

    /// <summary>Sets the compiled subschema at a place.</summary>
    public void SetNode(int place, SchemaNode node) => _nodes[place] = node;

    /// <summary>The place one reference token of a JSON pointer leads to; -1 when it leads to nothing. Large containers are indexed once.</summary>
    public int Child(int place, string token)
    {
        const int MinIndexed = 32;
        bool large = Tape.ChildCount(place) >= MinIndexed;
        if (Tape.Kind(place) != JsonKind.Array)
        {
            return large ? _memberIndexes.GetOrAdd(place, IndexMembers).GetValueOrDefault(token, -1) : Tape.Member(place, token);
        }

        if (!JsonPointer.TryParseIndex(token, out int ordinal) || ordinal >= Tape.ChildCount(place))
        {
            return -1;
        }

        return large ? _itemIndexes.GetOrAdd(place, IndexItems)[ordinal] : Tape.Item(place, ordinal);
    }

    private Dictionary<string, int> IndexMembers(int place)
    {
        Dictionary<string, int> index = new(StringComparer.Ordinal);
        for (int child = JsonTape.FirstChild(place); child < Tape.Next(place); child = Tape.Next(child))
        {
            index.TryAdd(Tape.Name(child), child);
        }

        return index;
    }

    private int[] IndexItems(int place)
    {
        int[] index = new int[Tape.ChildCount(place)];
        int child = JsonTape.FirstChild(place);
        for (int i = 0; i < index.Length; i++)
        {
            index[i] = child;
            child = Tape.Next(child);
        }

        return index;
    }

    /// <summary>A JSON pointer to a place, from the document's root.</summary>
    public string Pointer(int place) => JsonPointer.Between(Tape.View, 0, place);
}

/// <summary>A schema resource: a subschema with an identifier of its own, and the anchors in it.</summary>
internal sealed class SchemaResource
{
    public SchemaResource(SchemaSource source, int place, string uri, Dialect dialect)
    {
        Source = source;
        Place = place;
        Uri = uri;
        BaseUri = UriReference.Parse(uri);
        Dialect = dialect;
    }

    /// <summary>The document it is in.</summary>
    public SchemaSource Source { get; }

    /// <summary>Its root's place.</summary>
    public int Place { get; }

    /// <summary>Its absolute identifier, without a fragment.</summary>
    public string Uri { get; }

    /// <summary>The identifier in parts, as the base of references.</summary>
    public UriReference BaseUri { get; }

    /// <summary>Its meta-schema.</summary>
    public Dialect Dialect { get; }

    /// <summary>Places by anchor, plain and dynamic.</summary>
    public Dictionary<string, int> Anchors { get; } = new(StringComparer.Ordinal);

    /// <summary>Places of the dynamic anchors.</summary>
    public Dictionary<string, int> DynamicPlaces { get; } = new(StringComparer.Ordinal);

    /// <summary>Compiled subschemas by dynamic anchor.</summary>
    public Dictionary<string, SchemaNode> DynamicAnchors { get; } = new(StringComparer.Ordinal);
}
