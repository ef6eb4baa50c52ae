// Why this file exists: the log does what its writer relies on: exact addresses, exact bytes on disk, exact continuation, a latch after
// any fault. Invariants: every expectation about bytes comes from a model that follows the format's page.

using System.Buffers.Binary;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class EventLogTests : IDisposable
{
    private readonly LogFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void An_entry_stands_at_the_predicted_address_with_its_length_before_it()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        byte[] entry = LogFixture.Bytes(1, 601);
        Assert.Equal(64, LogFixture.Append(log, entry));
        Assert.Equal(64 + 4 + 604, log.TailAddress);
        log.Flush();

        byte[] raw = _fixture.RawLog();
        Assert.Equal(601, BinaryPrimitives.ReadInt32LittleEndian(raw.AsSpan(64)));
        Assert.Equal(entry, raw.AsSpan(68, 601).ToArray());
        Assert.Equal(-1, raw.AsSpan(68 + 601).IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, raw.AsSpan(0, 64).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Random_entries_with_random_flushes_and_reopens_match_the_model_byte_by_byte()
    {
        Check(seed: 1, rounds: 400);
        Check(seed: 2, rounds: 400);
        Check(seed: 3, rounds: 400);
    }

    private static void Check(int seed, int rounds)
    {
        using LogFixture fixture = new();
        Random random = new(seed);
        LogModel model = new();
        SegmentFiles files = fixture.OpenFiles();
        EventLog log = EventLog.Start(files, LogFixture.Options);
        for (int round = 0; round < rounds; round++)
        {
            int length = random.Next(10) switch
            {
                0 => log.Layout.MaxEntryBytes - random.Next(8),
                1 => Math.Max(1, LogFixture.PageBytes - (int)(log.TailAddress % LogFixture.PageBytes) - 4 - random.Next(-3, 8)),
                2 or 3 => random.Next(1, 20000),
                _ => random.Next(1, 900),
            };
            byte[] bytes = LogFixture.Bytes(seed ^ round, Math.Min(length, log.Layout.MaxEntryBytes));
            Assert.Equal(model.Append(bytes), LogFixture.Append(log, bytes));
            Assert.Equal(model.Tail, log.TailAddress);
            if (random.Next(3) == 0)
            {
                log.Flush();
                CheckTailBlock(model, log);
            }

            if (random.Next(40) == 0)
            {
                log.Flush();
                log.Dispose();
                files.SyncDirty();
                files.Dispose();
                files = fixture.OpenFiles();
                log = EventLog.Recover(files, LogFixture.Options, model.Tail, model.Read);
                CheckTailBlock(model, log);
            }
        }

        log.Flush();
        byte[] raw = fixture.RawLog();
        Assert.True(raw.AsSpan(0, (int)model.Tail).SequenceEqual(model.Bytes(model.Tail)));
        Assert.Equal(-1, raw.AsSpan((int)model.Tail).IndexOfAnyExcept((byte)0));
        log.Dispose();
        files.Dispose();
    }

    private static void CheckTailBlock(LogModel model, EventLog log)
    {
        int length = (int)(model.Tail - log.TailBlockAddress);
        Assert.InRange(length, 0, 4095);
        byte[] expected = new byte[4096];
        model.Read(log.TailBlockAddress, expected.AsSpan(0, length));
        Assert.Equal(expected, log.TailBlock.ToArray());
    }

    [Fact]
    public void The_example_of_the_layout_page_holds()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        Assert.Equal(64, LogFixture.Append(log, LogFixture.Bytes(1, 601)));
        Assert.Equal(672, log.TailAddress);
        Assert.Equal(672, LogFixture.Append(log, LogFixture.Bytes(2, 60000)));
        Assert.Equal(60676, log.TailAddress);
        Assert.Equal(65536, LogFixture.Append(log, LogFixture.Bytes(3, 5000)));
        Assert.Equal(70540, log.TailAddress);
        log.Flush();
        byte[] raw = _fixture.RawLog();
        Assert.Equal("59020000", Convert.ToHexString(raw.AsSpan(64, 4)));
        Assert.Equal("60EA0000", Convert.ToHexString(raw.AsSpan(672, 4)));
        Assert.Equal(-1, raw.AsSpan(60676, 4860).IndexOfAnyExcept((byte)0));
        Assert.Equal("88130000", Convert.ToHexString(raw.AsSpan(65536, 4)));
        Assert.Equal(-1, raw.AsSpan(70540).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void An_append_without_reserved_space_changes_nothing()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        Assert.False(log.TryAppend(new BytesEntry([1]), out _));
        Assert.Equal(64, log.TailAddress);
        Assert.Empty(Directory.GetFiles(_fixture.Directory));
        log.Reserve([1]);
        Assert.True(log.TryAppend(new BytesEntry([1]), out long address));
        Assert.Equal(64, address);
    }

    [Fact]
    public void Lengths_that_no_page_holds_are_refused_as_misuse()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        Assert.Throws<ArgumentOutOfRangeException>(() => log.TryAppend(new BytesEntry([]), out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => log.NextAddressFor(log.Layout.MaxEntryBytes + 1));
        LogFixture.Append(log, new byte[log.Layout.MaxEntryBytes]);
        Assert.Equal(LogFixture.PageBytes, log.TailAddress);
    }

    [Fact]
    public void A_full_disk_shows_at_reserve_and_clears_when_space_returns()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, [1, 2, 3]);
        log.Flush();
        _fixture.Ops.Fail(FileCallKinds.PWrite, Errno.ENOSPC, "*.new", times: FaultRule.Forever);
        for (int i = 0; i < 2; i++)
        {
            StateStoreException full = Assert.Throws<StateStoreException>(() => log.Reserve(LogFixture.SegmentBytes + 1));
            Assert.Equal(StateStoreErrorCode.DiskFull, full.Code);
            Assert.True(full.IsRetryable);
            Assert.Equal([_fixture.SegmentPath(0)], Directory.GetFiles(_fixture.Directory));
        }

        LogFixture.Append(log, [4]);
        log.Flush();
        _fixture.Ops.Clear();
        log.Reserve(LogFixture.SegmentBytes + 1);
        Assert.Equal(2, files.SegmentCount);
        Assert.Null(log.Fault);
    }

    [Fact]
    public void Too_many_open_files_show_at_reserve_and_do_not_latch()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        _fixture.Ops.Fail(FileCallKinds.Open, Errno.EMFILE, "segment-*.log");
        StateStoreException fault = Assert.Throws<StateStoreException>(() => log.Reserve([3]));
        Assert.True(fault.IsRetryable);
        Assert.False(log.TryAppend(new BytesEntry([1, 2, 3]), out _));
        LogFixture.Append(log, [1, 2, 3]);
        log.Flush();
    }

    [Fact]
    public void A_failed_write_latches_the_log_and_is_named()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, new byte[100]);
        _fixture.Ops.Fail(FileCallKinds.PWrite, Errno.EIO, "segment-*.log");
        StateStoreException fault = Assert.Throws<StateStoreException>(log.Flush);
        Assert.Equal(StateStoreErrorCode.InputOutput, fault.Code);
        Assert.Contains("segment-00000000.log at 32768", fault.Message, StringComparison.Ordinal);

        StateStoreException latched = Assert.Throws<StateStoreException>(log.Flush);
        Assert.Equal(StateStoreErrorCode.Latched, latched.Code);
        Assert.Same(fault, latched.InnerException);
        Assert.Throws<StateStoreException>(() => log.TryAppend(new BytesEntry([1]), out _));
        Assert.Throws<StateStoreException>(() => log.Reserve(100));
        Assert.Throws<StateStoreException>(files.SyncDirty);
        Assert.Same(fault, log.Fault);
    }

    [Fact]
    public void A_failed_write_at_a_page_end_latches_inside_the_append()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        LogFixture.Append(log, new byte[60000]);
        log.Reserve([60000]);
        _fixture.Ops.Fail(FileCallKinds.PWrite, Errno.EIO, "segment-*.log");
        Assert.Throws<StateStoreException>(() => log.TryAppend(new BytesEntry(new byte[60000]), out _));
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(log.Flush).Code);
    }

    [Fact]
    public void Interrupted_and_short_writes_are_completed()
    {
        _fixture.Ops.Fail(FileCallKinds.PWrite, Errno.EINTR, nth: 1, times: 3);
        _fixture.Ops.Shorten(FileCallKinds.PWrite, 700, "segment-*.log");
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        byte[] entry = LogFixture.Bytes(5, 9000);
        LogFixture.Append(log, entry);
        log.Flush();
        Assert.Equal(entry, _fixture.RawLog().AsSpan(68, 9000).ToArray());
    }

    private readonly struct ThrowingEntry : IEventLogEntry
    {
        public int LengthBytes => 10;

        public void Write(Span<byte> destination) => throw new InvalidOperationException("broken encoder");
    }

    [Fact]
    public void An_entry_that_throws_latches_the_log_and_does_not_hold_it()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        using EventLog log = EventLog.Start(files, LogFixture.Options);
        log.Reserve([10]);
        StateStoreException fault = Assert.Throws<StateStoreException>(() => log.TryAppend(default(ThrowingEntry), out _));
        Assert.IsType<InvalidOperationException>(fault.InnerException);
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(log.Flush).Code);
    }

    [Fact]
    public void A_log_can_start_at_a_later_page_and_nothing_before_it_is_needed()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        long start = 3L * LogFixture.SegmentBytes;
        using (EventLog log = EventLog.Start(files, LogFixture.Options, start))
        {
            Assert.Equal(start, LogFixture.Append(log, [7, 7]));
            log.Flush();
        }

        Assert.Equal(3, files.FirstSegment);
        Assert.Equal(1, files.SegmentCount);
        using EventLog again = EventLog.Recover(files, LogFixture.Options, start + 8, files.ReadExactly);
        Assert.Equal(start + 8, LogFixture.Append(again, [8]));
        Assert.Throws<ArgumentException>(() => EventLog.Start(files, LogFixture.Options, start + 4));
    }
}
