// Why this file exists: a compressed body needs room to be decoded into, and a reader of many frames should make that room once. Invariants: never larger
// than the format's bound for a raw body, whatever a frame claims.

namespace SourceOS.StateStore.Format;

/// <summary>Reusable room for decoded frame bodies. What was decoded into it is valid until it is used again. One thread at a time.</summary>
public sealed class FrameScratch
{
    private const int SmallestLengthBytes = 16_384;

    private byte[] _bytes = [];

    /// <summary>Gives room of the given length; its content is undefined.</summary>
    /// <param name="lengthBytes">At most 2,097,152.</param>
    /// <returns>Exactly that many bytes.</returns>
    public Span<byte> Take(int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, FormatLimits.MaxFrameRawBodyLengthBytes);
        if (_bytes.Length < lengthBytes)
        {
            int length = Math.Max(SmallestLengthBytes, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)lengthBytes));
            _bytes = GC.AllocateUninitializedArray<byte>(length);
        }

        return _bytes.AsSpan(0, lengthBytes);
    }
}
