// Why this file exists: promises of the readers that laws over sound files and damage do not show: no allocation, no trust in old checks, refusals.
// Invariants: each test builds its own file.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbReaderTests
{
    [Fact]
    public void Lookups_and_cursors_over_a_map_allocate_nothing()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        CheckedPages checkedPages = new(1 << 20);
        byte[][] keys = [.. sample.Model["records"].Keys];
        Assert.Equal(keys.Length * 2, ReadAll(map, meta, checkedPages, keys));
        int found = 0;
        long allocated = AllocationMeter.LeastBytes(() => found = ReadAll(map, meta, checkedPages, keys));
        Assert.Equal(keys.Length * 2, found);
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void A_database_that_is_not_plain_is_refused()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using FileView view = new(sample.DataPath);
        LmdbDatabaseRecord main = view.Meta.Main;
        Assert.Equal(LmdbReadStatus.Found, view.Reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _));
        foreach (ushort flags in (ushort[])[0x02, 0x04, 0x08, 0x14, 0x24, 0x44])
        {
            LmdbDatabaseRecord other = record with { Flags = flags };
            Assert.Equal(LmdbReadStatus.Fault, view.Reader.TryGet(in other, [1], out _, out LmdbFault fault));
            Assert.Equal(LmdbFaultCode.DatabaseFlags, fault.Code);
            LmdbCursor<FilePages> cursor = new(view.Reader, in other);
            Assert.Equal(LmdbReadStatus.Fault, cursor.Seek([1]));
        }
    }

    [Fact]
    public void A_page_that_changes_after_it_was_checked_is_still_read_within_its_bounds()
    {
        using LmdbSample sample = LmdbSample.Varied();
        CheckedPages all = new(1 << 16);
        for (ulong page = 0; page < 1 << 16; page++)
        {
            all.Add(page);
        }

        byte[] sound = sample.ReadFile();
        for (int seed = 0; seed < 200; seed++)
        {
            using GuardedBytes file = new(sound);
            new Random(seed).NextBytes(file.Bytes[(2 * 4096)..]);

            // Page numbers and kinds fit, everything behind them is noise.
            for (int page = 2; page < file.Length / 4096; page++)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(file.Bytes[(page * 4096)..], (ulong)page);
                sound.AsSpan((page * 4096) + 8, seed % 2 == 0 ? 8 : 120).CopyTo(file.Bytes[((page * 4096) + 8)..]);
            }

            HostileReader.ReadAll(file, all, full: true);
        }
    }

    [Fact]
    public void A_name_that_is_no_database_and_a_database_that_is_no_value_are_faults()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using FileView view = new(sample.DataPath);
        LmdbDatabaseRecord main = view.Meta.Main;
        Assert.Equal(LmdbReadStatus.NotFound, view.Reader.TryGetDatabase(in main, "none"u8, out _, out _));
        Assert.Equal(LmdbReadStatus.Fault, view.Reader.TryGet(in main, "records"u8, out _, out LmdbFault fault));
        Assert.Equal(LmdbFaultCode.NodeFlags, fault.Code);
        Assert.Equal(LmdbReadStatus.Found, view.Reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _));
        byte[] key = sample.Model["records"].Keys.First();
        Assert.Equal(LmdbReadStatus.Fault, view.Reader.TryGetDatabase(in record, key, out _, out fault));
        Assert.Equal(LmdbFaultCode.NodeFlags, fault.Code);
    }

    [Fact]
    public void Every_page_size_that_lmdb_can_write_is_accepted_and_no_other()
    {
        uint[] accepted = [.. Enumerable.Range(0, 18).Select(shift => 1u << shift).Where(LmdbLayout.IsPageSize)];
        Assert.Equal([4096u, 8192u, 16384u, 32768u], accepted);
        Assert.False(LmdbLayout.IsPageSize(0));
        Assert.False(LmdbLayout.IsPageSize(12288));
    }

    [Fact]
    public void A_value_longer_than_the_page_cache_hands_out_is_a_fault_there_and_found_in_the_map()
    {
        using LmdbSample sample = new("records");
        byte[] large = LmdbSample.Value(1, 300_000);
        sample.Apply([("records", LmdbSample.Key(1), large)]);
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(sample.DataPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using FileView view = new(sample.DataPath);
        using LmdbPageCache small = new(file, 4096, maxRunBytes: 256 * 1024);
        LmdbDatabaseRecord main = view.Meta.Main;
        LmdbReader<FilePages> bounded = new(new FilePages(small), view.Meta.LastPage);
        Assert.Equal(LmdbReadStatus.Found, bounded.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _));
        Assert.Equal(LmdbReadStatus.Fault, bounded.TryGet(in record, LmdbSample.Key(1), out _, out LmdbFault fault));
        Assert.Equal(LmdbFaultCode.ValueTooLong, fault.Code);
        Assert.Equal(LmdbReadStatus.Found, view.Reader.TryGet(in record, LmdbSample.Key(1), out ReadOnlySpan<byte> value, out _));
        Assert.True(value.SequenceEqual(large));
    }

    [Fact]
    public void A_page_that_cannot_be_read_is_a_fault_and_not_an_exception()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using FileView view = new(sample.DataPath);
        Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(sample.DataPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using LmdbPageCache cache = new(file, 4096);
        using (FileStream cut = new(sample.DataPath, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            cut.SetLength(3 * 4096);
        }

        // The cache looked at the length before the cut.
        Assert.True(cache.PageCount > 3);
        Assert.Equal(LmdbFaultCode.PageBeyondFile, cache.Read(cache.PageCount - 1, 1, out ReadOnlySpan<byte> bytes));
        Assert.True(bytes.IsEmpty);
        cache.Refresh();
        Assert.Equal(3UL, cache.PageCount);
        file.Dispose();
    }

    [Fact]
    public void The_page_cache_keeps_the_page_handed_out_last_while_it_reads_the_next()
    {
        using LmdbSample sample = LmdbSample.Varied();
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(sample.DataPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using LmdbPageCache cache = new(file, 4096, capacityPages: 1);
        byte[] bytes = sample.ReadFile();
        File.WriteAllBytes(sample.DataPath + ".copy", [.. bytes, .. bytes, .. bytes, .. bytes]);
        using Microsoft.Win32.SafeHandles.SafeFileHandle copy = File.OpenHandle(sample.DataPath + ".copy");
        using LmdbPageCache larger = new(copy, 4096, capacityPages: 1);
        Random random = new(1);
        ReadOnlySpan<byte> last = default;
        ulong lastPage = 0;
        for (int i = 0; i < 5000; i++)
        {
            ulong page = (ulong)random.Next((int)larger.PageCount);
            Assert.Equal(LmdbFaultCode.None, larger.Read(page, 1, out ReadOnlySpan<byte> now));
            if (i > 0)
            {
                Assert.True(last.SequenceEqual(bytes.AsSpan((int)(lastPage * 4096 % (ulong)bytes.Length), 4096)));
            }

            last = now;
            lastPage = page;
        }
    }

    [Fact]
    public void A_walk_can_be_cancelled_counts_its_pages_and_gives_the_same_with_several_workers()
    {
        using LmdbSample sample = new("records");
        sample.Apply(Enumerable.Range(0, 5000).Select(i => ("records", LmdbSample.Key(i, 100), (byte[]?)LmdbSample.Value(i, i % 50 == 0 ? 6000 : 200))));
        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        MappedPages pages = map.Snapshot(in meta);
        Counter one = new();
        LmdbWalkProgress progress = new();
        LmdbWalkOptions options = new() { FileLengthBytes = map.VisibleBytes(), Visitor = one };
        LmdbWalkReport alone = LmdbWalker.Walk(() => pages, meta, options, progress);
        Counter many = new();
        LmdbWalkReport together = LmdbWalker.Walk(() => pages, meta, options with { Workers = 4, Visitor = many });
        Assert.True(alone.IsSound && together.IsSound);
        Assert.Equal(alone.Databases, together.Databases);
        Assert.Equal((alone.UsedPages, alone.FreePages, alone.BytesSeen), (together.UsedPages, together.FreePages, together.BytesSeen));
        Assert.Equal((5000, one.Bytes), (one.Entries, many.Bytes));
        Assert.Equal((long)alone.UsedPages - 2, progress.PagesSeen);
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => LmdbWalker.Walk(() => pages, meta, options, null, cancelled.Token));
        using CancellationTokenSource later = new();
        LmdbWalkOptions cancelling = options with { Workers = 3, Visitor = new Canceller(later) };
        Assert.ThrowsAny<OperationCanceledException>(() => LmdbWalker.Walk(() => pages, meta, cancelling, null, later.Token));
    }

    private static int ReadAll(MappedFile map, LmdbMeta meta, CheckedPages checkedPages, byte[][] keys)
    {
        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage, checkedPages);
        LmdbDatabaseRecord main = meta.Main;
        int found = 0;
        if (reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _) == LmdbReadStatus.Found)
        {
            foreach (byte[] key in keys)
            {
                found += reader.TryGet(in record, key, out _, out _) == LmdbReadStatus.Found ? 1 : 0;
            }

            LmdbCursor<MappedPages> cursor = new(reader, in record);
            for (LmdbReadStatus status = cursor.Seek(keys[0]); status == LmdbReadStatus.Found; status = cursor.Next())
            {
                found++;
            }
        }

        return found;
    }

    private sealed class Canceller(CancellationTokenSource source) : ILmdbVisitor
    {
        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page) => source.Cancel();
    }

    private sealed class Counter : ILmdbVisitor
    {
        private int _entries;
        private long _bytes;

        internal int Entries => _entries;

        internal long Bytes => _bytes;

        public void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page)
        {
            Interlocked.Increment(ref _entries);
            Interlocked.Add(ref _bytes, key.Length + value.Length);
        }
    }
}
