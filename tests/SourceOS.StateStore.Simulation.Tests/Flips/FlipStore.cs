// Why this file exists: campaigns that flip bits share their stores and the flipping itself. Invariants: a flipped bit is put back whatever the look at it came to; same arguments, same store but for its random ids and times.

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Stores whose bits are flipped.</summary>
internal static class FlipStore
{
    internal static string? Count(Campaign campaign, string what)
    {
        campaign.Count(what);
        return null;
    }

    internal static string? Flipped(FileStream file, long bit, Func<string?> look)
    {
        Span<byte> one = stackalloc byte[1];
        file.Position = bit / 8;
        file.ReadExactly(one);
        byte sound = one[0];
        one[0] ^= (byte)(1 << (int)(bit % 8));
        file.Position = bit / 8;
        file.Write(one);
        file.Flush();
        try
        {
            return look();
        }
        finally
        {
            one[0] = sound;
            file.Position = bit / 8;
            file.Write(one);
            file.Flush();
        }
    }

    // Nothing is proven at open, so that each read stands on its own checks.
    internal static StateStoreOptions Options() => Bodies.Options(proveUpToBytes: 0);

    internal static async Task MakeAsync(string path, int objects)
    {
        await using StateStore store = StateStore.Create(path, Options());
        StateSession session = store.OpenSession(Bodies.Identity);
        for (int i = 0; i < objects; i++)
        {
            int size = i % 17 == 0 ? 9_000 : 40 + (i * 3);
            Assert.True((await session.CommitAsync(Batches.Of([Batches.Put($"object:{i:D3}", i, size), Batches.PutActor($"actor:{i}", i)]))).IsCommitted);
        }

        for (int i = 0; i < objects; i += 9)
        {
            Assert.True((await session.CommitAsync(Batches.Of([Batches.Delete($"object:{i:D3}")]))).IsCommitted);
        }
    }

    internal static void Copy(string source, string target)
    {
        foreach (string directory in Directory.EnumerateDirectories(source, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(target, Path.GetRelativePath(source, directory)));
        }

        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            File.Copy(file, Path.Combine(target, Path.GetRelativePath(source, file)));
        }
    }

    internal static string DataPath(string store) => Directory.GetFiles(Path.Combine(store, "state"), "data.mdb", SearchOption.AllDirectories).Single();
}
