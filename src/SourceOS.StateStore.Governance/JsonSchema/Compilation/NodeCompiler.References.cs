// Why this file exists: resolves $ref and $dynamicRef within what is registered.
// Invariants: RFC 3986 resolution against the resource's identifier; JSON pointers and anchors in fragments; what leads to
// nothing is an error with the identifier in words.

namespace SourceOS.StateStore.Governance.JsonSchema;

internal sealed partial class NodeCompiler
{
    private void CompileRef(int place)
    {
        if (Expect(place, JsonKind.String, "$ref must be a string") && Resolve(place, out _, out _) is { } target)
        {
            _keywords.Add(new RefKeyword(_node, "$ref", target));
        }
    }

    private void CompileDynamicRef(int place)
    {
        if (!Expect(place, JsonKind.String, "$dynamicRef must be a string")
            || Resolve(place, out string fragment, out bool isDynamic) is not { } target)
        {
            return;
        }

        _keywords.Add(isDynamic ? new DynamicRefKeyword(_node, target, fragment) : new RefKeyword(_node, "$dynamicRef", target));
    }

    /// <summary>The subschema a reference leads to; null after complaining.</summary>
    /// <param name="place">The reference's place.</param>
    /// <param name="fragment">Its decoded fragment.</param>
    /// <param name="isDynamic">Whether a dynamic anchor answered it: only then does a $dynamicRef look at the dynamic scope.</param>
    private SchemaNode? Resolve(int place, out string fragment, out bool isDynamic)
    {
        string text = _tape.String(place);
        UriReference reference = UriReference.Parse(text).ResolveAgainst(_node.Resource.BaseUri);
        fragment = reference.DecodedFragment();
        string uri = reference.ToResourceUri();
        SchemaResource? resource = text.StartsWith('#') || uri == _node.Resource.Uri ? _node.Resource : _findResource(uri);
        isDynamic = resource is not null && resource.DynamicPlaces.ContainsKey(fragment);
        if (resource is null)
        {
            return Unresolved(place, $"no schema with the identifier {uri} is registered, and none is ever fetched");
        }

        int target = FindPlace(ref resource, fragment);
        if (target < 0)
        {
            return Unresolved(place, $"{uri} has nothing at #{fragment}");
        }

        return resource.Source.Tape.Kind(target) is JsonKind.Object or JsonKind.True or JsonKind.False
            ? NodeAt(resource.Source, target, resource)
            : Unresolved(place, $"what {uri} has at #{fragment} is no schema");
    }

    /// <summary>The place that a decoded fragment names in a resource; -1 when there is none.</summary>
    /// <param name="resource">The resource; on return the one whose identifier is the base at the place.</param>
    /// <param name="fragment">Empty, an anchor, or a JSON pointer.</param>
    public static int FindPlace(ref SchemaResource resource, string fragment)
    {
        if (fragment.Length == 0)
        {
            return resource.Place;
        }

        return fragment[0] == '/' ? FollowPointer(ref resource, fragment) : resource.Anchors.GetValueOrDefault(fragment, -1);
    }

    private SchemaNode? Unresolved(int place, string message)
    {
        _errors.Add(SchemaRegistrationErrorCode.UnresolvedReference, _node.Source, place, message);
        return null;
    }

    /// <summary>Follows a JSON pointer from a resource's root; resources entered on the way become the base.</summary>
    private static int FollowPointer(ref SchemaResource resource, string pointer)
    {
        SchemaSource source = resource.Source;
        int place = resource.Place;
        foreach (string token in pointer[1..].Split('/'))
        {
            if (!JsonPointer.TryUnescape(token, out string name))
            {
                return -1;
            }

            place = source.Child(place, name);
            if (place < 0)
            {
                return -1;
            }

            resource = source.ResourceAt(place) ?? resource;
        }

        return place;
    }
}
