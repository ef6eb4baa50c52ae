// Why this file exists: segment headers and tail slots decide what recovery believes, so that damage in them must show.

namespace SourceOS.StateStore.Format.Tests;

public sealed class SegmentTests
{
    private static readonly StoreId Id = new(Enumerable.Range(1, 16).Select(i => (byte)i).ToArray());

    private static readonly SegmentHeader Header = new()
    {
        StoreId = Id, SegmentNumber = 5, PageBits = 16, SegmentBits = 17, CreatedAtMicros = 77, WriterEpoch = 3,
    };

    private static readonly TailSlot Slot = new()
    {
        SlotIndex = 1, IsCleanClose = true, StoreId = Id, SegmentNumber = 5, Generation = 9, DurableBefore = (5 << 17) + 100,
        Tail = (5 << 17) + 4096 + 200, FrameCount = 12, LastSequence = 40, WriterEpoch = 3, ChainHead = MerkleHash.Leaf("h"u8),
        WrittenAtMicros = 123, StateTransaction = 8, StateGeneration = 1,
    };

    private static readonly byte[] Block = [.. Enumerable.Range(0, 4096).Select(i => (byte)(i * 7))];

    private static byte[] Encode(SegmentHeader header)
    {
        byte[] bytes = new byte[SegmentHeader.LengthBytes];
        bytes.AsSpan().Fill(0xEE);
        header.Encode(bytes);
        return bytes;
    }

    private static byte[] Encode(TailSlot slot)
    {
        byte[] bytes = new byte[TailSlot.LengthBytes];
        bytes.AsSpan().Fill(0xEE);
        slot.Encode(bytes, Block);
        return bytes;
    }

    private static bool AcceptsHeader(ReadOnlySpan<byte> bytes) => SegmentHeader.TryDecode(bytes, out _, out _);

    private static bool AcceptsSlotWhole(ReadOnlySpan<byte> bytes) =>
        TailSlot.TryDecode(bytes, out _, out bool isCopyValid, out FormatFault fault) && isCopyValid && !fault.IsFault;

    [Fact]
    public void Header_comes_back_equal() =>
        Property.Holds(random =>
        {
            int page = random.Next(16, 27);
            SegmentHeader header = Header with
            {
                SegmentNumber = random.NextInt64(1L << 32), PageBits = page, SegmentBits = Math.Max(17, page), CreatedAtMicros = random.NextInt64(), WriterEpoch = random.NextUInt64() | 1,
            };
            return SegmentHeader.TryDecode(Encode(header), out SegmentHeader back, out _) && back == header;
        });

    [Fact]
    public void No_flipped_bit_of_a_header_passes() => Damage.AssertEveryBitFlipIsRefused(Encode(Header), AcceptsHeader);

    [Fact]
    public void No_truncation_of_a_header_passes() => Damage.AssertEveryTruncationIsRefused(Encode(Header), AcceptsHeader);

    [Theory]
    [InlineData(10, FaultCode.UnsupportedVersion)]
    [InlineData(12, FaultCode.UnknownFlag)]
    [InlineData(32, FaultCode.RuleBroken)]
    [InlineData(39, FaultCode.OutOfRange)]
    [InlineData(40, FaultCode.RuleBroken)]
    [InlineData(48, FaultCode.None)]
    [InlineData(50, FaultCode.ReservedNotZero)]
    [InlineData(72, FaultCode.ReservedNotZero)]
    [InlineData(4091, FaultCode.ReservedNotZero)]
    public void A_broken_rule_of_a_header_under_a_right_checksum_is_named(int offset, FaultCode expected)
    {
        byte[] bytes = Encode(Header);
        bytes[offset]++;
        Damage.Reseal(bytes, 4092);
        Assert.Equal(expected == FaultCode.None, SegmentHeader.TryDecode(bytes, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void File_offsets_are_those_of_the_page()
    {
        Assert.Equal(4096, SegmentHeader.SlotFileOffset(0));
        Assert.Equal(12288, SegmentHeader.SlotFileOffset(1));
        Assert.Equal(32768, SegmentHeader.DataFileOffset);
        Assert.Equal(32768 + (1 << 24), SegmentHeader.FileLengthBytes(24));
        Assert.Equal(5L << 17, Header.FirstAddress);
    }

    [Fact]
    public void Slot_comes_back_equal_with_its_block() =>
        Property.Holds(random =>
        {
            long tail = random.NextInt64(1L << 40) + 64;
            ulong frames = (ulong)random.Next(1 << 24);
            ulong generation = random.NextUInt64();
            TailSlot slot = Slot with
            {
                Tail = tail,
                DurableBefore = Math.Max(64, tail - random.Next(1 << 16)),
                FrameCount = frames,
                LastSequence = frames * 3,
                Generation = generation | 1,
                IsCleanClose = random.Next(2) == 0,
                SlotIndex = (int)(generation & 1),
            };
            byte[] bytes = Encode(slot);
            return TailSlot.TryDecode(bytes, out TailSlot read, out bool isCopyValid, out FormatFault fault)
                && !fault.IsFault && isCopyValid && read == slot
                && read.BlockOf(bytes).SequenceEqual(Block.AsSpan(0, (int)(tail & 4095)));
        });

    [Fact]
    public void No_flipped_bit_of_a_slot_passes() => Damage.AssertEveryBitFlipIsRefused(Encode(Slot), AcceptsSlotWhole);

    [Fact]
    public void No_truncation_of_a_slot_passes() => Damage.AssertEveryTruncationIsRefused(Encode(Slot), AcceptsSlotWhole);

    [Fact]
    public void A_damaged_copy_leaves_the_descriptor_valid()
    {
        foreach (int offset in new[] { 4096, 4096 + 199, 4096 + 200, 8191 })
        {
            byte[] bytes = Encode(Slot);
            bytes[offset] ^= 0x10;
            Assert.True(TailSlot.TryDecode(bytes, out TailSlot read, out bool isCopyValid, out FormatFault fault));
            Assert.Equal(Slot, read);
            Assert.False(isCopyValid);
            Assert.True(fault.IsFault);
        }
    }

    [Fact]
    public void A_copy_from_another_address_is_refused()
    {
        byte[] here = Encode(Slot);
        byte[] there = Encode(Slot with { Tail = Slot.Tail + 4096 });
        there.AsSpan(140, 4).CopyTo(here.AsSpan(140));
        Damage.Reseal(here.AsSpan(0, 4096).ToArray(), 4092);
        byte[] descriptor = here.AsSpan(0, 4096).ToArray();
        Damage.Reseal(descriptor, 4092);
        descriptor.CopyTo(here, 0);
        Assert.True(TailSlot.TryDecode(here, out _, out bool isCopyValid, out _));
        Assert.False(isCopyValid);
    }

    [Theory]
    [InlineData(8, FaultCode.UnsupportedVersion)]
    [InlineData(10, FaultCode.OutOfRange)]
    [InlineData(12, FaultCode.UnknownFlag)]
    [InlineData(128, FaultCode.RuleBroken)]
    [InlineData(136, FaultCode.RuleBroken)]
    [InlineData(160, FaultCode.ReservedNotZero)]
    [InlineData(4091, FaultCode.ReservedNotZero)]
    public void A_broken_rule_of_a_slot_under_a_right_checksum_is_named(int offset, FaultCode expected)
    {
        byte[] bytes = Encode(Slot);
        bytes[offset]++;
        byte[] descriptor = bytes.AsSpan(0, 4096).ToArray();
        Damage.Reseal(descriptor, 4092);
        descriptor.CopyTo(bytes, 0);
        Assert.False(TailSlot.TryDecode(bytes, out _, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void A_slot_that_was_never_written_says_so()
    {
        Assert.False(TailSlot.TryDecode(new byte[TailSlot.LengthBytes], out _, out _, out FormatFault fault));
        Assert.Equal(FaultCode.NeverWritten, fault.Code);
    }

    [Fact]
    public void A_slot_knows_its_place()
    {
        Assert.False(Slot.CheckPlace(Id, 5, 1, 17).IsFault);
        Assert.Equal(FaultCode.WrongPlace, Slot.CheckPlace(Id, 4, 1, 17).Code);
        Assert.Equal(FaultCode.WrongPlace, Slot.CheckPlace(Id, 5, 0, 17).Code);
        Assert.Equal(FaultCode.WrongPlace, Slot.CheckPlace(Id, 5, 1, 18).Code);
        Assert.Equal(FaultCode.WrongStore, Slot.CheckPlace(default, 5, 1, 17).Code);
        Assert.Equal(0, TailSlot.SegmentOf(64, 17));
        Assert.Equal(0, TailSlot.SegmentOf(1 << 17, 17));
        Assert.Equal(1, TailSlot.SegmentOf((1 << 17) + 1, 17));
    }

    [Fact]
    public void Values_that_break_a_rule_are_not_written()
    {
        byte[] bytes = new byte[TailSlot.LengthBytes];
        Assert.Throws<ArgumentException>(() => (Slot with { DurableBefore = Slot.Tail + 1 }).Encode(bytes, Block));
        Assert.Throws<ArgumentException>(() => (Slot with { Generation = 0 }).Encode(bytes, Block));
        Assert.Throws<ArgumentException>(() => (Slot with { LastSequence = 11 }).Encode(bytes, Block));
        TailSlot[] broken =
        [
            Slot with { SlotIndex = 2 }, Slot with { StoreId = default }, Slot with { SegmentNumber = -1 }, Slot with { DurableBefore = 63 },
            Slot with { Tail = 63, DurableBefore = 63 }, Slot with { Tail = -1 }, Slot with { FrameCount = 1UL << 48, LastSequence = 1UL << 50 },
            Slot with { WriterEpoch = 0 }, Slot with { FrameCount = 0 },
        ];
        Assert.All(broken, b => Assert.Throws<ArgumentException>(() => b.Encode(bytes, Block)));
        TailSlot[] sound = [Slot with { FrameCount = 0, LastSequence = 0 }, Slot with { DurableBefore = Slot.Tail }, Slot with { LastSequence = 12 }, Slot with { DurableBefore = 64 }];
        Assert.All(sound, b => b.Encode(bytes, Block));
        Assert.Throws<ArgumentException>(() => Slot.Encode(bytes, new byte[199]));
        Assert.Throws<ArgumentException>(() => (Header with { WriterEpoch = 0 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { PageBits = 18 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { PageBits = 15 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { PageBits = 16, SegmentBits = 16 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { SegmentBits = 31 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { StoreId = default }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { SegmentNumber = -1 }).Encode(new byte[4096]));
        Assert.Throws<ArgumentException>(() => (Header with { SegmentNumber = long.MaxValue >> 17 }).Encode(new byte[4096]));
        (Header with { SegmentNumber = (long.MaxValue >> 17) - 1, SegmentBits = 17, PageBits = 17 }).Encode(new byte[4096]);
        (Header with { SegmentNumber = 0, SegmentBits = 30, PageBits = 26 }).Encode(new byte[4096]);
    }

    [Fact]
    public void Writing_and_reading_a_slot_allocates_nothing()
    {
        byte[] bytes = new byte[TailSlot.LengthBytes];
        Allocations.AssertNone(() =>
        {
            Slot.Encode(bytes, Block);
            _ = TailSlot.TryDecode(bytes, out _, out _, out _);
        });
    }
}
