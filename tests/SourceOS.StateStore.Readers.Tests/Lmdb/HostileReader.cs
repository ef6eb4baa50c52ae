// Why this file exists: damage tests do everything that the readers can do with a file and need one bounded way to do it.
// Invariants: never asserts what is found; it fails only by an exception, a crash, or by more steps than a sound walk could take.

using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

/// <summary>Reads a hostile file in every way.</summary>
internal static unsafe class HostileReader
{
    internal static readonly byte[][] Keys = [LmdbSample.Key(1), LmdbSample.Key(20, 12), LmdbSample.Key(39, 12), LmdbSample.Key(50_000, 460), LmdbSample.Key(-1), []];

    /// <summary>Reads everything; answers the walk's report, or null when no snapshot can be opened.</summary>
    internal static LmdbWalkReport? ReadAll(GuardedBytes file, CheckedPages? checkedPages, bool full)
    {
        LmdbMetaPair metas = LmdbMetaPair.Parse(file.Bytes);
        if (metas.TryNewest(out LmdbMeta meta).IsFault)
        {
            return null;
        }

        MappedPages pages = new(file.Start, file.Length, meta.PageSizeBytes);
        LmdbWalkReport report = LmdbWalker.Walk(
            () => pages,
            meta,
            new LmdbWalkOptions { FileLengthBytes = file.Length, MetasAtRest = metas, Visitor = Toucher.Instance, MaxFindings = 8 });
        if (full)
        {
            ReadTrees(pages, meta, null);
            ReadTrees(pages, meta, checkedPages);
        }

        return report;
    }

    /// <summary>Looks up, seeks, iterates and checks paths in every database that can be reached.</summary>
    internal static void ReadTrees<TPages>(TPages pages, LmdbMeta meta, CheckedPages? checkedPages)
        where TPages : struct, ILmdbPages
    {
        LmdbReader<TPages> reader = new(pages, meta.LastPage, checkedPages);
        LmdbPathChecker<TPages> checker = new(new CheckedPages(1 << 16));
        checker.Begin(pages, in meta);
        _ = checker.CheckFreeList();
        _ = checker.CheckNamedRoots();
        _ = LmdbFreeRecord.CountPages(reader, in meta, out _);
        LmdbDatabaseRecord main = meta.Main;
        foreach (string name in (string[])["records", "index", "small", "empty", "none"])
        {
            if (reader.TryGetDatabase(in main, System.Text.Encoding.UTF8.GetBytes(name), out LmdbDatabaseRecord record, out _) == LmdbReadStatus.Found)
            {
                ReadTree(reader, checker, record, pages.PageCount);
            }
        }
    }

    private static void ReadTree<TPages>(LmdbReader<TPages> reader, LmdbPathChecker<TPages> checker, LmdbDatabaseRecord record, ulong pageCount)
        where TPages : struct, ILmdbPages
    {
        foreach (byte[] key in Keys)
        {
            if (reader.TryGet(in record, key, out ReadOnlySpan<byte> value, out _) == LmdbReadStatus.Found)
            {
                Toucher.Touch(value);
            }

            _ = checker.CheckPut(in record, key);
            _ = checker.CheckDelete(in record, key);
            Iterate(reader, record, key, pageCount);
        }

        _ = checker.CheckAppend(in record);
        _ = checker.CheckAll(in record);
    }

    private static void Iterate<TPages>(LmdbReader<TPages> reader, LmdbDatabaseRecord record, byte[] from, ulong pageCount)
        where TPages : struct, ILmdbPages
    {
        LmdbCursor<TPages> cursor = new(reader, in record);
        ulong steps = 0;

        // A page of the smallest size holds at most 204 entries; a walk enters at most as many leaves as there are pages.
        ulong bound = 2 * (pageCount + 2) * 3300;
        for (LmdbReadStatus status = cursor.Seek(from); status == LmdbReadStatus.Found; status = cursor.Next())
        {
            Toucher.Touch(cursor.Key);
            Toucher.Touch(cursor.Value);
            Assert.True(++steps < bound, "The walk does not end.");
        }

        for (LmdbReadStatus status = cursor.SeekLast(); status == LmdbReadStatus.Found; status = cursor.Prev())
        {
            Assert.True(++steps < bound, "The walk does not end.");
        }
    }

    /// <summary>Reads the first and last byte of what it gets, so that bytes outside are noticed.</summary>
    internal sealed class Toucher : ILmdbVisitor
    {
        internal static readonly Toucher Instance = new();

        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
        {
            Touch(key);
            Touch(value);
        }

        internal static void Touch(ReadOnlySpan<byte> bytes)
        {
            if (!bytes.IsEmpty)
            {
                _ = bytes[0] + bytes[^1];
            }
        }
    }
}
