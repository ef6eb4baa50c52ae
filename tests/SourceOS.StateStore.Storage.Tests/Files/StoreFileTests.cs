// Why this file exists: the layer above the seam completes transfers, names failures, and never repeats a failed sync. Invariants: faults
// come from rules, so each test says exactly what the kernel answered.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Files;

public sealed class StoreFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly FaultingFileOps _ops = new(LinuxFileOps.Instance);

    public void Dispose() => _directory.Dispose();

    private StoreFile Create(string name = "file") => StoreFile.Open(_ops, _directory.PathOf(name), OpenOptions.ReadWrite | OpenOptions.Create);

    [Fact]
    public void Interrupted_and_short_transfers_are_completed()
    {
        using StoreFile file = Create();
        _ops.Fail(FileCallKinds.PRead, Errno.EINTR, times: 5);
        _ops.Fail(FileCallKinds.PWrite, Errno.EINTR, times: 5);
        _ops.Shorten(FileCallKinds.PRead | FileCallKinds.PWrite, 3);
        byte[] data = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        file.Write(data, 100);
        byte[] read = new byte[10];
        file.ReadExactly(read, 100);
        Assert.Equal(data, read);
        Assert.Equal(4, file.ReadUpTo(read, 106));
    }

    [Fact]
    public void Reading_past_the_end_is_an_error_that_says_where()
    {
        using StoreFile file = Create();
        file.Write(new byte[10], 0);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => file.ReadExactly(new byte[8], 6));
        Assert.Equal(StateStoreErrorCode.InputOutput, fault.Code);
        Assert.Equal($"{file.Path} at 10", fault.Place);
    }

    [Theory]
    [InlineData(Errno.ENOSPC, StateStoreErrorCode.DiskFull, true)]
    [InlineData(Errno.EDQUOT, StateStoreErrorCode.DiskFull, true)]
    [InlineData(Errno.EACCES, StateStoreErrorCode.AccessDenied, false)]
    [InlineData(Errno.EPERM, StateStoreErrorCode.AccessDenied, false)]
    [InlineData(Errno.EROFS, StateStoreErrorCode.AccessDenied, false)]
    [InlineData(Errno.EIO, StateStoreErrorCode.InputOutput, false)]
    public void Failures_carry_a_code_a_place_and_advice(int errno, StateStoreErrorCode code, bool isRetryable)
    {
        using StoreFile file = Create();
        _ops.Fail(FileCallKinds.PWrite, errno, nth: 2, times: FaultRule.Forever);
        _ops.Shorten(FileCallKinds.PWrite, 4, times: 1);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => file.Write(new byte[10], 50));
        Assert.Equal((code, isRetryable), (fault.Code, fault.IsRetryable));
        Assert.Equal($"{file.Path} at 54", fault.Place);
        Assert.NotEmpty(fault.Next);
        Assert.Contains(errno.ToString(), fault.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_sync_is_never_tried_again()
    {
        using StoreFile file = Create();
        file.Write(new byte[10], 0);
        _ops.Fail(FileCallKinds.FDataSync, Errno.EIO);
        StateStoreException first = Assert.Throws<StateStoreException>(file.Sync);
        Assert.Equal(StateStoreErrorCode.InputOutput, first.Code);
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(file.Sync).Code);
        Assert.Same(first, Assert.Throws<StateStoreException>(file.SyncAll).InnerException);
        Assert.Equal(1, _ops.Count(FileCallKinds.Syncs));
    }

    [Fact]
    public void A_write_that_moves_nothing_ends_in_an_error_not_in_a_loop()
    {
        using StoreFile file = Create();
        _ops.Shorten(FileCallKinds.PWrite, 0);
        Assert.Equal(StateStoreErrorCode.InputOutput, Assert.Throws<StateStoreException>(() => file.Write(new byte[1], 0)).Code);
    }

    [Fact]
    public void Reserving_falls_back_to_zeroes_where_the_file_system_cannot_preallocate()
    {
        using StoreFile file = Create();
        file.Write([1, 2, 3], 0);
        _ops.Fail(FileCallKinds.Fallocate, Errno.EOPNOTSUPP, times: FaultRule.Forever);
        file.Reserve(0, 700_000);
        Assert.Equal(700_000, file.GetStatus().SizeBytes);
        Assert.True(file.GetStatus().AllocatedBytes >= 700_000);
        byte[] read = new byte[4];
        file.ReadExactly(read, 0);
        Assert.Equal([1, 2, 3, 0], read);
        _ops.Fail(FileCallKinds.PWrite, Errno.ENOSPC);
        Assert.Equal(StateStoreErrorCode.DiskFull, Assert.Throws<StateStoreException>(() => file.Reserve(0, 900_000)).Code);
    }

    [Fact]
    public void A_closed_file_answers_nothing_and_leaks_no_descriptor()
    {
        StoreFile file = Create();
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Write([1], 0));
        Assert.Throws<ObjectDisposedException>(() => file.ReadUpTo(new byte[1], 0));
        Assert.Throws<ObjectDisposedException>(file.Sync);
        Assert.Equal(0, _ops.OpenDescriptors);
        Assert.Equal(1, _ops.Count(FileCallKinds.Close));
    }

    [Fact]
    public void Directory_operations_name_their_failures()
    {
        string path = _directory.PathOf("d");
        StoreDirectory.Create(_ops, path);
        Assert.False(StoreDirectory.CreateIfMissing(_ops, path));
        Assert.Equal(StateStoreErrorCode.AlreadyExists, Assert.Throws<StateStoreException>(() => StoreDirectory.Create(_ops, path)).Code);
        File.WriteAllText(_directory.PathOf("plain"), "");
        Assert.Equal(StateStoreErrorCode.AlreadyExists, Assert.Throws<StateStoreException>(() => StoreDirectory.CreateIfMissing(_ops, _directory.PathOf("plain"))).Code);
        Assert.False(StoreDirectory.RemoveFile(_ops, _directory.PathOf("absent")));
        Assert.Throws<StateStoreException>(() => StoreDirectory.List(_ops, _directory.PathOf("absent")));
        _ops.Fail(FileCallKinds.FSyncDirectory, Errno.EIO);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => StoreDirectory.Sync(_ops, path));
        Assert.Equal(path, fault.Place);
    }

    [Fact]
    public void A_name_that_cannot_be_judged_counts_as_existing()
    {
        _ops.Fail(FileCallKinds.Stat, Errno.EACCES);
        Assert.True(_ops.Exists(_directory.PathOf("absent")));
        Assert.False(_ops.Exists(_directory.PathOf("absent")));
    }
}
