// Why this file exists: the hashed head of a frame (format-spec/frames.md). Invariants: the frame's hash is SHA-256 of exactly these 256 bytes; a header that
// decodes has passed its checksum and every rule that can be judged without its neighbours.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The header of a frame. An immutable value.</summary>
public readonly record struct FrameHeader
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 256;

    /// <summary>Length of the head of the body area in bytes.</summary>
    public const int BodyHeadLengthBytes = 16;

    private const uint LastOfCommitFlag = 1;

    private const int MagicAt = 0;
    private const int HeaderLengthAt = MagicAt + 4;
    private const int VersionAt = HeaderLengthAt + 2;
    private const int FlagsAt = VersionAt + 2;
    private const int EventCountAt = FlagsAt + 4;
    private const int StoreIdAt = EventCountAt + 4;
    private const int EpochAt = StoreIdAt + StoreId.LengthBytes;
    private const int FrameNumberAt = EpochAt + 8;
    private const int CommitIdAt = FrameNumberAt + 8;
    private const int IndexAt = CommitIdAt + 8;
    private const int ReservedAAt = IndexAt + 4;
    private const int FirstSequenceAt = ReservedAAt + 4;
    private const int AddressAt = FirstSequenceAt + 8;
    private const int CommitTimeAt = AddressAt + 8;
    private const int DurableFramesAt = CommitTimeAt + 8;
    private const int PreviousHashAt = DurableFramesAt + 8;
    private const int EventsRootAt = PreviousHashAt + Hash256.LengthBytes;
    private const int BodyLengthAt = EventsRootAt + Hash256.LengthBytes;
    private const int ReservedBAt = BodyLengthAt + 4;
    private const int ChecksumAt = ReservedBAt + 88;
    private const int End = ChecksumAt + 4;
    private const byte _endIsLength = End == LengthBytes ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SSFR"u8;

    /// <summary>Whether this is the last frame of its commit.</summary>
    public bool IsLastOfCommit { get; init; }

    /// <summary>Number of events, 1 to 16,384.</summary>
    public int EventCount { get; init; }

    /// <summary>The store's id.</summary>
    public StoreId StoreId { get; init; }

    /// <summary>Epoch of the writer, from 1.</summary>
    public ulong WriterEpoch { get; init; }

    /// <summary>The frame's number, from 0.</summary>
    public ulong FrameNumber { get; init; }

    /// <summary>The commit's id, from 1.</summary>
    public ulong CommitId { get; init; }

    /// <summary>Index of the frame in its commit, from 0.</summary>
    public uint IndexInCommit { get; init; }

    /// <summary>Sequence of the first event, from 1.</summary>
    public ulong FirstSequence { get; init; }

    /// <summary>Log address of the frame's entry, of its length prefix.</summary>
    public long Address { get; init; }

    /// <summary>When the commit was made, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long CommitTimeMicros { get; init; }

    /// <summary>Count of frames known to be durable when this one was written.</summary>
    public ulong DurableFrames { get; init; }

    /// <summary>Hash of the frame before; the base chain head for the first frame.</summary>
    public Hash256 PreviousHash { get; init; }

    /// <summary>RFC 6962 tree hash over the leaf hashes of the events.</summary>
    public Hash256 EventsRoot { get; init; }

    /// <summary>Length of the body area in bytes, a multiple of 4.</summary>
    public int BodyAreaLengthBytes { get; init; }

    /// <summary>Sequence of the last event.</summary>
    public ulong LastSequence => FirstSequence + (ulong)EventCount - 1;

    /// <summary>Length of the whole entry in bytes: header, leaf hashes, body area.</summary>
    public int EntryLengthBytes => BodyAreaOffset + BodyAreaLengthBytes;

    /// <summary>Offset of the body area in the entry.</summary>
    public int BodyAreaOffset => LengthBytes + (EventCount * Hash256.LengthBytes);

    /// <summary>The hash that names a frame.</summary>
    /// <param name="headerBytes">The 256 header bytes.</param>
    /// <returns>Their SHA-256.</returns>
    public static Hash256 HashOf(ReadOnlySpan<byte> headerBytes)
    {
        ThrowHelper.ThrowIfNotLength(headerBytes, LengthBytes, nameof(headerBytes));
        return Checksum.Sha256(headerBytes);
    }

    /// <summary>Writes the header.</summary>
    /// <param name="destination">Exactly 256 bytes; all of them are written.</param>
    /// <exception cref="ArgumentException">The values break a rule of the format, or the length is wrong.</exception>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes, nameof(destination));
        destination.Clear();
        Magic.CopyTo(destination);
        WriteUInt16LittleEndian(destination[HeaderLengthAt..], LengthBytes);
        WriteUInt16LittleEndian(destination[VersionAt..], FormatLimits.FormatVersion);
        WriteUInt32LittleEndian(destination[FlagsAt..], IsLastOfCommit ? LastOfCommitFlag : 0);
        WriteInt32LittleEndian(destination[EventCountAt..], EventCount);
        StoreId.CopyTo(destination[StoreIdAt..]);
        WriteUInt64LittleEndian(destination[EpochAt..], WriterEpoch);
        WriteUInt64LittleEndian(destination[FrameNumberAt..], FrameNumber);
        WriteUInt64LittleEndian(destination[CommitIdAt..], CommitId);
        WriteUInt32LittleEndian(destination[IndexAt..], IndexInCommit);
        WriteUInt64LittleEndian(destination[FirstSequenceAt..], FirstSequence);
        WriteInt64LittleEndian(destination[AddressAt..], Address);
        WriteInt64LittleEndian(destination[CommitTimeAt..], CommitTimeMicros);
        WriteUInt64LittleEndian(destination[DurableFramesAt..], DurableFrames);
        PreviousHash.CopyTo(destination[PreviousHashAt..]);
        EventsRoot.CopyTo(destination[EventsRootAt..]);
        WriteInt32LittleEndian(destination[BodyLengthAt..], BodyAreaLengthBytes);
        WriteUInt32LittleEndian(destination[ChecksumAt..], Checksum.Crc32C(destination[..ChecksumAt]));
        FormatFault fault = CheckRanges(destination);
        if (fault.IsFault)
        {
            ThrowHelper.Argument($"The frame header breaks a rule of the format: {fault}.", nameof(destination));
        }
    }

    /// <summary>Reads a header.</summary>
    /// <param name="source">Bytes that begin with a header; what follows it is not looked at.</param>
    /// <param name="header">The header, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out FrameHeader header, out FormatFault fault)
    {
        header = default;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        header = new FrameHeader
        {
            IsLastOfCommit = (ReadUInt32LittleEndian(source[FlagsAt..]) & LastOfCommitFlag) != 0,
            EventCount = ReadInt32LittleEndian(source[EventCountAt..]),
            StoreId = new StoreId(source.Slice(StoreIdAt, StoreId.LengthBytes)),
            WriterEpoch = ReadUInt64LittleEndian(source[EpochAt..]),
            FrameNumber = ReadUInt64LittleEndian(source[FrameNumberAt..]),
            CommitId = ReadUInt64LittleEndian(source[CommitIdAt..]),
            IndexInCommit = ReadUInt32LittleEndian(source[IndexAt..]),
            FirstSequence = ReadUInt64LittleEndian(source[FirstSequenceAt..]),
            Address = ReadInt64LittleEndian(source[AddressAt..]),
            CommitTimeMicros = ReadInt64LittleEndian(source[CommitTimeAt..]),
            DurableFrames = ReadUInt64LittleEndian(source[DurableFramesAt..]),
            PreviousHash = new Hash256(source.Slice(PreviousHashAt, Hash256.LengthBytes)),
            EventsRoot = new Hash256(source.Slice(EventsRootAt, Hash256.LengthBytes)),
            BodyAreaLengthBytes = ReadInt32LittleEndian(source[BodyLengthAt..]),
        };
        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        if (source.Length < LengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, source.Length);
        }

        if (!source[..Magic.Length].SequenceEqual(Magic))
        {
            return new FormatFault(FaultCode.BadMagic, MagicAt);
        }

        if (ReadUInt32LittleEndian(source[ChecksumAt..]) != Checksum.Crc32C(source[..ChecksumAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, ChecksumAt);
        }

        if (ReadUInt16LittleEndian(source[VersionAt..]) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, VersionAt);
        }

        return CheckRanges(source);
    }

    private static FormatFault CheckRanges(ReadOnlySpan<byte> source)
    {
        if ((ReadUInt32LittleEndian(source[FlagsAt..]) & ~LastOfCommitFlag) != 0)
        {
            return new FormatFault(FaultCode.UnknownFlag, FlagsAt);
        }

        int count = ReadInt32LittleEndian(source[EventCountAt..]);
        ulong number = ReadUInt64LittleEndian(source[FrameNumberAt..]);
        ulong sequence = ReadUInt64LittleEndian(source[FirstSequenceAt..]);
        int body = ReadInt32LittleEndian(source[BodyLengthAt..]);
        int at =
            ReadUInt16LittleEndian(source[HeaderLengthAt..]) != LengthBytes ? HeaderLengthAt
            : count is < 1 or > FormatLimits.MaxFrameEvents ? EventCountAt
            : ByteRules.IsZero(source.Slice(StoreIdAt, StoreId.LengthBytes)) ? StoreIdAt
            : ReadUInt64LittleEndian(source[EpochAt..]) == 0 ? EpochAt
            : number >= MerkleFrontier.MaxLeafCount ? FrameNumberAt
            : ReadUInt64LittleEndian(source[CommitIdAt..]) == 0 ? CommitIdAt
            : sequence > ulong.MaxValue - FormatLimits.MaxFrameEvents ? FirstSequenceAt
            : !ByteRules.IsAddress(ReadUInt64LittleEndian(source[AddressAt..])) ? AddressAt
            : body is <= BodyHeadLengthBytes or > BodyHeadLengthBytes + FormatLimits.MaxFrameRawBodyLengthBytes || body % 4 != 0 ? BodyLengthAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(FaultCode.OutOfRange, at);
        }

        // Each frame holds an event and each commit a frame, so none of these can be behind the frame's number.
        at =
            sequence <= number ? FirstSequenceAt
            : ReadUInt64LittleEndian(source[CommitIdAt..]) > number + 1 ? CommitIdAt
            : ReadUInt32LittleEndian(source[IndexAt..]) > number ? IndexAt
            : ReadUInt64LittleEndian(source[DurableFramesAt..]) > number ? DurableFramesAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(FaultCode.RuleBroken, at);
        }

        FormatFault fault = ByteRules.CheckZero(source, ReservedAAt, FirstSequenceAt);
        return fault.IsFault ? fault : ByteRules.CheckZero(source, ReservedBAt, ChecksumAt);
    }
}
