// Why this file exists: one frame over the bytes of its entry (format-spec/frames.md). Invariants: a view exists only over an entry of exactly the length its
// checked header says; leaf hashes and body are checked by their own calls, since many readers need the chain only.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>One frame over the bytes it was read from. Thread-safe as long as nobody changes those bytes.</summary>
public readonly ref struct FrameView
{
    internal const int CodecAt = 0;
    internal const int BodyFlagsAt = CodecAt + 1;
    internal const int BodyReservedAt = BodyFlagsAt + 1;
    internal const int StoredLengthAt = BodyReservedAt + 2;
    internal const int RawLengthAt = StoredLengthAt + 4;
    internal const int BodyChecksumAt = RawLengthAt + 4;
    private const byte _bodyHeadIs16 = BodyChecksumAt + 4 == FrameHeader.BodyHeadLengthBytes ? 0 : -1;

    internal const byte CodecRaw = 1;
    internal const byte CodecLz4 = 2;
    internal const byte ErasedFlag = 1;

    private readonly ReadOnlySpan<byte> _entry;
    private readonly FrameHeader _header;

    private FrameView(ReadOnlySpan<byte> entry, scoped in FrameHeader header)
    {
        _entry = entry;
        _header = header;
    }

    /// <summary>The header.</summary>
    public FrameHeader Header => _header;

    /// <summary>The 256 header bytes, which the frame's hash covers.</summary>
    public ReadOnlySpan<byte> HeaderBytes => _entry[..FrameHeader.LengthBytes];

    /// <summary>The leaf hashes of the events, 32 bytes each.</summary>
    public ReadOnlySpan<byte> LeafHashes => _entry[FrameHeader.LengthBytes.._header.BodyAreaOffset];

    /// <summary>The body area: head, stored bytes, zeroes.</summary>
    public ReadOnlySpan<byte> BodyArea => _entry[_header.BodyAreaOffset..];

    /// <summary>Reads a frame's header and checks that the entry has its length.</summary>
    /// <param name="entry">Exactly the entry's bytes, without FASTER's length prefix.</param>
    /// <param name="frame">The frame, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether header and length are valid.</returns>
    public static bool TryRead(ReadOnlySpan<byte> entry, out FrameView frame, out FormatFault fault)
    {
        frame = default;
        if (!FrameHeader.TryDecode(entry, out FrameHeader header, out fault))
        {
            return false;
        }

        if (entry.Length != header.EntryLengthBytes)
        {
            bool isShort = entry.Length < header.EntryLengthBytes;
            fault = new FormatFault(isShort ? FaultCode.Truncated : FaultCode.TrailingBytes, Math.Min(entry.Length, header.EntryLengthBytes));
            return false;
        }

        frame = new FrameView(entry, header);
        return true;
    }

    /// <summary>The hash that names the frame.</summary>
    /// <returns>SHA-256 of the header bytes.</returns>
    public Hash256 Hash() => FrameHeader.HashOf(HeaderBytes);

    /// <summary>The leaf hash of one event.</summary>
    /// <param name="index">Index in the frame, from 0.</param>
    /// <returns>The hash that the frame stores.</returns>
    public Hash256 LeafHash(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, _header.EventCount);
        return new Hash256(LeafHashes.Slice(index * Hash256.LengthBytes, Hash256.LengthBytes));
    }

    /// <summary>Whether the leaf hashes make the root that the header holds.</summary>
    /// <returns>True when they do.</returns>
    public bool VerifyLeaves() => MerkleHash.Root(LeafHashes) == _header.EventsRoot;

    /// <summary>Whether an event that is not erased hashes to its leaf.</summary>
    /// <param name="frameEvent">An event of this frame's body.</param>
    /// <returns>True when it does; false for an erased one, too.</returns>
    public bool VerifyEvent(in FrameEvent frameEvent) =>
        !frameEvent.IsErased && frameEvent.Index < _header.EventCount && frameEvent.LeafHash() == LeafHash(frameEvent.Index);

    /// <summary>Opens the body: checks its checksum, decodes it if it is compressed, and checks its directory.</summary>
    /// <param name="scratch">Room for a compressed body; the result is valid until it is used again.</param>
    /// <param name="body">The events, when the body is valid.</param>
    /// <param name="fault">What is wrong, with its offset in the entry, or in the raw body when that was compressed.</param>
    /// <returns>Whether the body is valid.</returns>
    public bool TryOpenBody(FrameScratch scratch, out FrameBody body, out FormatFault fault)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        body = default;
        fault = CheckBodyHead(out int storedLength, out int rawLength);
        return !fault.IsFault && TryDecodeBody(BodyArea[CodecAt] == CodecLz4 ? scratch.Take(rawLength) : default, storedLength, out body, out fault);
    }

    /// <summary>Opens the body like the other overload, into room that the caller gives.</summary>
    /// <param name="scratch">Room for a compressed body, at most 2,097,152 bytes are used; the result is valid as long as it is.</param>
    /// <param name="body">The events, when the body is valid.</param>
    /// <param name="fault">What is wrong; <see cref="FaultCode.ScratchTooSmall"/> names the length that is needed as its offset.</param>
    /// <returns>Whether the body is valid.</returns>
    public bool TryOpenBody(Span<byte> scratch, out FrameBody body, out FormatFault fault)
    {
        body = default;
        fault = CheckBodyHead(out int storedLength, out int rawLength);
        bool isCompressed = !fault.IsFault && BodyArea[CodecAt] == CodecLz4;
        if (isCompressed && scratch.Length < rawLength)
        {
            fault = new FormatFault(FaultCode.ScratchTooSmall, rawLength);
        }

        return !fault.IsFault && TryDecodeBody(isCompressed ? scratch[..rawLength] : default, storedLength, out body, out fault);
    }

    /// <summary>Checks everything that can be checked without the frame's neighbours: leaves, body, every event and what it holds.</summary>
    /// <param name="scratch">Room for a compressed body.</param>
    /// <returns>No fault, or the first one; its offset is in the entry, in the raw body, or in an event, as the part at fault is.</returns>
    public FormatFault CheckAll(FrameScratch scratch)
    {
        if (!VerifyLeaves())
        {
            return new FormatFault(FaultCode.HashMismatch, FrameHeader.LengthBytes);
        }

        if (!TryOpenBody(scratch, out FrameBody body, out FormatFault fault))
        {
            return fault;
        }

        foreach (FrameEvent frameEvent in body)
        {
            if (frameEvent.IsErased)
            {
                continue;
            }

            if (!VerifyEvent(frameEvent))
            {
                return new FormatFault(FaultCode.HashMismatch, FrameHeader.LengthBytes + (frameEvent.Index * Hash256.LengthBytes));
            }

            if (!frameEvent.TryRead(out EventView view, out fault))
            {
                return fault;
            }

            fault = view.CheckContent();
            if (fault.IsFault)
            {
                return fault;
            }
        }

        return FormatFault.None;
    }

    private FormatFault CheckBodyHead(out int storedLength, out int rawLength)
    {
        ReadOnlySpan<byte> area = BodyArea;
        int start = _header.BodyAreaOffset;
        uint stored = ReadUInt32LittleEndian(area[StoredLengthAt..]);
        uint raw = ReadUInt32LittleEndian(area[RawLengthAt..]);
        storedLength = 0;
        rawLength = 0;
        if (stored == 0 || stored > (uint)(area.Length - FrameHeader.BodyHeadLengthBytes))
        {
            return new FormatFault(FaultCode.OutOfRange, start + StoredLengthAt);
        }

        ReadOnlySpan<byte> storedBytes = area.Slice(FrameHeader.BodyHeadLengthBytes, (int)stored);
        if (ReadUInt32LittleEndian(area[BodyChecksumAt..]) != Checksum.Crc32C(_header.FrameNumber, area[..BodyChecksumAt], storedBytes))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, start + BodyChecksumAt);
        }

        int at =
            area[CodecAt] is not (CodecRaw or CodecLz4) ? CodecAt
            : (area[BodyFlagsAt] & ~ErasedFlag) != 0 ? BodyFlagsAt
            : raw > FormatLimits.MaxFrameRawBodyLengthBytes || (area[CodecAt] == CodecRaw && raw != stored) ? RawLengthAt
            : -1;
        if (at >= 0)
        {
            return new FormatFault(at == CodecAt ? FaultCode.UnknownCode : at == BodyFlagsAt ? FaultCode.UnknownFlag : FaultCode.OutOfRange, start + at);
        }

        FormatFault fault = ByteRules.CheckZero(area, BodyReservedAt, StoredLengthAt);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(area, FrameHeader.BodyHeadLengthBytes + (int)stored, area.Length);
        storedLength = (int)stored;
        rawLength = (int)raw;
        return fault.At(start);
    }

    private bool TryDecodeBody(Span<byte> room, int storedLength, out FrameBody body, out FormatFault fault)
    {
        body = default;
        ReadOnlySpan<byte> area = BodyArea;
        ReadOnlySpan<byte> raw = area.Slice(FrameHeader.BodyHeadLengthBytes, storedLength);
        int start = _header.BodyAreaOffset + FrameHeader.BodyHeadLengthBytes;
        bool isCompressed = area[CodecAt] == CodecLz4;
        if (isCompressed)
        {
            if (!Lz4Chunks.TryDecompress(raw, room))
            {
                fault = new FormatFault(FaultCode.CompressionFault, start);
                return false;
            }

            raw = room;
        }

        fault = FrameBody.Check(raw, _header.EventCount, (area[BodyFlagsAt] & ErasedFlag) != 0, out int erasedCount);
        if (fault.IsFault)
        {
            fault = isCompressed ? fault : fault.At(start);
            return false;
        }

        body = new FrameBody(raw, _header.EventCount, _header.FirstSequence, erasedCount);
        return true;
    }
}
