// Why this file exists: frames are the authority of the store: what is in them must come back, and nothing damaged may pass.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format.Tests;

public sealed class FrameTests
{
    private static readonly FrameScratch Scratch = new();

    private static bool AcceptsWhole(ReadOnlySpan<byte> entry) =>
        FrameView.TryRead(entry, out FrameView frame, out _) && !frame.CheckAll(Scratch).IsFault;

    private static byte[] Frame(int seed, int events, bool compress) => Samples.Frame(new Random(seed), events, compress, Samples.Header());

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Events_come_back_in_order(bool compress) =>
        Property.Holds(
            random =>
            {
                int count = random.Next(1, 40);
                var builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(22));
                var events = new List<byte[]>();
                var salts = new List<byte[]>();
                FrameHeader header = Samples.Header((ulong)random.NextInt64(8, 1L << 60));
                for (int i = 0; i < count; i++)
                {
                    events.Add(Samples.Event(random, header.FirstSequence + (ulong)i));
                    salts.Add(random.NextBytes(16));
                    builder.AddRaw(events[i], salts[i]);
                }

                byte[] entry = new byte[builder.Seal(compress)];
                Hash256 hash = builder.WriteTo(entry, header);
                Assert.True(FrameView.TryRead(entry, out FrameView frame, out FormatFault fault), fault.ToString());
                Assert.Equal(header with { EventCount = count, EventsRoot = frame.Header.EventsRoot, BodyAreaLengthBytes = frame.BodyArea.Length }, frame.Header);
                Assert.Equal(hash, frame.Hash());
                Assert.Equal(Checksum.Sha256(entry.AsSpan(0, 256)), hash);
                Assert.True(frame.VerifyLeaves());
                Assert.Equal(FormatFault.None, frame.CheckAll(Scratch));
                Assert.True(frame.TryOpenBody(Scratch, out FrameBody body, out fault), fault.ToString());
                Assert.Equal(count, body.Count);
                int index = 0;
                foreach (FrameEvent item in body)
                {
                    Assert.Equal(index, item.Index);
                    Assert.False(item.IsErased);
                    Assert.Equal(events[index], item.EventBytes.ToArray());
                    Assert.Equal(salts[index], item.Salt.ToArray());
                    Assert.True(frame.VerifyEvent(item));
                    Assert.True(item.TryRead(out EventView view, out _));
                    Assert.Equal(header.FirstSequence + (ulong)index, view.Sequence);
                    Assert.Equal(events[index], body[index].EventBytes.ToArray());
                    index++;
                }

                return index == count;
            },
            cases: 60);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_flipped_bit_passes(bool compress)
    {
        byte[] entry = Frame(3, 3, compress);
        Assert.Equal(compress ? FrameView.CodecLz4 : FrameView.CodecRaw, entry[256 + 96]);
        Damage.AssertEveryBitFlipIsRefused(entry, AcceptsWhole);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_flipped_bit_of_an_erased_frame_passes(bool compress)
    {
        byte[] entry = Frame(3, 3, compress);
        Assert.True(FrameEraser.TryErase(entry, [1], out _));
        Damage.AssertEveryBitFlipIsRefused(entry, AcceptsWhole);
    }

    [Fact]
    public void No_truncation_passes()
    {
        Damage.AssertEveryTruncationIsRefused(Frame(4, 2, compress: true), AcceptsWhole);
        Damage.AssertEveryTruncationIsRefused(Frame(4, 2, compress: false), AcceptsWhole);
    }

    [Fact]
    public void Noise_under_right_checksums_never_throws()
    {
        byte[] entry = Frame(5, 4, compress: false);
        byte[] compressed = Frame(5, 4, compress: true);
        foreach (byte[] valid in new[] { entry, compressed })
        {
            var random = new Random(6);
            for (int i = 0; i < 30_000; i++)
            {
                byte[] copy = [.. valid];
                int bodyAt = 256 + (4 * 32);
                for (int edits = random.Next(1, 4); edits > 0; edits--)
                {
                    int at = random.Next(3) == 0 ? random.Next(256) : random.Next(bodyAt, copy.Length);
                    copy[at] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)(copy[at] ^ (1 << random.Next(8)));
                }

                Reseal(copy);
                _ = AcceptsWhole(copy);
            }
        }
    }

    [Theory]
    [InlineData(4, FaultCode.OutOfRange)]
    [InlineData(6, FaultCode.UnsupportedVersion)]
    [InlineData(8, FaultCode.UnknownFlag)]
    [InlineData(60, FaultCode.ReservedNotZero)]
    [InlineData(164, FaultCode.ReservedNotZero)]
    [InlineData(251, FaultCode.ReservedNotZero)]
    [InlineData(160, FaultCode.OutOfRange)]
    [InlineData(15, FaultCode.OutOfRange)]
    [InlineData(88, FaultCode.None)]
    [InlineData(89, FaultCode.RuleBroken)]
    [InlineData(49, FaultCode.RuleBroken)]
    [InlineData(57, FaultCode.RuleBroken)]
    [InlineData(79, FaultCode.OutOfRange)]
    public void A_broken_rule_of_the_header_under_a_right_checksum_is_named(int offset, FaultCode expected)
    {
        byte[] entry = Frame(7, 1, compress: false);
        entry[offset] += (byte)(offset == 8 ? 1 : offset == 79 ? 0x80 : 1);
        Damage.Reseal(entry, 252);
        byte[] header = entry.AsSpan(0, 256).ToArray();
        Damage.Reseal(header, 252);
        Assert.Equal(expected == FaultCode.None, FrameHeader.TryDecode(header, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void Headers_that_break_a_rule_are_not_written()
    {
        FrameHeader sound = Samples.Header() with { EventCount = 1, BodyAreaLengthBytes = 20, IndexInCommit = 7, CommitId = 8, DurableFrames = 7, FirstSequence = 8 };
        byte[] bytes = new byte[FrameHeader.LengthBytes];
        FrameHeader[] accepted =
        [
            sound, sound with { EventCount = 16_384 }, sound with { BodyAreaLengthBytes = 16 + 2_097_152 }, sound with { Address = 64 },
            sound with { FrameNumber = (1UL << 48) - 2, FirstSequence = 1UL << 48 }, sound with { CommitTimeMicros = -1 },
        ];
        FrameHeader[] refused =
        [
            sound with { EventCount = 0 }, sound with { EventCount = 16_385 }, sound with { EventCount = -1 }, sound with { StoreId = default },
            sound with { WriterEpoch = 0 }, sound with { FrameNumber = (1UL << 48) - 1, FirstSequence = 1UL << 50 }, sound with { CommitId = 0 },
            sound with { FirstSequence = ulong.MaxValue }, sound with { FirstSequence = 7 }, sound with { Address = 63 }, sound with { Address = -1 },
            sound with { BodyAreaLengthBytes = 16 }, sound with { BodyAreaLengthBytes = 21 }, sound with { BodyAreaLengthBytes = 20 + 2_097_152 },
            sound with { BodyAreaLengthBytes = -4 }, sound with { CommitId = 9 }, sound with { IndexInCommit = 8 }, sound with { DurableFrames = 8 },
        ];
        Assert.All(accepted, header =>
        {
            header.Encode(bytes);
            Assert.True(FrameHeader.TryDecode(bytes, out FrameHeader back, out _));
            Assert.Equal(header, back);
        });
        Assert.All(refused, header => Assert.Throws<ArgumentException>(() => header.Encode(bytes)));
    }

    [Fact]
    public void Places_outside_a_frame_are_refused()
    {
        byte[] entry = Frame(12, 2, compress: false);
        Assert.Throws<ArgumentOutOfRangeException>(() => Open(entry, f => _ = f.LeafHash(2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Open(entry, f => _ = f.LeafHash(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Open(entry, f => _ = BodyOf(f)[2].Index));
        Assert.Throws<ArgumentOutOfRangeException>(() => Open(entry, f => _ = BodyOf(f)[-1].Index));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameScratch().Take(FormatLimits.MaxFrameRawBodyLengthBytes + 1));
    }

    private delegate void UseFrame(FrameView frame);

    private static void Open(byte[] entry, UseFrame use)
    {
        Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
        use(frame);
    }

    private static FrameBody BodyOf(FrameView frame)
    {
        Assert.True(frame.TryOpenBody(Scratch, out FrameBody body, out _));
        return body;
    }

    [Theory]
    [InlineData(0, 3, FaultCode.UnknownCode)]
    [InlineData(1, 2, FaultCode.UnknownFlag)]
    [InlineData(1, 1, FaultCode.CountMismatch)]
    [InlineData(2, 1, FaultCode.ReservedNotZero)]
    [InlineData(11, 1, FaultCode.OutOfRange)]
    [InlineData(16, 5, FaultCode.OutOfRange)]
    [InlineData(19, 0x80, FaultCode.ReservedNotZero)]
    [InlineData(19, 0x40, FaultCode.OutOfRange)]
    public void A_broken_rule_of_the_body_under_a_right_checksum_is_named(int offset, byte value, FaultCode expected)
    {
        byte[] entry = Frame(7, 2, compress: false);
        entry[256 + 64 + offset] = value;
        Reseal(entry);
        Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
        Assert.False(frame.TryOpenBody(Scratch, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
        Assert.True(frame.VerifyLeaves());
    }

    [Fact]
    public void An_event_that_is_not_the_one_of_its_leaf_is_found()
    {
        byte[] entry = Frame(8, 2, compress: false);
        entry[^10] ^= 1;
        Reseal(entry);
        Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
        Assert.True(frame.TryOpenBody(Scratch, out FrameBody body, out _));
        Assert.True(frame.VerifyEvent(body[0]));
        Assert.False(frame.VerifyEvent(body[1]));
        Assert.Equal(FaultCode.HashMismatch, frame.CheckAll(Scratch).Code);
    }

    [Fact]
    public void A_sequence_out_of_place_is_found_even_when_everything_hashes()
    {
        var builder = new FrameBuilder(60_000);
        builder.AddRaw(Samples.Event(new Random(1), 101), new byte[16]);
        builder.Seal();
        byte[] entry = new byte[builder.EntryLengthBytes];
        Assert.Throws<ArgumentException>(() => builder.WriteTo(entry, Samples.Header(100)));
        builder.WriteTo(entry, Samples.Header(101));
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(64), 100);
        Reseal(entry);
        Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
        Assert.Equal(FaultCode.SequenceGap, frame.CheckAll(Scratch).Code);
    }

    [Fact]
    public void A_scratch_that_is_too_small_is_named_with_the_length_it_needs()
    {
        byte[] entry = Frame(9, 8, compress: true);
        Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
        Assert.False(frame.TryOpenBody(new byte[10], out _, out FormatFault fault));
        Assert.Equal(FaultCode.ScratchTooSmall, fault.Code);
        Assert.True(frame.TryOpenBody(new byte[(int)fault.OffsetBytes], out FrameBody body, out _));
        Assert.Equal(8, body.Count);

        // A body that is not compressed needs none.
        byte[] plain = Frame(9, 8, compress: false);
        Assert.True(FrameView.TryRead(plain, out frame, out _));
        Assert.True(frame.TryOpenBody(default(Span<byte>), out body, out _));
        Assert.Equal(8, body.Count);
    }

    [Fact]
    public void Erased_events_are_gone_and_the_rest_still_proves() =>
        Property.Holds(
            random =>
            {
                int count = random.Next(1, 20);
                byte[] entry = Samples.Frame(random, count, random.Next(2) == 0, Samples.Header());
                byte[] before = [.. entry];
                int[] indexes = [.. Enumerable.Range(0, count).Where(_ => random.Next(3) == 0)];
                Assert.True(FrameEraser.TryErase(entry, indexes, out FormatFault fault), fault.ToString());
                Assert.Equal(before.AsSpan(0, 256 + (32 * count)).ToArray(), entry.AsSpan(0, 256 + (32 * count)).ToArray());
                Assert.Equal(before.Length, entry.Length);
                Assert.True(FrameView.TryRead(entry, out FrameView frame, out _));
                Assert.Equal(FormatFault.None, frame.CheckAll(Scratch));
                Assert.True(frame.TryOpenBody(Scratch, out FrameBody body, out _));
                Assert.Equal(indexes.Length, body.ErasedCount);
                foreach (FrameEvent item in body)
                {
                    bool gone = indexes.Contains(item.Index);
                    Assert.Equal(gone, item.IsErased);
                    Assert.Equal(gone, !item.EventBytes.ContainsAnyExcept((byte)0));
                    Assert.Equal(!gone, frame.VerifyEvent(item));
                    Assert.Equal(!gone, item.TryRead(out _, out fault));
                    Assert.Equal(gone ? FaultCode.Erased : FaultCode.None, fault.Code);
                }

                // Erasing what is erased changes nothing.
                byte[] erased = [.. entry];
                Assert.True(FrameEraser.TryErase(entry, indexes, out _));
                return erased.AsSpan().SequenceEqual(entry);
            },
            cases: 60);

    [Fact]
    public void Erasing_what_others_were_compressed_against_still_fits() =>
        Property.Holds(
            random =>
            {
                // Events that are alike are stored as references to the first of them, which is the one that goes.
                var builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(22));
                byte[] shared = random.NextBytes(random.Next(1, 20_000));
                int count = random.Next(2, 60);
                for (int i = 0; i < count; i++)
                {
                    byte[] image = new RecordBodyBuilder().SetText(1, Convert.ToHexString(shared)).SetText(2, random.Next(3).ToString()).Build();
                    var fields = new EventFields
                    {
                        Lane = Lane.Normal, Action = EventAction.Put, SubjectKind = RecordKind.Object, Sequence = 100 + (ulong)i,
                        Type = "sync.object.changed"u8, SubjectId = "object:alpha"u8, Image = image,
                    };
                    if (!builder.CanAdd(EventWriter.Measure(fields)))
                    {
                        break;
                    }

                    builder.Add(fields, random.NextBytes(16));
                }

                byte[] entry = new byte[builder.Seal()];
                builder.WriteTo(entry, Samples.Header());
                int[] gone = random.Next(3) switch
                {
                    0 => [0],
                    1 => [builder.Count - 1],
                    _ => [.. Enumerable.Range(0, builder.Count).Where(_ => random.Next(2) == 0)],
                };
                return FrameEraser.TryErase(entry, gone, out _) && AcceptsWhole(entry);
            },
            cases: 40);

    [Fact]
    public void Erasing_a_damaged_frame_is_refused_and_changes_nothing()
    {
        byte[] entry = Frame(10, 2, compress: false);
        entry[^8] ^= 1;
        byte[] before = [.. entry];
        Assert.False(FrameEraser.TryErase(entry, [0], out FormatFault fault));
        Assert.Equal(FaultCode.ChecksumMismatch, fault.Code);
        Assert.Equal(before, entry);
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameEraser.TryErase(Frame(10, 2, compress: false), [2], out _));
    }

    [Fact]
    public void A_frame_takes_what_fits_a_page_and_no_more()
    {
        int limit = FormatLimits.MaxFrameLengthBytes(16);
        var builder = new FrameBuilder(limit);
        byte[] item = Samples.Event(new Random(11), 1);
        ulong sequence = 100;
        while (builder.CanAdd(item.Length))
        {
            EventWriter.PatchSequence(builder.AddRaw(item, new byte[16]), sequence++, 0);
        }

        Assert.Throws<ArgumentException>(() => builder.AddRaw(item, new byte[16]));
        Assert.InRange(builder.Seal(allowCompression: false), limit - item.Length - 80, limit);
        byte[] entry = new byte[builder.EntryLengthBytes];
        builder.WriteTo(entry, Samples.Header());
        Assert.True(AcceptsWhole(entry));
    }

    [Fact]
    public void A_frame_holds_at_most_16384_events()
    {
        var builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(26));
        var fields = new EventFields { Lane = Lane.Normal, Action = EventAction.None, Type = "x"u8 };
        for (int i = 0; i < FormatLimits.MaxFrameEvents; i++)
        {
            EventWriter.PatchSequence(builder.Add(fields, new byte[16]), 100 + (ulong)i, 0);
        }

        Assert.False(builder.CanAdd(65));
        builder.Seal();
        byte[] entry = new byte[builder.EntryLengthBytes];
        builder.WriteTo(entry, Samples.Header());
        Assert.True(AcceptsWhole(entry));
    }

    [Fact]
    public void The_builder_keeps_its_order_of_calls()
    {
        var builder = new FrameBuilder(60_000);
        Assert.Throws<InvalidOperationException>(() => builder.Seal());
        Assert.Throws<InvalidOperationException>(() => builder.WriteTo(new byte[60_000], Samples.Header()));
        builder.AddRaw(Samples.Event(new Random(1), 100), new byte[16]);
        Assert.Throws<ArgumentException>(() => builder.AddRaw(Samples.Event(new Random(1), 101), new byte[15]));
        builder.Seal();
        Assert.Throws<InvalidOperationException>(() => builder.Seal());
        Assert.Throws<InvalidOperationException>(() => builder.EventAt(0));
        Assert.Throws<InvalidOperationException>(() => builder.AddRaw(Samples.Event(new Random(1), 101), new byte[16]));
        Assert.Throws<ArgumentException>(() => builder.WriteTo(new byte[builder.EntryLengthBytes - 1], Samples.Header()));
        builder.Reset();
        Assert.Equal(0, builder.Count);
        Assert.Equal(0, builder.RawLengthBytes);
    }

    [Fact]
    public void Building_frames_allocates_nothing_once_warm()
    {
        var builder = new FrameBuilder(FormatLimits.MaxFrameLengthBytes(22));
        byte[][] events = [.. Enumerable.Range(0, 100).Select(i => Samples.Event(new Random(i), 100 + (ulong)i))];
        byte[] salt = new byte[16];
        byte[] entry = new byte[200_000];
        FrameHeader header = Samples.Header();
        Allocations.AssertNone(() =>
        {
            builder.Reset();
            foreach (byte[] item in events)
            {
                builder.AddRaw(item, salt);
            }

            int length = builder.Seal();
            builder.WriteTo(entry, header);
            Assert.True(FrameView.TryRead(entry.AsSpan(0, length), out FrameView frame, out _));
            Assert.False(frame.CheckAll(Scratch).IsFault);
        });
    }

    private static void Reseal(byte[] entry)
    {
        byte[] header = entry.AsSpan(0, 256).ToArray();
        Damage.Reseal(header, 252);
        header.CopyTo(entry, 0);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(12));
        long at = 256 + (32L * count);
        if (count > 16_384 || at + 16 > entry.Length)
        {
            return;
        }

        Span<byte> area = entry.AsSpan((int)at);
        uint stored = BinaryPrimitives.ReadUInt32LittleEndian(area[4..]);
        if (stored <= area.Length - 16)
        {
            ulong number = BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(40));
            BinaryPrimitives.WriteUInt32LittleEndian(area[12..], Checksum.Crc32C(number, area[..12], area.Slice(16, (int)stored)));
        }
    }
}
