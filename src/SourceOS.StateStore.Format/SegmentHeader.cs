// Why this file exists: each log segment says which store and which range of addresses it belongs to (format-spec/segments.md), so that a segment
// is never read as another one and a lost superblock can be rebuilt. Invariants: written once, when the segment is created.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The first 4,096 bytes of a log segment. An immutable value.</summary>
public readonly record struct SegmentHeader
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 4096;

    /// <summary>File offset of the segment's data: address a stands at this plus a minus the segment's first address.</summary>
    public const int DataFileOffset = 32_768;

    /// <summary>File offset of tail slot 0.</summary>
    public const int FirstSlotFileOffset = 4096;

    private const int MagicAt = 0;
    private const int VersionAt = MagicAt + 8;
    private const int LowestReaderAt = VersionAt + 2;
    private const int FlagsAt = LowestReaderAt + 2;
    private const int StoreIdAt = FlagsAt + 4;
    private const int NumberAt = StoreIdAt + StoreId.LengthBytes;
    private const int FirstAddressAt = NumberAt + 8;
    private const int PageBitsAt = FirstAddressAt + 8;
    private const int SegmentBitsAt = PageBitsAt + 1;
    private const int ReservedAAt = SegmentBitsAt + 1;
    private const int CreatedAtAt = ReservedAAt + 6;
    private const int EpochAt = CreatedAtAt + 8;
    private const int ReservedBAt = EpochAt + 8;
    private const int ChecksumAt = ReservedBAt + 4020;
    private const int End = ChecksumAt + 4;
    private const byte _endIsLength = End == LengthBytes ? 0 : -1;
    private const byte _slotsFollow = FirstSlotFileOffset == LengthBytes && FirstSlotFileOffset + (2 * TailSlot.LengthBytes) <= DataFileOffset ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SOSEGMT1"u8;

    /// <summary>The store's id.</summary>
    public StoreId StoreId { get; init; }

    /// <summary>Number of the segment, from 0.</summary>
    public long SegmentNumber { get; init; }

    /// <summary>Log page size as a power of two.</summary>
    public int PageBits { get; init; }

    /// <summary>Log segment size as a power of two.</summary>
    public int SegmentBits { get; init; }

    /// <summary>When the segment was created, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long CreatedAtMicros { get; init; }

    /// <summary>Writer epoch that created it, from 1.</summary>
    public ulong WriterEpoch { get; init; }

    /// <summary>First log address of the segment.</summary>
    public long FirstAddress => SegmentNumber << SegmentBits;

    /// <summary>File offset of a tail slot.</summary>
    /// <param name="slotIndex">0 or 1.</param>
    /// <returns>The offset in bytes.</returns>
    public static int SlotFileOffset(int slotIndex) => FirstSlotFileOffset + (slotIndex * TailSlot.LengthBytes);

    /// <summary>Length of a segment's file.</summary>
    /// <param name="segmentBits">Log segment size as a power of two.</param>
    /// <returns>The length in bytes.</returns>
    public static long FileLengthBytes(int segmentBits) => DataFileOffset + (1L << segmentBits);

    /// <summary>Writes the header.</summary>
    /// <param name="destination">Exactly 4,096 bytes; all of them are written.</param>
    /// <exception cref="ArgumentException">The values break a rule of the format, or the length is wrong.</exception>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes, nameof(destination));
        destination.Clear();
        Magic.CopyTo(destination);
        WriteUInt16LittleEndian(destination[VersionAt..], FormatLimits.FormatVersion);
        WriteUInt16LittleEndian(destination[LowestReaderAt..], FormatLimits.LowestReaderVersion);
        StoreId.CopyTo(destination[StoreIdAt..]);
        WriteInt64LittleEndian(destination[NumberAt..], SegmentNumber);
        WriteInt64LittleEndian(destination[FirstAddressAt..], FirstAddress);
        destination[PageBitsAt] = checked((byte)PageBits);
        destination[SegmentBitsAt] = checked((byte)SegmentBits);
        WriteInt64LittleEndian(destination[CreatedAtAt..], CreatedAtMicros);
        WriteUInt64LittleEndian(destination[EpochAt..], WriterEpoch);
        WriteUInt32LittleEndian(destination[ChecksumAt..], Checksum.Crc32C(destination[..ChecksumAt]));
        FormatFault fault = Check(destination);
        if (fault.IsFault)
        {
            ThrowHelper.Argument($"The segment header breaks a rule of the format: {fault}.", nameof(destination));
        }
    }

    /// <summary>Reads a header.</summary>
    /// <param name="source">The header's bytes, 4,096.</param>
    /// <param name="header">The header, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out SegmentHeader header, out FormatFault fault)
    {
        header = default;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        header = new SegmentHeader
        {
            StoreId = new StoreId(source.Slice(StoreIdAt, StoreId.LengthBytes)),
            SegmentNumber = ReadInt64LittleEndian(source[NumberAt..]),
            PageBits = source[PageBitsAt],
            SegmentBits = source[SegmentBitsAt],
            CreatedAtMicros = ReadInt64LittleEndian(source[CreatedAtAt..]),
            WriterEpoch = ReadUInt64LittleEndian(source[EpochAt..]),
        };
        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        FormatFault fault = ByteRules.CheckHead(source, LengthBytes, Magic);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(source, ReservedAAt, CreatedAtAt);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(source, ReservedBAt, ChecksumAt);
        return fault.IsFault ? fault : CheckRanges(source);
    }

    private static FormatFault CheckRanges(ReadOnlySpan<byte> source)
    {
        if (ByteRules.IsZero(source.Slice(StoreIdAt, StoreId.LengthBytes)))
        {
            return new FormatFault(FaultCode.OutOfRange, StoreIdAt);
        }

        int segmentBits = source[SegmentBitsAt];
        if (!ByteRules.IsGeometry(source[PageBitsAt], segmentBits))
        {
            return new FormatFault(FaultCode.OutOfRange, PageBitsAt);
        }

        // The segment's end, not only its start, must be an address.
        ulong number = ReadUInt64LittleEndian(source[NumberAt..]);
        if (number >= (ulong)(long.MaxValue >> segmentBits))
        {
            return new FormatFault(FaultCode.OutOfRange, NumberAt);
        }

        if (ReadUInt64LittleEndian(source[FirstAddressAt..]) != number << segmentBits)
        {
            return new FormatFault(FaultCode.RuleBroken, FirstAddressAt);
        }

        return ReadUInt64LittleEndian(source[EpochAt..]) == 0 ? new FormatFault(FaultCode.OutOfRange, EpochAt) : FormatFault.None;
    }
}
