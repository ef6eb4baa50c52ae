// Why this file exists: a SHA-256 hash as a value, so that hashes are compared, kept and passed without arrays. Invariants: exactly the 32 bytes
// of the hash, in their order.

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>The 32 bytes of a SHA-256 hash. A value: copying it copies the bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct Hash256 : IEquatable<Hash256>
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <summary>Takes a hash from its bytes.</summary>
    /// <param name="bytes">Exactly 32 bytes.</param>
    public Hash256(ReadOnlySpan<byte> bytes)
    {
        ThrowHelper.ThrowIfNotLength(bytes, LengthBytes, nameof(bytes));
        this = MemoryMarshal.Read<Hash256>(bytes);
    }

    /// <summary>The bytes in place; valid as long as the value they are taken from.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(in this, 1));

    /// <summary>Whether all bytes are zero, which no real hash is.</summary>
    public bool IsZero => (_a | _b | _c | _d) == 0;

    /// <summary>Whether two hashes are equal.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when all bytes are equal.</returns>
    public static bool operator ==(Hash256 left, Hash256 right) => left.Equals(right);

    /// <summary>Whether two hashes differ.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when any byte differs.</returns>
    public static bool operator !=(Hash256 left, Hash256 right) => !left.Equals(right);

    /// <summary>Reads 64 hexadecimal digits of either case.</summary>
    /// <param name="text">The digits.</param>
    /// <param name="hash">The hash, when the text is one.</param>
    /// <returns>Whether the text is 64 hexadecimal digits.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out Hash256 hash)
    {
        Span<byte> bytes = stackalloc byte[LengthBytes];
        if (text.Length != 2 * LengthBytes
            || Convert.FromHexString(text, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            hash = default;
            return false;
        }

        hash = new Hash256(bytes);
        return true;
    }

    /// <summary>Copies the bytes.</summary>
    /// <param name="destination">At least 32 bytes.</param>
    public void CopyTo(Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, LengthBytes, nameof(destination));
        Bytes.CopyTo(destination);
    }

    /// <inheritdoc/>
    public bool Equals(Hash256 other) => ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d)) == 0;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Hash256 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)BinaryPrimitives.ReadUInt32LittleEndian(Bytes);

    /// <summary>The hash as 64 lower-case hexadecimal digits.</summary>
    /// <returns>The digits.</returns>
    public override string ToString() => Convert.ToHexStringLower(Bytes);
}
