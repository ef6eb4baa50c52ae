// Why this file exists: header, slots, copies and the zeroes behind them are judged apart from each other. Invariants: each test damages
// one part of a sound segment and looks at all parts.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class SegmentInfoTests : IDisposable
{
    private static readonly LogGeometry _geometry = new(16, 17);
    private static readonly StoreId _storeId = new(Enumerable.Repeat((byte)7, 16).ToArray());
    private readonly TemporaryDirectory _directory = new();
    private readonly StoreLayout _layout;
    private readonly byte[] _file = new byte[_geometry.SegmentFileBytes];

    public SegmentInfoTests()
    {
        _layout = new StoreLayout(_directory.Path);
        Directory.CreateDirectory(_layout.EventsPath);
        new SegmentHeader { StoreId = _storeId, SegmentNumber = 3, PageBits = 16, SegmentBits = 17, WriterEpoch = 1 }.Encode(_file.AsSpan(0, 4096));
        long tail = _geometry.SegmentStart(3) + 4196;
        byte[] block = [.. Enumerable.Repeat((byte)9, 4096)];
        new TailSlot
        {
            SlotIndex = 1,
            StoreId = _storeId,
            SegmentNumber = 3,
            Generation = 5,
            DurableBefore = tail - 100,
            Tail = tail,
            FrameCount = 2,
            LastSequence = 9,
            WriterEpoch = 1,
        }.Encode(_file.AsSpan(12288, 8192), block);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_sound_head_is_read_whole()
    {
        SegmentInfo info = Read();
        Assert.Equal(ReadStatus.Ok, info.Status);
        Assert.Equal(_geometry.SegmentFileBytes, info.LengthBytes);
        Assert.False(info.HeaderFault.IsFault || info.ReservedFault.IsFault);
        Assert.Equal(3, info.Header.SegmentNumber);
        Assert.False(info.Slot(0).IsWritten || info.Slot(0).IsValid);
        Assert.Equal(FaultCode.NeverWritten, info.Slot(0).Fault.Code);
        SlotInfo slot = info.Slot(1);
        Assert.True(slot.IsWritten && slot.IsValid && slot.IsCopyValid && !slot.Fault.IsFault);
        Assert.Equal(5UL, slot.Descriptor.Generation);
        Assert.Equal(100, slot.Descriptor.BlockOf(info.SlotBytes(1).Span).Length);
    }

    [Theory]
    [InlineData(100, true, false, false, false)]
    [InlineData(12300, false, true, true, false)]
    [InlineData(12288 + 4100, false, false, true, false)]
    [InlineData(20480, false, false, false, true)]
    [InlineData(32767, false, false, false, true)]
    public void Damage_to_one_part_shows_in_that_part_alone(int offset, bool header, bool descriptor, bool copy, bool reserved)
    {
        _file[offset] ^= 0x10;
        SegmentInfo info = Read();
        Assert.Equal(header, info.HeaderFault.IsFault);
        Assert.Equal(descriptor, !info.Slot(1).IsValid);
        Assert.Equal(copy, !info.Slot(1).IsCopyValid);
        Assert.Equal(reserved, info.ReservedFault.IsFault);
        Assert.Equal(reserved ? offset : 0, info.ReservedFault.OffsetBytes);
    }

    [Fact]
    public void A_head_in_the_wrong_place_or_store_is_refused()
    {
        File.WriteAllBytes(_layout.SegmentPath(4), _file);
        SegmentInfo moved = SegmentInfo.Read(_layout, 4, _storeId, _geometry);
        Assert.Equal(FaultCode.WrongPlace, moved.HeaderFault.Code);
        Assert.Equal(FaultCode.WrongPlace, moved.Slot(1).Fault.Code);
        Assert.False(moved.Slot(1).IsValid);

        File.WriteAllBytes(_layout.SegmentPath(3), _file);
        SegmentInfo foreign = SegmentInfo.Read(_layout, 3, new StoreId(Enumerable.Repeat((byte)8, 16).ToArray()), _geometry);
        Assert.Equal(FaultCode.WrongStore, foreign.HeaderFault.Code);
        Assert.Equal(FaultCode.WrongStore, foreign.Slot(1).Fault.Code);

        SegmentInfo cut = SegmentInfo.Read(_layout, 3, _storeId, new LogGeometry(17, 17));
        Assert.Equal(FaultCode.RuleBroken, cut.HeaderFault.Code);
        Assert.False(SegmentInfo.Read(_layout, 3, null, null).HeaderFault.IsFault);
    }

    [Fact]
    public void Every_length_is_read_without_an_exception()
    {
        for (int length = 0; length <= LogGeometry.DataOffset; length += 512)
        {
            File.WriteAllBytes(_layout.SegmentPath(3), _file[..length]);
            SegmentInfo info = SegmentInfo.Read(_layout, 3, _storeId, _geometry);
            Assert.Equal(length == LogGeometry.DataOffset ? ReadStatus.Ok : ReadStatus.EndOfFile, info.Status);
            Assert.Equal(length < 4096, info.HeaderFault.IsFault);
            Assert.Equal(length < 20480, !info.Slot(1).IsValid);
            Assert.Equal(length < 12288, info.Slot(0).IsWritten);
        }
    }

    [Fact]
    public void A_missing_segment_and_a_bad_sector_are_statuses()
    {
        Assert.Equal(ReadStatus.NotFound, SegmentInfo.Read(_layout, 8, _storeId, _geometry).Status);
        File.WriteAllBytes(_layout.SegmentPath(3), _file);
        FaultyFiles files = new((string _, long offset, ref int length) =>
        {
            length = (int)Math.Min(length, Math.Max(0, 4096 - offset));
            return offset >= 4096 ? ReadStatus.InputOutput : ReadStatus.Ok;
        });
        SegmentInfo info = SegmentInfo.Read(_layout, 3, _storeId, _geometry, files);
        Assert.Equal(ReadStatus.InputOutput, info.Status);
        Assert.False(info.HeaderFault.IsFault);
        Assert.Equal(FaultCode.Truncated, info.Slot(1).Fault.Code);
        Assert.Equal(0, files.StillOpen);
    }

    private SegmentInfo Read()
    {
        File.WriteAllBytes(_layout.SegmentPath(3), _file);
        return SegmentInfo.Read(_layout, 3, _storeId, _geometry);
    }
}
