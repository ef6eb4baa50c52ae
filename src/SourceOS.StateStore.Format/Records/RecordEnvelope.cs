// Why this file exists: the 40 bytes before a record's body in the `records` table (format-spec/records.md). Invariants: the hash binds the
// envelope and body to table and key, so a record under another key does not verify.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Format;

/// <summary>A record's value read in place.</summary>
public readonly ref struct RecordEnvelope
{
    private const int KindAt = 0;
    private const int VersionAt = KindAt + 1;
    private const int FlagsAt = VersionAt + 1;
    private const int BodyLengthAt = FlagsAt + 2;
    private const int SequenceAt = BodyLengthAt + 4;
    private const int SurrogateAt = SequenceAt + 8;
    private const int HashAt = SurrogateAt + 8;
    private const int BodyAt = HashAt + 16;
    private const byte BodyStandsWhereTheSpecificationSays = BodyAt == 40 ? 0 : -1;
    private const ushort TombstoneFlag = 1;
    private const ushort BootCriticalFlag = 2;
    private const ushort KnownFlags = TombstoneFlag | BootCriticalFlag;

    /// <summary>Length of the envelope in bytes.</summary>
    public const int LengthBytes = BodyAt;

    private readonly ushort _flags;

    private RecordEnvelope(RecordKind kind, ushort flags, ulong sequence, ulong surrogate, ReadOnlySpan<byte> body)
    {
        Kind = kind;
        _flags = flags;
        Sequence = sequence;
        Surrogate = surrogate;
        Body = body;
    }

    /// <summary>The record's kind.</summary>
    public RecordKind Kind { get; }

    /// <summary>Whether only a tombstone is left.</summary>
    public bool IsTombstone => (_flags & TombstoneFlag) != 0;

    /// <summary>Whether the quick check at boot reads it.</summary>
    public bool IsBootCritical => (_flags & BootCriticalFlag) != 0;

    /// <summary>Sequence of the event that made this value.</summary>
    public ulong Sequence { get; }

    /// <summary>Sequence of the event that made the record.</summary>
    public ulong Surrogate { get; }

    /// <summary>The encoded body.</summary>
    public ReadOnlySpan<byte> Body { get; }

    /// <summary>Reads a value and checks its hash against the key it was found under.</summary>
    /// <param name="key">The entry's key.</param>
    /// <param name="value">The stored value.</param>
    /// <param name="envelope">The record when it holds.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether it holds. The body itself is not looked into.</returns>
    public static bool TryRead(scoped ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, out RecordEnvelope envelope, out FormatFault fault)
    {
        envelope = default;
        fault = Check(key, value);
        if (fault.IsFault)
        {
            return false;
        }

        envelope = new RecordEnvelope(
            (RecordKind)value[KindAt],
            BinaryPrimitives.ReadUInt16LittleEndian(value[FlagsAt..]),
            BinaryPrimitives.ReadUInt64LittleEndian(value[SequenceAt..]),
            BinaryPrimitives.ReadUInt64LittleEndian(value[SurrogateAt..]),
            value[BodyAt..]);
        return true;
    }

    /// <summary>Writes a value.</summary>
    /// <param name="key">The entry's key, whose first byte is the kind.</param>
    /// <param name="isTombstone">Whether only a tombstone is left.</param>
    /// <param name="isBootCritical">Whether the quick check at boot reads it.</param>
    /// <param name="sequence">Sequence of the event that made this value.</param>
    /// <param name="surrogate">Sequence of the event that made the record.</param>
    /// <param name="body">The encoded body.</param>
    /// <param name="destination">Exactly <see cref="LengthBytes"/> + the body's length.</param>
    public static void Write(
        ReadOnlySpan<byte> key, bool isTombstone, bool isBootCritical, ulong sequence, ulong surrogate, ReadOnlySpan<byte> body, Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes + body.Length, nameof(destination));
        _ = BodyStandsWhereTheSpecificationSays;
        destination[KindAt] = key[0];
        destination[VersionAt] = FormatLimits.FormatVersion;
        int flags = (isTombstone ? TombstoneFlag : 0) | (isBootCritical ? BootCriticalFlag : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[FlagsAt..], (ushort)flags);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[BodyLengthAt..], (uint)body.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[SequenceAt..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[SurrogateAt..], surrogate);
        body.CopyTo(destination[BodyAt..]);
        Checksum.Write128(destination[HashAt..], Hash(key, destination));
    }

    private static FormatFault Check(scoped ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (value.Length < BodyAt || key.Length is < 2 or > Tables.MaxKeyLengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, value.Length);
        }

        if (Checksum.Read128(value[HashAt..]) != Hash(key, value))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, HashAt);
        }

        if (value[KindAt] != key[0] || !RecordKinds.IsDefined((RecordKind)value[KindAt]))
        {
            return new FormatFault(FaultCode.UnknownCode, KindAt);
        }

        if (value[VersionAt] != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, VersionAt);
        }

        if ((BinaryPrimitives.ReadUInt16LittleEndian(value[FlagsAt..]) & ~KnownFlags) != 0)
        {
            return new FormatFault(FaultCode.UnknownFlag, FlagsAt);
        }

        return BinaryPrimitives.ReadUInt32LittleEndian(value[BodyLengthAt..]) != (uint)(value.Length - BodyAt)
            ? new FormatFault(FaultCode.LengthMismatch, BodyLengthAt)
            : FormatFault.None;
    }

    [SkipLocalsInit]
    private static UInt128 Hash(scoped ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Span<byte> identity = stackalloc byte[1 + Tables.MaxKeyLengthBytes + HashAt];
        identity[0] = (byte)StateTable.Records;
        key.CopyTo(identity[1..]);
        value[..HashAt].CopyTo(identity[(1 + key.Length)..]);
        return Checksum.Tagged128(identity[..(1 + key.Length + HashAt)], value[BodyAt..]);
    }
}
