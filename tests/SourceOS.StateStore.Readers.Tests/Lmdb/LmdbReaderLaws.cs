// Why this file exists: the managed readers must agree with liblmdb and with a sorted dictionary after any history, over both page sources.
// Invariants: histories are drawn by FsCheck and shrink; each file is walked as well, so every sound file must walk clean.

using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbReaderLaws
{
    private static readonly string[] Databases = ["a", "b"];

    [Fact]
    public void Readers_agree_with_a_model_after_any_history()
    {
        Gen<(int Database, int Key, int Size, bool IsDelete)> change =
            from database in Gen.Choose(0, 1)
            from key in Gen.Choose(0, 400)
            from kind in Gen.Choose(0, 9)
            from size in kind switch
            {
                0 => Gen.Choose(2030, 2050),
                1 => Gen.Choose(4000, 20_000),
                _ => Gen.Choose(0, 600),
            }
            select (database, key, size, kind >= 7);
        Gen<(int Database, int Key, int Size, bool IsDelete)[][]> history = Gen.ArrayOf(Gen.Choose(0, 300).SelectMany(size => change.ArrayOf(size)), 8);
        Prop.ForAll(history.ToArbitrary(), CheckHistory).Check(Config.QuickThrowOnFailure.WithMaxTest(25));
    }

    [Fact]
    public void Readers_agree_with_a_model_through_growth_and_mass_deletion()
    {
        using LmdbSample sample = new(Databases);
        Random random = new(3);
        for (int round = 0; round < 6; round++)
        {
            sample.Apply(Enumerable.Range(0, 2000).Select(i => ("a", LmdbSample.Key(random.Next(20_000), 4 + random.Next(200)), (byte[]?)LmdbSample.Value(i, random.Next(120)))));
            Compare(sample);
            byte[][] victims = [.. sample.Model["a"].Keys.Where(_ => random.Next(10) < 7)];
            sample.Apply(victims.Select(key => ("a", key, (byte[]?)null)));
            Compare(sample);
        }

        sample.Apply(sample.Model["a"].Keys.ToArray().Select(key => ("a", key, (byte[]?)null)));
        Compare(sample);
    }

    [Fact]
    public void The_sample_file_has_what_the_damage_tests_need()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using FileView view = new(sample.DataPath);
        LmdbWalkReport report = view.Walk();
        Assert.True(report.IsSound, string.Join("\n", report.Findings));
        Assert.InRange(view.Cache.FileLengthBytes, 100 * 1024, 200 * 1024);
        Assert.Contains(report.Databases, database => database.OverflowPages > 0);
        Assert.Contains(report.Databases, database => database.Record.Depth >= 3);
        Assert.True(report.FreePages > 0);
        Assert.Equal(view.Cache.FileLengthBytes, (long)report.BytesOwned);
    }

    private static void CheckHistory((int Database, int Key, int Size, bool IsDelete)[][] history)
    {
        using LmdbSample sample = new(Databases);
        foreach ((int Database, int Key, int Size, bool IsDelete)[] transaction in history)
        {
            sample.Apply(transaction.Select(change => (
                Databases[change.Database],
                LmdbSample.Key(change.Key, 4 + (change.Key * 7 % 300)),
                change.IsDelete ? null : LmdbSample.Value(change.Key + change.Size, change.Size))));
        }

        Compare(sample);
    }

    private static void Compare(LmdbSample sample)
    {
        using FileView view = new(sample.DataPath);
        Assert.False(view.MetaFault.IsFault, view.MetaFault.ToString());
        Collector visited = new();
        CheckedPages checkedPages = new(1 << 20);
        LmdbWalkReport report = view.Walk(visited, checkedPages);
        Assert.True(report.IsSound, string.Join("\n", report.Findings));

        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        Assert.Equal(view.Meta, meta);
        MappedPages pages = map.Snapshot(in meta);
        foreach ((string name, SortedDictionary<byte[], byte[]> model) in sample.Model)
        {
            CompareDatabase(view.Reader, meta, name, model);
            CompareDatabase(new LmdbReader<MappedPages>(pages, meta.LastPage), meta, name, model);
            CompareDatabase(new LmdbReader<MappedPages>(pages, meta.LastPage, checkedPages), meta, name, model);
            Assert.Equal(model.Select(pair => (name, Convert.ToHexString(pair.Key), Convert.ToHexString(pair.Value))), visited.Of(name));
        }
    }

    private static void CompareDatabase<TPages>(LmdbReader<TPages> reader, LmdbMeta meta, string name, SortedDictionary<byte[], byte[]> model)
        where TPages : struct, ILmdbPages
    {
        LmdbDatabaseRecord main = meta.Main;
        Assert.Equal(LmdbReadStatus.Found, reader.TryGetDatabase(in main, System.Text.Encoding.UTF8.GetBytes(name), out LmdbDatabaseRecord record, out _));
        Assert.Equal((ulong)model.Count, record.Entries);
        Random random = new(model.Count);
        foreach ((byte[] key, byte[] value) in model)
        {
            Assert.Equal(LmdbReadStatus.Found, reader.TryGet(in record, key, out ReadOnlySpan<byte> found, out _));
            Assert.True(found.SequenceEqual(value));
            byte[] other = [.. key];
            other[random.Next(other.Length)] ^= (byte)(1 << random.Next(8));
            Assert.Equal(model.ContainsKey(other) ? LmdbReadStatus.Found : LmdbReadStatus.NotFound, reader.TryGet(in record, other, out _, out _));
        }

        CompareOrder(reader, record, model);
        CompareSeeks(reader, record, model, random);
    }

    private static void CompareOrder<TPages>(LmdbReader<TPages> reader, LmdbDatabaseRecord record, SortedDictionary<byte[], byte[]> model)
        where TPages : struct, ILmdbPages
    {
        LmdbCursor<TPages> cursor = new(reader, in record);
        LmdbReadStatus status = cursor.SeekFirst();
        foreach ((byte[] key, byte[] value) in model)
        {
            Assert.Equal(LmdbReadStatus.Found, status);
            Assert.True(cursor.Key.SequenceEqual(key) && cursor.Value.SequenceEqual(value));
            status = cursor.Next();
        }

        Assert.Equal(LmdbReadStatus.NotFound, status);
        status = cursor.SeekLast();
        foreach ((byte[] key, byte[] value) in model.Reverse())
        {
            Assert.Equal(LmdbReadStatus.Found, status);
            Assert.True(cursor.Key.SequenceEqual(key) && cursor.Value.SequenceEqual(value));
            status = cursor.Prev();
        }

        Assert.Equal(LmdbReadStatus.NotFound, status);
    }

    private static void CompareSeeks<TPages>(LmdbReader<TPages> reader, LmdbDatabaseRecord record, SortedDictionary<byte[], byte[]> model, Random random)
        where TPages : struct, ILmdbPages
    {
        byte[][] keys = [.. model.Keys];
        LmdbCursor<TPages> cursor = new(reader, in record);
        for (int i = 0; i < 60; i++)
        {
            byte[] target = LmdbSample.Key(random.Next(-10, 21_000), 4 + random.Next(20));
            int index = Array.BinarySearch(keys, target, ByteOrder.Instance);
            index = index < 0 ? ~index : index;
            Assert.Equal(index < keys.Length ? LmdbReadStatus.Found : LmdbReadStatus.NotFound, cursor.Seek(target));
            if (index == keys.Length)
            {
                continue;
            }

            Assert.True(cursor.Key.SequenceEqual(keys[index]));
            Assert.Equal(index > 0 ? LmdbReadStatus.Found : LmdbReadStatus.NotFound, cursor.Prev());
            if (index > 0)
            {
                Assert.True(cursor.Key.SequenceEqual(keys[index - 1]));
                Assert.Equal(LmdbReadStatus.Found, cursor.Next());
                Assert.True(cursor.Key.SequenceEqual(keys[index]));
            }
        }
    }

    private sealed class Collector : ILmdbVisitor
    {
        private readonly List<(string, string, string)> _entries = [];

        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page) =>
            _entries.Add((database, Convert.ToHexString(key), Convert.ToHexString(value)));

        internal IEnumerable<(string, string, string)> Of(string database) => _entries.Where(entry => entry.Item1 == database);
    }
}
