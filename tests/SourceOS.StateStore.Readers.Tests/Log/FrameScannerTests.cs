// Why this file exists: a scan gives exactly the frames that were written, and stops exactly where they stop. Invariants: logs are laid
// out by TestLog; every damage has one expected answer.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class FrameScannerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void All_frames_come_in_order_over_pages_and_segments()
    {
        TestLog log = NewLog();
        for (int i = 0; i < 60; i++)
        {
            log.AddFrame(events: 1 + (i % 5), dataBytes: 100 + (i * 37 % 3000), isLast: i % 3 != 0, compress: i % 2 == 0);
        }

        Assert.True(log.Segments.Count > 1);
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        EventCounter counter = new();
        scanner.Visitor = counter;
        foreach (TestFrame frame in log.Frames)
        {
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
            Assert.Equal(frame.Header, scanner.Header);
            Assert.Equal(frame.Hash, scanner.Hash);
            Assert.Equal(frame.End, scanner.Position);
            FrameView view = scanner.Frame();
            Assert.Equal(frame.Header, view.Header);
            Assert.True(view.VerifyLeaves());
        }

        Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
        Assert.Equal(LogEndReason.Zero, scanner.EndReason);
        Assert.Equal(log.Tail, scanner.Position);
        Assert.Equal(log.Frames.Count, scanner.FrameCount);
        Assert.Equal(log.LastSequence, (ulong)counter.Events);
        Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
    }

    [Fact]
    public void An_empty_log_ends_at_its_base_and_a_log_without_files_too()
    {
        TestLog log = NewLog();
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        Assert.Equal((ScanOutcome.EndOfLog, LogEndReason.Zero, 64L), (scanner.MoveNext(), scanner.EndReason, scanner.Position));
        Assert.Throws<InvalidOperationException>(() => { scanner.Frame(); });

        File.Delete(log.Layout.SegmentPath(0));
        reader.CloseIdle();
        scanner.Restart(ScanStart.AtBase(log.Superblock));
        Assert.Equal((ScanOutcome.EndOfLog, LogEndReason.NoSegment, 64L), (scanner.MoveNext(), scanner.EndReason, scanner.Position));
    }

    [Fact]
    public void A_frame_that_ends_exactly_at_a_segments_end_is_followed_by_the_next_segment()
    {
        TestLog log = NewLog();
        log.AddFrame(events: 14, dataBytes: 4000);
        log.AddFrame(events: 15, dataBytes: 4000);
        FillToSegmentEnd(log);
        Assert.Equal(log.Geometry.SegmentEnd(64), log.Tail);
        log.Save();
        using LogReader reader = log.OpenReader();
        Assert.Equal((3, LogEndReason.NoSegment, log.Tail), ScanAll(log, reader));

        log.AddSegment(1);
        log.Save();
        Assert.Equal((3, LogEndReason.Zero, log.Tail), ScanAll(log, reader));

        log.AddFrame();
        Assert.Equal(log.Geometry.SegmentStart(1), log.Frames[^1].Address);
        log.Save();
        Assert.Equal((4, LogEndReason.Zero, log.Tail), ScanAll(log, reader));
    }

    [Fact]
    public void A_scan_can_start_behind_a_frame_a_commit_or_at_a_place_of_which_nothing_is_known()
    {
        TestLog log = NewLog();
        log.AddFrame(events: 2, isLast: false);
        log.AddFrame(events: 3);
        log.AddFrame();
        log.AddFrame();
        log.Save();
        using LogReader reader = log.OpenReader();
        TestFrame second = log.Frames[1];
        foreach (ScanStart start in new[]
        {
            ScanStart.After(second.Header, second.Hash),
            ScanStart.AfterCommit(log.StoreId, second.End, 2, 5, 1, 1, second.Hash),
            ScanStart.Unlinked(second.End),
        })
        {
            FrameScanner scanner = new(reader, log.StoreId, start);
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
            Assert.Equal(log.Frames[2].Header, scanner.Header);
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
            Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
        }

        // The wrong predecessor is noticed at the first frame.
        TestFrame first = log.Frames[0];
        foreach ((ScanStart start, FaultCode expected) in new[]
        {
            (ScanStart.After(second.Header with { FrameNumber = 7 }, second.Hash), FaultCode.FrameNumberGap),
            (ScanStart.After(second.Header, first.Hash), FaultCode.ChainBroken),
            (ScanStart.AfterCommit(log.StoreId, second.End, 2, 6, 1, 1, second.Hash), FaultCode.SequenceGap),
            (ScanStart.AfterCommit(log.StoreId, second.End, 2, 5, 2, 1, second.Hash), FaultCode.CommitOrder),
            (ScanStart.AfterCommit(log.StoreId, second.End, 2, 5, 1, 9, second.Hash), FaultCode.EpochOrder),
        })
        {
            FrameScanner scanner = new(reader, log.StoreId, start);
            Assert.Equal(ScanOutcome.Fault, scanner.MoveNext());
            Assert.Equal((LogFaultCode.Chain, expected), (scanner.Fault.Code, scanner.Fault.Detail));
            Assert.Equal(second.End, scanner.Position);
        }
    }

    [Fact]
    public void Nothing_from_the_limit_on_is_read_and_a_raised_limit_goes_on()
    {
        TestLog log = NewLog();
        log.AddFrame();
        log.AddFrame();
        log.AddFrame();
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), log.Frames[0].End);
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal((ScanOutcome.EndOfLog, LogEndReason.Limit), (scanner.MoveNext(), scanner.EndReason));
        scanner.Extend(log.Frames[1].End - 1);
        Assert.Equal(ScanOutcome.Fault, scanner.MoveNext());
        Assert.Equal(LogFaultCode.CrossesLimit, scanner.Fault.Code);
        Assert.Equal(log.Frames[0].End, scanner.Position);

        scanner.Restart(ScanStart.AtBase(log.Superblock), log.Frames[0].End);
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
        scanner.Extend(log.Tail);
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal((ScanOutcome.EndOfLog, log.Tail), (scanner.MoveNext(), scanner.Position));
    }

    [Fact]
    public void Used_up_steps_pause_a_scan_without_ending_it()
    {
        TestLog log = NewLog();
        log.AddFrame();
        log.AddFrame();
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock)) { StepBudget = 1 };
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal(ScanOutcome.BudgetExhausted, scanner.MoveNext());
        scanner.StepBudget = 10;
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
    }

    [Fact]
    public void Growing_logs_are_followed_into_new_pages_and_segments()
    {
        TestLog log = NewLog();
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(ScanOutcome.EndOfLog, scanner.MoveNext());
            log.AddFrame(events: 3, dataBytes: 9000);
            log.Save();
            scanner.Extend(LogGeometry.MaxAddress);
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
            Assert.Equal(log.Frames[^1].Header, scanner.Header);
        }
    }

    [Theory]
    [InlineData(-1, LogFaultCode.EntryLength)]
    [InlineData(int.MinValue, LogFaultCode.EntryLength)]
    [InlineData(int.MaxValue, LogFaultCode.EntryLength)]
    [InlineData(4, LogFaultCode.EntryLength)]
    [InlineData(304, LogFaultCode.EntryLength)]
    [InlineData(309, LogFaultCode.EntryLength)]
    [InlineData(65536, LogFaultCode.EntryLength)]
    [InlineData(308, LogFaultCode.LengthMismatch)]
    public void A_hostile_length_is_a_fault_at_its_place(int length, LogFaultCode expected)
    {
        TestLog log = NewLog();
        log.AddFrame();
        TestFrame second = log.AddFrame();
        BinaryPrimitives.WriteInt32LittleEndian(log.At(second.Address, 4), length);
        AssertFault(log, 1, expected, second.Address);
    }

    [Fact]
    public void A_length_of_zero_in_front_of_a_frame_is_a_filler_that_is_not_zero()
    {
        TestLog log = NewLog();
        log.AddFrame();
        TestFrame second = log.AddFrame();
        log.At(second.Address, 4).Clear();
        LogFault fault = AssertFault(log, 1, LogFaultCode.FillerNotZero, second.Address);
        Assert.Equal(second.Address + 4, fault.Address);
    }

    [Fact]
    public void Each_part_of_a_frame_has_its_own_fault()
    {
        AssertDamage(static (log, f) => log.At(f.Address + 4 + 100, 1)[0] ^= 1, LogFaultCode.Header, FaultCode.ChecksumMismatch);
        AssertDamage(static (log, f) => log.At(f.Address + 4 + 256, 1)[0] ^= 1, LogFaultCode.Leaves, FaultCode.HashMismatch);
        AssertDamage(static (log, f) => log.At(f.End - 8, 1)[0] ^= 1, LogFaultCode.Body, FaultCode.ChecksumMismatch);
        AssertDamage(static (log, f) => Reseal(log, f, 300, static bytes => bytes[^1] ^= 1), LogFaultCode.EventLeaf, FaultCode.HashMismatch);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { StoreId = new StoreId(new byte[16] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7 }) }), LogFaultCode.WrongStore, FaultCode.WrongStore);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { Address = h.Address + 4 }), LogFaultCode.WrongAddress, FaultCode.WrongPlace);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { FirstSequence = h.FirstSequence + 1 }), LogFaultCode.Chain, FaultCode.SequenceGap);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { FrameNumber = h.FrameNumber - 1, DurableFrames = 0, CommitId = 1 }), LogFaultCode.Chain, FaultCode.FrameNumberGap);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { PreviousHash = h.EventsRoot }), LogFaultCode.Chain, FaultCode.ChainBroken);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { IndexInCommit = 1 }), LogFaultCode.Chain, FaultCode.CommitOrder);
        AssertDamage(static (log, f) => Rehead(log, f, static h => h with { EventCount = h.EventCount + 1 }), LogFaultCode.LengthMismatch, FaultCode.LengthMismatch);
    }

    [Fact]
    public void Depth_decides_what_is_looked_at()
    {
        TestLog log = NewLog();
        TestFrame frame = log.AddFrame();
        log.AddFrame();
        log.At(frame.End - 8, 1)[0] ^= 1;
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner leaves = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), depth: FrameDepth.Leaves);
        Assert.Equal(ScanOutcome.Frame, leaves.MoveNext());
        log.At(frame.Address + 4 + 256, 1)[0] ^= 1;
        log.Save();
        FrameScanner chain = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), depth: FrameDepth.Chain);
        Assert.Equal(ScanOutcome.Frame, chain.MoveNext());
        Assert.Equal(ScanOutcome.Frame, chain.MoveNext());
        leaves.Restart(ScanStart.AtBase(log.Superblock));
        Assert.Equal((ScanOutcome.Fault, LogFaultCode.Leaves), (leaves.MoveNext(), leaves.Fault.Code));
    }

    [Fact]
    public void Erased_events_are_no_damage()
    {
        TestLog log = NewLog();
        TestFrame frame = log.AddFrame(events: 4);
        log.AddFrame();
        Assert.True(FrameEraser.TryErase(log.At(frame.Address + 4, frame.Header.EntryLengthBytes), [1, 3], out _));
        log.Save();
        using LogReader reader = log.OpenReader();
        EventCounter counter = new();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock)) { Visitor = counter };
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        Assert.Equal(2, counter.Events);
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
    }

    [Fact]
    public void A_steady_scan_allocates_nothing()
    {
        TestLog log = NewLog();
        for (int i = 0; i < 400; i++)
        {
            log.AddFrame(events: 2, dataBytes: 200, compress: i % 2 == 0);
        }

        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 8192);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        }

        // Opening the next segment's file is the only thing that may allocate, and not every stretch of frames meets one.
        bool isSound = true;
        Assert.Equal(0, AllocationMeter.LeastBytes(() =>
        {
            for (int i = 0; i < 60; i++)
            {
                isSound &= scanner.MoveNext() == ScanOutcome.Frame;
            }
        }));
        Assert.True(isSound);
    }

    private static (int Frames, LogEndReason Reason, long End) ScanAll(TestLog log, LogReader reader)
    {
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        int frames = 0;
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            frames++;
        }

        Assert.False(scanner.Fault.IsFault, scanner.Fault.ToString());
        return (frames, scanner.EndReason, scanner.Position);
    }

    private static void FillToSegmentEnd(TestLog log)
    {
        // header 256 + leaf 32 + body head 16 + directory 4 + salt 16 + event (64 + 10 + 7 + 8 + data), prefix 4.
        long room = log.Geometry.SegmentEnd(64) - log.Geometry.PageStart(log.Tail - 1) - log.Geometry.PageBytes;
        Assert.Equal(0, room);
        int left = (int)(log.Geometry.PageEnd(log.Tail - 1) - log.Tail);
        log.AddFrame(dataBytes: left - 4 - 256 - 32 - 16 - 4 - 16 - 64 - 10 - 7 - 8);
    }

    // Changes the raw body of a frame and makes its checksum again, as an attacker without the salt could.
    private static void Reseal(TestLog log, TestFrame frame, int _, Action<byte[]> change)
    {
        Span<byte> area = log.At(frame.Address + 4 + frame.Header.BodyAreaOffset, frame.Header.BodyAreaLengthBytes);
        int stored = BinaryPrimitives.ReadInt32LittleEndian(area[4..]);
        byte[] bytes = area.Slice(16, stored).ToArray();
        change(bytes);
        bytes.CopyTo(area[16..]);
        BinaryPrimitives.WriteUInt32LittleEndian(area[12..], Checksum.Crc32C(frame.Header.FrameNumber, area[..12], bytes));
    }

    private static void Rehead(TestLog log, TestFrame frame, Func<FrameHeader, FrameHeader> change) =>
        change(frame.Header).Encode(log.At(frame.Address + 4, FrameHeader.LengthBytes));

    private TestLog NewLog() => new(_directory.Path);

    private void AssertDamage(Action<TestLog, TestFrame> damage, LogFaultCode expected, FaultCode detail)
    {
        TestLog log = NewLog();
        log.AddFrame();
        log.AddFrame();
        TestFrame third = log.AddFrame(events: 2);
        log.AddFrame();
        damage(log, third);
        LogFault fault = AssertFault(log, 2, expected, third.Address);
        Assert.Equal(detail, fault.Detail);
    }

    private LogFault AssertFault(TestLog log, int goodFrames, LogFaultCode expected, long entryAddress)
    {
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        for (int i = 0; i < goodFrames; i++)
        {
            Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        }

        Assert.Equal(ScanOutcome.Fault, scanner.MoveNext());
        Assert.Equal(expected, scanner.Fault.Code);
        Assert.Equal(entryAddress, scanner.Fault.EntryAddress);
        Assert.Equal(log.Frames[goodFrames - 1].End, scanner.Position);
        Assert.Equal(ScanOutcome.Fault, scanner.MoveNext());
        return scanner.Fault;
    }

    private sealed class EventCounter : IFrameEventVisitor
    {
        public int Events { get; private set; }

        public void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view)
        {
            Assert.Equal(frameEvent.Sequence, view.Sequence);
            Events++;
        }
    }
}
