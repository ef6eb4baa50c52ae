// Why this file exists: every decoder and scanner that takes bytes from strangers, in one list, and the canary. Invariants: a new decoder is added here; the canary comes first, because without it nothing below means anything.

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>The targets.</summary>
internal static class AllTargets
{
    internal static IReadOnlyList<Target> List { get; } = [Canary, .. FormatTargets.List, .. CheckpointTargets.List, .. RecordTargets.List, .. TextTargets.List, .. BundleTargets.List, .. MigrationTargets.List, .. StoreTargets.List];

    // Trusts a length behind a name and a version, as a decoder might: it takes three lucky steps and a number beyond the end to fall over.
    private static Target Canary => new("canary", static () => ["a harmless sample of forty bytes or more"u8.ToArray()], static bytes =>
    {
        int depth = 0;
        ReadOnlySpan<byte> name = "SO1"u8;
        while (depth < name.Length && depth < bytes.Length && bytes[depth] == name[depth])
        {
            depth++;
        }

        if (depth < name.Length || bytes.Length < 5)
        {
            return Hold.Way(depth);
        }

        return Hold.Way(depth, bytes[4 + bytes[3]]);
    })
    {
        IsCanary = true,
    };
}
