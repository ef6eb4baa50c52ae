// Why this file exists: a single frame is found by its address or behind damage, and never handed out damaged. Invariants: logs are
// laid out by TestLog.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class FrameReaderTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly TestLog _log;

    public FrameReaderTests()
    {
        _log = new TestLog(_directory.Path);
        for (int i = 0; i < 40; i++)
        {
            _log.AddFrame(events: 1 + (i % 3), dataBytes: 3000 + (i * 500 % 7000), compress: i % 2 == 0);
        }

        _log.Save();
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Every_frame_is_read_by_its_address_and_nothing_else_is()
    {
        using LogReader reader = _log.OpenReader();
        FrameReader frames = new(reader, _log.StoreId);
        foreach (TestFrame expected in Enumerable.Reverse(_log.Frames))
        {
            Assert.True(frames.TryReadFrameAt(expected.Address, _log.Tail, FrameDepth.Full, out FrameView frame, out LogFault fault), fault.ToString());
            Assert.Equal(expected.Header, frame.Header);
            Assert.Equal(expected.Hash, frame.Hash());
            Assert.True(frame.TryOpenBody(frames.Scratch, out FrameBody body, out _));
            Assert.Equal(expected.Header.EventCount, body.Count);
            foreach (long wrong in new[] { expected.Address + 4, expected.Address - 4, expected.Address + 1, expected.End - 4 })
            {
                Assert.False(frames.TryReadFrameAt(wrong, _log.Tail, FrameDepth.Chain, out _, out fault) && wrong != expected.Address);
                Assert.True(fault.IsFault);
            }
        }
    }

    [Theory]
    [InlineData(-4)]
    [InlineData(0)]
    [InlineData(60)]
    [InlineData(66)]
    [InlineData(1L << 40)]
    [InlineData(1L << 48)]
    [InlineData(long.MaxValue - 3)]
    public void Impossible_addresses_are_faults(long address)
    {
        using LogReader reader = _log.OpenReader();
        FrameReader frames = new(reader, _log.StoreId);
        Assert.False(frames.TryReadFrameAt(address, LogGeometry.MaxAddress, FrameDepth.Full, out _, out LogFault fault));
        Assert.True(fault.IsFault);
    }

    [Fact]
    public void Nothing_behind_the_limit_is_handed_out()
    {
        using LogReader reader = _log.OpenReader();
        FrameReader frames = new(reader, _log.StoreId);
        TestFrame frame = _log.Frames[5];
        Assert.True(frames.TryReadFrameAt(frame.Address, frame.End, FrameDepth.Full, out _, out _));
        for (long limit = frame.Address; limit < frame.End; limit += 100)
        {
            Assert.False(frames.TryReadFrameAt(frame.Address, limit, FrameDepth.Full, out _, out LogFault fault));
            Assert.True(fault.IsFault);
        }
    }

    [Fact]
    public void Damage_that_the_depth_covers_is_a_fault()
    {
        TestFrame frame = _log.Frames[7];
        _log.At(frame.End - 12, 1)[0] ^= 4;
        _log.Save();
        using LogReader reader = _log.OpenReader();
        FrameReader frames = new(reader, _log.StoreId);
        Assert.True(frames.TryReadFrameAt(frame.Address, _log.Tail, FrameDepth.Leaves, out _, out _));
        Assert.False(frames.TryReadFrameAt(frame.Address, _log.Tail, FrameDepth.Full, out _, out LogFault fault));
        Assert.Equal(LogFaultCode.Body, fault.Code);
    }

    [Fact]
    public void A_search_finds_the_next_frame_from_any_address()
    {
        using LogReader reader = _log.OpenReader();
        for (int i = 0; i < _log.Frames.Count; i += 7)
        {
            TestFrame frame = _log.Frames[i];
            foreach (long from in new[] { frame.Address, frame.Address - 1, frame.Address - 3 })
            {
                Assert.True(FrameSearch.FindFrameAfter(reader, _log.StoreId, from, _log.Tail, out FrameCandidate found));
                Assert.Equal((frame.Address, frame.Header, true), (found.Address, found.Header, found.IsLengthRight));
            }

            bool isLast = i == _log.Frames.Count - 1;
            Assert.Equal(!isLast, FrameSearch.FindFrameAfter(reader, _log.StoreId, frame.Address + 4, _log.Tail, out FrameCandidate next));
            Assert.Equal(isLast ? 0 : _log.Frames[i + 1].Address, next.Address);
        }
    }

    [Fact]
    public void A_search_ends_below_its_limit_and_knows_its_own_store()
    {
        using LogReader reader = _log.OpenReader();
        TestFrame frame = _log.Frames[3];
        Assert.False(FrameSearch.FindFrameAfter(reader, _log.StoreId, frame.Address, frame.Address + 4 + 255, out _));
        Assert.True(FrameSearch.FindFrameAfter(reader, _log.StoreId, frame.Address, frame.Address + 4 + 256, out _));
        Assert.False(FrameSearch.FindFrameAfter(reader, new StoreId(new byte[16] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7 }), 0, _log.Tail, out _));
        Assert.False(FrameSearch.FindFrameAfter(reader, _log.StoreId, long.MaxValue - 2, long.MaxValue, out _));
    }

    [Fact]
    public void A_search_passes_headers_that_are_damaged_moved_or_only_look_alike()
    {
        TestFrame third = _log.Frames[3];
        TestFrame fourth = _log.Frames[4];
        _log.At(third.Address + 4 + 40, 1)[0] ^= 1;
        byte[] copy = _log.At(fourth.Address, 300).ToArray();
        copy.CopyTo(_log.At(third.Address + 1000, 300));
        "SSFRSSFRSSFR"u8.CopyTo(_log.At(third.Address + 600, 12));
        _log.At(fourth.Address, 1)[0] ^= 1;
        _log.Save();
        using LogReader reader = _log.OpenReader();
        Assert.True(FrameSearch.FindFrameAfter(reader, _log.StoreId, third.Address, _log.Tail, out FrameCandidate found));
        Assert.Equal((fourth.Address, false), (found.Address, found.IsLengthRight));
    }

    [Fact]
    public void A_search_steps_over_bad_blocks_and_missing_segments()
    {
        Assert.True(_log.Segments.Count > 2);
        long badFrom = _log.Geometry.FileOffsetOf(_log.Frames[2].Address) & -4096L;
        FaultyFiles files = new((string path, long offset, ref int length) =>
        {
            if (!path.EndsWith("0.log", StringComparison.Ordinal) || offset + length <= badFrom || offset >= badFrom + 8192)
            {
                return ReadStatus.Ok;
            }

            length = (int)Math.Max(0, badFrom - offset);
            return length > 0 ? ReadStatus.Ok : ReadStatus.InputOutput;
        });
        using LogReader reader = _log.OpenReader(files);
        TestFrame expected = _log.Frames.First(f => _log.Geometry.FileOffsetOf(f.Address) >= badFrom + 8192);
        Assert.True(FrameSearch.FindFrameAfter(reader, _log.StoreId, _log.Frames[2].Address, _log.Tail, out FrameCandidate found));
        Assert.Equal(expected.Address, found.Address);

        File.Delete(_log.Layout.SegmentPath(1));
        reader.CloseIdle();
        long start = _log.Geometry.SegmentStart(1);
        Assert.True(FrameSearch.FindFrameAfter(reader, _log.StoreId, start, _log.Tail, out found));
        Assert.Equal(_log.Frames.First(f => f.Address >= _log.Geometry.SegmentStart(2)).Address, found.Address);
    }

    [Fact]
    public void Zeroes_are_found_and_told_from_other_bytes()
    {
        TestLog log = new(_directory.PathOf("zeroes"));
        log.AddSegment(1);
        log.Save();
        using LogReader reader = log.OpenReader();
        long end = log.Geometry.SegmentEnd(log.Geometry.SegmentStart(1));
        Assert.True(LogZeroes.Find(reader, 64, end).IsZero);
        Assert.Equal(ReadStatus.Ok, LogZeroes.FindLast(reader, 64, end, out long last));
        Assert.Equal(-1, last);
        foreach (long at in new[] { 64, 70_000, log.Geometry.SegmentStart(1) - 1, log.Geometry.SegmentStart(1), end - 1 })
        {
            log.At(at, 1)[0] = 1;
            log.Save();
            Assert.Equal(new ZeroCheck(ReadStatus.Ok, at, at), LogZeroes.Find(reader, 64, end));
            Assert.Equal(ReadStatus.Ok, LogZeroes.FindLast(reader, 64, end, out last));
            Assert.Equal(at, last);
            log.At(at, 1)[0] = 0;
        }

        log.Save();
        File.Delete(log.Layout.SegmentPath(1));
        reader.CloseIdle();
        ZeroCheck missing = LogZeroes.Find(reader, 64, end);
        Assert.Equal((ReadStatus.NotFound, log.Geometry.SegmentStart(1)), (missing.Status, missing.CheckedUntil));
    }
}
