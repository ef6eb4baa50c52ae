// Why this file exists: the path checker claims to know every page that liblmdb can touch for a run of puts and deletes. Here every tree page that
// it did not check is destroyed before liblmdb runs; a page that it forgot then crashes the test or fails the operation.
// Invariants: checks are made against the committed snapshot, in the order of the operations, as the writer makes them.

using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbPathCheckerLaws
{
    private const int PageSize = 4096;

    // STATESTORE_LONG_TESTS=1 draws many more trees.
    private static readonly int Rounds = Environment.GetEnvironmentVariable("STATESTORE_LONG_TESTS") == "1" ? 20 : 1;

    [Fact]
    public void Liblmdb_touches_no_page_that_was_not_checked()
    {
        int destroyed = 0;
        Gen<(int Seed, int Keys, int KeyLength, int ValueLength, int Style)> shape =
            from seed in Gen.Choose(0, 1 << 30)
            from keys in Gen.Choose(1, 1500)
            from keyLength in Gen.Elements(8, 40, 200, 480)
            from valueLength in Gen.Elements(0, 20, 300, 900, 2500)
            from style in Gen.Choose(0, 7)
            select (seed, keys, keyLength, valueLength, style);
        Prop.ForAll(shape.ToArbitrary(), one => destroyed += Run(one.Seed, one.Keys, one.KeyLength, one.ValueLength, one.Style))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(120 * Rounds));
        Assert.True(destroyed > 1000, $"Only {destroyed} pages were destroyed, so the law proved little.");
    }

    [Fact]
    public void Nor_when_whole_ranges_of_a_deep_tree_go()
    {
        int destroyed = 0;
        for (int seed = 0; seed < 200 * Rounds; seed++)
        {
            destroyed += Run(seed, 1200 + (seed % 200 * 13), 480, 8, seed % 8);
        }

        Assert.True(destroyed > 1000, $"Only {destroyed} pages were destroyed, so the law proved little.");
    }

    [Fact]
    public void Nor_when_one_delete_merges_on_two_levels()
    {
        // Found by drawing: two deletes, of which the second merges leaves and then makes their parent take a third child from its neighbour.
        Run(655756671, 926, 480, 2500, 3);
    }

    [Fact]
    public void Nor_when_a_merge_raised_the_key_that_led_to_a_leaf()
    {
        // Found by drawing: a branch that is merged gets its lowest remaining key as separator, so a smaller key then belongs to the leaf before.
        Run(560385810, 312, 480, 900, 4);
    }

    private static int Run(int seed, int keys, int keyLength, int valueLength, int style)
    {
        using LmdbSample sample = new("records", "other");
        Random random = new(seed);
        sample.Apply(Enumerable.Range(0, keys).Select(i => ("records", LmdbSample.Key(random.Next(100_000), keyLength), (byte[]?)LmdbSample.Value(i, random.Next(valueLength + 1)))));

        // Thin the tree out, here and there almost to nothing, so that pages stand at all fill factors.
        int[] keepPercent = [.. Enumerable.Range(0, 16).Select(_ => random.Next(3) == 0 ? random.Next(1, 20) : random.Next(20, 100))];
        sample.Apply(sample.Model["records"].Keys.Where(key => random.Next(100) >= keepPercent[key[2] >> 4]).ToArray().Select(key => ("records", key, (byte[]?)null)));
        (byte[] Key, byte[]? Value)[] operations = Operations(sample, random, keyLength, valueLength, style);
        int destroyed = DestroyUnchecked(sample, operations);
        sample.Apply(operations.Select(operation => ("records", operation.Key, operation.Value)));
        return destroyed;
    }

    private static (byte[] Key, byte[]? Value)[] Operations(LmdbSample sample, Random random, int keyLength, int valueLength, int style)
    {
        byte[][] all = [.. sample.Model["records"].Keys];
        if (all.Length == 0)
        {
            return [];
        }

        int start = random.Next(all.Length);
        IEnumerable<(byte[], byte[]?)> Deletes(IEnumerable<byte[]> victims) => victims.Select(key => (key, (byte[]?)null));
        (byte[], byte[]?)[] Puts(int count) =>
            [.. Enumerable.Range(0, count).Select(i => (LmdbSample.Key(random.Next(100_000), keyLength), (byte[]?)LmdbSample.Value(i, random.Next(valueLength + 1))))];
        return style switch
        {
            0 => [.. Deletes(all.Skip(start).Take(random.Next(1, 4)))],
            1 => [.. Deletes(all.Skip(start).Take(random.Next(1, 120)))],
            2 => [.. Deletes(all.Take(start + 1).Reverse().Take(random.Next(1, 120)))],
            5 => [.. Deletes(all.Skip(start).Take(random.Next(20, 500)).Where(_ => random.Next(8) != 0))],
            6 => [.. Deletes(all.Skip(start).Take(random.Next(20, 500)).Where(_ => random.Next(8) != 0).OrderBy(_ => random.Next()))],
            7 => Mixed(all, start, random, keyLength, valueLength),
            3 => [.. Deletes(all.OrderBy(_ => random.Next()).Take(random.Next(1, 60)))],
            _ => [.. Deletes(all.OrderBy(_ => random.Next()).Take(20)).Concat(Puts(20)).OrderBy(_ => random.Next())],
        };
    }

    // Puts and deletes, some of them of one key again and again, close together or spread.
    private static (byte[] Key, byte[]? Value)[] Mixed(byte[][] all, int start, Random random, int keyLength, int valueLength)
    {
        int width = random.Next(1, all.Length + 1);
        return [.. Enumerable.Range(0, random.Next(1, 200)).Select(i =>
        {
            byte[] key = [.. all[(start + random.Next(width)) % all.Length]];
            if (random.Next(2) == 0)
            {
                // A key close to one that is there, before or behind it.
                key = LmdbSample.Key(Math.Max(0, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(key) + random.Next(-3, 4)), keyLength);
            }

            return (key, random.Next(5) < 3 ? (byte[]?)null : LmdbSample.Value(i, random.Next(valueLength + 1)));
        })];
    }

    private static int DestroyUnchecked(LmdbSample sample, (byte[] Key, byte[]? Value)[] operations)
    {
        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        MappedPages pages = map.Snapshot(in meta);
        CheckedPages everything = new(1 << 20);
        Assert.True(LmdbWalker.Walk(() => pages, meta, new LmdbWalkOptions { FileLengthBytes = map.VisibleBytes(), CheckedPages = everything }).IsSound);

        CheckedPages checkedPages = new(1 << 20);
        LmdbPathChecker<MappedPages> checker = new(checkedPages);
        checker.Begin(pages, in meta);
        Assert.False(checker.CheckFreeList().IsFault);
        Assert.False(checker.CheckNamedRoots().IsFault);
        LmdbReader<MappedPages> reader = new(pages, meta.LastPage, checkedPages);
        LmdbDatabaseRecord main = meta.Main;
        Assert.Equal(LmdbReadStatus.Found, reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _));
        foreach ((byte[] key, byte[]? value) in operations)
        {
            Assert.False((value is null ? checker.CheckDelete(in record, key) : checker.CheckPut(in record, key)).IsFault);
        }

        int destroyed = 0;
        byte[] ruin = new byte[PageSize];
        Array.Fill(ruin, (byte)0xFF);
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(sample.DataPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        for (ulong page = 2; page <= meta.LastPage; page++)
        {
            if (everything.Contains(page) && !checkedPages.Contains(page))
            {
                RandomAccess.Write(file, ruin, (long)page * PageSize);
                destroyed++;
            }
        }

        return destroyed;
    }
}
