// Why this file exists: the Merkle tree hash of RFC 6962, section 2.1, over leaves that are at hand. Invariants: no recursion and no allocation,
// whatever the number of leaves; the result equals the definition (split at the largest power of two below n).

using System.Numerics;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

/// <summary>Merkle tree hashes. Thread-safe; allocates nothing.</summary>
public static class MerkleHash
{
    private const int HashLength = Checksum.Sha256LengthBytes;

    // The number of leaves is an int, so at most 31 perfect subtrees wait.
    private const int MaxPending = 32;

    /// <summary>Hash of the empty tree: sha256("").</summary>
    public static Hash256 Empty => Checksum.Sha256(default);

    /// <summary>Hash of a leaf: sha256(0x00 || data).</summary>
    /// <param name="data">The leaf's data.</param>
    /// <returns>The hash.</returns>
    public static Hash256 Leaf(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[HashLength];
        Checksum.Sha256Leaf(data, default, hash);
        return new Hash256(hash);
    }

    /// <summary>Hash of an inner node: sha256(0x01 || left || right).</summary>
    /// <param name="left">The left child.</param>
    /// <param name="right">The right child.</param>
    /// <returns>The hash.</returns>
    public static Hash256 Node(in Hash256 left, in Hash256 right)
    {
        Span<byte> hash = stackalloc byte[HashLength];
        Checksum.Sha256Node(left.Bytes, right.Bytes, hash);
        return new Hash256(hash);
    }

    /// <summary>Root of the tree over leaf hashes that stand one after the other.</summary>
    /// <param name="leafHashes">32 bytes for each leaf.</param>
    /// <returns>The root.</returns>
    [SkipLocalsInit]
    public static Hash256 Root(ReadOnlySpan<byte> leafHashes)
    {
        ThrowHelper.ThrowIfArgument(leafHashes.Length % HashLength != 0, "Leaf hashes are 32 bytes each.", nameof(leafHashes));
        int count = leafHashes.Length / HashLength;
        if (count == 0)
        {
            return Empty;
        }

        // Pending holds the roots of perfect subtrees, largest first; leaf i closes as many of them as i has trailing one bits.
        Span<byte> pending = stackalloc byte[MaxPending * HashLength];
        Span<byte> current = stackalloc byte[HashLength];
        int depth = 0;
        for (int i = 0; i < count; i++)
        {
            leafHashes.Slice(i * HashLength, HashLength).CopyTo(current);
            for (int merges = BitOperations.TrailingZeroCount(~i); merges > 0; merges--)
            {
                depth--;
                Checksum.Sha256Node(pending.Slice(depth * HashLength, HashLength), current, current);
            }

            current.CopyTo(pending[(depth * HashLength)..]);
            depth++;
        }

        while (--depth > 0)
        {
            Checksum.Sha256Node(pending.Slice((depth - 1) * HashLength, HashLength), current, current);
        }

        return new Hash256(current);
    }
}
