// Why this file exists: the superblock decides which store and which state count, so that no damaged slot may pass as a valid one.

namespace SourceOS.StateStore.Format.Tests;

public sealed class SuperblockTests
{
    private static readonly StoreId Id = new(Enumerable.Range(1, 16).Select(i => (byte)i).ToArray());

    private static Superblock New() => Superblock.CreateNew(Id, 22, 24, 1_700_000_000_000_000, "0.1.0-test");

    private static Superblock Based(ulong baseFrame)
    {
        var frontier = new MerkleFrontier();
        Hash256[] hashes = [.. Enumerable.Range(0, MerkleFrontier.HashCountOf(baseFrame)).Select(i => MerkleHash.Leaf([(byte)i]))];
        frontier.Set(baseFrame, hashes);
        return New() with
        {
            UpdateCounter = 7,
            StateGeneration = 3,
            BaseAddress = 1 << 24,
            BaseFrame = baseFrame,
            BaseSequence = baseFrame + 100,
            BaseChainHead = MerkleHash.Leaf("head"u8),
            BaseStateDigest = MerkleHash.Leaf("digest"u8),
            BaseFrontier = hashes,
        };
    }

    private static byte[] Encode(Superblock superblock)
    {
        byte[] slot = new byte[Superblock.SlotLengthBytes];
        slot.AsSpan().Fill(0xEE);
        superblock.Encode(slot);
        return slot;
    }

    private static Accepts AcceptsAs(int slotIndex) => bytes => Superblock.TryDecodeSlot(bytes, slotIndex, out _, out _);

    [Fact]
    public void Comes_back_equal()
    {
        Property.Holds(random =>
        {
            int shape = random.Next(256);
            Superblock original = (shape % 2 == 0 ? New() : Based(((ulong)shape << 20) + (ulong)shape)) with
            {
                UpdateCounter = random.NextUInt64() | 4,
                StateGeneration = random.NextUInt64() | 1,
                CreatedAtMicros = (long)random.NextUInt64(),
                PageBits = 16 + (shape % 11),
                SegmentBits = Math.Max(17, 16 + (shape % 11)) + (shape % 4),
                WriterBuild = new string('b', shape % 65),
            };
            byte[] slot = Encode(original);
            return Superblock.TryDecodeSlot(slot, original.SlotIndex, out Superblock? back, out _) && back == original;
        });
    }

    [Fact]
    public void No_flipped_bit_passes() => Damage.AssertEveryBitFlipIsRefused(Encode(Based(0b1011)), AcceptsAs(1));

    [Fact]
    public void No_truncation_passes() => Damage.AssertEveryTruncationIsRefused(Encode(New()), AcceptsAs(1));

    [Fact]
    public void A_slot_in_the_other_slots_place_is_refused()
    {
        Assert.False(Superblock.TryDecodeSlot(Encode(New()), 0, out _, out FormatFault fault));
        Assert.Equal(FaultCode.WrongPlace, fault.Code);
    }

    [Theory]
    [InlineData(12, FaultCode.UnknownFlag)]
    [InlineData(58, FaultCode.ReservedNotZero)]
    [InlineData(63, FaultCode.ReservedNotZero)]
    [InlineData(154, FaultCode.ReservedNotZero)]
    [InlineData(160, FaultCode.ReservedNotZero)]
    [InlineData(1695, FaultCode.ReservedNotZero)]
    [InlineData(1760, FaultCode.ReservedNotZero)]
    [InlineData(4091, FaultCode.ReservedNotZero)]
    [InlineData(152, FaultCode.CountMismatch)]
    [InlineData(8, FaultCode.None)]
    [InlineData(10, FaultCode.UnsupportedVersion)]
    [InlineData(64, FaultCode.RuleBroken)]
    [InlineData(80, FaultCode.RuleBroken)]
    [InlineData(88, FaultCode.RuleBroken)]
    [InlineData(120, FaultCode.RuleBroken)]
    [InlineData(1759, FaultCode.InvalidUtf8)]
    public void A_broken_rule_under_a_right_checksum_is_named(int offset, FaultCode expected)
    {
        byte[] slot = Encode(New());
        slot[offset]++;
        Damage.Reseal(slot, 4092);
        Assert.Equal(expected == FaultCode.None, Superblock.TryDecodeSlot(slot, 1, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void The_newer_valid_slot_counts_and_its_twin_stands_in()
    {
        byte[] file = new byte[Superblock.FileLengthBytes];
        Superblock counted = New().EncodeNewFile(file);
        Assert.Equal(2UL, counted.UpdateCounter);
        SuperblockChoice choice = Superblock.ChooseNewest(file);
        Assert.Equal(counted, choice.Newest);
        Assert.False(choice.FirstFault.IsFault || choice.SecondFault.IsFault || choice.HasTrailingBytes);

        Superblock third = counted.Next() with { StateGeneration = 2 };
        third.Encode(file.AsSpan(Superblock.SlotLengthBytes * third.SlotIndex, Superblock.SlotLengthBytes));
        Assert.Equal(third, Superblock.ChooseNewest(file).Newest);

        file[Superblock.SlotLengthBytes + 40] ^= 1;
        choice = Superblock.ChooseNewest(file);
        Assert.Equal(counted, choice.Newest);
        Assert.Equal(FaultCode.ChecksumMismatch, choice.SecondFault.Code);
        Assert.Equal(Superblock.SlotLengthBytes + 4092, choice.SecondFault.OffsetBytes);

        file[3] ^= 1;
        choice = Superblock.ChooseNewest(file);
        Assert.Null(choice.Newest);
        Assert.Equal(FaultCode.BadMagic, choice.FirstFault.Code);
    }

    [Fact]
    public void A_short_or_long_file_is_read_as_far_as_it_goes()
    {
        byte[] file = new byte[Superblock.FileLengthBytes + 1];
        Superblock counted = New().EncodeNewFile(file.AsSpan(0, Superblock.FileLengthBytes));
        Assert.True(Superblock.ChooseNewest(file).HasTrailingBytes);
        Assert.Equal(counted, Superblock.ChooseNewest(file.AsSpan(0, 8191)).Newest);
        Assert.Null(Superblock.ChooseNewest(file.AsSpan(0, 4095)).Newest);
        Assert.Null(Superblock.ChooseNewest(default).Newest);
        Assert.Equal(FaultCode.NeverWritten, Superblock.ChooseNewest(new byte[8192]).FirstFault.Code);
    }

    [Fact]
    public void A_slot_of_another_store_is_reported()
    {
        byte[] file = new byte[Superblock.FileLengthBytes];
        Superblock counted = New().EncodeNewFile(file);
        Superblock.CreateNew(new StoreId(new byte[15].Append((byte)9).ToArray()), 22, 24, 0, "x").Encode(file.AsSpan(4096));
        SuperblockChoice choice = Superblock.ChooseNewest(file);
        Assert.Equal(counted, choice.Newest);
        Assert.Equal(FaultCode.WrongStore, choice.SecondFault.Code);
    }

    [Fact]
    public void Values_that_break_a_rule_are_not_written()
    {
        byte[] slot = new byte[Superblock.SlotLengthBytes];
        Assert.Throws<ArgumentException>(() => (New() with { PageBits = 27 }).Encode(slot));
        Assert.Throws<ArgumentException>(() => (New() with { SegmentBits = 21 }).Encode(slot));
        Assert.Throws<ArgumentException>(() => (New() with { BaseFrame = 1 }).Encode(slot));
        Assert.Throws<ArgumentException>(() => (New() with { WriterBuild = new string('x', 65) }).Encode(slot));
        Assert.Throws<ArgumentException>(() => (New() with { StoreId = default }).Encode(slot));
        Assert.Throws<ArgumentException>(() => New().Encode(new byte[4095]));
    }

    [Fact]
    public void Superblocks_differ_when_any_field_does()
    {
        Superblock one = Based(5);
        Assert.Equal(one, Based(5));
        Assert.Equal(one.GetHashCode(), Based(5).GetHashCode());
        Hash256 other = MerkleHash.Leaf("other"u8);
        Superblock[] others =
        [
            one with { FormatVersion = 2 }, one with { LowestReaderVersion = 2 }, one with { StoreId = default }, one with { UpdateCounter = 9 },
            one with { StateGeneration = 9 }, one with { CreatedAtMicros = 9 }, one with { PageBits = 17 }, one with { SegmentBits = 25 },
            one with { BaseAddress = 9 }, one with { BaseFrame = 9 }, one with { BaseSequence = 9 }, one with { BaseChainHead = other },
            one with { BaseStateDigest = other }, one with { BaseFrontier = [other, other] }, one with { BaseFrontier = [] }, one with { WriterBuild = "x" },
        ];
        Assert.All(others, o => Assert.NotEqual(one, o));
        Assert.False(one.Equals(null));
    }

    [Fact]
    public void The_genesis_hash_is_the_one_of_the_page() =>
        Assert.Equal(
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([.. "sourceos-statestore-genesis-v1"u8, .. Id.Bytes])),
            New().BaseChainHead.ToString());
}
