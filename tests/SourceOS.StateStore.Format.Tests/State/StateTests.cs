// Why this file exists: what the state says about itself decides whether it is believed, so that every value must fail when anything about it, its key
// or its table is wrong.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format.Tests;

public sealed class StateTests
{
    private static StateHeader Header(Random random)
    {
        var header = new StateHeader
        {
            StoreId = Samples.StoreId,
            Generation = random.NextUInt64(),
            LogPosition = random.NextInt64(64, long.MaxValue),
            LastSequence = random.NextUInt64(),
            LastCommitId = random.NextUInt64(),
            WriterEpoch = random.NextUInt64(),
            CommitTimeMicros = random.NextInt64(),
            ChainHead = MerkleHash.Leaf(random.NextBytes(4)),
            BootCritical = new BootCriticalCount(random.NextUInt64(), new UInt128(random.NextUInt64(), random.NextUInt64())),
        };
        for (int i = random.Next(60); i > 0; i--)
        {
            header.Frontier.AppendFrame(MerkleHash.Leaf(random.NextBytes(4)));
        }

        header.Kinds[random.Next(1, 20)] = new KindCount(random.NextUInt64(), random.NextUInt64());
        header.Lanes[random.Next(0, 11)] = new LaneCount(random.NextUInt64(), random.NextUInt64(), random.NextInt64());
        return header;
    }

    private static byte[] Encode(StateHeader header)
    {
        byte[] bytes = new byte[header.EncodedLengthBytes];
        bytes.AsSpan().Fill(0xEE);
        Assert.Equal(bytes.Length, header.Encode(bytes));
        return bytes;
    }

    private static void Reseal(byte[] value, ReadOnlySpan<byte> key) =>
        Checksum.Write128(value.AsSpan(value.Length - 16), Checksum.Tagged128([5, .. key], value.AsSpan(0, value.Length - 16)));

    private static bool AcceptsHeader(ReadOnlySpan<byte> bytes) => new StateHeader().TryDecode(bytes, out _);

    private static bool AcceptsDigest(ReadOnlySpan<byte> bytes) => new StateDigest().TryDecode(bytes, out _);

    [Fact]
    public void Header_comes_back_equal() =>
        Property.Holds(random =>
        {
            StateHeader header = Header(random);
            byte[] bytes = Encode(header);
            var back = new StateHeader();
            Assert.True(back.TryDecode(bytes, out FormatFault fault), fault.ToString());
            Assert.Equal(header.StoreId, back.StoreId);
            Assert.Equal(header.Generation, back.Generation);
            Assert.Equal(header.LogPosition, back.LogPosition);
            Assert.Equal(header.FrameCount, back.FrameCount);
            Assert.Equal(header.BootCritical, back.BootCritical);
            Assert.Equal(header.LastSequence, back.LastSequence);
            Assert.Equal(header.LastCommitId, back.LastCommitId);
            Assert.Equal(header.WriterEpoch, back.WriterEpoch);
            Assert.Equal(header.CommitTimeMicros, back.CommitTimeMicros);
            Assert.Equal(header.ChainHead, back.ChainHead);
            Assert.True(header.Frontier.ContentEquals(back.Frontier));
            Assert.Equal(header.Kinds.ToArray(), back.Kinds.ToArray());
            Assert.Equal(header.Lanes.ToArray(), back.Lanes.ToArray());
            var copy = new StateHeader();
            copy.CopyFrom(back);
            return Encode(copy).AsSpan().SequenceEqual(bytes);
        });

    [Fact]
    public void No_flipped_bit_or_truncation_of_a_header_passes()
    {
        byte[] bytes = Encode(Header(new Random(1)));
        Damage.AssertEveryBitFlipIsRefused(bytes, AcceptsHeader);
        Damage.AssertEveryTruncationIsRefused(bytes, AcceptsHeader);
    }

    [Theory]
    [InlineData(0, FaultCode.UnsupportedVersion)]
    [InlineData(2, FaultCode.LengthMismatch)]
    [InlineData(4, FaultCode.LengthMismatch)]
    [InlineData(40, FaultCode.LengthMismatch)]
    [InlineData(136, FaultCode.ReservedNotZero)]
    [InlineData(151, FaultCode.ReservedNotZero)]
    [InlineData(456, FaultCode.ReservedNotZero)]
    [InlineData(647, FaultCode.ReservedNotZero)]
    [InlineData(912, FaultCode.ReservedNotZero)]
    [InlineData(967, FaultCode.ReservedNotZero)]
    [InlineData(39, FaultCode.OutOfRange)]
    public void A_broken_rule_of_a_header_under_a_right_checksum_is_named(int offset, FaultCode expected)
    {
        StateHeader header = Header(new Random(2));
        byte[] bytes = Encode(header);
        bytes[offset] ^= (byte)(offset == 40 ? 0x01 : 0x81);
        Reseal(bytes, "header"u8);
        var back = new StateHeader();
        Assert.False(back.TryDecode(bytes, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
        Assert.Equal(0UL, back.Generation);
    }

    [Fact]
    public void A_digest_does_not_depend_on_order_and_taking_out_undoes_adding() =>
        Property.Holds(
            random =>
            {
                (StateTable Table, byte[] Key, byte[] Value)[] entries =
                    [.. Enumerable.Range(0, 50).Select(_ => ((StateTable)random.Next(1, 5), random.NextBytes(random.Next(1, 40)), random.NextBytes(random.Next(0, 60))))];
                var one = new StateDigest();
                var two = new StateDigest();
                foreach ((StateTable table, byte[] key, byte[] value) in entries)
                {
                    one.Add(table, key, value);
                }

                (StateTable Table, byte[] Key, byte[] Value) = (StateTable.Index, random.NextBytes(5), random.NextBytes(5));
                two.Add(Table, Key, Value);
                random.Shuffle(entries);
                foreach ((StateTable table, byte[] key, byte[] value) in entries)
                {
                    two.Add(table, key, value);
                }

                Assert.False(one.ContentEquals(two));
                Assert.False(one.TableEquals(two, StateTable.Index));
                two.Remove(Table, Key, Value);
                Assert.True(one.ContentEquals(two));
                foreach ((StateTable table, byte[] key, byte[] value) in entries)
                {
                    two.Remove(table, key, value);
                }

                return two.ContentEquals(new StateDigest());
            },
            cases: 50);

    [Fact]
    public void A_digest_sums_by_the_page_and_its_parts_add_up()
    {
        var digest = new StateDigest();
        digest.Add(StateTable.Records, "k"u8, "v"u8);
        digest.Add(StateTable.Records, "k"u8, "v"u8);
        int bucket = (int)(Checksum.Xxh64([1, (byte)'k']) % 256);
        UInt128 value = Checksum.Tagged128([1, (byte)'k'], "v"u8);
        Assert.Equal(value + value, digest.Sum(StateTable.Records, bucket));
        Assert.Equal(2UL, digest.Count(StateTable.Records));
        Assert.Equal(UInt128.Zero, digest.Sum(StateTable.Records, bucket ^ 1));

        var whole = new StateDigest();
        whole.AddAll(digest);
        whole.AddAll(digest);
        Assert.Equal(4UL, whole.Count(StateTable.Records));
        whole.Clear();
        Assert.True(whole.ContentEquals(new StateDigest()));
        whole.CopyFrom(digest);
        Assert.True(whole.ContentEquals(digest));
        Assert.False(whole.ContentEquals(null));
        Assert.Throws<ArgumentException>(() => digest.Add(StateTable.Meta, "k"u8, "v"u8));
    }

    [Fact]
    public void A_digest_comes_back_and_no_flipped_bit_passes()
    {
        var random = new Random(3);
        var digest = new StateDigest();
        for (int i = 0; i < 500; i++)
        {
            digest.Add((StateTable)random.Next(1, 5), random.NextBytes(8), random.NextBytes(30));
        }

        byte[] bytes = new byte[StateDigest.EncodedLengthBytes];
        bytes.AsSpan().Fill(0xEE);
        digest.Encode(bytes);
        var back = new StateDigest();
        Assert.True(back.TryDecode(bytes, out FormatFault fault), fault.ToString());
        Assert.True(back.ContentEquals(digest));
        Damage.AssertEveryBitFlipIsRefused(bytes, AcceptsDigest);
        foreach (int length in new[] { 0, 1, 8, 16_424, 16_439 })
        {
            Assert.False(AcceptsDigest(bytes.AsSpan(0, length)));
        }

        foreach ((int offset, FaultCode expected) in new[] { (0, FaultCode.UnsupportedVersion), (2, FaultCode.ReservedNotZero), (7, FaultCode.ReservedNotZero) })
        {
            byte[] copy = [.. bytes];
            copy[offset]++;
            Reseal(copy, "digest"u8);
            Assert.False(back.TryDecode(copy, out fault));
            Assert.Equal(expected, fault.Code);
        }

        Assert.True(back.ContentEquals(digest));
    }

    [Fact]
    public void A_frame_entry_comes_back_under_its_key_only()
    {
        byte[] key = new byte[8];
        Tables.NumberKey(0x0102030405060708, key);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], key);
        Assert.True(Tables.TryReadNumberKey(key, out ulong number));
        Assert.Equal(0x0102030405060708UL, number);
        Assert.False(Tables.TryReadNumberKey(key.AsSpan(1), out _));

        var entry = new FrameEntry(7, 4160, 900, 3, 5, -9);
        byte[] value = new byte[FrameEntry.EncodedLengthBytes];
        entry.Encode(key, value);
        Assert.True(FrameEntry.TryDecode(key, value, out FrameEntry back));
        Assert.Equal(entry, back);
        Damage.AssertEveryBitFlipIsRefused(value, bytes => FrameEntry.TryDecode(key, bytes, out _));
        Damage.AssertEveryBitFlipIsRefused(key, bytes => FrameEntry.TryDecode(bytes, value, out _));
        Damage.AssertEveryTruncationIsRefused(value, bytes => FrameEntry.TryDecode(key, bytes, out _));
        (entry with { EventCount = 0 }).Encode(key, value);
        Assert.False(FrameEntry.TryDecode(key, value, out _));
        (entry with { Address = 63 }).Encode(key, value);
        Assert.False(FrameEntry.TryDecode(key, value, out _));
    }

    [Fact]
    public void A_check_binds_table_key_and_value()
    {
        byte[] value = [.. "value"u8, 0, 0, 0, 0, 0, 0, 0, 0];
        Tables.WriteCheck(StateTable.Surrogates, "key"u8, value);
        Assert.Equal(Checksum.Tagged64([3, .. "key"u8], "value"u8), BinaryPrimitives.ReadUInt64LittleEndian(value.AsSpan(5)));
        Assert.True(Tables.TryVerifyCheck(StateTable.Surrogates, "key"u8, value, out ReadOnlySpan<byte> content));
        Assert.True(content.SequenceEqual("value"u8));
        Assert.False(Tables.TryVerifyCheck(StateTable.Index, "key"u8, value, out _));
        Assert.False(Tables.TryVerifyCheck(StateTable.Surrogates, "kez"u8, value, out _));
        Assert.False(Tables.TryVerifyCheck(StateTable.Surrogates, new byte[512], value, out _));
        Damage.AssertEveryBitFlipIsRefused(value, bytes => Tables.TryVerifyCheck(StateTable.Surrogates, "key"u8, bytes, out _));
        Damage.AssertEveryTruncationIsRefused(value, bytes => Tables.TryVerifyCheck(StateTable.Surrogates, "key"u8, bytes, out _));

        byte[] alone = new byte[8];
        Tables.WriteCheck(StateTable.Index, "key"u8, alone);
        Assert.True(Tables.TryVerifyCheck(StateTable.Index, "key"u8, alone, out content));
        Assert.True(content.IsEmpty);
    }

    [Fact]
    public void Table_names_are_found_and_others_are_not()
    {
        for (int code = 1; code <= Tables.Count; code++)
        {
            Assert.True(Tables.TryParseName(Tables.Name((StateTable)code), out StateTable table));
            Assert.Equal((StateTable)code, table);
        }

        Assert.False(Tables.TryParseName("record"u8, out _));
        Assert.False(Tables.TryParseName(default, out _));
    }

    [Fact]
    public void Adding_checking_and_encoding_allocates_nothing()
    {
        var digest = new StateDigest();
        byte[] key = new byte[8];
        byte[] value = new byte[FrameEntry.EncodedLengthBytes];
        byte[] encoded = new byte[StateDigest.EncodedLengthBytes];
        StateHeader header = Header(new Random(4));
        var back = new StateHeader();
        Allocations.AssertNone(() =>
        {
            new FrameEntry(7, 4160, 900, 3, 5, -9).Encode(key, value);
            Assert.True(FrameEntry.TryDecode(key, value, out _));
            digest.Add(StateTable.Frames, key, value);
            digest.Remove(StateTable.Frames, key, value);
            digest.Encode(encoded);
            Assert.True(digest.TryDecode(encoded, out _));
            int length = header.Encode(encoded);
            Assert.True(back.TryDecode(encoded.AsSpan(0, length), out _));
        });
    }
}
