// Why this file exists: early boot reads compressed frames on machines without the library. Invariants: every length and distance is checked before a byte
// moves; what it accepts, the library accepts with the same result.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format;

internal static class ManagedLz4
{
    private const int ShortestMatch = 4;

    // A valid block ends with at least this many literal bytes behind its last match.
    private const int LastLiterals = 5;

    internal static bool TryDecompress(ReadOnlySpan<byte> block, Span<byte> destination)
    {
        int from = 0;
        int to = 0;
        while (from < block.Length)
        {
            int token = block[from++];
            if (!TryReadLength(block, ref from, token >> 4, out int literals)
                || literals > block.Length - from
                || literals > destination.Length - to)
            {
                return false;
            }

            block.Slice(from, literals).CopyTo(destination[to..]);
            from += literals;
            to += literals;
            if (from == block.Length)
            {
                // The last sequence has no match, and its token says so by a zero match length.
                return to == destination.Length;
            }

            if (block.Length - from < sizeof(ushort))
            {
                return false;
            }

            int distance = BinaryPrimitives.ReadUInt16LittleEndian(block[from..]);
            from += sizeof(ushort);
            if (distance == 0
                || distance > to
                || !TryReadLength(block, ref from, token & 0xF, out int match)
                || match > destination.Length - LastLiterals - ShortestMatch - to)
            {
                return false;
            }

            CopyMatch(destination, to, distance, match + ShortestMatch);
            to += match + ShortestMatch;
        }

        return false;
    }

    private static bool TryReadLength(ReadOnlySpan<byte> block, ref int from, int nibble, out int length)
    {
        length = nibble;
        if (nibble < 15)
        {
            return true;
        }

        // Each step consumes a byte, and the block has at most 2^31 - 1 of them, but their sum may not fit: bound it by what a body may be.
        byte step;
        do
        {
            if (from >= block.Length || length > FormatLimits.MaxFrameRawBodyLengthBytes)
            {
                return false;
            }

            step = block[from++];
            length += step;
        }
        while (step == byte.MaxValue);
        return true;
    }

    private static void CopyMatch(Span<byte> destination, int to, int distance, int length)
    {
        Span<byte> source = destination[(to - distance)..];
        Span<byte> target = destination.Slice(to, length);
        if (distance >= length)
        {
            source[..length].CopyTo(target);
            return;
        }

        // Overlapping: the pattern of `distance` bytes repeats.
        for (int i = 0; i < length; i++)
        {
            target[i] = source[i];
        }
    }
}
