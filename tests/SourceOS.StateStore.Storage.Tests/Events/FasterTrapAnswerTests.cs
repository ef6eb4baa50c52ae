// Why this file exists: one test for each trap in FASTER that this layer answers, failing when the answer is taken away (StockFasterTraps shows
// the traps themselves). Invariants: the tests look at files and system calls, not at what FASTER says about itself.

using FASTER.core;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class FasterTrapAnswerTests : IDisposable
{
    private readonly LogFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    private static long Written(SegmentFiles files, params byte[][] entries)
    {
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        foreach (byte[] entry in entries)
        {
            LogFixture.Append(log, entry);
        }

        log.Flush();
        files.SyncDirty();
        return log.TailAddress;
    }

    [Fact]
    public void Commit_metadata_cannot_fail_because_there_is_none()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve(LogFixture.SegmentBytes);
        string[] before = [.. Directory.EnumerateFileSystemEntries(_fixture.Directory, "*", SearchOption.AllDirectories)];
        LogFixture.Append(log, [1]);
        log.Flush();
        long syncs = _fixture.Ops.Count(FileCallKinds.Syncs);
        _fixture.Ops.Fail(FileCallKinds.All & ~FileCallKinds.PWrite, Errno.EIO, times: FaultRule.Forever);
        for (int i = 0; i < 200; i++)
        {
            Assert.True(log.TryAppend(new BytesEntry(LogFixture.Bytes(i, 100)), out _));
            log.Flush();
        }

        Assert.Equal(before, Directory.EnumerateFileSystemEntries(_fixture.Directory, "*", SearchOption.AllDirectories));
        Assert.Equal(syncs, _fixture.Ops.Count(FileCallKinds.Syncs));
        Assert.False(Directory.Exists("log-commits"));
        Assert.Null(log.Fault);
    }

    [Fact]
    public void Foreign_commit_files_change_nothing_and_a_failed_load_never_opens_an_empty_log()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        long tail = Written(files, [1, 2, 3]);
        Directory.CreateDirectory(Path.Combine(_fixture.Directory, "log-commits"));
        File.WriteAllText(Path.Combine(_fixture.Directory, "log-commits", "commit.99"), "hostile");
        using (EventLog log = EventLog.Recover(files, LogFixture.Options, tail, files.ReadExactly))
        {
            Assert.Equal(tail, log.TailAddress);
        }

        LogModel model = new();
        model.Append([1, 2, 3]);
        _fixture.Ops.Fail(FileCallKinds.PRead, Errno.EIO, times: FaultRule.Forever);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => EventLog.Recover(files, LogFixture.Options, tail, model.Read));
        Assert.Equal(StateStoreErrorCode.InputOutput, fault.Code);
    }

    [Fact]
    public void Bytes_that_changed_between_the_scan_and_the_load_stop_the_open()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        byte[] entry = LogFixture.Bytes(3, 9000);
        long tail = Written(files, entry);
        LogModel model = new();
        model.Append(entry);

        byte[] content = File.ReadAllBytes(_fixture.SegmentPath(0));
        foreach (int position in new[] { 0, 63, 64, 70, 4096, 5000, (int)tail - 1 })
        {
            byte[] changed = (byte[])content.Clone();
            changed[SegmentLayout.PrologueBytes + position] ^= 1;
            File.WriteAllBytes(_fixture.SegmentPath(0), changed);
            StateStoreException fault = Assert.Throws<StateStoreException>(() => EventLog.Recover(files, LogFixture.Options, tail, model.Read));
            Assert.Equal(StateStoreErrorCode.LogDamaged, fault.Code);
            Assert.Equal($"log address {position}", fault.Place);
        }

        File.WriteAllBytes(_fixture.SegmentPath(0), content);
        EventLog.Recover(files, LogFixture.Options, tail, model.Read).Dispose();
    }

    [Fact]
    public void Initializing_in_the_middle_of_a_page_is_caught_before_a_byte_is_written()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        byte[] entry = LogFixture.Bytes(4, 300);
        long tail = Written(files, entry);
        byte[] before = _fixture.RawLog();
        using FasterDevice device = new(files, LogFixture.PageBits);
        device.StartAt(tail, before.AsSpan(0, (int)tail));
        using (FasterLog log = new(new FasterLogSettings
        {
            LogDevice = device,
            LogCommitManager = new NoCommits(),
            PageSize = LogFixture.PageBytes,
            MemorySize = LogFixture.PageBytes * 4,
            SegmentSize = LogFixture.SegmentBytes,
            TryRecoverLatest = false,
        }))
        {
            log.Initialize(0, tail, 1);
            PointerEntry entryMemory = new();
            Assert.True(log.TryEnqueue(entryMemory, out long address));
            Assert.Equal(tail, address);
            device.NotePage(address, entryMemory.Pointer - LogLayout.LengthPrefixBytes);
            Assert.Null(device.Fault);
            Assert.False(device.TryWriteUntil(address + 8));
        }

        Assert.Equal(StateStoreErrorCode.LogDamaged, device.Fault!.Code);
        Assert.Equal(before, _fixture.RawLog());
    }

    [Fact]
    public void The_device_refuses_to_change_acknowledged_bytes_and_to_leave_a_gap()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        long tail = Written(files, LogFixture.Bytes(5, 5000));
        byte[] before = _fixture.RawLog();
        byte[] block = before.AsSpan(4096, 4096).ToArray();
        Assert.Equal(0u, WriteBlock(block, 4096));
        Assert.Equal(0u, WriteBlock(new byte[4096], 0));
        Assert.NotEqual(0u, WriteBlock(block, 8192));
        block[(int)tail - 4097] ^= 1;
        Assert.NotEqual(0u, WriteBlock(block, 4096));
        Assert.Equal(before, _fixture.RawLog());
        block[(int)tail - 4097] ^= 1;
        block[(int)tail - 4096] = 9;
        Assert.Equal(0u, WriteBlock(block, 4096));
        Assert.Equal(9, _fixture.RawLog()[tail]);

        unsafe uint WriteBlock(byte[] bytes, ulong address)
        {
            using FasterDevice device = new(files, LogFixture.PageBits);
            device.Initialize(LogFixture.SegmentBytes);
            device.StartAt(tail, before.AsSpan(4096, (int)tail - 4096));
            uint error = uint.MaxValue;
            fixed (byte* pointer = bytes)
            {
                device.NotePage((long)address, (nint)pointer);
                device.WriteAsync((nint)pointer, address, (uint)bytes.Length, (code, _, _) => error = code, null);
            }

            if (error != 0)
            {
                Assert.Contains(address > 4096 ? "the log stands at" : "acknowledged", device.Fault!.Message, StringComparison.Ordinal);
            }

            return error;
        }
    }

    [Fact]
    public unsafe void The_device_takes_a_page_only_from_its_one_place_in_memory()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        files.CreateSegment(0);
        using FasterDevice device = new(files, LogFixture.PageBits);
        device.Initialize(LogFixture.SegmentBytes);
        device.StartAt(64, new byte[64]);
        byte[] memory = new byte[16384];
        uint error = uint.MaxValue;
        fixed (byte* pointer = memory)
        {
            device.NotePage(64, (nint)pointer + 64);
            device.WriteAsync((nint)pointer + 4096, 0UL, 4096, (code, _, _) => error = code, null);
        }

        Assert.NotEqual(0u, error);
        Assert.Equal(StateStoreErrorCode.LogDamaged, device.Fault!.Code);
        Assert.Equal(0, files.SegmentCount - 1);
    }

    [Fact]
    public void Pages_are_written_on_the_calling_thread_in_whole_blocks_and_nothing_else_is_called()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, new byte[50]);
        log.Flush();
        List<(FileCall Call, int Thread)> calls = [];
        _fixture.Ops.Before = call => calls.Add((call, Environment.CurrentManagedThreadId));
        long before = _fixture.Ops.Calls;
        Assert.True(log.TryAppend(new BytesEntry(new byte[600]), out _));
        Assert.Equal(before, _fixture.Ops.Calls);
        log.Flush();
        log.Flush();
        files.SyncDirty();
        files.SyncDirty();
        _fixture.Ops.Before = null;

        Assert.Equal([FileCallKinds.PWrite, FileCallKinds.FDataSync], calls.Select(call => call.Call.Kind));
        Assert.All(calls, call => Assert.Equal(Environment.CurrentManagedThreadId, call.Thread));
        Assert.Equal((SegmentLayout.PrologueBytes, 4096L), (calls[0].Call.Offset, calls[0].Call.LengthBytes));
    }

    [Fact]
    public void A_missing_segment_stays_missing_when_it_is_read_and_a_short_one_is_an_error()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        files.CreateSegment(0);
        File.Delete(_fixture.SegmentPath(0));
        using FasterDevice device = new(files, LogFixture.PageBits);
        device.Initialize(LogFixture.SegmentBytes);
        Assert.NotEqual(0u, Read());
        Assert.Equal(StateStoreErrorCode.LogDamaged, device.Fault!.Code);
        Assert.Empty(Directory.GetFiles(_fixture.Directory));

        File.WriteAllBytes(_fixture.SegmentPath(0), new byte[SegmentLayout.PrologueBytes + LogFixture.SegmentBytes]);
        Assert.Equal(0u, Read());
        using (FileStream stream = new(_fixture.SegmentPath(0), FileMode.Open))
        {
            stream.SetLength(SegmentLayout.PrologueBytes + 4096);
        }

        Assert.NotEqual(0u, Read());

        unsafe uint Read()
        {
            byte[] buffer = new byte[8192];
            uint error = uint.MaxValue;
            fixed (byte* pointer = buffer)
            {
                device.ReadAsync(0UL, (nint)pointer, 8192, (code, _, _) => error = code, null);
            }

            return error;
        }
    }

    [Fact]
    public void The_device_removes_and_truncates_nothing()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        Written(files, new byte[60000], new byte[60000], new byte[60000]);
        string[] before = Directory.GetFiles(_fixture.Directory);
        Assert.True(before.Length >= 2);
        using FasterDevice device = new(files, LogFixture.PageBits);
        device.Initialize(LogFixture.SegmentBytes);
        int callbacks = 0;
        device.RemoveSegment(0);
        device.RemoveSegmentAsync(0, _ => callbacks++, null!);
        device.TruncateUntilAddress(LogFixture.SegmentBytes);
        device.TruncateUntilAddressAsync(LogFixture.SegmentBytes, _ => callbacks++, null!);
        Assert.Equal(2, callbacks);
        Assert.Equal(before, Directory.GetFiles(_fixture.Directory));
        Assert.Equal(0, _fixture.Ops.Count(FileCallKinds.FTruncate));
    }

    [Fact]
    public void A_log_whose_pages_cannot_be_written_answers_in_bounded_time_for_ever()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve(20 * LogFixture.PageBytes);
        _fixture.Ops.Fail(FileCallKinds.PWrite, Errno.ENOSPC, "segment-*.log", times: FaultRule.Forever);
        int failures = 0;
        for (int i = 0; i < 50; i++)
        {
            failures += Record.Exception(() => log.TryAppend(new BytesEntry(new byte[60000]), out _)) is StateStoreException ? 1 : 0;
        }

        Assert.Equal(49, failures);
        Assert.Equal(StateStoreErrorCode.DiskFull, log.Fault!.Code);
    }

    private sealed class PointerEntry : ILogEnqueueEntry
    {
        public nint Pointer { get; private set; }

        public int SerializedLength => 4;

        public unsafe void SerializeTo(Span<byte> dest)
        {
            fixed (byte* pointer = dest)
            {
                Pointer = (nint)pointer;
            }
        }
    }

    private sealed class NoCommits : ILogCommitManager
    {
        public void Commit(long beginAddress, long untilAddress, byte[] commitMetadata, long commitNum, bool forceWriteMetadata)
        {
        }

        public byte[] GetCommitMetadata(long commitNum) => null!;

        public IEnumerable<long> ListCommits() => [];

        public void RemoveCommit(long commitNum)
        {
        }

        public void RemoveAllCommits()
        {
        }

        public void OnRecovery(long commitNum)
        {
        }

        public void Dispose()
        {
        }
    }
}
