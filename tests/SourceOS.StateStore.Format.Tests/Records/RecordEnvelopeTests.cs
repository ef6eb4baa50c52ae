// Why this file exists: a record under another key, with other flags or from another time must not verify.

namespace SourceOS.StateStore.Format.Tests;

public sealed class RecordEnvelopeTests
{
    private static readonly byte[] Key = [(byte)RecordKind.Device, .. "device:local"u8];
    private static readonly byte[] Body = new RecordBodyBuilder().SetText(1, "name").Build();

    private static byte[] Value()
    {
        byte[] value = new byte[RecordEnvelope.LengthBytes + Body.Length];
        value.AsSpan().Fill(0xEE);
        RecordEnvelope.Write(Key, isTombstone: true, isBootCritical: true, sequence: 9, surrogate: 4, Body, value);
        return value;
    }

    [Fact]
    public void Comes_back_equal()
    {
        Assert.True(RecordEnvelope.TryRead(Key, Value(), out RecordEnvelope envelope, out FormatFault fault), fault.ToString());
        Assert.Equal(RecordKind.Device, envelope.Kind);
        Assert.True(envelope.IsTombstone && envelope.IsBootCritical);
        Assert.Equal(9UL, envelope.Sequence);
        Assert.Equal(4UL, envelope.Surrogate);
        Assert.Equal(Body, envelope.Body.ToArray());
    }

    [Fact]
    public void The_hash_is_the_one_of_the_page()
    {
        byte[] value = Value();
        UInt128 expected = Checksum.Tagged128([1, .. Key, .. value.AsSpan(0, 24)], Body);
        Assert.Equal(expected, Checksum.Read128(value.AsSpan(24)));
    }

    [Fact]
    public void No_flipped_bit_of_value_or_key_passes()
    {
        Damage.AssertEveryBitFlipIsRefused(Value(), bytes => RecordEnvelope.TryRead(Key, bytes, out _, out _));
        byte[] value = Value();
        Damage.AssertEveryBitFlipIsRefused(Key, bytes => RecordEnvelope.TryRead(bytes, value, out _, out _));
    }

    [Fact]
    public void No_truncation_of_value_or_key_passes()
    {
        Damage.AssertEveryTruncationIsRefused(Value(), bytes => RecordEnvelope.TryRead(Key, bytes, out _, out _));
        byte[] value = Value();
        Damage.AssertEveryTruncationIsRefused(Key, bytes => RecordEnvelope.TryRead(bytes, value, out _, out _));
        Assert.False(RecordEnvelope.TryRead(new byte[600], value, out _, out _));
        Assert.False(RecordEnvelope.TryRead(Key, [.. value, 0], out _, out _));
    }

    [Theory]
    [InlineData(0, 7, FaultCode.UnknownCode)]
    [InlineData(1, 2, FaultCode.UnsupportedVersion)]
    [InlineData(2, 4, FaultCode.UnknownFlag)]
    [InlineData(3, 1, FaultCode.UnknownFlag)]
    [InlineData(4, 1, FaultCode.LengthMismatch)]
    [InlineData(7, 1, FaultCode.LengthMismatch)]
    public void A_broken_rule_under_a_right_hash_is_named(int offset, byte value, FaultCode expected)
    {
        byte[] bytes = Value();
        bytes[offset] = value;
        Checksum.Write128(bytes.AsSpan(24), Checksum.Tagged128([1, .. Key, .. bytes.AsSpan(0, 24)], Body));
        Assert.False(RecordEnvelope.TryRead(Key, bytes, out _, out FormatFault fault));
        Assert.Equal(expected, fault.Code);
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        byte[] value = Value();
        Allocations.AssertNone(() =>
        {
            RecordEnvelope.Write(Key, isTombstone: false, isBootCritical: false, 1, 1, Body, value);
            Assert.True(RecordEnvelope.TryRead(Key, value, out RecordEnvelope envelope, out _));
            Assert.True(RecordBodyView.TryRead(envelope.Body, out _, out _));
        });
    }
}
