// Why this file exists: the superblock says which store this is, how its log is cut, and which generation of the state counts
// (format-spec/superblock.md). Invariants: two slots, written in turn by the parity of the update counter; a slot is valid as a whole or not at all.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>One slot of the file <c>STORE</c>. Immutable; use <c>with</c> and <see cref="Next"/> to make its successor.</summary>
public sealed record Superblock
{
    /// <summary>Length of the file in bytes.</summary>
    public const int FileLengthBytes = 2 * SlotLengthBytes;

    /// <summary>Length of one slot in bytes.</summary>
    public const int SlotLengthBytes = 4096;

    /// <summary>Most bytes of the writer's build text.</summary>
    public const int MaxWriterBuildLengthBytes = 64;

    private const int MagicAt = 0;
    private const int VersionAt = MagicAt + 8;
    private const int LowestReaderAt = VersionAt + 2;
    private const int FlagsAt = LowestReaderAt + 2;
    private const int StoreIdAt = FlagsAt + 4;
    private const int UpdateCounterAt = StoreIdAt + StoreId.LengthBytes;
    private const int GenerationAt = UpdateCounterAt + 8;
    private const int CreatedAtAt = GenerationAt + 8;
    private const int PageBitsAt = CreatedAtAt + 8;
    private const int SegmentBitsAt = PageBitsAt + 1;
    private const int ReservedAAt = SegmentBitsAt + 1;
    private const int BaseAddressAt = ReservedAAt + 6;
    private const int BaseFrameAt = BaseAddressAt + 8;
    private const int BaseSequenceAt = BaseFrameAt + 8;
    private const int BaseHeadAt = BaseSequenceAt + 8;
    private const int BaseDigestAt = BaseHeadAt + Hash256.LengthBytes;
    private const int FrontierCountAt = BaseDigestAt + Hash256.LengthBytes;
    private const int ReservedBAt = FrontierCountAt + 2;
    private const int FrontierAt = ReservedBAt + 6;
    private const int WriterBuildAt = FrontierAt + (MerkleFrontier.MaxHashes * Hash256.LengthBytes);
    private const int ReservedCAt = WriterBuildAt + MaxWriterBuildLengthBytes;
    private const int ChecksumAt = ReservedCAt + 2332;
    private const int End = ChecksumAt + 4;
    private const byte _endIsSlotLength = End == SlotLengthBytes ? 0 : -1;
    private const byte _checksumStandsLast = ChecksumAt == 4092 ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SOSTATE1"u8;

    /// <summary>Format version of the store.</summary>
    public int FormatVersion { get; init; } = FormatLimits.FormatVersion;

    /// <summary>Lowest version of a reader that can read the store.</summary>
    public int LowestReaderVersion { get; init; } = FormatLimits.LowestReaderVersion;

    /// <summary>The store's id.</summary>
    public required StoreId StoreId { get; init; }

    /// <summary>Counts the writes of the superblock, from 1; the higher of two valid slots counts.</summary>
    public required ulong UpdateCounter { get; init; }

    /// <summary>Generation of the state, from 1: <c>state/g{N}/</c>.</summary>
    public required ulong StateGeneration { get; init; }

    /// <summary>When the store was created, in microseconds since 1970 UTC; 0 unknown.</summary>
    public required long CreatedAtMicros { get; init; }

    /// <summary>Log page size as a power of two.</summary>
    public required int PageBits { get; init; }

    /// <summary>Log segment size as a power of two.</summary>
    public required int SegmentBits { get; init; }

    /// <summary>Log address of the first frame in the log.</summary>
    public required long BaseAddress { get; init; }

    /// <summary>Number of the first frame in the log.</summary>
    public required ulong BaseFrame { get; init; }

    /// <summary>Sequence of the first event in the log.</summary>
    public required ulong BaseSequence { get; init; }

    /// <summary>Hash before the first frame in the log.</summary>
    public required Hash256 BaseChainHead { get; init; }

    /// <summary>SHA-256 of the state at the base; zero when the log starts at frame 0.</summary>
    public required Hash256 BaseStateDigest { get; init; }

    /// <summary>Frontier of the log tree at the base: one hash for each set bit of <see cref="BaseFrame"/>, largest subtree first.</summary>
    public Hash256[] BaseFrontier { get; init; } = [];

    /// <summary>The build that wrote the slot, at most 64 bytes of UTF-8 without zero characters.</summary>
    public required string WriterBuild { get; init; }

    /// <summary>The slot that this superblock belongs into: 0 or 1.</summary>
    public int SlotIndex => (int)(UpdateCounter % 2);

    /// <summary>The superblock of a new store whose log starts at frame 0.</summary>
    /// <param name="storeId">A random id.</param>
    /// <param name="pageBits">Log page size as a power of two, 16 to 26.</param>
    /// <param name="segmentBits">Log segment size as a power of two, 17 to 30 and not below the page.</param>
    /// <param name="createdAtMicros">Now, in microseconds since 1970 UTC; 0 unknown.</param>
    /// <param name="writerBuild">The writing build, at most 64 bytes of UTF-8.</param>
    /// <returns>The superblock with update counter 1 and state generation 1.</returns>
    public static Superblock CreateNew(StoreId storeId, int pageBits, int segmentBits, long createdAtMicros, string writerBuild) => new()
    {
        StoreId = storeId,
        UpdateCounter = 1,
        StateGeneration = 1,
        CreatedAtMicros = createdAtMicros,
        PageBits = pageBits,
        SegmentBits = segmentBits,
        BaseAddress = FormatLimits.FirstLogAddress,
        BaseFrame = 0,
        BaseSequence = 1,
        BaseChainHead = storeId.GenesisHash(),
        BaseStateDigest = default,
        WriterBuild = writerBuild,
    };

    /// <summary>The superblock that replaces this one: the same with the next update counter.</summary>
    /// <returns>A new value.</returns>
    public Superblock Next() => this with { UpdateCounter = checked(UpdateCounter + 1) };

    /// <summary>Writes the slot.</summary>
    /// <param name="slot">Exactly 4,096 bytes; all of them are written.</param>
    /// <exception cref="ArgumentException">The values break a rule of the format, or the length is wrong.</exception>
    public void Encode(Span<byte> slot)
    {
        ThrowHelper.ThrowIfNotLength(slot, SlotLengthBytes, nameof(slot));
        slot.Clear();
        Magic.CopyTo(slot);
        WriteUInt16LittleEndian(slot[VersionAt..], checked((ushort)FormatVersion));
        WriteUInt16LittleEndian(slot[LowestReaderAt..], checked((ushort)LowestReaderVersion));
        StoreId.CopyTo(slot[StoreIdAt..]);
        WriteUInt64LittleEndian(slot[UpdateCounterAt..], UpdateCounter);
        WriteUInt64LittleEndian(slot[GenerationAt..], StateGeneration);
        WriteInt64LittleEndian(slot[CreatedAtAt..], CreatedAtMicros);
        slot[PageBitsAt] = checked((byte)PageBits);
        slot[SegmentBitsAt] = checked((byte)SegmentBits);
        WriteInt64LittleEndian(slot[BaseAddressAt..], BaseAddress);
        WriteUInt64LittleEndian(slot[BaseFrameAt..], BaseFrame);
        WriteUInt64LittleEndian(slot[BaseSequenceAt..], BaseSequence);
        BaseChainHead.CopyTo(slot[BaseHeadAt..]);
        BaseStateDigest.CopyTo(slot[BaseDigestAt..]);
        WriteUInt16LittleEndian(slot[FrontierCountAt..], checked((ushort)BaseFrontier.Length));
        ThrowHelper.ThrowIfArgument(BaseFrontier.Length > MerkleFrontier.MaxHashes, "A frontier has at most 48 hashes.", nameof(slot));
        for (int i = 0; i < BaseFrontier.Length; i++)
        {
            BaseFrontier[i].CopyTo(slot[(FrontierAt + (i * Hash256.LengthBytes))..]);
        }

        ThrowHelper.ThrowIfArgument(
            Encoding.UTF8.GetByteCount(WriterBuild) > MaxWriterBuildLengthBytes, "The writer's build has at most 64 bytes of UTF-8.", nameof(slot));
        _ = Encoding.UTF8.GetBytes(WriterBuild, slot[WriterBuildAt..]);
        WriteUInt32LittleEndian(slot[ChecksumAt..], Checksum.Crc32C(slot[..ChecksumAt]));
        if (!TryDecodeSlot(slot, SlotIndex, out _, out FormatFault fault))
        {
            ThrowHelper.Argument($"The superblock breaks a rule of the format: {fault}.", nameof(slot));
        }
    }

    /// <summary>Writes the whole file of a new store: this superblock and its successor, so that both slots are valid.</summary>
    /// <param name="file">Exactly 8,192 bytes.</param>
    /// <returns>The newer of the two, which counts.</returns>
    public Superblock EncodeNewFile(Span<byte> file)
    {
        ThrowHelper.ThrowIfNotLength(file, FileLengthBytes, nameof(file));
        Superblock newer = Next();
        Encode(file.Slice(SlotIndex * SlotLengthBytes, SlotLengthBytes));
        newer.Encode(file.Slice(newer.SlotIndex * SlotLengthBytes, SlotLengthBytes));
        return newer;
    }

    /// <summary>Reads a slot.</summary>
    /// <param name="slot">The slot's bytes, 4,096.</param>
    /// <param name="slotIndex">Which slot it is, 0 or 1.</param>
    /// <param name="superblock">The superblock, when the slot is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether the slot is valid.</returns>
    public static bool TryDecodeSlot(
        ReadOnlySpan<byte> slot, int slotIndex, [NotNullWhen(true)] out Superblock? superblock, out FormatFault fault)
    {
        superblock = null;
        fault = CheckFrame(slot);
        if (fault.IsFault)
        {
            return false;
        }

        int textLength = ByteRules.PaddedTextLength(slot.Slice(WriterBuildAt, MaxWriterBuildLengthBytes));
        int hashCount = ReadUInt16LittleEndian(slot[FrontierCountAt..]);
        ulong baseFrame = ReadUInt64LittleEndian(slot[BaseFrameAt..]);
        fault = CheckReserved(slot, hashCount);
        fault = fault.IsFault ? fault : CheckRanges(slot, slotIndex);
        fault = fault.IsFault ? fault : CheckBase(slot, baseFrame, hashCount);
        fault = fault.IsFault || textLength >= 0 ? fault : new FormatFault(FaultCode.InvalidUtf8, WriterBuildAt);
        if (fault.IsFault)
        {
            return false;
        }

        var frontier = new Hash256[hashCount];
        for (int i = 0; i < hashCount; i++)
        {
            frontier[i] = new Hash256(slot.Slice(FrontierAt + (i * Hash256.LengthBytes), Hash256.LengthBytes));
        }

        superblock = new Superblock
        {
            FormatVersion = ReadUInt16LittleEndian(slot[VersionAt..]),
            LowestReaderVersion = ReadUInt16LittleEndian(slot[LowestReaderAt..]),
            StoreId = new StoreId(slot.Slice(StoreIdAt, StoreId.LengthBytes)),
            UpdateCounter = ReadUInt64LittleEndian(slot[UpdateCounterAt..]),
            StateGeneration = ReadUInt64LittleEndian(slot[GenerationAt..]),
            CreatedAtMicros = ReadInt64LittleEndian(slot[CreatedAtAt..]),
            PageBits = slot[PageBitsAt],
            SegmentBits = slot[SegmentBitsAt],
            BaseAddress = ReadInt64LittleEndian(slot[BaseAddressAt..]),
            BaseFrame = baseFrame,
            BaseSequence = ReadUInt64LittleEndian(slot[BaseSequenceAt..]),
            BaseChainHead = new Hash256(slot.Slice(BaseHeadAt, Hash256.LengthBytes)),
            BaseStateDigest = new Hash256(slot.Slice(BaseDigestAt, Hash256.LengthBytes)),
            BaseFrontier = frontier,
            WriterBuild = Encoding.UTF8.GetString(slot.Slice(WriterBuildAt, textLength)),
        };
        return true;
    }

    /// <summary>Reads both slots and says which one counts.</summary>
    /// <param name="file">The bytes of the file <c>STORE</c>; too short a file makes the missing slots invalid.</param>
    /// <returns>The newest valid superblock, if any, and what is wrong with each slot.</returns>
    public static SuperblockChoice ChooseNewest(ReadOnlySpan<byte> file)
    {
        Superblock? first = null;
        Superblock? second = null;
        var firstFault = new FormatFault(FaultCode.Truncated, file.Length);
        var secondFault = firstFault;
        if (file.Length >= SlotLengthBytes)
        {
            _ = TryDecodeSlot(file[..SlotLengthBytes], 0, out first, out firstFault);
        }

        if (file.Length >= FileLengthBytes)
        {
            _ = TryDecodeSlot(file.Slice(SlotLengthBytes, SlotLengthBytes), 1, out second, out secondFault);
            secondFault = secondFault.At(SlotLengthBytes);
        }

        bool trailing = file.Length > FileLengthBytes;
        bool isSecond = second is not null && (first is null || second.UpdateCounter > first.UpdateCounter);
        if (first is not null && second is not null && first.StoreId != second.StoreId)
        {
            // One of the two is a stranger; the newer one counts and the other is reported.
            firstFault = isSecond ? new FormatFault(FaultCode.WrongStore, StoreIdAt) : firstFault;
            secondFault = isSecond ? secondFault : new FormatFault(FaultCode.WrongStore, SlotLengthBytes + StoreIdAt);
        }

        return new SuperblockChoice(isSecond ? second : first, firstFault, secondFault, trailing);
    }

    /// <inheritdoc/>
    public bool Equals(Superblock? other) =>
        other is not null
        && FormatVersion == other.FormatVersion
        && LowestReaderVersion == other.LowestReaderVersion
        && StoreId == other.StoreId
        && UpdateCounter == other.UpdateCounter
        && StateGeneration == other.StateGeneration
        && CreatedAtMicros == other.CreatedAtMicros
        && PageBits == other.PageBits
        && SegmentBits == other.SegmentBits
        && BaseAddress == other.BaseAddress
        && BaseFrame == other.BaseFrame
        && BaseSequence == other.BaseSequence
        && BaseChainHead == other.BaseChainHead
        && BaseStateDigest == other.BaseStateDigest
        && BaseFrontier.AsSpan().SequenceEqual(other.BaseFrontier)
        && WriterBuild == other.WriterBuild;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(StoreId, UpdateCounter, StateGeneration);

    private static FormatFault CheckFrame(ReadOnlySpan<byte> slot)
    {
        if (slot.Length != SlotLengthBytes)
        {
            return new FormatFault(slot.Length < SlotLengthBytes ? FaultCode.Truncated : FaultCode.TrailingBytes, Math.Min(slot.Length, SlotLengthBytes));
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

        int version = ReadUInt16LittleEndian(slot[VersionAt..]);
        int lowestReader = ReadUInt16LittleEndian(slot[LowestReaderAt..]);
        return version < 1 || lowestReader < 1 || lowestReader > version || lowestReader > FormatLimits.FormatVersion
            ? new FormatFault(FaultCode.UnsupportedVersion, VersionAt)
            : FormatFault.None;
    }

    private static FormatFault CheckReserved(ReadOnlySpan<byte> slot, int hashCount)
    {
        FormatFault fault = ReadUInt32LittleEndian(slot[FlagsAt..]) != 0 ? new FormatFault(FaultCode.UnknownFlag, FlagsAt) : FormatFault.None;
        fault = fault.IsFault ? fault : ByteRules.CheckZero(slot, ReservedAAt, BaseAddressAt);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(slot, ReservedBAt, FrontierAt);
        fault = fault.IsFault || hashCount <= MerkleFrontier.MaxHashes ? fault : new FormatFault(FaultCode.CountMismatch, FrontierCountAt);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(slot, FrontierAt + (hashCount * Hash256.LengthBytes), WriterBuildAt);
        return fault.IsFault ? fault : ByteRules.CheckZero(slot, ReservedCAt, ChecksumAt);
    }

    private static FormatFault CheckRanges(ReadOnlySpan<byte> slot, int slotIndex)
    {
        ulong counter = ReadUInt64LittleEndian(slot[UpdateCounterAt..]);
        int at =
            ByteRules.IsZero(slot.Slice(StoreIdAt, StoreId.LengthBytes)) ? StoreIdAt
            : counter == 0 ? UpdateCounterAt
            : ReadUInt64LittleEndian(slot[GenerationAt..]) == 0 ? GenerationAt
            : !ByteRules.IsGeometry(slot[PageBitsAt], slot[SegmentBitsAt]) ? PageBitsAt
            : !ByteRules.IsAddress(ReadUInt64LittleEndian(slot[BaseAddressAt..])) ? BaseAddressAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(FaultCode.OutOfRange, at);
        }

        return (int)(counter % 2) != slotIndex ? new FormatFault(FaultCode.WrongPlace, UpdateCounterAt) : FormatFault.None;
    }

    private static FormatFault CheckBase(ReadOnlySpan<byte> slot, ulong baseFrame, int hashCount)
    {
        if (baseFrame > MerkleFrontier.MaxLeafCount)
        {
            return new FormatFault(FaultCode.OutOfRange, BaseFrameAt);
        }

        if (hashCount != MerkleFrontier.HashCountOf(baseFrame))
        {
            return new FormatFault(FaultCode.CountMismatch, FrontierCountAt);
        }

        // Each frame holds at least one event, so the first sequence is above the number of frames before it.
        ulong baseSequence = ReadUInt64LittleEndian(slot[BaseSequenceAt..]);
        if (baseFrame > 0)
        {
            bool isDigestZero = ByteRules.IsZero(slot.Slice(BaseDigestAt, Hash256.LengthBytes));
            return baseSequence <= baseFrame ? new FormatFault(FaultCode.RuleBroken, BaseSequenceAt)
                : isDigestZero ? new FormatFault(FaultCode.RuleBroken, BaseDigestAt)
                : FormatFault.None;
        }

        Hash256 genesis = new StoreId(slot.Slice(StoreIdAt, StoreId.LengthBytes)).GenesisHash();
        int at =
            ReadUInt64LittleEndian(slot[BaseAddressAt..]) != (ulong)FormatLimits.FirstLogAddress ? BaseAddressAt
            : baseSequence != 1 ? BaseSequenceAt
            : !slot.Slice(BaseHeadAt, Hash256.LengthBytes).SequenceEqual(genesis.Bytes) ? BaseHeadAt
            : !ByteRules.IsZero(slot.Slice(BaseDigestAt, Hash256.LengthBytes)) ? BaseDigestAt
            : -1;
        return at >= 0 ? new FormatFault(FaultCode.RuleBroken, at) : FormatFault.None;
    }
}

/// <summary>Which of the two slots of a superblock counts.</summary>
/// <param name="Newest">The superblock that counts; null when both slots are invalid.</param>
/// <param name="FirstFault">What is wrong with slot 0, with its offset in the file.</param>
/// <param name="SecondFault">What is wrong with slot 1, with its offset in the file.</param>
/// <param name="HasTrailingBytes">Whether the file is longer than two slots.</param>
public readonly record struct SuperblockChoice(Superblock? Newest, FormatFault FirstFault, FormatFault SecondFault, bool HasTrailingBytes);
