// Why this file exists: the arithmetic of parity: checks that are bound to their place, and the exclusive or. Invariants: no I/O; results depend on the bytes alone.

using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>Checks and sums of blocks (format-spec/parity.md). Thread-safe; allocates nothing.</summary>
public static class ParityBlocks
{
    private const ulong TableIndex = ulong.MaxValue;

    /// <summary>Check of a block, bound to its store, its segment and its place in the table.</summary>
    /// <param name="storeId">The store's id.</param>
    /// <param name="segment">The segment's number.</param>
    /// <param name="index">The block's place in the table: blocks of data first, then blocks of parity.</param>
    /// <param name="block">The block's bytes.</param>
    /// <returns>The check.</returns>
    public static UInt128 BlockCheck(in StoreId storeId, long segment, int index, ReadOnlySpan<byte> block) => Tagged(storeId, segment, (ulong)index, block);

    /// <summary>Check of the table of checks.</summary>
    /// <param name="storeId">The store's id.</param>
    /// <param name="segment">The segment's number.</param>
    /// <param name="table">The table's bytes without padding.</param>
    /// <returns>The check.</returns>
    public static UInt128 TableCheck(in StoreId storeId, long segment, ReadOnlySpan<byte> table) => Tagged(storeId, segment, TableIndex, table);

    /// <summary>Adds a block to a sum by exclusive or.</summary>
    /// <param name="sum">The sum so far.</param>
    /// <param name="block">The block, as long as the sum.</param>
    public static void Xor(Span<byte> sum, ReadOnlySpan<byte> block)
    {
        ThrowHelper.ThrowIfNotLength(block, sum.Length, nameof(block));
        Span<Vector<byte>> sums = MemoryMarshal.Cast<byte, Vector<byte>>(sum);
        ReadOnlySpan<Vector<byte>> blocks = MemoryMarshal.Cast<byte, Vector<byte>>(block);
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] ^= blocks[i];
        }

        for (int i = sums.Length * Vector<byte>.Count; i < sum.Length; i++)
        {
            sum[i] ^= block[i];
        }
    }

    private static UInt128 Tagged(in StoreId storeId, long segment, ulong index, ReadOnlySpan<byte> data)
    {
        Span<byte> identity = stackalloc byte[StoreId.LengthBytes + 16];
        storeId.CopyTo(identity);
        BinaryPrimitives.WriteInt64LittleEndian(identity[StoreId.LengthBytes..], segment);
        BinaryPrimitives.WriteUInt64LittleEndian(identity[(StoreId.LengthBytes + 8)..], index);
        return Checksum.Tagged128(identity, data);
    }
}
