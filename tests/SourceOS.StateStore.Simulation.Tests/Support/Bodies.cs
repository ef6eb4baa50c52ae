// Why this file exists: bodies whose right bytes follow from a few numbers. Invariants: same arguments, same bytes; large ones do not compress, so
// that they fill frames as their size says.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Bodies and options that campaigns share.</summary>
internal static class Bodies
{
    internal const string Profile = "profile:sim";
    private const int TitleSlot = 25;

    internal static SessionIdentity Identity { get; } = new("actor:sim", "device:sim", Profile, "workspace:sim");

    internal static byte[] Object(int seed, int fillBytes)
    {
        byte[] noise = new byte[Math.Max(1, fillBytes * 3 / 4)];
        new Random(seed).NextBytes(noise);
        return new RecordBodyBuilder()
            .SetText(ObjectSlots.ObjectType, seed % 3 == 0 ? "note" : "task")
            .SetText(ObjectSlots.ProfileId, Profile)
            .SetText(ObjectSlots.WorkspaceId, "workspace:sim")
            .SetText(ObjectSlots.State, "active")
            .SetText(ObjectSlots.Path, $"dir/{seed % 100:D3}/{seed}")
            .SetText(TitleSlot, Convert.ToBase64String(noise))
            .Build()
            .ToArray();
    }

    internal static byte[] Actor(int seed) => new RecordBodyBuilder().SetText(1, $"actor {seed}").Build().ToArray();

    internal static StateStoreOptions Options(long proveUpToBytes = 16 << 20) =>
        new() { LogPageBits = 16, SegmentBits = 17, ReserveBytes = 0, LogMemoryPages = 2, ProveStateUpToBytes = proveUpToBytes };
}
