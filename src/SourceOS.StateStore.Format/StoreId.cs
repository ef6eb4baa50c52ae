// Why this file exists: every file of a store names its store, so that a part of one store is never taken for a part of another.
// Invariants: 16 bytes, random, never all zero.

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>The 16 random bytes that name a store.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct StoreId : IEquatable<StoreId>
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 16;

    private readonly ulong _a;
    private readonly ulong _b;

    /// <summary>Takes an id from its bytes.</summary>
    /// <param name="bytes">Exactly 16 bytes.</param>
    public StoreId(ReadOnlySpan<byte> bytes)
    {
        ThrowHelper.ThrowIfNotLength(bytes, LengthBytes, nameof(bytes));
        this = MemoryMarshal.Read<StoreId>(bytes);
    }

    /// <summary>The bytes in place; valid as long as the value they are taken from.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(in this, 1));

    /// <summary>Whether all bytes are zero, which no store's id is.</summary>
    public bool IsZero => (_a | _b) == 0;

    /// <summary>Whether two ids are equal.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when all bytes are equal.</returns>
    public static bool operator ==(StoreId left, StoreId right) => left.Equals(right);

    /// <summary>Whether two ids differ.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when any byte differs.</returns>
    public static bool operator !=(StoreId left, StoreId right) => !left.Equals(right);

    /// <summary>Reads 32 hexadecimal digits of either case.</summary>
    /// <param name="text">The digits.</param>
    /// <param name="id">The id, when the text is one.</param>
    /// <returns>Whether the text is 32 hexadecimal digits.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out StoreId id)
    {
        Span<byte> bytes = stackalloc byte[LengthBytes];
        if (text.Length != 2 * LengthBytes || Convert.FromHexString(text, bytes, out _, out _) != OperationStatus.Done)
        {
            id = default;
            return false;
        }

        id = new StoreId(bytes);
        return true;
    }

    /// <summary>The chain head before the first frame of a store whose log starts at frame 0.</summary>
    /// <returns>sha256("sourceos-statestore-genesis-v1" || store id).</returns>
    public Hash256 GenesisHash()
    {
        Span<byte> hash = stackalloc byte[Checksum.Sha256LengthBytes];
        Checksum.Sha256("sourceos-statestore-genesis-v1"u8, Bytes, hash);
        return new Hash256(hash);
    }

    /// <summary>Copies the bytes.</summary>
    /// <param name="destination">At least 16 bytes.</param>
    public void CopyTo(Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, LengthBytes, nameof(destination));
        Bytes.CopyTo(destination);
    }

    /// <inheritdoc/>
    public bool Equals(StoreId other) => ((_a ^ other._a) | (_b ^ other._b)) == 0;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StoreId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b);

    /// <summary>The id as 32 lower-case hexadecimal digits.</summary>
    /// <returns>The digits.</returns>
    public override string ToString() => Convert.ToHexStringLower(Bytes);
}
