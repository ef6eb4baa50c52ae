// Why this file exists: the tables of the state, their keys and the check that binds an entry to its place (format-spec/state.md).
// Invariants: table ids never change meaning; a key or value built here is exactly what the page says.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

/// <summary>Tables of the state. Codes are stable.</summary>
public enum StateTable
{
    /// <summary>Records by kind and identifier.</summary>
    Records = 1,

    /// <summary>Index keys of objects.</summary>
    Index = 2,

    /// <summary>Surrogate to kind and identifier.</summary>
    Surrogates = 3,

    /// <summary>First sequence to frame.</summary>
    Frames = 4,

    /// <summary>Header and digest.</summary>
    Meta = 5,
}

/// <summary>Names, keys and checks of the tables.</summary>
public static class Tables
{
    /// <summary>Number of tables; their codes are 1 to this.</summary>
    public const int Count = 5;

    /// <summary>Tables that the digest covers: codes 1 to this.</summary>
    public const int DigestedCount = 4;

    /// <summary>Longest key of any table in bytes.</summary>
    public const int MaxKeyLengthBytes = 511;

    /// <summary>Length of a check in bytes.</summary>
    public const int CheckLengthBytes = 8;

    private const int MaxIdentityLengthBytes = 1 + MaxKeyLengthBytes;

    /// <summary>Key of the state header in <see cref="StateTable.Meta"/>.</summary>
    public static ReadOnlySpan<byte> HeaderKey => "header"u8;

    /// <summary>Key of the digest in <see cref="StateTable.Meta"/>.</summary>
    public static ReadOnlySpan<byte> DigestKey => "digest"u8;

    /// <summary>The LMDB name of a table.</summary>
    /// <param name="table">The table.</param>
    /// <returns>Its name as ASCII.</returns>
    public static ReadOnlySpan<byte> Name(StateTable table) => table switch
    {
        StateTable.Records => "records"u8,
        StateTable.Index => "index"u8,
        StateTable.Surrogates => "surrogates"u8,
        StateTable.Frames => "frames"u8,
        StateTable.Meta => "meta"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(table), table, "Not a table."),
    };

    /// <summary>Finds a table by its LMDB name.</summary>
    /// <param name="name">The name as bytes.</param>
    /// <param name="table">The table when found.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryParseName(ReadOnlySpan<byte> name, out StateTable table)
    {
        for (int code = 1; code <= Count; code++)
        {
            table = (StateTable)code;
            if (Name(table).SequenceEqual(name))
            {
                return true;
            }
        }

        table = default;
        return false;
    }

    /// <summary>Builds the key of a record.</summary>
    /// <param name="kind">The record's kind code.</param>
    /// <param name="id">Its identifier, 1 to 255 bytes.</param>
    /// <param name="destination">At least 1 + the identifier's length bytes.</param>
    /// <returns>The key's length in bytes.</returns>
    public static int RecordKey(byte kind, ReadOnlySpan<byte> id, Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, 1 + id.Length, nameof(destination));
        destination[0] = kind;
        id.CopyTo(destination[1..]);
        return 1 + id.Length;
    }

    /// <summary>Builds an 8-byte key: of a surrogate, or of a frame by its first sequence.</summary>
    /// <param name="number">The number.</param>
    /// <param name="destination">At least 8 bytes.</param>
    public static void NumberKey(ulong number, Span<byte> destination) => BinaryPrimitives.WriteUInt64BigEndian(destination, number);

    /// <summary>Reads an 8-byte key back.</summary>
    /// <param name="key">The key.</param>
    /// <param name="number">The number.</param>
    /// <returns>False when the key has not 8 bytes.</returns>
    public static bool TryReadNumberKey(ReadOnlySpan<byte> key, out ulong number)
    {
        number = key.Length == 8 ? BinaryPrimitives.ReadUInt64BigEndian(key) : 0;
        return key.Length == 8;
    }

    /// <summary>The identity that binds an entry: table code, then key.</summary>
    /// <param name="table">The table.</param>
    /// <param name="key">The entry's key, at most 511 bytes.</param>
    /// <returns>The hash that seeds the entry's checks and chooses its digest bucket.</returns>
    [SkipLocalsInit]
    public static ulong Identity(StateTable table, ReadOnlySpan<byte> key)
    {
        ThrowHelper.ThrowIfArgument(key.Length > MaxKeyLengthBytes, "A key has at most 511 bytes.", nameof(key));
        Span<byte> identity = stackalloc byte[MaxIdentityLengthBytes];
        identity[0] = (byte)table;
        key.CopyTo(identity[1..]);
        return Checksum.Xxh64(0, identity[..(1 + key.Length)]);
    }

    /// <summary>Writes the check of an entry behind its value.</summary>
    /// <param name="table">The table.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="valueWithRoom">The value, its last 8 bytes being room for the check.</param>
    public static void WriteCheck(StateTable table, ReadOnlySpan<byte> key, Span<byte> valueWithRoom)
    {
        int length = valueWithRoom.Length - CheckLengthBytes;
        ThrowHelper.ThrowIfShort(valueWithRoom, CheckLengthBytes, nameof(valueWithRoom));
        BinaryPrimitives.WriteUInt64LittleEndian(valueWithRoom[length..], Checksum.Xxh64(Identity(table, key), valueWithRoom[..length]));
    }

    /// <summary>Whether an entry of a digested table passes the check that its value carries.</summary>
    /// <param name="table">A table whose entries carry checks: any but <see cref="StateTable.Meta"/>.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="value">The stored value.</param>
    /// <returns>True when it does.</returns>
    public static bool EntryHolds(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => table == StateTable.Records
        ? RecordEnvelope.TryRead(key, value, out _, out _)
        : TryVerifyCheck(table, key, value, out _);

    /// <summary>Checks an entry and hands out its value without the check.</summary>
    /// <param name="table">The table.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="value">The stored value.</param>
    /// <param name="content">The value without its check.</param>
    /// <returns>Whether the check holds.</returns>
    public static bool TryVerifyCheck(StateTable table, scoped ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, out ReadOnlySpan<byte> content)
    {
        content = default;
        int length = value.Length - CheckLengthBytes;
        if (length < 0 || key.Length > MaxKeyLengthBytes)
        {
            return false;
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(value[length..]) != Checksum.Xxh64(Identity(table, key), value[..length]))
        {
            return false;
        }

        content = value[..length];
        return true;
    }
}
