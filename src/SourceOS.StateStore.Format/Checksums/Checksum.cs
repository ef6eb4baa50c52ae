// Why this file exists: one place names the algorithms of the format (format-spec/checksums.md), so that a change of one is a change of
// one file, and so that nothing else in the code base can pick its own. Invariants: results never change (a stability test holds
// them), nothing here allocates, nothing here throws because a native library is missing.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

/// <summary>
/// Every checksum and hash of the format. Native libraries speed it up where they are there; without them the managed code
/// gives the same results. Thread-safe; allocates nothing.
/// </summary>
public static class Checksum
{
    /// <summary>Length of a SHA-256 hash in bytes.</summary>
    public const int Sha256LengthBytes = 32;

    /// <summary>Whether XXH3 runs in the native library; false means the managed code does the work, with equal results.</summary>
    public static bool IsNativeXxhActive => NativeXxh3.IsAvailable;

    /// <summary>Whether SHA-256 runs in the native library; false means the managed code does the work, with equal results.</summary>
    public static bool IsNativeSha256Active => NativeSha256.IsAvailable;

    /// <summary>CRC-32C of the data.</summary>
    /// <param name="data">Any bytes.</param>
    /// <returns>The checksum.</returns>
    public static uint Crc32C(ReadOnlySpan<byte> data) => ~Crc32CCore.Append(0xFFFFFFFFu, data);

    /// <summary>CRC-32C of an identity number, little-endian, followed by the data: a right value in the wrong place fails.</summary>
    /// <param name="identity">The number that says where the data belongs.</param>
    /// <param name="data">Any bytes.</param>
    /// <returns>The checksum.</returns>
    public static uint Crc32C(ulong identity, ReadOnlySpan<byte> data) =>
        ~Crc32CCore.Append(Crc32CCore.AppendNumber(0xFFFFFFFFu, identity), data);

    /// <summary>CRC-32C of an identity number, little-endian, followed by two pieces of data.</summary>
    /// <param name="identity">The number that says where the data belongs.</param>
    /// <param name="first">The first piece.</param>
    /// <param name="second">The second piece.</param>
    /// <returns>The checksum.</returns>
    public static uint Crc32C(ulong identity, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) =>
        ~Crc32CCore.Append(Crc32CCore.Append(Crc32CCore.AppendNumber(0xFFFFFFFFu, identity), first), second);

    /// <summary>XXH3-64 with seed 0.</summary>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash.</returns>
    public static ulong Xxh64(ReadOnlySpan<byte> data) => Xxh64(0, data);

    /// <summary>XXH3-64 with a seed and the default secret.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash.</returns>
    public static ulong Xxh64(ulong seed, ReadOnlySpan<byte> data) =>
        NativeXxh3.IsAvailable ? NativeXxh3.Hash64(seed, data) : ManagedXxh3.Hash64(seed, data);

    /// <summary>XXH3-128 with a seed and the default secret.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash as one number, whose low half is the algorithm's low 64 bits.</returns>
    public static UInt128 Xxh128(ulong seed, ReadOnlySpan<byte> data) =>
        NativeXxh3.IsAvailable ? NativeXxh3.Hash128(seed, data) : ManagedXxh3.Hash128(seed, data);

    /// <summary>64-bit check of data that is bound to where it belongs.</summary>
    /// <param name="identity">The bytes that say where the data belongs.</param>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash.</returns>
    public static ulong Tagged64(ReadOnlySpan<byte> identity, ReadOnlySpan<byte> data) => Xxh64(Xxh64(0, identity), data);

    /// <summary>128-bit check of data that is bound to where it belongs.</summary>
    /// <param name="identity">The bytes that say where the data belongs.</param>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash.</returns>
    public static UInt128 Tagged128(ReadOnlySpan<byte> identity, ReadOnlySpan<byte> data) => Xxh128(Xxh64(0, identity), data);

    /// <summary>SHA-256 of the data.</summary>
    /// <param name="data">Any bytes.</param>
    /// <param name="destination">Takes the hash; at least 32 bytes, and may overlap the data.</param>
    public static void Sha256(ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Sha256Hasher hasher = Sha256Hasher.Create();
        hasher.Append(data);
        hasher.Finish(destination);
    }

    /// <summary>SHA-256 of two pieces of data, one after the other.</summary>
    /// <param name="first">The first piece.</param>
    /// <param name="second">The second piece.</param>
    /// <param name="destination">Takes the hash; at least 32 bytes.</param>
    public static void Sha256(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> destination)
    {
        Sha256Hasher hasher = Sha256Hasher.Create();
        hasher.Append(first);
        hasher.Append(second);
        hasher.Finish(destination);
    }

    /// <summary>SHA-256 of the data, as a value.</summary>
    /// <param name="data">Any bytes.</param>
    /// <returns>The hash.</returns>
    public static Hash256 Sha256(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[Sha256LengthBytes];
        Sha256(data, hash);
        return new Hash256(hash);
    }

    /// <summary>Hash of a Merkle leaf whose data are two pieces: sha256(0x00 || first || second).</summary>
    /// <param name="first">The first piece: an event's salt, or all of the leaf's data.</param>
    /// <param name="second">The second piece: the event, or nothing.</param>
    /// <param name="destination">Takes the hash; at least 32 bytes.</param>
    [SkipLocalsInit]
    public static void Sha256Leaf(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> destination)
    {
        Sha256Hasher hasher = Sha256Hasher.Create();

        // One block's worth goes in together: three short appends cost more than one copy.
        Span<byte> head = stackalloc byte[64];
        if (first.Length < head.Length)
        {
            head[0] = 0x00;
            first.CopyTo(head[1..]);
            int taken = Math.Min(second.Length, head.Length - 1 - first.Length);
            second[..taken].CopyTo(head[(1 + first.Length)..]);
            hasher.Append(head[..(1 + first.Length + taken)]);
            hasher.Append(second[taken..]);
        }
        else
        {
            head[0] = 0x00;
            hasher.Append(head[..1]);
            hasher.Append(first);
            hasher.Append(second);
        }

        hasher.Finish(destination);
    }

    /// <summary>Hash of an inner node of a Merkle tree: sha256(0x01 || left || right).</summary>
    /// <param name="left">Hash of the left child, 32 bytes.</param>
    /// <param name="right">Hash of the right child, 32 bytes.</param>
    /// <param name="destination">Takes the hash; at least 32 bytes, and may be one of the children.</param>
    [SkipLocalsInit]
    public static void Sha256Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> destination)
    {
        Span<byte> block = stackalloc byte[1 + (2 * Sha256LengthBytes)];
        block[0] = 0x01;
        left[..Sha256LengthBytes].CopyTo(block[1..]);
        right[..Sha256LengthBytes].CopyTo(block[(1 + Sha256LengthBytes)..]);
        Sha256(block, destination);
    }

    /// <summary>Writes a 128-bit hash as the format stores it: low 64 bits little-endian, then high 64 bits little-endian.</summary>
    /// <param name="destination">At least 16 bytes.</param>
    /// <param name="value">The hash.</param>
    public static void Write128(Span<byte> destination, UInt128 value) => BinaryPrimitives.WriteUInt128LittleEndian(destination, value);

    /// <summary>Reads a 128-bit hash as the format stores it.</summary>
    /// <param name="source">At least 16 bytes.</param>
    /// <returns>The hash.</returns>
    public static UInt128 Read128(ReadOnlySpan<byte> source) => BinaryPrimitives.ReadUInt128LittleEndian(source);
}
