// Why this file exists: the next segment is made beside the writer, and a full disk there is told at the right moment and to the right caller.
// Invariants: waits are bounded and wait for events, not for time.

using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class PrepareAheadTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly LogFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void The_next_segment_is_made_on_another_thread_once_the_present_one_is_half_full()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, new byte[60000]);
        log.Flush();
        LogFixture.Append(log, new byte[100]);
        log.Flush();
        Assert.Equal(1, files.SegmentCount);

        int makerThread = 0;
        _fixture.Ops.Before = call => makerThread = call.Kind == FileCallKinds.Rename ? Environment.CurrentManagedThreadId : makerThread;
        LogFixture.Append(log, new byte[6000]);
        log.Flush();
        Assert.True(SpinWait.SpinUntil(() => files.SegmentCount == 2, Bound));
        _fixture.Ops.Before = null;
        Assert.NotEqual(Environment.CurrentManagedThreadId, makerThread);

        long renames = _fixture.Ops.Count(FileCallKinds.Rename);
        log.Reserve(LogFixture.SegmentBytes + 1000);
        Assert.Equal(renames, _fixture.Ops.Count(FileCallKinds.Rename));
    }

    [Fact]
    public void A_full_disk_beside_the_writer_is_remembered_until_the_segment_is_needed_and_then_clears()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve(1000);
        _fixture.Ops.Fail(FileCallKinds.Fallocate, Errno.ENOSPC, "*.new", times: FaultRule.Forever);
        LogFixture.Append(log, new byte[60000]);
        LogFixture.Append(log, new byte[6000]);
        log.Flush();
        Assert.True(SpinWait.SpinUntil(() => log.PrepareFault is not null, Bound));

        // One try a second beside the writer, however many commits there are.
        long start = Environment.TickCount64;
        for (int i = 0; i < 100; i++)
        {
            LogFixture.Append(log, [1]);
            log.Flush();
            Thread.Sleep(2);
        }

        long tries = _fixture.Ops.Count(FileCallKinds.Fallocate);
        Assert.InRange(tries, 2, 3 + ((Environment.TickCount64 - start) / 1000));
        Assert.Equal(StateStoreErrorCode.DiskFull, Assert.Throws<StateStoreException>(() => log.Reserve([65000])).Code);
        Assert.Null(log.Fault);
        Assert.Equal([_fixture.SegmentPath(0)], Directory.GetFiles(_fixture.Directory));

        _fixture.Ops.Clear();
        LogFixture.Append(log, new byte[65000]);
        log.Flush();
        Assert.Null(log.PrepareFault);
        Assert.Equal(2, files.SegmentCount);
    }

    [Fact]
    public void A_nearly_full_device_is_not_filled_to_the_last_byte()
    {
        FileOps small = new SmallDevice(_fixture.Ops);
        using SegmentFiles files = SegmentFiles.OpenForWriting(small, _fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader);
        StateStoreException full = Assert.Throws<StateStoreException>(() => files.CreateSegment(0));
        Assert.Equal((StateStoreErrorCode.DiskFull, true), (full.Code, full.IsRetryable));
        Assert.Empty(Directory.GetFiles(_fixture.Directory));
        Assert.Equal(0, _fixture.Ops.Count(FileCallKinds.PWrite));
    }

    [Fact]
    public void A_failure_that_space_does_not_cure_is_tried_again_after_a_while_and_clears()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        _fixture.Ops.Fail(FileCallKinds.Open, Errno.EACCES, "*.new");
        Assert.Equal(StateStoreErrorCode.AccessDenied, Assert.Throws<StateStoreException>(() => log.Reserve(1000)).Code);
        long calls = _fixture.Ops.Calls;
        Assert.Equal(StateStoreErrorCode.AccessDenied, Assert.Throws<StateStoreException>(() => log.Reserve(1000)).Code);
        Assert.Equal(calls, _fixture.Ops.Calls);

        // The rights came back; nobody has to open the store again for it.
        Assert.True(SpinWait.SpinUntil(() => Record.Exception(() => log.Reserve(1000)) is null, Bound));
        Assert.Null(log.Fault);
        Assert.Null(log.PrepareFault);
    }

    [Fact]
    public void A_failed_sync_of_the_directory_is_final_because_the_name_is_there_already()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        _fixture.Ops.Fail(FileCallKinds.FSyncDirectory, Errno.EIO);
        Assert.Equal(StateStoreErrorCode.InputOutput, Assert.Throws<StateStoreException>(() => log.Reserve(1000)).Code);
        Thread.Sleep(1100);
        long syncs = _fixture.Ops.Count(FileCallKinds.FSyncDirectory);
        Assert.Equal(StateStoreErrorCode.InputOutput, Assert.Throws<StateStoreException>(() => log.Reserve(1000)).Code);
        Assert.Equal(syncs, _fixture.Ops.Count(FileCallKinds.FSyncDirectory));
    }

    [Fact]
    public void Closing_the_log_while_a_segment_is_being_made_waits_and_leaves_no_half_file()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, new byte[60000]);
        LogFixture.Append(log, new byte[6000]);
        using ManualResetEventSlim isWriting = new();
        using ManualResetEventSlim mayGoOn = new();
        _fixture.Ops.Before = call =>
        {
            if (call.Kind == FileCallKinds.Fallocate)
            {
                isWriting.Set();
                mayGoOn.Wait(Bound);
            }
        };
        log.Flush();
        Assert.True(isWriting.Wait(Bound));
        Thread closer = new(log.Dispose);
        closer.Start();
        Assert.True(SpinWait.SpinUntil(() => closer.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Bound));
        mayGoOn.Set();
        Assert.True(closer.Join(Bound));
        Assert.Equal([_fixture.SegmentPath(0)], Directory.GetFiles(_fixture.Directory));
    }

    [Fact]
    public void A_header_source_that_throws_is_reported_to_the_caller_and_does_not_end_the_process()
    {
        using SegmentFiles files = SegmentFiles.OpenForWriting(_fixture.Ops, _fixture.Directory, LogFixture.SegmentBits, static (_, _) => throw new InvalidOperationException("header"));
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => log.Reserve(100));
        Assert.IsType<InvalidOperationException>(fault.InnerException);
    }

    private sealed class SmallDevice(FileOps inner) : FileOpsDecorator(inner)
    {
        public override int StatFileSystem(string path, out FileSystemSpace space)
        {
            space = new FileSystemSpace(1 << 30, SegmentLayout.PrologueBytes + LogFixture.SegmentBytes);
            return 0;
        }
    }
}
