// Why this file exists: reading what is stored: one record, a list by an index, every event.

using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Reads beside liblmdb and SQLite.</summary>
public static class Reads
{
    private const int Seed = 20_240_517;

    /// <summary>One record by its identifier, at random.</summary>
    public static async Task<ComparisonResult> PointAsync(BenchContext context, ReadWorld world)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(world);
        Picker picker = new(world.Ids, Seed);
        Contestant[] contestants =
        [
            WorkContestant.Of("store, verified, in place", Role.Subject, (operations, timer) => Point(world, picker, operations, timer)),
            WorkContestant.Of("store, a snapshot for each read", Role.Subject, (operations, timer) => PointWithSnapshots(world, picker, operations, timer)),
            WorkContestant.Of("liblmdb get, not verified", Role.Peer, (operations, timer) => LmdbPoint(world, picker, operations, timer)),
            WorkContestant.Of("SQLite, in place", Role.Peer, (operations, timer) => SqlitePoint(world, picker, operations, timer)),
        ];
        ComparisonResult result = await PairedRun.RunAsync($"Point read of {world.Ids.Length:N0} objects", "one record of about 500 bytes, at random", context.Scale.Point, contestants);
        return result.WithNote("The store verifies the record's hash at every read and returns a view over the mapped page; liblmdb is called through the store's own binding, inside one transaction.");
    }

    /// <summary>A directory of 100 objects by the path index.</summary>
    public static Task<ComparisonResult> ListAsync(BenchContext context, ReadWorld world)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(world);
        int directories = Math.Max(1, world.Ids.Length / 4 / SampleObject.ObjectsPerDirectory);
        Contestant[] contestants =
        [
            WorkContestant.Of("store, verified, in place", Role.Subject, (operations, timer) => List(operations, timer, directory => StoreList(world, directory), directories)),
            WorkContestant.Of("SQLite, in place", Role.Peer, (operations, timer) => List(operations, timer, directory => world.Sqlite.List("workspace:0", SampleObject.Directory(directory)), directories)),
        ];
        return PairedRun.RunAsync("List by index", "one list of a directory of 100 objects with their bodies, in order of path", context.Scale.List, contestants);
    }

    /// <summary>Every event in order.</summary>
    public static Task<ComparisonResult> ScanAsync(BenchContext context, ReadWorld world)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(world);
        Contestant[] contestants =
        [
            WorkContestant.Of("store, verified", Role.Subject, (operations, timer) => Scan(operations, timer, world, () => StoreScan(world))),
            WorkContestant.Of("SQLite, events table", Role.Peer, (operations, timer) => Scan(operations, timer, world, () =>
            {
                (long events, long bytes, _) = world.Sqlite.ScanEvents();
                return (events, bytes);
            })),
        ];
        return PairedRun.RunAsync("Log scan", "one event with its fields and image, all in order", context.Scale.Whole, contestants);
    }

    private static void Point(ReadWorld world, Picker picker, int operations, OpTimer timer)
    {
        using ReadSnapshot snapshot = world.Store.Store.OpenSnapshot();
        long bytes = 0;
        picker.Restart();
        timer.Begin();
        for (int i = 0; i < operations; i++)
        {
            if (snapshot.TryGet(RecordKind.Object, picker.Next(), out RecordView record))
            {
                bytes += record.BodyBytes.Length;
            }
        }

        timer.End(operations);
        RequireBytes(bytes, operations);
    }

    private static void PointWithSnapshots(ReadWorld world, Picker picker, int operations, OpTimer timer)
    {
        long bytes = 0;
        picker.Restart();
        timer.Begin();
        for (int i = 0; i < operations; i++)
        {
            using ReadSnapshot snapshot = world.Store.Store.OpenSnapshot();
            if (snapshot.TryGet(RecordKind.Object, picker.Next(), out RecordView record))
            {
                bytes += record.BodyBytes.Length;
            }
        }

        timer.End(operations);
        RequireBytes(bytes, operations);
    }

    private static void LmdbPoint(ReadWorld world, Picker picker, int operations, OpTimer timer)
    {
        using LmdbWriteTransaction transaction = world.Lmdb.BeginReads();
        long bytes = 0;
        picker.Restart();
        timer.Begin();
        for (int i = 0; i < operations; i++)
        {
            bytes += world.Lmdb.ReadLength(transaction, picker.Next());
        }

        timer.End(operations);
        RequireBytes(bytes, operations);
    }

    private static void SqlitePoint(ReadWorld world, Picker picker, int operations, OpTimer timer)
    {
        world.Sqlite.BeginRead();
        long bytes = 0;
        picker.Restart();
        timer.Begin();
        for (int i = 0; i < operations; i++)
        {
            bytes += world.Sqlite.ReadLength(picker.Next());
        }

        timer.End(operations);
        world.Sqlite.EndRead();
        RequireBytes(bytes, operations);
    }

    private static void List(int operations, OpTimer timer, Func<int, (int Rows, long Bytes)> list, int directories)
    {
        for (int i = 0; i < operations; i++)
        {
            timer.Begin();
            (int rows, _) = list(i * 31 % directories);
            timer.End(1);
            Agreement.RequireEqual("rows of a list", SampleObject.ObjectsPerDirectory, rows);
        }
    }

    private static (int Rows, long Bytes) StoreList(ReadWorld world, int directory)
    {
        using ReadSnapshot snapshot = world.Store.Store.OpenSnapshot();
        int rows = 0;
        long bytes = 0;
        foreach (RecordView record in snapshot.ByIndex(IndexQuery.WorkspacePath("workspace:0", SampleObject.Directory(directory))))
        {
            rows++;
            bytes += record.BodyBytes.Length;
        }

        return (rows, bytes);
    }

    private static void Scan(int operations, OpTimer timer, ReadWorld world, Func<(long Events, long Bytes)> scan)
    {
        for (int i = 0; i < operations; i++)
        {
            timer.Begin();
            (long events, _) = scan();
            timer.End(events);
            Agreement.RequireEqual("events of a scan", world.Ids.Length, events);
        }
    }

    private static (long Events, long Bytes) StoreScan(ReadWorld world)
    {
        using ReadSnapshot snapshot = world.Store.Store.OpenSnapshot();
        long events = 0;
        long bytes = 0;
        foreach (StoredEvent item in snapshot.ReadEvents(1))
        {
            events++;
            bytes += item.Image.Length;
        }

        return (events, bytes);
    }

    private static void RequireBytes(long bytes, int operations)
    {
        if (bytes < operations * 100L)
        {
            throw new InvalidOperationException($"{operations} reads found {bytes} bytes; records are missing.");
        }
    }

    /// <summary>The same random order for everyone, without allocating.</summary>
    private sealed class Picker(byte[][] ids, int seed)
    {
        private uint _state = (uint)seed;

        internal void Restart() => _state = (uint)seed;

        internal byte[] Next()
        {
            _state ^= _state << 13;
            _state ^= _state >> 17;
            _state ^= _state << 5;
            return ids[_state % (uint)ids.Length];
        }
    }
}
