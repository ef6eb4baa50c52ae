// Why this file exists: the draft's meta-schemas are part of every registry, so that schemas are checked without any network.
// Invariants: read from the assembly once; the compiled state is immutable and shared by all registries.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The compiled meta-schemas of draft 2020-12.</summary>
internal static class MetaSchemas
{
    private const string Prefix = "SourceOS.StateStore.Governance.JsonSchema.MetaSchemas.";
    private const string BaseUri = "https://json-schema.org/draft/2020-12/";

    private static readonly string[] s_names =
    [
        "schema", "core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "format-assertion", "content",
    ];

    private static readonly Lazy<RegistryState> s_state = new(Load);

    /// <summary>The state every registry begins with.</summary>
    public static RegistryState State => s_state.Value;

    /// <summary>Whether an identifier is that of a meta-schema of the draft.</summary>
    public static bool Owns(string uri)
    {
        if (!uri.StartsWith(BaseUri, StringComparison.Ordinal))
        {
            return false;
        }

        string name = uri[BaseUri.Length..];
        return name == "schema" || (name.StartsWith("meta/", StringComparison.Ordinal) && Array.IndexOf(s_names, name[5..]) > 0);
    }

    private static RegistryState Load()
    {
        SchemaDocument[] documents = Array.ConvertAll(s_names, name =>
            new SchemaDocument(BaseUri + (name == "schema" ? name : "meta/" + name), Read(name)));
        BatchCompiler compiler = new(RegistryState.Empty, SchemaRegistryOptions.Default);
        RegistryState? state = compiler.Compile(documents, checkMetaSchema: false, out _);
        return state is null
            ? throw new InvalidOperationException($"The meta-schemas in the assembly do not compile: {compiler.Errors[0].Message}")
            : state with { TotalBytes = 0, DocumentCount = 0 };
    }

    private static ReadOnlyMemory<byte> Read(string name)
    {
        using Stream stream = typeof(MetaSchemas).Assembly.GetManifestResourceStream($"{Prefix}{name}.json")
            ?? throw new InvalidOperationException($"The assembly was built without the meta-schema '{name}'.");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
