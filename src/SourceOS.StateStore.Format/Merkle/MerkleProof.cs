// Why this file exists: a proof that an event or frame is in a tree, or that a tree grew out of an earlier one, is checked offline, by whoever holds a root
// (RFC 9162, sections 2.1.3 and 2.1.4). Invariants: no recursion and no allocation; a proof of any length and content gives true or false.

using System.Numerics;

namespace SourceOS.StateStore.Format;

/// <summary>A run of leaves whose subtree root is one hash of a proof.</summary>
/// <param name="Start">Index of the first leaf.</param>
/// <param name="Count">Number of leaves, at least 1.</param>
public readonly record struct MerkleRange(ulong Start, ulong Count);

/// <summary>Makes and checks proofs of RFC 9162. Thread-safe; allocates nothing.</summary>
public static class MerkleProof
{
    /// <summary>Most hashes in a proof about a tree of this format.</summary>
    public const int MaxPathLength = 64;

    /// <summary>Which subtrees' roots prove that a leaf is in a tree, in the order of the proof.</summary>
    /// <param name="index">Index of the leaf.</param>
    /// <param name="size">Number of leaves; above the index, at most 2^48 - 1.</param>
    /// <param name="destination">Takes the ranges; <see cref="MaxPathLength"/> always suffice.</param>
    /// <returns>Number of ranges.</returns>
    public static int InclusionRanges(ulong index, ulong size, Span<MerkleRange> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MerkleFrontier.MaxLeafCount);
        int count = 0;
        ulong start = 0;
        while (size > 1)
        {
            // From the root down: the half without the leaf is part of the proof.
            ulong split = SplitOf(size);
            if (index < split)
            {
                destination[count++] = new MerkleRange(start + split, size - split);
                size = split;
            }
            else
            {
                destination[count++] = new MerkleRange(start, split);
                start += split;
                index -= split;
                size -= split;
            }
        }

        destination[..count].Reverse();
        return count;
    }

    /// <summary>Which subtrees' roots prove that a tree grew out of an earlier one, in the order of the proof.</summary>
    /// <param name="earlierSize">Number of leaves of the earlier tree, at least 1.</param>
    /// <param name="size">Number of leaves of the tree; not below the earlier one, at most 2^48 - 1.</param>
    /// <param name="destination">Takes the ranges; <see cref="MaxPathLength"/> always suffice.</param>
    /// <returns>Number of ranges; 0 when the sizes are equal.</returns>
    public static int ConsistencyRanges(ulong earlierSize, ulong size, Span<MerkleRange> destination)
    {
        ArgumentOutOfRangeException.ThrowIfZero(earlierSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(earlierSize, size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MerkleFrontier.MaxLeafCount);
        int count = 0;
        ulong start = 0;
        bool isEarlierTree = true;
        while (earlierSize < size)
        {
            ulong split = SplitOf(size);
            if (earlierSize <= split)
            {
                destination[count++] = new MerkleRange(start + split, size - split);
                size = split;
            }
            else
            {
                destination[count++] = new MerkleRange(start, split);
                start += split;
                earlierSize -= split;
                size -= split;
                isEarlierTree = false;
            }
        }

        // The checker knows the earlier tree's root, so it is left out when it stands in the later tree as a whole.
        if (!isEarlierTree)
        {
            destination[count++] = new MerkleRange(start, size);
        }

        destination[..count].Reverse();
        return count;
    }

    /// <summary>Checks that a leaf is in a tree.</summary>
    /// <param name="leafHash">Hash of the leaf.</param>
    /// <param name="index">Index of the leaf.</param>
    /// <param name="size">Number of leaves of the tree.</param>
    /// <param name="path">The proof.</param>
    /// <param name="root">Root of the tree.</param>
    /// <returns>Whether the proof holds.</returns>
    public static bool VerifyInclusion(in Hash256 leafHash, ulong index, ulong size, ReadOnlySpan<Hash256> path, in Hash256 root)
    {
        if (index >= size)
        {
            return false;
        }

        ulong node = index;
        ulong last = size - 1;
        Hash256 hash = leafHash;
        foreach (ref readonly Hash256 sibling in path)
        {
            if (last == 0)
            {
                return false;
            }

            bool isRight = Climb(ref node, ref last);
            hash = isRight ? MerkleHash.Node(sibling, hash) : MerkleHash.Node(hash, sibling);
        }

        return last == 0 && hash == root;
    }

    /// <summary>Checks that a tree grew out of an earlier one.</summary>
    /// <param name="earlierSize">Number of leaves of the earlier tree.</param>
    /// <param name="earlierRoot">Root of the earlier tree.</param>
    /// <param name="size">Number of leaves of the tree.</param>
    /// <param name="root">Root of the tree.</param>
    /// <param name="path">The proof; empty when the sizes are equal or the earlier tree is empty.</param>
    /// <returns>Whether the proof holds.</returns>
    public static bool VerifyConsistency(ulong earlierSize, in Hash256 earlierRoot, ulong size, in Hash256 root, ReadOnlySpan<Hash256> path)
    {
        if (earlierSize == size || earlierSize == 0)
        {
            return path.IsEmpty && earlierRoot == (earlierSize == 0 ? MerkleHash.Empty : root) && (size != 0 || root == MerkleHash.Empty);
        }

        bool isWhole = BitOperations.IsPow2(earlierSize);
        if (earlierSize > size || (path.IsEmpty && !isWhole))
        {
            return false;
        }

        ulong node = earlierSize - 1;
        ulong last = size - 1;
        int skipped = BitOperations.TrailingZeroCount(~node);
        node >>= skipped;
        last >>= skipped;
        Hash256 earlierHash = isWhole ? earlierRoot : path[0];
        Hash256 hash = earlierHash;
        foreach (ref readonly Hash256 sibling in isWhole ? path : path[1..])
        {
            if (last == 0)
            {
                return false;
            }

            if (Climb(ref node, ref last))
            {
                earlierHash = MerkleHash.Node(sibling, earlierHash);
                hash = MerkleHash.Node(sibling, hash);
            }
            else
            {
                hash = MerkleHash.Node(hash, sibling);
            }
        }

        return last == 0 && earlierHash == earlierRoot && hash == root;
    }

    private static ulong SplitOf(ulong size) => 1UL << (63 - BitOperations.LeadingZeroCount(size - 1));

    /// <summary>Goes one level up, over levels on which the node has no sibling; true when the sibling stands on the left.</summary>
    private static bool Climb(ref ulong node, ref ulong last)
    {
        bool isRight = (node & 1) != 0 || node == last;
        if (isRight && (node & 1) == 0)
        {
            int alone = node == 0 ? 0 : BitOperations.TrailingZeroCount(node);
            node >>= alone;
            last >>= alone;
        }

        node >>= 1;
        last >>= 1;
        return isRight;
    }
}
