// Why this file exists: the binding must refuse every use that LMDB answers with silent damage, and check every code. Invariants: each test has its
// own directory; what a test does to descriptors or the lock file stays within its own environment.

using System.Diagnostics;
using System.Runtime.InteropServices;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Lmdb;

public sealed partial class LmdbEnvironmentTests : IDisposable
{
    private static readonly LmdbOptions Small = new() { NoSync = true, MapSizeBytes = 1L << 30 };

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_committed_value_is_there_after_the_environment_was_opened_again()
    {
        using (LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small))
        {
            Put(environment, "k"u8, "v"u8);
            environment.Sync();
        }

        using LmdbEnvironment again = LmdbEnvironment.Open(_directory.Path, Small);
        Assert.Equal("v"u8.ToArray(), Get(again, "k"u8));
        Assert.Equal(1UL, again.GetInfo().LastTransactionId);
    }

    [Fact]
    public void A_disposed_transaction_changes_nothing()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Put(environment, "k"u8, "v"u8);
        using (LmdbWriteTransaction transaction = environment.BeginWrite())
        {
            LmdbDatabase database = transaction.OpenDatabase("d", create: false);
            transaction.Put(database, "k"u8, "other"u8);
            Assert.True(transaction.TryGet(database, "k"u8, out ReadOnlySpan<byte> seen));
            Assert.True(seen.SequenceEqual("other"u8));
        }

        Assert.Equal("v"u8.ToArray(), Get(environment, "k"u8));
    }

    [Fact]
    public void Reserved_bytes_are_what_the_caller_wrote_into_them()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        byte[] large = new byte[20_000];
        Random.Shared.NextBytes(large);
        using (LmdbWriteTransaction transaction = environment.BeginWrite())
        {
            LmdbDatabase database = transaction.OpenDatabase("d", create: true);
            large.CopyTo(transaction.Reserve(database, "large"u8, large.Length));
            "tiny"u8.CopyTo(transaction.Reserve(database, "tiny"u8, 4));
            transaction.Commit();
        }

        Assert.Equal(large, Get(environment, "large"u8));
        Assert.Equal("tiny"u8.ToArray(), Get(environment, "tiny"u8));
    }

    [Fact]
    public void A_cursor_puts_in_order_and_append_refuses_a_key_that_is_not_the_last()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        using (LmdbWriteTransaction transaction = environment.BeginWrite())
        {
            LmdbDatabase database = transaction.OpenDatabase("d", create: true);
            using (LmdbWriteCursor cursor = transaction.OpenCursor(database))
            {
                for (int i = 0; i < 1000; i++)
                {
                    cursor.Put(System.Text.Encoding.ASCII.GetBytes($"{i:d6}"), [1, 2, 3], append: true);
                }
            }

            Assert.Equal(1000UL, transaction.GetStat(database).Entries);
            transaction.Commit();
        }

        using LmdbWriteTransaction second = environment.BeginWrite();
        LmdbDatabase opened = second.OpenDatabase("d", create: false);
        StateStoreException refused = Assert.Throws<StateStoreException>(() => second.Put(opened, "000000"u8, [], append: true));
        Assert.Contains("MDB_KEYEXIST", refused.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(second.Commit);
    }

    [Fact]
    public void A_key_that_cannot_be_stored_is_misuse_and_costs_the_transaction_nothing()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        LmdbDatabase database = transaction.OpenDatabase("d", create: true);
        Assert.Throws<ArgumentException>(() => transaction.Put(database, [], "v"u8));
        Assert.Throws<ArgumentException>(() => transaction.Put(database, new byte[512], "v"u8));
        Assert.Throws<ArgumentException>(() => transaction.Reserve(database, new byte[512], 1).Clear());
        Assert.False(transaction.TryGet(database, [], out _));
        Assert.False(transaction.TryGet(database, new byte[600], out _));
        Assert.False(transaction.Delete(database, []));
        Assert.False(transaction.Delete(database, new byte[600]));
        transaction.Put(database, new byte[511], "v"u8);
        transaction.Commit();
    }

    [Fact]
    public void A_cursor_that_outlives_its_transaction_is_harmless()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        LmdbWriteTransaction transaction = environment.BeginWrite();
        LmdbWriteCursor cursor = transaction.OpenCursor(transaction.OpenDatabase("d", create: true));
        cursor.Put("a"u8, "b"u8);
        transaction.Commit();
        Assert.Throws<ObjectDisposedException>(() => cursor.Put("c"u8, "d"u8));
        cursor.Dispose();
    }

    [Fact]
    public void A_full_map_is_a_full_disk_and_the_environment_goes_on_after_the_abort()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small with { MapSizeBytes = 256 * 1024 });
        Put(environment, "k"u8, "v"u8);
        using (LmdbWriteTransaction transaction = environment.BeginWrite())
        {
            LmdbDatabase database = transaction.OpenDatabase("d", create: false);
            StateStoreException full = Assert.Throws<StateStoreException>(() => transaction.Put(database, "big"u8, new byte[512 * 1024]));
            Assert.Equal(StateStoreErrorCode.DiskFull, full.Code);
            Assert.True(full.IsRetryable);
            Assert.Contains("MDB_MAP_FULL", full.Message, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(transaction.Commit);
        }

        Assert.False(environment.HasFailed);
        Put(environment, "k"u8, "w"u8);
        Assert.Equal("w"u8.ToArray(), Get(environment, "k"u8));
    }

    [Fact]
    public void A_failed_commit_is_fatal_to_the_environment_and_says_so()
    {
        using (LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small))
        {
            Put(environment, "k"u8, "v"u8);
            using LmdbWriteTransaction transaction = environment.BeginWrite();
            transaction.Put(transaction.OpenDatabase("d", create: false), "k"u8, "lost"u8);
            ReplaceDescriptors(environment.DataPath, "/dev/full");
            StateStoreException failed = Assert.Throws<StateStoreException>(transaction.Commit);
            Assert.Equal(StateStoreErrorCode.DiskFull, failed.Code);
            Assert.Contains("mdb_txn_commit", failed.Message, StringComparison.Ordinal);
            Assert.Contains("no more writes", failed.Message, StringComparison.Ordinal);
            Assert.True(environment.HasFailed);
            Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(environment.BeginWrite).Code);
            Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(environment.Sync).Code);
        }

        using LmdbEnvironment again = LmdbEnvironment.Open(_directory.Path, Small);
        Assert.Equal("v"u8.ToArray(), Get(again, "k"u8));
    }

    [Fact]
    public void A_second_open_in_one_process_is_refused_also_by_another_path()
    {
        using LmdbEnvironment first = LmdbEnvironment.Open(_directory.Path, Small);
        string link = _directory.Path + "-link";
        Directory.CreateSymbolicLink(link, _directory.Path);
        try
        {
            Assert.Equal(StateStoreErrorCode.Locked, Assert.Throws<StateStoreException>(() => LmdbEnvironment.Open(_directory.Path, Small)).Code);
            Assert.Equal(StateStoreErrorCode.Locked, Assert.Throws<StateStoreException>(() => LmdbEnvironment.Open(link, Small)).Code);
        }
        finally
        {
            Directory.Delete(link);
        }

        // The refusal must not have cost the first its place.
        Put(first, "k"u8, "v"u8);
        first.Dispose();
        using LmdbEnvironment later = LmdbEnvironment.Open(_directory.Path, Small);
        Assert.Equal("v"u8.ToArray(), Get(later, "k"u8));
    }

    [Fact]
    public void An_open_that_fails_leaves_the_file_free_for_the_next()
    {
        File.WriteAllBytes(_directory.PathOf(LmdbEnvironment.DataFileName), new byte[8192]);
        Assert.Equal(StateStoreErrorCode.StateDamaged, Assert.Throws<StateStoreException>(() => LmdbEnvironment.Open(_directory.Path, Small)).Code);
        File.Delete(_directory.PathOf(LmdbEnvironment.DataFileName));
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Put(environment, "k"u8, "v"u8);
    }

    [Fact]
    public void A_forked_child_may_not_use_the_environment()
    {
        LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        using LmdbReadPin pin = environment.Pin();
        LmdbWriteTransaction transaction = environment.BeginWrite();
        int owner = environment.OwnerProcessId;
        environment.OwnerProcessId = owner + 1;
        Assert.Throws<InvalidOperationException>(environment.BeginWrite);
        Assert.Throws<InvalidOperationException>(() => environment.Pin());
        Assert.Throws<InvalidOperationException>(transaction.Commit);
        environment.OwnerProcessId = owner;
        transaction.Dispose();
        pin.Dispose();
        environment.Dispose();
    }

    [Fact]
    public void A_write_transaction_belongs_to_its_thread_and_there_is_one()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        LmdbDatabase database = transaction.OpenDatabase("d", create: true);
        Assert.Throws<InvalidOperationException>(environment.BeginWrite);
        OnOtherThread(() => Assert.Throws<InvalidOperationException>(() => transaction.Put(database, "k"u8, "v"u8)));
        OnOtherThread(() => Assert.Throws<InvalidOperationException>(transaction.Commit));
        OnOtherThread(() => Assert.Throws<InvalidOperationException>(environment.BeginWrite));
        Assert.Throws<InvalidOperationException>(environment.Dispose);
        transaction.Commit();
        OnOtherThread(() => Put(environment, "k"u8, "v"u8));
    }

    [Fact]
    public void A_pin_keeps_its_pages_from_being_reused_and_an_unpinned_snapshot_loses_them()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Fill(environment, 0);
        using MappedFile map = MappedFile.Open(environment.DataPath, 1L << 31);
        using LmdbReadPin pin = environment.Pin();
        Assert.False(map.ReadMetas().TryTransaction(pin.TransactionId, out LmdbMeta meta).IsFault);
        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
        for (int round = 1; round < 6; round++)
        {
            Fill(environment, round);
            Assert.True(IsFilledWith(reader, meta, 0));
        }

        ulong pinned = environment.GetInfo().LastPage;
        pin.Dispose();
        Assert.False(pin.IsActive);
        for (int round = 6; round < 30; round++)
        {
            Fill(environment, round);
        }

        Assert.True(environment.GetInfo().LastPage < pinned + 20, "Released pages must be reused before the file grows.");
        Assert.False(IsFilledWith(reader, meta, 0));
    }

    [Fact]
    public void Pins_are_pooled_and_a_pin_given_back_twice_is_given_back_once()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small with { MaxReaders = 2 });
        Put(environment, "k"u8, "v"u8);
        LmdbReadPin first = environment.Pin();
        LmdbReadPin copy = first;
        first.Dispose();
        LmdbReadPin second = environment.Pin();
        copy.Dispose();
        first.Dispose();
        Assert.True(second.IsActive);
        Assert.False(copy.IsActive);
        LmdbReadPin third = environment.Pin();
        StateStoreException full = Assert.Throws<StateStoreException>(() => environment.Pin());
        Assert.True(full.IsRetryable);
        OnOtherThread(third.Dispose);
        second.Dispose();
        for (int i = 0; i < 100; i++)
        {
            using LmdbReadPin pin = environment.Pin();
            Assert.Equal(1UL, pin.TransactionId);
        }

        Assert.Equal(2, environment.GetInfo().UsedReaders);
    }

    [Fact]
    public void Taking_and_giving_back_a_pin_allocates_nothing_once_the_pool_is_warm()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Put(environment, "k"u8, "v"u8);
        for (int i = 0; i < 10; i++)
        {
            environment.Pin().Dispose();
        }

        Assert.Equal(0, AllocationMeter.LeastBytes(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                environment.Pin().Dispose();
            }
        }));
    }

    [Fact]
    public void An_environment_closes_only_after_its_last_pin()
    {
        LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Put(environment, "k"u8, "v"u8);
        LmdbReadPin pin = environment.Pin();
        environment.Dispose();
        Assert.Throws<ObjectDisposedException>(() => environment.Pin());
        Assert.Equal(StateStoreErrorCode.Locked, Assert.Throws<StateStoreException>(() => LmdbEnvironment.Open(_directory.Path, Small)).Code);
        pin.Dispose();
        LmdbEnvironment.Open(_directory.Path, Small).Dispose();
    }

    [Fact]
    public void Readers_of_dead_processes_are_cleared()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Put(environment, "k"u8, "v"u8);
        environment.Pin().Dispose();
        Assert.Equal(0, environment.ReaderCheck());
        using Process gone = Process.Start("/bin/true");
        gone.WaitForExit();

        // Another process writes the slot: closing the lock file in this one would drop this one's locks.
        string slot = Octal(1) + Octal(gone.Id) + Octal(1);
        string lockFile = _directory.PathOf(LmdbEnvironment.LockFileName);
        Shell($"printf '{slot}' | dd of={lockFile} bs=1 seek=192 conv=notrunc status=none; printf '\\002' | dd of={lockFile} bs=1 seek=56 conv=notrunc status=none");
        Assert.Equal(2, environment.GetInfo().UsedReaders);
        Assert.Equal(1, environment.ReaderCheck());
        Assert.Equal(0, environment.ReaderCheck());
    }

    [Fact]
    public void A_missing_library_is_named_with_its_package()
    {
        StateStoreException missing = Assert.Throws<StateStoreException>(() => LmdbEnvironment.EnsureLibrary("liblmdb-is-not-there.so.0"));
        Assert.Equal(StateStoreErrorCode.NativeLibraryMissing, missing.Code);
        Assert.Contains("liblmdb0", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_table_is_damage_unless_it_may_be_created()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        Assert.Equal(StateStoreErrorCode.StateDamaged, Assert.Throws<StateStoreException>(() => transaction.OpenDatabase("d", create: false)).Code);
        transaction.OpenDatabase("d", create: true);
    }

    [Fact]
    public void No_type_of_the_binding_has_a_finalizer()
    {
        foreach (Type type in typeof(LmdbEnvironment).Assembly.GetTypes().Where(type => type.Namespace == typeof(LmdbEnvironment).Namespace && type.IsClass))
        {
            System.Reflection.MethodInfo? finalizer = type.GetMethod("Finalize", System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.DeclaredOnly);
            Assert.True(finalizer is null, $"{type} has a finalizer, which could touch a transaction from another thread.");
        }
    }

    [Fact]
    public void Files_are_made_for_their_owner_only()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        foreach (string path in (string[])[environment.DataPath, _directory.PathOf(LmdbEnvironment.LockFileName)])
        {
            Assert.Equal(0, LinuxFileOps.Instance.Stat(path, out FileStatus status));
            Assert.Equal(0x180, status.Mode & 0xFFF);
        }
    }

    [Fact]
    public void The_meter_tells_use_and_room_and_never_a_negative_one()
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(_directory.Path, Small);
        Fill(environment, 0);
        Fill(environment, 1);
        using MappedFile map = MappedFile.Open(environment.DataPath, 1L << 31);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
        LmdbUsage usage = new LmdbMeter(1 << 30).Measure(reader, in meta);
        Assert.Equal(map.VisibleBytes(), usage.FileBytes);
        Assert.InRange(usage.FreeBytes, 4096, usage.FileBytes - 4096);
        Assert.Equal((1 << 30) - usage.FileBytes + usage.FreeBytes, usage.AvailableBytes);
        Assert.Equal(0, new LmdbMeter(4096).Measure(reader, in meta).AvailableBytes);
    }

    private static void Put(LmdbEnvironment environment, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        transaction.Put(transaction.OpenDatabase("d", create: true), key, value);
        transaction.Commit();
    }

    private static byte[] Get(LmdbEnvironment environment, ReadOnlySpan<byte> key)
    {
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        Assert.True(transaction.TryGet(transaction.OpenDatabase("d", create: false), key, out ReadOnlySpan<byte> value));
        return value.ToArray();
    }

    private static void Fill(LmdbEnvironment environment, int content)
    {
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        LmdbDatabase database = transaction.OpenDatabase("d", create: true);
        for (int i = 0; i < 500; i++)
        {
            transaction.Put(database, System.Text.Encoding.ASCII.GetBytes($"{i:d4}"), System.Text.Encoding.ASCII.GetBytes($"{content:d100}"));
        }

        transaction.Commit();
    }

    private static bool IsFilledWith(LmdbReader<MappedPages> reader, LmdbMeta meta, int content)
    {
        byte[] expected = System.Text.Encoding.ASCII.GetBytes($"{content:d100}");
        LmdbDatabaseRecord main = meta.Main;
        if (reader.TryGetDatabase(in main, "d"u8, out LmdbDatabaseRecord record, out _) != LmdbReadStatus.Found)
        {
            return false;
        }

        LmdbCursor<MappedPages> cursor = new(reader, in record);
        int count = 0;
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found && cursor.Value.SequenceEqual(expected); status = cursor.Next())
        {
            count++;
        }

        return count == 500;
    }

    private static void OnOtherThread(Action action)
    {
        Exception? error = null;
        Thread thread = new(() => error = Record.Exception(action));
        thread.Start();
        thread.Join();
        Assert.Null(error);
    }

    private static string Octal(long value) => string.Concat(BitConverter.GetBytes(value).Select(part => "\\" + Convert.ToString(part, 8).PadLeft(3, '0')));

    private static void Shell(string command)
    {
        using Process shell = Process.Start("/bin/sh", ["-c", command]);
        shell.WaitForExit();
        Assert.Equal(0, shell.ExitCode);
    }

    // Makes every write to one file fail, by putting another file behind the descriptors that liblmdb holds.
    private static void ReplaceDescriptors(string path, string replacement)
    {
        int other = open(replacement, 2);
        Assert.True(other >= 0);
        int replaced = 0;
        foreach (string link in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (File.ResolveLinkTarget(link, false)?.FullName == path)
            {
                Assert.True(dup2(other, int.Parse(Path.GetFileName(link), System.Globalization.CultureInfo.InvariantCulture)) >= 0);
                replaced++;
            }
        }

        close(other);
        Assert.True(replaced >= 1);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
