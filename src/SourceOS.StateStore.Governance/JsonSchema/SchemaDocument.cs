// Why this file exists: what a caller hands in to be registered: a text and where it was found.
// Invariants: nothing is judged here; registration judges and answers with errors.

using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A schema document to register. Immutable as long as the bytes given are; registration copies them.</summary>
public sealed class SchemaDocument
{
    /// <summary>Creates a document from UTF-8.</summary>
    /// <param name="uri">
    /// The identifier under which it was found; relative ones are resolved against the registry's default base. Null when only
    /// the document's own <c>$id</c> names it.
    /// </param>
    /// <param name="utf8Json">The JSON text.</param>
    public SchemaDocument(string? uri, ReadOnlyMemory<byte> utf8Json)
    {
        Uri = uri;
        Utf8Json = utf8Json;
    }

    /// <summary>Creates a document from text.</summary>
    /// <param name="uri">As for the other constructor.</param>
    /// <param name="json">The JSON text.</param>
    /// <exception cref="ArgumentNullException">The text is null.</exception>
    public SchemaDocument(string? uri, string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        Uri = uri;
        Utf8Json = Encoding.UTF8.GetBytes(json);
    }

    /// <summary>Creates a document from a parsed value; its text is copied.</summary>
    /// <param name="uri">As for the other constructors.</param>
    /// <param name="root">The schema.</param>
    /// <exception cref="ArgumentException">The element is undefined.</exception>
    public SchemaDocument(string? uri, JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Undefined)
        {
            throw new ArgumentException("The element holds no JSON value.", nameof(root));
        }

        Uri = uri;
        Utf8Json = JsonMarshal.GetRawUtf8Value(root).ToArray();
        IsLenient = true;
    }

    /// <summary>The identifier under which it was found, or null.</summary>
    public string? Uri { get; }

    /// <summary>The JSON text.</summary>
    public ReadOnlyMemory<byte> Utf8Json { get; }

    /// <summary>Whether a caller's own parse may have let comments and trailing commas pass.</summary>
    internal bool IsLenient { get; }
}
