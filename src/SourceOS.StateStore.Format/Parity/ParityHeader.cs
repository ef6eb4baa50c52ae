// Why this file exists: how the parity of one log segment is cut and where its parts stand (format-spec/parity.md), so that a rotten block of a log that is no longer written can be computed
// again. Invariants: every number of a file follows from its segment's size, so a reader never believes a length; written once, never changed in place.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The first 4,096 bytes of a parity file. An immutable value.</summary>
public readonly record struct ParityHeader
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 4096;

    /// <summary>Bytes of a block: of data, and of parity.</summary>
    public const int BlockLengthBytes = 65_536;

    /// <summary>Most blocks of data that share a block of parity.</summary>
    public const int MaxGroupBlocks = 16;

    /// <summary>Bytes of a block's check.</summary>
    public const int CheckLengthBytes = 16;

    private const int MagicAt = 0;
    private const int VersionAt = MagicAt + 8;
    private const int LowestReaderAt = VersionAt + 2;
    private const int FlagsAt = LowestReaderAt + 2;
    private const int StoreIdAt = FlagsAt + 4;
    private const int NumberAt = StoreIdAt + StoreId.LengthBytes;
    private const int CoveredFromAt = NumberAt + 8;
    private const int CoveredLengthAt = CoveredFromAt + 8;
    private const int BlockLengthAt = CoveredLengthAt + 8;
    private const int DataBlocksAt = BlockLengthAt + 4;
    private const int GroupsAt = DataBlocksAt + 4;
    private const int SegmentBitsAt = GroupsAt + 4;
    private const int ReservedAAt = SegmentBitsAt + 1;
    private const int MadeAtAt = ReservedAAt + 3;
    private const int TableCheckAt = MadeAtAt + 8;
    private const int ReservedBAt = TableCheckAt + CheckLengthBytes;
    private const int ChecksumAt = ReservedBAt + 3996;
    private const int End = ChecksumAt + 4;
    private const byte _endIsLength = End == LengthBytes ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SOPARIT1"u8;

    /// <summary>The store's id.</summary>
    public StoreId StoreId { get; init; }

    /// <summary>Number of the segment that is covered.</summary>
    public long SegmentNumber { get; init; }

    /// <summary>Log segment size as a power of two.</summary>
    public int SegmentBits { get; init; }

    /// <summary>When the file was made, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long MadeAtMicros { get; init; }

    /// <summary>Check of the table of checks; see <see cref="ParityBlocks.TableCheck"/>.</summary>
    public UInt128 TableCheck { get; init; }

    /// <summary>Blocks of data in a segment.</summary>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30.</param>
    /// <returns>2 to 16,384.</returns>
    public static int DataBlocksOf(int segmentBits) => (1 << segmentBits) / BlockLengthBytes;

    /// <summary>Groups, and so blocks of parity, of a segment. Block i of the data belongs to group i mod this number.</summary>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30.</param>
    /// <returns>1 to 1,024.</returns>
    public static int GroupsOf(int segmentBits) => (DataBlocksOf(segmentBits) + MaxGroupBlocks - 1) / MaxGroupBlocks;

    /// <summary>Bytes of the table of checks: one for each block of data, then one for each block of parity.</summary>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30.</param>
    /// <returns>Its length without padding; it stands behind the header.</returns>
    public static int TableLengthBytesOf(int segmentBits) => (DataBlocksOf(segmentBits) + GroupsOf(segmentBits)) * CheckLengthBytes;

    /// <summary>File offset of the first block of parity.</summary>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30.</param>
    /// <returns>A multiple of 4,096.</returns>
    public static int ParityOffsetOf(int segmentBits) => LengthBytes + ((TableLengthBytesOf(segmentBits) + 4095) & ~4095);

    /// <summary>Length of the whole file.</summary>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30.</param>
    /// <returns>The length in bytes.</returns>
    public static long FileLengthBytesOf(int segmentBits) => ParityOffsetOf(segmentBits) + ((long)GroupsOf(segmentBits) * BlockLengthBytes);

    /// <summary>Writes the header.</summary>
    /// <param name="destination">Exactly 4,096 bytes; all of them are written.</param>
    /// <exception cref="ArgumentException">A value breaks a rule of the format, or the length is wrong.</exception>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes, nameof(destination));
        if (SegmentBits is < FormatLimits.MinSegmentBits or > FormatLimits.MaxSegmentBits)
        {
            ThrowHelper.Argument("The segment size is outside the format's bounds.", nameof(destination));
        }

        destination.Clear();
        Magic.CopyTo(destination);
        WriteUInt16LittleEndian(destination[VersionAt..], FormatLimits.FormatVersion);
        WriteUInt16LittleEndian(destination[LowestReaderAt..], FormatLimits.LowestReaderVersion);
        StoreId.CopyTo(destination[StoreIdAt..]);
        WriteInt64LittleEndian(destination[NumberAt..], SegmentNumber);
        WriteInt64LittleEndian(destination[CoveredFromAt..], SegmentHeader.DataFileOffset);
        WriteInt64LittleEndian(destination[CoveredLengthAt..], 1L << SegmentBits);
        WriteInt32LittleEndian(destination[BlockLengthAt..], BlockLengthBytes);
        WriteInt32LittleEndian(destination[DataBlocksAt..], DataBlocksOf(SegmentBits));
        WriteInt32LittleEndian(destination[GroupsAt..], GroupsOf(SegmentBits));
        destination[SegmentBitsAt] = (byte)SegmentBits;
        WriteInt64LittleEndian(destination[MadeAtAt..], MadeAtMicros);
        Checksum.Write128(destination[TableCheckAt..], TableCheck);
        WriteUInt32LittleEndian(destination[ChecksumAt..], Checksum.Crc32C(destination[..ChecksumAt]));
        FormatFault fault = Check(destination);
        if (fault.IsFault)
        {
            ThrowHelper.Argument($"The parity header breaks a rule of the format: {fault}.", nameof(destination));
        }
    }

    /// <summary>Reads a header.</summary>
    /// <param name="source">The header's bytes, 4,096.</param>
    /// <param name="header">The header, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out ParityHeader header, out FormatFault fault)
    {
        header = default;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        header = new ParityHeader
        {
            StoreId = new StoreId(source.Slice(StoreIdAt, StoreId.LengthBytes)),
            SegmentNumber = ReadInt64LittleEndian(source[NumberAt..]),
            SegmentBits = source[SegmentBitsAt],
            MadeAtMicros = ReadInt64LittleEndian(source[MadeAtAt..]),
            TableCheck = Checksum.Read128(source[TableCheckAt..]),
        };
        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        FormatFault fault = ByteRules.CheckHead(source, LengthBytes, Magic);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(source, ReservedAAt, MadeAtAt);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(source, ReservedBAt, ChecksumAt);
        return fault.IsFault ? fault : CheckRanges(source);
    }

    private static FormatFault CheckRanges(ReadOnlySpan<byte> source)
    {
        if (ByteRules.IsZero(source.Slice(StoreIdAt, StoreId.LengthBytes)))
        {
            return new FormatFault(FaultCode.OutOfRange, StoreIdAt);
        }

        int bits = source[SegmentBitsAt];
        if (bits is < FormatLimits.MinSegmentBits or > FormatLimits.MaxSegmentBits)
        {
            return new FormatFault(FaultCode.OutOfRange, SegmentBitsAt);
        }

        if (ReadUInt64LittleEndian(source[NumberAt..]) >= (ulong)(long.MaxValue >> bits))
        {
            return new FormatFault(FaultCode.OutOfRange, NumberAt);
        }

        if (ReadInt64LittleEndian(source[CoveredFromAt..]) != SegmentHeader.DataFileOffset)
        {
            return new FormatFault(FaultCode.RuleBroken, CoveredFromAt);
        }

        if (ReadInt64LittleEndian(source[CoveredLengthAt..]) != 1L << bits)
        {
            return new FormatFault(FaultCode.LengthMismatch, CoveredLengthAt);
        }

        if (ReadInt32LittleEndian(source[BlockLengthAt..]) != BlockLengthBytes)
        {
            return new FormatFault(FaultCode.RuleBroken, BlockLengthAt);
        }

        if (ReadInt32LittleEndian(source[DataBlocksAt..]) != DataBlocksOf(bits))
        {
            return new FormatFault(FaultCode.CountMismatch, DataBlocksAt);
        }

        return ReadInt32LittleEndian(source[GroupsAt..]) != GroupsOf(bits) ? new FormatFault(FaultCode.CountMismatch, GroupsAt) : FormatFault.None;
    }
}
