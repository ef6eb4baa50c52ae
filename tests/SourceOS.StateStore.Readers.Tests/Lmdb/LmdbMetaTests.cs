// Why this file exists: which snapshot a reader sees is decided by two meta pages that a crash, a bit flip or a writer may have changed.
// Invariants: built on a real file; each test changes one thing.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class LmdbMetaTests
{
    private const int PageSize = 4096;

    [Fact]
    public void The_slot_with_the_later_transaction_is_the_newest()
    {
        byte[] file = SampleBytes(out ulong newest);
        LmdbMetaPair pair = LmdbMetaPair.Parse(file);
        Assert.False(pair.TryNewest(out LmdbMeta meta).IsFault);
        Assert.Equal(newest, meta.TransactionId);
        Assert.Equal((int)(newest & 1), meta.Slot);
        Assert.False(pair.TryTransaction(newest - 1, out LmdbMeta older).IsFault);
        Assert.Equal(newest - 1, older.TransactionId);
        Assert.Equal(LmdbFaultCode.MetaMissing, pair.TryTransaction(newest + 1, out _).Code);
        Assert.Equal(LmdbFaultCode.MetaMissing, pair.TryTransaction(newest - 2, out _).Code);
        Assert.False(pair.CheckAtRest().IsFault);
    }

    [Fact]
    public void A_fresh_environment_has_transaction_zero_in_both_slots_and_the_first_is_taken()
    {
        using Testing.TemporaryDirectory directory = new();
        using Storage.Lmdb.LmdbEnvironment environment = Storage.Lmdb.LmdbEnvironment.Open(directory.Path, new Storage.Lmdb.LmdbOptions { MapSizeBytes = 1 << 20 });
        LmdbMetaPair pair = LmdbMetaPair.Parse(File.ReadAllBytes(environment.DataPath));
        Assert.False(pair.CheckAtRest().IsFault);
        Assert.False(pair.TryNewest(out LmdbMeta meta).IsFault);
        Assert.Equal(new { Slot = 0, TransactionId = 0UL, LastPage = 1UL }, new { meta.Slot, meta.TransactionId, meta.LastPage });
        Assert.True(meta.Main.IsEmpty && meta.Free.IsEmpty);
    }

    [Fact]
    public void A_damaged_slot_leaves_the_other()
    {
        byte[] file = SampleBytes(out ulong newest);
        int slot = (int)(newest & 1) * PageSize;
        file[slot + LmdbLayout.MetaMagic] ^= 1;
        LmdbMetaPair pair = LmdbMetaPair.Parse(file);
        Assert.False(pair.TryNewest(out LmdbMeta meta).IsFault);
        Assert.Equal(newest - 1, meta.TransactionId);
        Assert.Equal(LmdbFaultCode.MetaMagic, pair.CheckAtRest().Code);
        file[(PageSize - slot) + LmdbLayout.MetaMagic] ^= 1;
        Assert.True(LmdbMetaPair.Parse(file).TryNewest(out _).IsFault);
    }

    [Fact]
    public void A_slot_that_liblmdb_would_pick_by_its_number_alone_is_refused()
    {
        // liblmdb takes the larger number, whatever else the slots say.
        byte[] file = SampleBytes(out ulong newest);
        int older = (int)((newest + 1) & 1) * PageSize;
        Write(file, older + LmdbLayout.MetaTransaction, newest + 101);
        Assert.Equal(LmdbFaultCode.MetaNotConsecutive, LmdbMetaPair.Parse(file).CheckAtRest().Code);
        Write(file, older + LmdbLayout.MetaTransaction, newest + 100);
        Assert.Equal(LmdbFaultCode.MetaTransaction, LmdbMetaPair.Parse(file).CheckAtRest().Code);
    }

    [Theory]
    [InlineData(LmdbLayout.PageNumber, 5UL, LmdbFaultCode.MetaHeader)]
    [InlineData(LmdbLayout.MetaMagic, 5UL, LmdbFaultCode.MetaMagic)]
    [InlineData(LmdbLayout.MetaVersion, 2UL, LmdbFaultCode.MetaVersion)]
    [InlineData(LmdbLayout.MetaLastPage, 0UL, LmdbFaultCode.MetaExtent)]
    [InlineData(LmdbLayout.MetaLastPage, 1UL << 50, LmdbFaultCode.MetaExtent)]
    [InlineData(LmdbLayout.MetaLastPage, ulong.MaxValue, LmdbFaultCode.MetaExtent)]
    [InlineData(LmdbLayout.MetaMapSize, 4096UL, LmdbFaultCode.MetaExtent)]
    [InlineData(LmdbLayout.MetaFreeDb, 4097UL | (8UL << 32), LmdbFaultCode.MetaPageSize)]
    [InlineData(LmdbLayout.MetaFreeDb, 65536UL | (8UL << 32), LmdbFaultCode.MetaPageSize)]
    [InlineData(LmdbLayout.MetaFreeDb, 2048UL | (8UL << 32), LmdbFaultCode.MetaPageSize)]
    [InlineData(LmdbLayout.MetaMainDb + LmdbLayout.DbRoot, 1UL, LmdbFaultCode.DatabaseRecord)]
    [InlineData(LmdbLayout.MetaMainDb + LmdbLayout.DbRoot, 1UL << 40, LmdbFaultCode.DatabaseRecord)]
    [InlineData(LmdbLayout.MetaMainDb, 4UL << 32 | 1UL << 48, LmdbFaultCode.DatabaseFlags)]
    [InlineData(LmdbLayout.MetaMainDb, 33UL << 48, LmdbFaultCode.DatabaseRecord)]
    public void A_field_that_cannot_be_is_a_fault(int offset, ulong value, LmdbFaultCode expected)
    {
        byte[] file = SampleBytes(out _);
        if (offset == LmdbLayout.MetaVersion)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(offset), (uint)value);
        }
        else
        {
            Write(file, offset, value);
        }

        Assert.Equal(expected, LmdbMetaPair.Parse(file).FirstFault.Code);
    }

    [Fact]
    public void A_pinned_meta_is_believed_only_while_no_later_one_stands_beside_it()
    {
        byte[] file = SampleBytes(out ulong newest);
        Assert.False(LmdbMetaPair.ParsePinned(file, newest, out LmdbMeta meta).IsFault);
        Assert.Equal(newest, meta.TransactionId);

        // The one before is whole here too, but a writer may have begun to replace it.
        Assert.Equal(LmdbFaultCode.MetaMissing, LmdbMetaPair.ParsePinned(file, newest - 1, out _).Code);
        using Testing.TemporaryDirectory directory = new();
        File.WriteAllBytes(directory.PathOf("data.mdb"), file);
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(directory.PathOf("data.mdb"));
        Assert.False(LmdbMetaPair.ReadPinned(handle, newest, out meta).IsFault);
        Assert.Equal(newest, meta.TransactionId);
        Assert.Equal(LmdbFaultCode.MetaMissing, LmdbMetaPair.ReadPinned(handle, newest - 1, out _).Code);
    }

    [Fact]
    public void A_map_shows_no_more_of_a_snapshot_than_the_file_has()
    {
        using Testing.TemporaryDirectory directory = new();
        byte[] file = SampleBytes(out _);
        File.WriteAllBytes(directory.PathOf("data.mdb"), file.AsSpan(0, (9 * PageSize) + 100));
        using MappedFile map = MappedFile.Open(directory.PathOf("data.mdb"), 1L << 33);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        Assert.True(meta.LastPage > 9);
        MappedPages pages = map.Snapshot(in meta);
        Assert.Equal(9UL, pages.PageCount);
        Assert.Equal(LmdbFaultCode.None, pages.Read(8, 1, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, pages.Read(9, 1, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, pages.Read(8, 2, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, pages.Read(8, ulong.MaxValue, out _));
        Assert.Equal(LmdbFaultCode.PageBeyondFile, pages.Read(ulong.MaxValue, 1, out _));
    }

    [Fact]
    public void A_pinned_snapshot_stays_readable_while_a_writer_commits()
    {
        using LmdbSample sample = new("records");
        sample.Apply(Enumerable.Range(0, 400).Select(i => ("records", LmdbSample.Key(i), (byte[]?)LmdbSample.Value(0, 90))));
        using MappedFile map = MappedFile.Open(sample.DataPath, 1L << 33);
        Exception? failure = null;
        using CancellationTokenSource stop = new();
        Thread readers = new(() => failure = Record.Exception(() => ReadUntil(sample, map, stop.Token)));
        readers.Start();
        for (int round = 1; round < 400; round++)
        {
            sample.Apply(Enumerable.Range(0, 400).Select(i => ("records", LmdbSample.Key(i), (byte[]?)LmdbSample.Value(round, 90))));
        }

        stop.Cancel();
        readers.Join();
        Assert.Null(failure);
    }

    // Every snapshot holds one value under all keys, so a page of another snapshot shows.
    private static void ReadUntil(LmdbSample sample, MappedFile map, CancellationToken stop)
    {
        int believed = 0;
        while (!stop.IsCancellationRequested || believed == 0)
        {
            using Storage.Lmdb.LmdbReadPin pin = sample.Environment.Pin();
            if (map.ReadPinned(pin.TransactionId, out LmdbMeta meta).IsFault)
            {
                continue;
            }

            LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
            LmdbDatabaseRecord main = meta.Main;
            Assert.Equal(LmdbReadStatus.Found, reader.TryGetDatabase(in main, "records"u8, out LmdbDatabaseRecord record, out _));
            LmdbCursor<MappedPages> cursor = new(reader, in record);
            Assert.Equal(LmdbReadStatus.Found, cursor.SeekFirst());
            byte[] first = cursor.Value.ToArray();
            int count = 1;
            while (cursor.Next() == LmdbReadStatus.Found)
            {
                Assert.True(cursor.Value.SequenceEqual(first));
                count++;
            }

            Assert.False(cursor.Fault.IsFault);
            Assert.Equal(400, count);
            believed++;
        }
    }

    private static byte[] SampleBytes(out ulong newest)
    {
        using LmdbSample sample = LmdbSample.Varied();
        newest = sample.Environment.GetInfo().LastTransactionId;
        return sample.ReadFile();
    }

    private static void Write(byte[] file, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(offset), value);
}
