// Why this file exists: a new store already knows the types that the architecture names, each with a JSON Schema. Invariants: the documents are embedded
// in this assembly, one file a type; an identifier never changes what it means, a new meaning is a new version.

using System.Reflection;

namespace SourceOS.StateStore.Governance.Bootstrap;

/// <summary>The schema records that every store starts with.</summary>
public static class BuiltInSchemas
{
    private const string Prefix = "schemas/";

    /// <summary>The schema records as JSON documents in UTF-8, in the order of their types' names.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Documents()
    {
        Assembly assembly = typeof(BuiltInSchemas).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using Stream stream = assembly.GetManifestResourceStream(name)!;
            byte[] document = new byte[stream.Length];
            stream.ReadExactly(document);
            yield return document;
        }
    }
}
