// Why this file exists: what a registry snapshot holds.
// Invariants: immutable; every resource in it is compiled and frozen.

using System.Collections.Immutable;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Registered resources by identifier.</summary>
/// <param name="Resources">Resources under every identifier they answer to.</param>
/// <param name="TotalBytes">Bytes of all documents.</param>
/// <param name="DocumentCount">Documents ever registered on the way to this snapshot.</param>
internal sealed record RegistryState(ImmutableDictionary<string, SchemaResource> Resources, long TotalBytes, int DocumentCount)
{
    /// <summary>A state without any schema.</summary>
    public static RegistryState Empty { get; } = new(ImmutableDictionary.Create<string, SchemaResource>(StringComparer.Ordinal), 0, 0);
}
