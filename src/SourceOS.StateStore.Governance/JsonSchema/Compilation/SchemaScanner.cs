// Why this file exists: finds the subschemas of a document, and the identifiers and anchors they declare, before anything compiles:
// references may point anywhere in a batch.
// Invariants: only places where a keyword of the dialect puts a subschema are looked at, so an $id inside const, enum or an
// unknown keyword is data; recursion is bounded by the tape's depth.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Scans one document.</summary>
internal sealed class SchemaScanner
{
    private readonly SchemaSource _source;
    private readonly JsonTape _tape;
    private readonly BatchErrors _errors;
    private readonly Func<string, SchemaSource, int, Dialect?> _resolveDialect;
    private readonly Action<SchemaResource> _publish;
    private int _remaining;

    /// <param name="source">The document.</param>
    /// <param name="errors">Where to complain.</param>
    /// <param name="resolveDialect">Finds the dialect of a <c>$schema</c>; null after complaining.</param>
    /// <param name="publish">Takes each resource found.</param>
    /// <param name="maxSubschemas">Subschemas that may still be added.</param>
    public SchemaScanner(
        SchemaSource source, BatchErrors errors, Func<string, SchemaSource, int, Dialect?> resolveDialect, Action<SchemaResource> publish, int maxSubschemas)
    {
        _source = source;
        _tape = source.Tape;
        _errors = errors;
        _resolveDialect = resolveDialect;
        _publish = publish;
        _remaining = maxSubschemas;
    }

    /// <summary>Scans from the root.</summary>
    public void Scan(Dialect dialect)
    {
        SchemaResource root = new(_source, 0, _source.RootUri, dialect);
        _publish(root);
        Visit(0, root);
    }

    private void Visit(int place, SchemaResource resource)
    {
        if (--_remaining < 0)
        {
            if (_remaining == -1)
            {
                _errors.Add(SchemaRegistrationErrorCode.LimitExceeded, _source, place, "the batch holds more subschemas than allowed");
            }

            return;
        }

        JsonKind kind = _tape.Kind(place);
        if (kind == JsonKind.Object && place != 0)
        {
            resource = EnterResource(place, resource);
        }

        // What is neither object nor boolean is complained about by its meta-schema, or when it compiles.
        _source.AddSubschema(place, resource);
        if (kind != JsonKind.Object)
        {
            return;
        }

        AddAnchor(place, "$anchor", resource, isDynamic: false);
        AddAnchor(place, "$dynamicAnchor", resource, isDynamic: true);
        for (int child = JsonTape.FirstChild(place); child < _tape.Next(place); child = _tape.Next(child))
        {
            VisitKeyword(_tape.Name(child), child, resource);
        }
    }

    private void VisitKeyword(string keyword, int place, SchemaResource resource)
    {
        Vocabularies vocabulary = Dialect.VocabularyOf(keyword);
        if (keyword != "definitions" && !resource.Dialect.Has(vocabulary))
        {
            return;
        }

        switch (keyword)
        {
            case "items" or "contains" or "additionalProperties" or "propertyNames" or "if" or "then" or "else" or "not"
                or "unevaluatedItems" or "unevaluatedProperties" or "contentSchema":
                Visit(place, resource);
                break;
            case "prefixItems" or "allOf" or "anyOf" or "oneOf" when _tape.Kind(place) == JsonKind.Array:
            case "$defs" or "definitions" or "properties" or "patternProperties" or "dependentSchemas" when _tape.Kind(place) == JsonKind.Object:
                VisitChildren(place, resource, skipArrays: false);
                break;
            case "dependencies" when _tape.Kind(place) == JsonKind.Object:
                VisitChildren(place, resource, skipArrays: true);
                break;
        }
    }

    private void VisitChildren(int place, SchemaResource resource, bool skipArrays)
    {
        for (int child = JsonTape.FirstChild(place); child < _tape.Next(place); child = _tape.Next(child))
        {
            if (!skipArrays || _tape.Kind(child) != JsonKind.Array)
            {
                Visit(child, resource);
            }
        }
    }

    private SchemaResource EnterResource(int place, SchemaResource enclosing)
    {
        int id = _tape.Member(place, "$id");
        if (id < 0)
        {
            int stray = _tape.Member(place, "$schema");
            if (stray >= 0 && (_tape.Kind(stray) != JsonKind.String || NormalizeDialectUri(_tape.String(stray)) != enclosing.Dialect.Uri))
            {
                _errors.Add(SchemaRegistrationErrorCode.UnsupportedDialect, _source, stray, "$schema differs inside a resource; only the root of a resource may change it");
            }

            return enclosing;
        }

        string? uri = ResolveId(_source, id, enclosing.BaseUri, _errors);
        if (uri is null)
        {
            return enclosing;
        }

        int schema = _tape.Member(place, "$schema");
        Dialect? dialect = schema < 0 ? enclosing.Dialect
            : _tape.Kind(schema) == JsonKind.String ? _resolveDialect(_tape.String(schema), _source, schema)
            : null;
        SchemaResource resource = new(_source, place, uri, dialect ?? enclosing.Dialect);
        _publish(resource);
        return resource;
    }

    /// <summary>The absolute identifier that an <c>$id</c> gives; null after complaining.</summary>
    public static string? ResolveId(SchemaSource source, int place, in UriReference baseUri, BatchErrors errors)
    {
        if (source.Tape.Kind(place) != JsonKind.String)
        {
            errors.Add(SchemaRegistrationErrorCode.InvalidIdentifier, source, place, "$id must be a string");
            return null;
        }

        UriReference reference = UriReference.Parse(source.Tape.String(place));
        if (!string.IsNullOrEmpty(reference.Fragment))
        {
            errors.Add(SchemaRegistrationErrorCode.InvalidIdentifier, source, place, "$id must not have a fragment; $anchor names a part of a resource");
            return null;
        }

        return reference.ResolveAgainst(baseUri).ToResourceUri();
    }

    /// <summary>A <c>$schema</c> without its empty fragment.</summary>
    public static string NormalizeDialectUri(string uri) => uri.EndsWith('#') ? uri[..^1] : uri;

    private void AddAnchor(int place, string keyword, SchemaResource resource, bool isDynamic)
    {
        int member = _tape.Member(place, keyword);
        if (member < 0)
        {
            return;
        }

        string name = _tape.Kind(member) == JsonKind.String ? _tape.String(member) : string.Empty;
        if (!IsAnchorName(name))
        {
            _errors.Add(SchemaRegistrationErrorCode.InvalidIdentifier, _source, member, $"{keyword} must be a name of letters, digits, '-', '_' and '.'");
            return;
        }

        bool known = resource.Anchors.TryGetValue(name, out int other);
        if (known && other != place)
        {
            _errors.Add(SchemaRegistrationErrorCode.DuplicateAnchor, _source, member, $"the anchor \"{name}\" is used twice in {resource.Uri}");
            return;
        }

        resource.Anchors[name] = place;
        if (isDynamic)
        {
            resource.DynamicPlaces[name] = place;
        }
    }

    private static bool IsAnchorName(string name)
    {
        bool good = name.Length > 0 && (char.IsAsciiLetter(name[0]) || name[0] == '_');
        foreach (char c in name)
        {
            good &= char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.';
        }

        return good;
    }
}
