// Why this file exists: a journal is written over the log, so nothing of one may be believed that is not exactly what was written. Invariants: each bit counts, of the head and of an entry with its frame.

namespace SourceOS.StateStore.Format.Tests;

public sealed class ErasureJournalTests
{
    private static bool Accepts(ReadOnlySpan<byte> bytes) => ErasureJournalHead.TryDecode(bytes, out _, out _);

    [Fact]
    public void A_head_comes_back_equal_and_no_bit_of_it_may_change() => Property.Holds(random =>
    {
        ulong frames = (ulong)random.Next(1, 1000);
        ErasureJournalHead head = new(Samples.StoreId, frames, frames + (ulong)random.Next(5), 96 + (long)(frames * 16) + random.Next(100_000));
        byte[] bytes = new byte[ErasureJournalHead.HeadLengthBytes];
        bytes.AsSpan().Fill(0xEE);
        head.Encode(bytes);
        Assert.True(ErasureJournalHead.TryDecode(bytes, out ErasureJournalHead back, out FormatFault fault), fault.ToString());
        Assert.Equal(head, back);
        Damage.AssertEveryBitFlipIsRefused(bytes, Accepts);
        return true;
    });

    [Theory]
    [InlineData(0UL, 5UL, 4096L, FaultCode.OutOfRange)]
    [InlineData(5UL, 4UL, 4096L, FaultCode.CountMismatch)]
    [InlineData(1UL, 1UL, 95L, FaultCode.OutOfRange)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, 4096L, FaultCode.OutOfRange)]
    [InlineData(1UL, 1UL, -1L, FaultCode.OutOfRange)]
    public void Counts_and_lengths_that_do_not_fit_each_other_are_refused(ulong frames, ulong events, long length, FaultCode expected)
    {
        byte[] bytes = new byte[ErasureJournalHead.HeadLengthBytes];
        new ErasureJournalHead(Samples.StoreId, frames, events, length).Encode(bytes);
        Assert.False(ErasureJournalHead.TryDecode(bytes, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Theory]
    [InlineData(63L, 100)]
    [InlineData(66L, 100)]
    [InlineData(long.MinValue, 100)]
    [InlineData(64L, 0)]
    [InlineData(64L, -1)]
    [InlineData(64L, int.MaxValue)]
    public void An_entry_s_place_and_length_are_bounded(long address, int length)
    {
        byte[] bytes = new byte[ErasureJournalEntry.HeadLengthBytes];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(bytes, address);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), length);
        Assert.False(ErasureJournalEntry.TryDecodeHead(bytes, out _, out FormatFault fault));
        Assert.Equal(FaultCode.OutOfRange, fault.Code);
    }
}
