// Why this file exists: reading without a pin rests on when liblmdb uses a page again (format-spec/lmdb-layout.md). This holds liblmdb to it.
// Invariants: compares the bytes of every page that a snapshot uses, as they were when it was the newest, with what later transactions leave.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbReuseTests
{
    private const int PageSize = 4096;

    [Fact]
    public void A_snapshot_is_whole_until_the_third_transaction_after_it_and_not_longer()
    {
        using LmdbSample sample = new("records");
        Random random = new(11);
        Queue<Dictionary<ulong, byte[]>> snapshots = new();
        int brokenByThird = 0;
        for (int round = 0; round < 120; round++)
        {
            if (round % 7 == 3)
            {
                GiveUp(sample, random);
            }

            sample.Apply(Changes(random, round % 10 == 0 ? 600 : 30));

            // The pages of the three snapshots before: the transaction just committed is their first, second and third successor.
            Dictionary<ulong, byte[]>[] before = [.. snapshots.Reverse()];
            for (int age = 1; age <= before.Length; age++)
            {
                bool isWhole = IsWhole(sample, before[age - 1]);
                Assert.True(isWhole || age >= 3, $"Transaction {age} after a snapshot changed it.");
                brokenByThird += isWhole ? 0 : 1;
            }

            snapshots.Enqueue(PagesInUse(sample));
            if (snapshots.Count > 3)
            {
                snapshots.Dequeue();
            }
        }

        Assert.True(brokenByThird > 10, "No reuse was seen, so the law proved little.");
    }

    [Fact]
    public void An_answer_read_without_a_pin_under_an_unchanged_transaction_is_right_beside_a_writer()
    {
        using LmdbSample sample = new("records");
        sample.Apply(Enumerable.Range(0, 300).Select(i => ("records", LmdbSample.Key(i), (byte[]?)LmdbSample.Value(0, 100))));
        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Exception? failure = null;
        int believed = 0;
        using CancellationTokenSource stop = new();
        Thread reader = new(() => failure = Record.Exception(() =>
        {
            while (!stop.IsCancellationRequested || believed < 5)
            {
                believed += ReadUnpinned(map) ? 1 : 0;
            }
        }));
        reader.Start();
        for (int round = 1; round < 300; round++)
        {
            sample.Apply(Enumerable.Range(0, 300).Select(i => ("records", LmdbSample.Key(i), (byte[]?)LmdbSample.Value(round, 100))));
        }

        stop.Cancel();
        reader.Join();
        Assert.Null(failure);
        Assert.True(believed >= 5);
    }

    private static bool ReadUnpinned(MappedFile map)
    {
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
        LmdbDatabaseRecord main = meta.Main;
        int count = 0;
        bool isUniform = true;
        if (reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _) == LmdbReadStatus.Found)
        {
            LmdbCursor<MappedPages> cursor = new(reader, in record);
            byte[]? first = null;
            for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found; status = cursor.Next())
            {
                first ??= cursor.Value.ToArray();
                isUniform &= cursor.Value.SequenceEqual(first);
                count++;
            }
        }

        Thread.MemoryBarrier();
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta after).IsFault);
        if (after.TransactionId != meta.TransactionId)
        {
            return false;
        }

        // Every snapshot has 300 entries with one value.
        Assert.Equal((300, true), (count, isUniform));
        return true;
    }

    private static IEnumerable<(string, byte[], byte[]?)> Changes(Random random, int count) =>
        Enumerable.Range(0, count).Select(i => random.Next(2000)).Distinct().ToArray().Select(key => (
            "records",
            LmdbSample.Key(key),
            random.Next(3) == 0 ? null : LmdbSample.Value(key, random.Next(20) == 0 ? random.Next(30_000) : random.Next(200))));

    // Aborted work must leave the pages of all snapshots alone and the next transaction its numbers.
    private static void GiveUp(LmdbSample sample, Random random)
    {
        using LmdbWriteTransaction transaction = sample.Environment.BeginWrite();
        for (int i = 0; i < 400; i++)
        {
            transaction.Put(sample.Handles["records"], LmdbSample.Key(random.Next(2000)), LmdbSample.Value(i, 3000));
        }
    }

    private static bool IsWhole(LmdbSample sample, Dictionary<ulong, byte[]> pages)
    {
        using FileView view = new(sample.DataPath);
        return pages.All(page => view.Cache.Read(page.Key, 1, out ReadOnlySpan<byte> now) == LmdbFaultCode.None && now.SequenceEqual(page.Value));
    }

    private static Dictionary<ulong, byte[]> PagesInUse(LmdbSample sample)
    {
        using FileView view = new(sample.DataPath);
        Assert.True(view.Walk().IsSound);

        // Everything that is not listed as free is in use: the walk proved that nothing is lost.
        HashSet<ulong> free = [];
        LmdbMeta meta = view.Meta;
        LmdbDatabaseRecord database = meta.Free;
        LmdbCursor<FilePages> cursor = new(view.Reader, in database);
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found; status = cursor.Next())
        {
            Assert.True(LmdbFreeRecord.TryParse(cursor.Key, cursor.Value, in meta, out LmdbFreeRecord record));
            for (int i = 0; i < record.Count; i++)
            {
                free.Add(record[i]);
            }
        }

        Dictionary<ulong, byte[]> pages = [];
        for (ulong page = 2; page <= meta.LastPage; page++)
        {
            if (!free.Contains(page))
            {
                Assert.Equal(LmdbFaultCode.None, view.Cache.Read(page, 1, out ReadOnlySpan<byte> bytes));
                pages[page] = bytes.ToArray();
            }
        }

        return pages;
    }
}
