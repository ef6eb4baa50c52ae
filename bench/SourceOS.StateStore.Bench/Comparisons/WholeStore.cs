// Why this file exists: work over a whole store: opening it, and proving that every byte of it is sound.

using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Opening and verifying beside SQLite and beside hashing the same bytes.</summary>
public static class WholeStore
{
    /// <summary>Open, read one record, close. The files are in the page cache.</summary>
    public static async Task<ComparisonResult> OpenAsync(BenchContext context, ReadWorld world)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(world);
        await world.CloseAsync();
        byte[] id = world.Ids[world.Ids.Length / 2];
        try
        {
            Contestant[] contestants =
            [
                WorkContestant.Of("store, for writing", Role.Subject, (operations, timer) => Repeat(operations, timer, () => Open(world.StorePath, id))),
                WorkContestant.Of("store, for reading", Role.Subject, (operations, timer) => Repeat(operations, timer, () => OpenRead(world.StorePath, id))),
                WorkContestant.Of("SQLite, FULL", Role.Peer, (operations, timer) => Repeat(operations, timer, () => OpenSqlite(world.SqlitePath, id))),
            ];
            RunShape shape = context.Scale.Whole with { Operations = 3 };
            ComparisonResult result = await PairedRun.RunAsync($"Open, {world.Ids.Length:N0} objects", "one open, one read and one close, after a clean close, warm", shape, contestants);
            return result.WithNote("The writer's open and close each sync the log's slot, and the open proves a state of up to 16 MiB completely; SQLite prepares its eight statements and counts its events.");
        }
        finally
        {
            world.Reopen();
        }
    }

    /// <summary>Everything that can be proven without folding the log again.</summary>
    public static async Task<ComparisonResult> VerifyAsync(BenchContext context, ReadWorld world)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(world);
        await world.CloseAsync();
        try
        {
            long storeBytes = Bytes(world.StorePath);
            long sqliteBytes = new FileInfo(world.SqlitePath).Length;
            Contestant[] contestants =
            [
                WorkContestant.Of("store, verify standard", Role.Subject, (operations, timer) => Repeat(operations, timer, () => Verify(world.StorePath), storeBytes)),
                WorkContestant.Of("the same files through SHA-256 and XXH3, as many threads", Role.Floor, (operations, timer) => Repeat(operations, timer, () => HashFiles(world.StorePath), storeBytes)),
                WorkContestant.Of("SQLite, PRAGMA integrity_check", Role.Peer, (operations, timer) => Repeat(operations, timer, () => CheckSqlite(world.SqlitePath), sqliteBytes)),
            ];
            ComparisonResult result = await PairedRun.RunAsync("Verify", "one byte of the files", context.Scale.Whole, contestants);
            return result.WithNote($"The store has {storeBytes:N0} bytes, SQLite {sqliteBytes:N0}, for the same {world.Ids.Length:N0} objects and events.");
        }
        finally
        {
            world.Reopen();
        }
    }

    private static void Repeat(int operations, OpTimer timer, Action work, long unitsEach = 1)
    {
        for (int i = 0; i < operations; i++)
        {
            timer.Begin();
            work();
            timer.End(unitsEach);
        }
    }

    private static void Open(string path, byte[] id)
    {
        using global::SourceOS.StateStore.StateStore store = global::SourceOS.StateStore.StateStore.Open(path);
        ReadOne(store, id);
    }

    private static void OpenRead(string path, byte[] id)
    {
        using global::SourceOS.StateStore.StateStore store = global::SourceOS.StateStore.StateStore.OpenRead(path);
        ReadOne(store, id);
    }

    private static void ReadOne(global::SourceOS.StateStore.StateStore store, byte[] id)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Agreement.RequireEqual("the record read after opening", 1, snapshot.TryGet(RecordKind.Object, id, out _) ? 1 : 0);
    }

    private static void OpenSqlite(string path, byte[] id)
    {
        using SqlitePeer sqlite = new(path);
        Agreement.RequireEqual("the record read after opening", 1, sqlite.ReadLength(id) > 0 ? 1 : 0);
    }

    private static void CheckSqlite(string path)
    {
        using SqlitePeer sqlite = new(path);
        Agreement.RequireEqual("SQLite's own check", 1, sqlite.IsIntact() ? 1 : 0);
    }

    private static void Verify(string path)
    {
        VerificationReport report = StoreVerifier.Run(path);
        if (report.Findings.Count > 0)
        {
            throw new InvalidOperationException($"The verifier finds {report.Findings[0]}.");
        }
    }

    private static void HashFiles(string path)
    {
        const int ChunkBytes = 1 << 20;
        (string File, long Offset)[] chunks = [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .SelectMany(file => Enumerable.Range(0, (int)((new FileInfo(file).Length + ChunkBytes - 1) / ChunkBytes)).Select(i => (file, (long)i * ChunkBytes)))];
        Parallel.ForEach<(string File, long Offset), byte[]>(chunks, () => new byte[ChunkBytes], (chunk, _, buffer) =>
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(chunk.File);
            int length = RandomAccess.Read(handle, buffer, chunk.Offset);
            GC.KeepAlive(Checksum.Sha256(buffer.AsSpan(0, length)));
            GC.KeepAlive(Checksum.Xxh64(buffer.AsSpan(0, length)));
            return buffer;
        }, _ => { });
    }

    private static long Bytes(string path) => Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
}
