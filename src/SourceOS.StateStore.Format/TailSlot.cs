// Why this file exists: a tail slot says up to where the log is durable and keeps a copy of the last, partly filled block, which later writes
// overwrite in place (format-spec/segments.md). Invariants: the descriptor and the copy are judged apart; nothing of the copy is believed without its own checksum.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The descriptor of a tail slot. An immutable value; the block copy travels beside it as bytes.</summary>
public readonly record struct TailSlot
{
    /// <summary>Length of a slot in bytes: descriptor and copy.</summary>
    public const int LengthBytes = DescriptorLengthBytes + CopyLengthBytes;

    /// <summary>Length of the descriptor in bytes.</summary>
    public const int DescriptorLengthBytes = 4096;

    /// <summary>Length of the block copy in bytes.</summary>
    public const int CopyLengthBytes = FormatLimits.LogBlockLengthBytes;

    private const uint CleanCloseFlag = 1;

    private const int MagicAt = 0;
    private const int VersionAt = MagicAt + 8;
    private const int IndexAt = VersionAt + 2;
    private const int FlagsAt = IndexAt + 2;
    private const int StoreIdAt = FlagsAt + 4;
    private const int SegmentAt = StoreIdAt + StoreId.LengthBytes;
    private const int GenerationAt = SegmentAt + 8;
    private const int DurableBeforeAt = GenerationAt + 8;
    private const int TailAt = DurableBeforeAt + 8;
    private const int FrameCountAt = TailAt + 8;
    private const int LastSequenceAt = FrameCountAt + 8;
    private const int EpochAt = LastSequenceAt + 8;
    private const int ChainHeadAt = EpochAt + 8;
    private const int WrittenAtAt = ChainHeadAt + Hash256.LengthBytes;
    private const int BlockAddressAt = WrittenAtAt + 8;
    private const int BlockLengthAt = BlockAddressAt + 8;
    private const int BlockChecksumAt = BlockLengthAt + 4;
    private const int StateTransactionAt = BlockChecksumAt + 4;
    private const int StateGenerationAt = StateTransactionAt + 8;
    private const int ReservedAt = StateGenerationAt + 8;
    private const int ChecksumAt = ReservedAt + 3932;
    private const int End = ChecksumAt + 4;
    private const byte _endIsDescriptor = End == DescriptorLengthBytes ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SOTAILS1"u8;

    /// <summary>Which of the segment's two slots this is: 0 or 1.</summary>
    public int SlotIndex { get; init; }

    /// <summary>Whether the writer closed the store after this slot, with the state on the medium.</summary>
    public bool IsCleanClose { get; init; }

    /// <summary>The store's id.</summary>
    public StoreId StoreId { get; init; }

    /// <summary>Number of the segment the slot stands in.</summary>
    public long SegmentNumber { get; init; }

    /// <summary>Counts all slots ever written in the store, from 1.</summary>
    public ulong Generation { get; init; }

    /// <summary>Everything below this log address was on the medium before the slot was written.</summary>
    public long DurableBefore { get; init; }

    /// <summary>Log address after the last entry of the group.</summary>
    public long Tail { get; init; }

    /// <summary>Number of the next frame.</summary>
    public ulong FrameCount { get; init; }

    /// <summary>Sequence of the last event below the tail; 0 when there is none.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>Epoch of the writer, from 1.</summary>
    public ulong WriterEpoch { get; init; }

    /// <summary>Hash of the last frame below the tail; the base chain head when there is none.</summary>
    public Hash256 ChainHead { get; init; }

    /// <summary>When the slot was written, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long WrittenAtMicros { get; init; }

    /// <summary>LMDB transaction of the state known to be on the medium; 0 unknown.</summary>
    public ulong StateTransaction { get; init; }

    /// <summary>State generation that the transaction belongs to; 0 unknown.</summary>
    public ulong StateGeneration { get; init; }

    /// <summary>Log address of the copied block: the tail rounded down to 4,096.</summary>
    public long BlockAddress => Tail & ~(CopyLengthBytes - 1L);

    /// <summary>Bytes of the copied block that lie below the tail: 0 to 4,095.</summary>
    public int BlockLength => (int)(Tail & (CopyLengthBytes - 1));

    /// <summary>The segment that the slot of a tail stands in.</summary>
    /// <param name="tail">A log address, at least 64.</param>
    /// <param name="segmentBits">Log segment size as a power of two.</param>
    /// <returns>The segment's number; a tail at a segment's end belongs to that segment.</returns>
    public static long SegmentOf(long tail, int segmentBits) => (tail - 1) >> segmentBits;

    /// <summary>Writes the slot.</summary>
    /// <param name="slot">Exactly 8,192 bytes; all of them are written.</param>
    /// <param name="block">The log block at <see cref="BlockAddress"/>; its first <see cref="BlockLength"/> bytes are copied.</param>
    /// <exception cref="ArgumentException">The values break a rule of the format, or a length is wrong.</exception>
    public void Encode(Span<byte> slot, ReadOnlySpan<byte> block)
    {
        ThrowHelper.ThrowIfNotLength(slot, LengthBytes, nameof(slot));
        int blockLength = BlockLength;
        ThrowHelper.ThrowIfShort(block, blockLength, nameof(block));
        slot.Clear();
        block[..blockLength].CopyTo(slot[DescriptorLengthBytes..]);
        Magic.CopyTo(slot);
        WriteUInt16LittleEndian(slot[VersionAt..], FormatLimits.FormatVersion);
        WriteUInt16LittleEndian(slot[IndexAt..], checked((ushort)SlotIndex));
        WriteUInt32LittleEndian(slot[FlagsAt..], IsCleanClose ? CleanCloseFlag : 0);
        StoreId.CopyTo(slot[StoreIdAt..]);
        WriteInt64LittleEndian(slot[SegmentAt..], SegmentNumber);
        WriteUInt64LittleEndian(slot[GenerationAt..], Generation);
        WriteInt64LittleEndian(slot[DurableBeforeAt..], DurableBefore);
        WriteInt64LittleEndian(slot[TailAt..], Tail);
        WriteUInt64LittleEndian(slot[FrameCountAt..], FrameCount);
        WriteUInt64LittleEndian(slot[LastSequenceAt..], LastSequence);
        WriteUInt64LittleEndian(slot[EpochAt..], WriterEpoch);
        ChainHead.CopyTo(slot[ChainHeadAt..]);
        WriteInt64LittleEndian(slot[WrittenAtAt..], WrittenAtMicros);
        WriteInt64LittleEndian(slot[BlockAddressAt..], BlockAddress);
        WriteUInt32LittleEndian(slot[BlockLengthAt..], (uint)blockLength);
        WriteUInt32LittleEndian(slot[BlockChecksumAt..], Checksum.Crc32C((ulong)BlockAddress, block[..blockLength]));
        WriteUInt64LittleEndian(slot[StateTransactionAt..], StateTransaction);
        WriteUInt64LittleEndian(slot[StateGenerationAt..], StateGeneration);
        WriteUInt32LittleEndian(slot[ChecksumAt..], Checksum.Crc32C(slot[..ChecksumAt]));
        FormatFault fault = CheckRanges(slot);
        if (fault.IsFault)
        {
            ThrowHelper.Argument($"The tail slot breaks a rule of the format: {fault}.", nameof(slot));
        }
    }

    /// <summary>Reads a slot. The copy is judged apart: a valid descriptor may come with an invalid copy.</summary>
    /// <param name="slot">The slot's bytes, 8,192.</param>
    /// <param name="descriptor">The descriptor, when it is valid.</param>
    /// <param name="isCopyValid">Whether the descriptor is valid and the copy is the one it describes.</param>
    /// <param name="fault">What is wrong with the descriptor, or else with the copy.</param>
    /// <returns>Whether the descriptor is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> slot, out TailSlot descriptor, out bool isCopyValid, out FormatFault fault)
    {
        descriptor = default;
        isCopyValid = false;
        fault = Check(slot);
        if (fault.IsFault)
        {
            return false;
        }

        descriptor = new TailSlot
        {
            SlotIndex = ReadUInt16LittleEndian(slot[IndexAt..]),
            IsCleanClose = (ReadUInt32LittleEndian(slot[FlagsAt..]) & CleanCloseFlag) != 0,
            StoreId = new StoreId(slot.Slice(StoreIdAt, StoreId.LengthBytes)),
            SegmentNumber = ReadInt64LittleEndian(slot[SegmentAt..]),
            Generation = ReadUInt64LittleEndian(slot[GenerationAt..]),
            DurableBefore = ReadInt64LittleEndian(slot[DurableBeforeAt..]),
            Tail = ReadInt64LittleEndian(slot[TailAt..]),
            FrameCount = ReadUInt64LittleEndian(slot[FrameCountAt..]),
            LastSequence = ReadUInt64LittleEndian(slot[LastSequenceAt..]),
            WriterEpoch = ReadUInt64LittleEndian(slot[EpochAt..]),
            ChainHead = new Hash256(slot.Slice(ChainHeadAt, Hash256.LengthBytes)),
            WrittenAtMicros = ReadInt64LittleEndian(slot[WrittenAtAt..]),
            StateTransaction = ReadUInt64LittleEndian(slot[StateTransactionAt..]),
            StateGeneration = ReadUInt64LittleEndian(slot[StateGenerationAt..]),
        };
        fault = CheckCopy(slot, descriptor);
        isCopyValid = !fault.IsFault;
        return true;
    }

    /// <summary>The bytes of the copied block that lie below the tail.</summary>
    /// <param name="slot">The slot's bytes, of which this value was decoded with a valid copy.</param>
    /// <returns><see cref="BlockLength"/> bytes.</returns>
    public ReadOnlySpan<byte> BlockOf(ReadOnlySpan<byte> slot)
    {
        ThrowHelper.ThrowIfNotLength(slot, LengthBytes, nameof(slot));
        return slot.Slice(DescriptorLengthBytes, BlockLength);
    }

    /// <summary>Whether the slot stands where it says: in this store, this segment, at this index.</summary>
    /// <param name="storeId">The store's id.</param>
    /// <param name="segmentNumber">The segment it was read from.</param>
    /// <param name="slotIndex">The slot it was read from, 0 or 1.</param>
    /// <param name="segmentBits">Log segment size as a power of two.</param>
    /// <returns>No fault, or which rule is broken.</returns>
    public FormatFault CheckPlace(StoreId storeId, long segmentNumber, int slotIndex, int segmentBits) =>
        StoreId != storeId ? new FormatFault(FaultCode.WrongStore, StoreIdAt)
        : SegmentNumber != segmentNumber ? new FormatFault(FaultCode.WrongPlace, SegmentAt)
        : SlotIndex != slotIndex ? new FormatFault(FaultCode.WrongPlace, IndexAt)
        : SegmentOf(Tail, segmentBits) != segmentNumber ? new FormatFault(FaultCode.WrongPlace, TailAt)
        : FormatFault.None;

    private static FormatFault Check(ReadOnlySpan<byte> slot)
    {
        if (slot.Length != LengthBytes)
        {
            return new FormatFault(slot.Length < LengthBytes ? FaultCode.Truncated : FaultCode.TrailingBytes, Math.Min(slot.Length, LengthBytes));
        }

        if (ByteRules.IsZero(slot))
        {
            return new FormatFault(FaultCode.NeverWritten, 0);
        }

        if (!slot[..Magic.Length].SequenceEqual(Magic))
        {
            return new FormatFault(FaultCode.BadMagic, MagicAt);
        }

        if (ReadUInt32LittleEndian(slot[ChecksumAt..]) != Checksum.Crc32C(slot[..ChecksumAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, ChecksumAt);
        }

        if (ReadUInt16LittleEndian(slot[VersionAt..]) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, VersionAt);
        }

        return CheckRanges(slot);
    }

    private static FormatFault CheckRanges(ReadOnlySpan<byte> slot)
    {
        ulong durableBefore = ReadUInt64LittleEndian(slot[DurableBeforeAt..]);
        ulong tail = ReadUInt64LittleEndian(slot[TailAt..]);
        ulong frameCount = ReadUInt64LittleEndian(slot[FrameCountAt..]);
        ulong lastSequence = ReadUInt64LittleEndian(slot[LastSequenceAt..]);
        if ((ReadUInt32LittleEndian(slot[FlagsAt..]) & ~CleanCloseFlag) != 0)
        {
            return new FormatFault(FaultCode.UnknownFlag, FlagsAt);
        }

        int at =
            ReadUInt16LittleEndian(slot[IndexAt..]) > 1 ? IndexAt
            : ByteRules.IsZero(slot.Slice(StoreIdAt, StoreId.LengthBytes)) ? StoreIdAt
            : ReadUInt64LittleEndian(slot[SegmentAt..]) > long.MaxValue ? SegmentAt
            : ReadUInt64LittleEndian(slot[GenerationAt..]) == 0 ? GenerationAt
            : !ByteRules.IsAddress(durableBefore) ? DurableBeforeAt
            : !ByteRules.IsAddress(tail) ? TailAt
            : frameCount > MerkleFrontier.MaxLeafCount ? FrameCountAt
            : ReadUInt64LittleEndian(slot[EpochAt..]) == 0 ? EpochAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(FaultCode.OutOfRange, at);
        }

        // Each frame holds at least one event, so there are at least as many sequences as frames.
        at =
            durableBefore > tail ? DurableBeforeAt
            : lastSequence < frameCount || (frameCount == 0 && lastSequence != 0) ? LastSequenceAt
            : ReadUInt64LittleEndian(slot[BlockAddressAt..]) != (tail & ~(CopyLengthBytes - 1UL)) ? BlockAddressAt
            : ReadUInt32LittleEndian(slot[BlockLengthAt..]) != (tail & (CopyLengthBytes - 1UL)) ? BlockLengthAt
            : -1;
        return at >= 0 ? new FormatFault(FaultCode.RuleBroken, at) : ByteRules.CheckZero(slot, ReservedAt, ChecksumAt);
    }

    private static FormatFault CheckCopy(ReadOnlySpan<byte> slot, in TailSlot descriptor)
    {
        int length = descriptor.BlockLength;
        uint expected = ReadUInt32LittleEndian(slot[BlockChecksumAt..]);
        return Checksum.Crc32C((ulong)descriptor.BlockAddress, slot.Slice(DescriptorLengthBytes, length)) != expected
            ? new FormatFault(FaultCode.ChecksumMismatch, BlockChecksumAt)
            : ByteRules.CheckZero(slot, DescriptorLengthBytes + length, LengthBytes);
    }
}
