// Why this file exists: the entries of a checkpoint stand in blocks, each of one table, in the order of their keys, checked and compressed on its own (format-spec/checkpoints.md). Invariants: a block's place is part of
// its check, so a right block in a wrong place fails; lengths are bounded before anything is read by them.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>What stands before a block's bytes. An immutable value.</summary>
/// <param name="Table">The table of its entries.</param>
/// <param name="IsCompressed">Whether its bytes are one LZ4 block.</param>
/// <param name="EntryCount">Entries, at least 1.</param>
/// <param name="RawLengthBytes">Length of the entries.</param>
/// <param name="StoredLengthBytes">Length of its bytes as they stand in the file.</param>
public readonly record struct StateCheckpointBlock(StateTable Table, bool IsCompressed, int EntryCount, int RawLengthBytes, int StoredLengthBytes)
{
    /// <summary>Length of the encoding in bytes.</summary>
    public const int LengthBytes = 16;

    /// <summary>Length of the check behind a block's bytes.</summary>
    public const int CheckLengthBytes = 16;

    /// <summary>A block is closed when its entries have this length or more.</summary>
    public const int TargetLengthBytes = 65_536;

    /// <summary>Longest value of an entry: a record with its envelope.</summary>
    public const int MaxValueLengthBytes = FormatLimits.MaxRecordBodyLengthBytes + RecordEnvelope.LengthBytes;

    /// <summary>Longest block: one that was not closed yet, and the longest entry behind it.</summary>
    public const int MaxLengthBytes = TargetLengthBytes + EntryHeadLengthBytes + Tables.MaxKeyLengthBytes + MaxValueLengthBytes;

    /// <summary>Bytes before the key of each entry: length of the key (2), length of the value (4).</summary>
    public const int EntryHeadLengthBytes = 6;

    private const int FlagsAt = 1;
    private const int ReservedAt = 2;
    private const int CountAt = 4;
    private const int RawAt = 8;
    private const int StoredAt = 12;
    private const byte CompressedFlag = 1;

    /// <summary>Writes it.</summary>
    /// <param name="destination">At least 16 bytes.</param>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfShort(destination, LengthBytes, nameof(destination));
        destination[0] = (byte)Table;
        destination[FlagsAt] = IsCompressed ? CompressedFlag : (byte)0;
        WriteUInt16LittleEndian(destination[ReservedAt..], 0);
        WriteInt32LittleEndian(destination[CountAt..], EntryCount);
        WriteInt32LittleEndian(destination[RawAt..], RawLengthBytes);
        WriteInt32LittleEndian(destination[StoredAt..], StoredLengthBytes);
    }

    /// <summary>Reads it.</summary>
    /// <param name="source">16 bytes.</param>
    /// <param name="block">The block, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether every value is within its bounds.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out StateCheckpointBlock block, out FormatFault fault)
    {
        block = default;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        block = new StateCheckpointBlock(
            (StateTable)source[0], source[FlagsAt] == CompressedFlag, ReadInt32LittleEndian(source[CountAt..]), ReadInt32LittleEndian(source[RawAt..]), ReadInt32LittleEndian(source[StoredAt..]));
        return true;
    }

    /// <summary>The check of a block.</summary>
    /// <param name="storeId">The store.</param>
    /// <param name="sequence">The last sequence of the checkpoint.</param>
    /// <param name="index">The block's place, from 0.</param>
    /// <param name="block">Head and bytes of the block, as they stand in the file.</param>
    /// <returns>XXH3-128 of them, seeded with store, sequence and place.</returns>
    public static UInt128 Check(StoreId storeId, ulong sequence, long index, ReadOnlySpan<byte> block)
    {
        Span<byte> identity = stackalloc byte[StoreId.LengthBytes + 16];
        storeId.CopyTo(identity);
        WriteUInt64LittleEndian(identity[StoreId.LengthBytes..], sequence);
        WriteInt64LittleEndian(identity[(StoreId.LengthBytes + 8)..], index);
        return Checksum.Tagged128(identity, block);
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        if (source.Length != LengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, source.Length);
        }

        if (source[0] is < (byte)StateTable.Records or > (byte)StateTable.Frames)
        {
            return new FormatFault(FaultCode.OutOfRange, 0);
        }

        if (source[FlagsAt] > CompressedFlag)
        {
            return new FormatFault(FaultCode.UnknownFlag, FlagsAt);
        }

        if (ReadUInt16LittleEndian(source[ReservedAt..]) != 0)
        {
            return new FormatFault(FaultCode.ReservedNotZero, ReservedAt);
        }

        uint raw = ReadUInt32LittleEndian(source[RawAt..]);
        if (raw is < EntryHeadLengthBytes + 1 or > MaxLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, RawAt);
        }

        uint count = ReadUInt32LittleEndian(source[CountAt..]);
        if (count == 0 || count > raw / (EntryHeadLengthBytes + 1))
        {
            return new FormatFault(FaultCode.OutOfRange, CountAt);
        }

        uint stored = ReadUInt32LittleEndian(source[StoredAt..]);
        bool isCompressed = source[FlagsAt] == CompressedFlag;
        return (isCompressed ? stored == 0 || stored >= raw : stored != raw) ? new FormatFault(FaultCode.LengthMismatch, StoredAt) : FormatFault.None;
    }
}
