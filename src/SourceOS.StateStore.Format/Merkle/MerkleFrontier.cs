// Why this file exists: the log tree grows by one leaf for each frame, and its root is needed at any size without keeping its leaves: the roots of its
// perfect subtrees suffice. Invariants: one hash for each set bit of the leaf count, largest subtree first; a frontier of 48 hashes bounds the count below 2^48.

using System.Numerics;

namespace SourceOS.StateStore.Format;

/// <summary>
/// The compact form of a growing Merkle tree: its leaf count and the roots of its perfect subtrees, largest first.
/// A mutable class without locks: one thread at a time.
/// </summary>
public sealed class MerkleFrontier
{
    /// <summary>Most hashes a frontier holds.</summary>
    public const int MaxHashes = 48;

    /// <summary>Most leaves a frontier counts: 2^48 - 1.</summary>
    public const ulong MaxLeafCount = (1UL << MaxHashes) - 1;

    private readonly Hash256[] _hashes = new Hash256[MaxHashes];

    /// <summary>Number of leaves.</summary>
    public ulong LeafCount { get; private set; }

    /// <summary>Number of hashes: the set bits of <see cref="LeafCount"/>.</summary>
    public int HashCount => BitOperations.PopCount(LeafCount);

    /// <summary>The hashes, largest subtree first; valid until the frontier changes.</summary>
    public ReadOnlySpan<Hash256> Hashes => _hashes.AsSpan(0, HashCount);

    /// <summary>Length of the encoded hashes in bytes.</summary>
    public int EncodedLengthBytes => HashCount * Hash256.LengthBytes;

    /// <summary>Number of hashes of a frontier over so many leaves.</summary>
    /// <param name="leafCount">Number of leaves.</param>
    /// <returns>The number of set bits.</returns>
    public static int HashCountOf(ulong leafCount) => BitOperations.PopCount(leafCount);

    /// <summary>Adds a leaf.</summary>
    /// <param name="leafHash">The leaf's hash (not its data).</param>
    public void Append(in Hash256 leafHash)
    {
        ThrowHelper.ThrowIf(LeafCount >= MaxLeafCount, "The tree has as many leaves as the format allows.");
        int at = HashCount;
        Hash256 current = leafHash;
        for (int merges = BitOperations.TrailingZeroCount(~LeafCount); merges > 0; merges--)
        {
            at--;
            current = MerkleHash.Node(_hashes[at], current);
        }

        _hashes[at] = current;
        LeafCount++;
    }

    /// <summary>Adds a leaf of the log tree: a frame, whose leaf data is its hash.</summary>
    /// <param name="frameHash">The frame's hash.</param>
    public void AppendFrame(in Hash256 frameHash) => Append(MerkleHash.Leaf(frameHash.Bytes));

    /// <summary>Root of the tree over all leaves so far.</summary>
    /// <returns>The root; that of the empty tree when there is no leaf.</returns>
    public Hash256 Root()
    {
        int at = HashCount - 1;
        if (at < 0)
        {
            return MerkleHash.Empty;
        }

        Hash256 root = _hashes[at];
        while (--at >= 0)
        {
            root = MerkleHash.Node(_hashes[at], root);
        }

        return root;
    }

    /// <summary>Forgets all leaves.</summary>
    public void Clear()
    {
        LeafCount = 0;
    }

    /// <summary>Becomes a copy of another frontier.</summary>
    /// <param name="other">The other one.</param>
    public void CopyFrom(MerkleFrontier other)
    {
        ArgumentNullException.ThrowIfNull(other);
        other.Hashes.CopyTo(_hashes);
        LeafCount = other.LeafCount;
    }

    /// <summary>Becomes the frontier with the given hashes.</summary>
    /// <param name="leafCount">Number of leaves, at most 2^48 - 1.</param>
    /// <param name="hashes">One hash for each set bit of the count, largest subtree first.</param>
    public void Set(ulong leafCount, ReadOnlySpan<Hash256> hashes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(leafCount, MaxLeafCount);
        ThrowHelper.ThrowIfArgument(hashes.Length != HashCountOf(leafCount), "A frontier has one hash for each set bit of its count.", nameof(hashes));
        hashes.CopyTo(_hashes);
        LeafCount = leafCount;
    }

    /// <summary>Whether two frontiers have equal counts and hashes.</summary>
    /// <param name="other">The other one.</param>
    /// <returns>True when they are equal.</returns>
    public bool ContentEquals(MerkleFrontier? other) =>
        other is not null && LeafCount == other.LeafCount && Hashes.SequenceEqual(other.Hashes);

    /// <summary>Writes the hashes, largest subtree first. The count is stored elsewhere.</summary>
    /// <param name="destination">At least <see cref="EncodedLengthBytes"/> bytes.</param>
    /// <returns>The number of bytes written.</returns>
    public int Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, EncodedLengthBytes, nameof(destination));
        int at = 0;
        foreach (ref readonly Hash256 hash in Hashes)
        {
            hash.CopyTo(destination[at..]);
            at += Hash256.LengthBytes;
        }

        return at;
    }

    /// <summary>Becomes the frontier that bytes describe; stays as it is when they do not describe one.</summary>
    /// <param name="leafCount">Number of leaves.</param>
    /// <param name="source">Exactly the hashes, largest subtree first.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether the bytes describe a frontier.</returns>
    public bool TryDecode(ulong leafCount, ReadOnlySpan<byte> source, out FormatFault fault)
    {
        if (leafCount > MaxLeafCount)
        {
            fault = new FormatFault(FaultCode.OutOfRange, 0);
            return false;
        }

        int count = HashCountOf(leafCount);
        if (source.Length != count * Hash256.LengthBytes)
        {
            fault = new FormatFault(FaultCode.LengthMismatch, 0);
            return false;
        }

        for (int i = 0; i < count; i++)
        {
            _hashes[i] = new Hash256(source.Slice(i * Hash256.LengthBytes, Hash256.LengthBytes));
        }

        LeafCount = leafCount;
        fault = FormatFault.None;
        return true;
    }
}
