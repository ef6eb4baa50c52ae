// Why this file exists: a schema is compiled once into a graph of these nodes, and evaluation only walks the graph.
// Invariants: nodes are changed only while their batch compiles and are frozen before the batch is published, so a published
// graph is safe for any number of threads; keywords are kept by the kind of instance they apply to, cheap ones first.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Whether a schema is a boolean or an object.</summary>
internal enum SchemaForm : byte
{
    Object = 0,
    True = 1,
    False = 2,
}

/// <summary>A compiled subschema.</summary>
internal sealed class SchemaNode
{
    private static readonly Keyword[] s_none = [];

    private Keyword[] _forSimple = s_none;
    private Keyword[] _forNumber = s_none;
    private Keyword[] _forString = s_none;
    private Keyword[] _forArray = s_none;
    private Keyword[] _forObject = s_none;
    private string? _location;

    public SchemaNode(SchemaResource resource, SchemaSource source, int place, SchemaForm form)
    {
        Resource = resource;
        Source = source;
        Place = place;
        Form = form;
    }

    /// <summary>The resource whose identifier is the base of this subschema.</summary>
    public SchemaResource Resource { get; }

    /// <summary>The document it is written in.</summary>
    public SchemaSource Source { get; }

    /// <summary>Its place on the document's tape.</summary>
    public int Place { get; }

    /// <summary>Whether it is a boolean or an object.</summary>
    public SchemaForm Form { get; }

    /// <summary>Keywords that only annotate.</summary>
    public AnnotationKeyword[] Annotations { get; private set; } = [];

    /// <summary>Whether it needs to know which members of an object were evaluated.</summary>
    public bool TracksMembers { get; private set; }

    /// <summary>Whether it needs to know which items of an array were evaluated.</summary>
    public bool TracksItems { get; private set; }

    /// <summary>The identifier of its resource and a JSON pointer in it.</summary>
    public string Location => _location ??= $"{Resource.Uri}#{UriReference.EncodeFragment(JsonPointer.Between(Source.Tape.View, Resource.Place, Place))}";

    /// <summary>The keywords that apply to a kind of instance.</summary>
    public Keyword[] KeywordsFor(JsonKind kind) => kind switch
    {
        JsonKind.Object => _forObject,
        JsonKind.Array => _forArray,
        JsonKind.String => _forString,
        JsonKind.Number => _forNumber,
        _ => _forSimple,
    };

    /// <summary>Sets the keywords; called once.</summary>
    public void Freeze(List<Keyword> keywords, List<AnnotationKeyword> annotations)
    {
        // Sorting by place in the schema within one rank keeps output stable.
        Keyword[] ordered = [.. keywords.OrderBy(keyword => keyword.Rank)];
        _forSimple = Select(ordered, KeywordTargets.Simple);
        _forNumber = Select(ordered, KeywordTargets.Numbers);
        _forString = Select(ordered, KeywordTargets.Strings);
        _forArray = Select(ordered, KeywordTargets.Arrays);
        _forObject = Select(ordered, KeywordTargets.Objects);
        Annotations = [.. annotations];
        TracksMembers = Array.Exists(_forObject, keyword => keyword.Rank == KeywordRank.Unevaluated);
        TracksItems = Array.Exists(_forArray, keyword => keyword.Rank == KeywordRank.Unevaluated);
    }

    private static Keyword[] Select(Keyword[] ordered, KeywordTargets target) =>
        Array.FindAll(ordered, keyword => (keyword.Targets & target) != 0);
}

/// <summary>A way from one subschema to another: the target and the JSON pointer segments that lead there.</summary>
/// <param name="Target">The subschema.</param>
/// <param name="Segment">For instance <c>/properties/name</c>.</param>
internal sealed record SchemaEdge(SchemaNode Target, string Segment);
