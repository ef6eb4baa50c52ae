// Why this file exists: frames are erased in place, which a crash can tear; the journal holds them as they shall be, whole, before the first of them is touched
// (format-spec/erasure.md). Invariants: everything is checked before a value exists; a head that decodes states lengths that fit each other; no I/O here.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The first 64 bytes of an erasure journal. An immutable value.</summary>
/// <param name="StoreId">The store's id.</param>
/// <param name="Frames">Frames in the journal, at least 1.</param>
/// <param name="ErasedEvents">Events that these frames lose, at least 1.</param>
/// <param name="LengthBytes">Length of the whole journal: head, entries and seal.</param>
public readonly record struct ErasureJournalHead(StoreId StoreId, ulong Frames, ulong ErasedEvents, long LengthBytes)
{
    /// <summary>Length of the head in bytes.</summary>
    public const int HeadLengthBytes = 64;

    /// <summary>Length of the seal in bytes: SHA-256 over everything before it.</summary>
    public const int SealLengthBytes = Hash256.LengthBytes;

    private const int VersionAt = 8;
    private const int ReservedAt = VersionAt + 2;
    private const int StoreIdAt = 16;
    private const int FramesAt = StoreIdAt + Format.StoreId.LengthBytes;
    private const int LengthAt = FramesAt + 8;
    private const int EventsAt = LengthAt + 8;
    private const int ReservedBAt = EventsAt + 8;
    private const int ChecksumAt = ReservedBAt + 4;

    private static ReadOnlySpan<byte> Magic => "SOERASE1"u8;

    /// <summary>Writes the head.</summary>
    /// <param name="destination">At least 64 bytes.</param>
    public void Encode(Span<byte> destination)
    {
        Span<byte> head = destination[..HeadLengthBytes];
        head.Clear();
        Magic.CopyTo(head);
        WriteUInt16LittleEndian(head[VersionAt..], FormatLimits.FormatVersion);
        StoreId.Bytes.CopyTo(head[StoreIdAt..]);
        WriteUInt64LittleEndian(head[FramesAt..], Frames);
        WriteInt64LittleEndian(head[LengthAt..], LengthBytes);
        WriteUInt64LittleEndian(head[EventsAt..], ErasedEvents);
        WriteUInt32LittleEndian(head[ChecksumAt..], Checksum.Crc32C(head[..ChecksumAt]));
    }

    /// <summary>Reads a head.</summary>
    /// <param name="source">The journal's first bytes.</param>
    /// <param name="head">The head, when it is valid.</param>
    /// <param name="fault">What is wrong, with its offset.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out ErasureJournalHead head, out FormatFault fault)
    {
        head = default;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        head = new ErasureJournalHead(
            new StoreId(source.Slice(StoreIdAt, Format.StoreId.LengthBytes)), ReadUInt64LittleEndian(source[FramesAt..]), ReadUInt64LittleEndian(source[EventsAt..]), ReadInt64LittleEndian(source[LengthAt..]));
        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        if (source.Length < HeadLengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, source.Length);
        }

        if (!source.StartsWith(Magic))
        {
            return new FormatFault(FaultCode.BadMagic, 0);
        }

        if (ReadUInt16LittleEndian(source[VersionAt..]) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, VersionAt);
        }

        if (ReadUInt32LittleEndian(source[ChecksumAt..]) != Checksum.Crc32C(source[..ChecksumAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, ChecksumAt);
        }

        if (ByteRules.CheckZero(source, ReservedAt, StoreIdAt) is { IsFault: true } first)
        {
            return first;
        }

        if (ByteRules.CheckZero(source, ReservedBAt, ChecksumAt) is { IsFault: true } second)
        {
            return second;
        }

        ulong frames = ReadUInt64LittleEndian(source[FramesAt..]);
        ulong events = ReadUInt64LittleEndian(source[EventsAt..]);
        long length = ReadInt64LittleEndian(source[LengthAt..]);
        bool fits = length >= HeadLengthBytes + SealLengthBytes
            && frames <= (ulong)(length - HeadLengthBytes - SealLengthBytes) / ErasureJournalEntry.HeadLengthBytes;
        return frames == 0 || !fits ? new FormatFault(FaultCode.OutOfRange, fits ? FramesAt : LengthAt)
            : events < frames ? new FormatFault(FaultCode.CountMismatch, EventsAt)
            : FormatFault.None;
    }
}

/// <summary>The 16 bytes in front of each frame of an erasure journal. An immutable value.</summary>
/// <param name="Address">Log address of the frame's entry, of its length prefix that is.</param>
/// <param name="FrameLengthBytes">Length of the frame's entry without the prefix.</param>
public readonly record struct ErasureJournalEntry(long Address, int FrameLengthBytes)
{
    /// <summary>Length of an entry's head in bytes.</summary>
    public const int HeadLengthBytes = 16;

    /// <summary>Length of head, frame and the zeroes that fill up to a multiple of 8.</summary>
    public int LengthBytes => HeadLengthBytes + ((FrameLengthBytes + 7) & ~7);

    /// <summary>Writes the head of an entry.</summary>
    /// <param name="frame">The frame's entry, of <see cref="FrameLengthBytes"/> bytes.</param>
    /// <param name="destination">At least 16 bytes.</param>
    public void EncodeHead(ReadOnlySpan<byte> frame, Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(frame, FrameLengthBytes, nameof(frame));
        WriteInt64LittleEndian(destination, Address);
        WriteInt32LittleEndian(destination[8..], FrameLengthBytes);
        WriteUInt32LittleEndian(destination[12..], Checksum.Crc32C((ulong)Address, frame));
    }

    /// <summary>Reads the head of an entry; the frame behind it is not looked at.</summary>
    /// <param name="source">Bytes from the entry on.</param>
    /// <param name="entry">The head, when it is valid.</param>
    /// <param name="fault">What is wrong, with its offset.</param>
    /// <returns>Whether its values are ones that a head can have.</returns>
    public static bool TryDecodeHead(ReadOnlySpan<byte> source, out ErasureJournalEntry entry, out FormatFault fault)
    {
        entry = default;
        if (source.Length < HeadLengthBytes)
        {
            fault = new FormatFault(FaultCode.Truncated, source.Length);
            return false;
        }

        long address = ReadInt64LittleEndian(source);
        int length = ReadInt32LittleEndian(source[8..]);
        if (address < FormatLimits.FirstLogAddress || (address & 3) != 0)
        {
            fault = new FormatFault(FaultCode.OutOfRange, 0);
            return false;
        }

        if (length <= 0 || length > FormatLimits.MaxFrameLengthBytes(FormatLimits.MaxPageBits))
        {
            fault = new FormatFault(FaultCode.OutOfRange, 8);
            return false;
        }

        entry = new ErasureJournalEntry(address, length);
        fault = FormatFault.None;
        return true;
    }

    /// <summary>Reads the frame of an entry and checks that it is one, erased, and belongs where the entry says.</summary>
    /// <param name="source">Bytes from the entry on.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="frame">The frame, over the given bytes.</param>
    /// <param name="fault">What is wrong, with its offset from the entry.</param>
    /// <returns>Whether it is valid.</returns>
    public bool TryReadFrame(ReadOnlySpan<byte> source, in StoreId storeId, out FrameView frame, out FormatFault fault)
    {
        frame = default;
        if (source.Length < LengthBytes)
        {
            fault = new FormatFault(FaultCode.Truncated, source.Length);
            return false;
        }

        ReadOnlySpan<byte> bytes = source.Slice(HeadLengthBytes, FrameLengthBytes);
        if (ReadUInt32LittleEndian(source[12..]) != Checksum.Crc32C((ulong)Address, bytes))
        {
            fault = new FormatFault(FaultCode.ChecksumMismatch, 12);
            return false;
        }

        fault = ByteRules.CheckZero(source, HeadLengthBytes + FrameLengthBytes, LengthBytes);
        if (fault.IsFault)
        {
            return false;
        }

        if (!FrameView.TryRead(bytes, out FrameView view, out fault))
        {
            fault = fault.At(HeadLengthBytes);
            return false;
        }

        if (view.Header.Address != Address || view.Header.StoreId != storeId)
        {
            fault = new FormatFault(view.Header.Address != Address ? FaultCode.WrongPlace : FaultCode.WrongStore, HeadLengthBytes);
            return false;
        }

        frame = view;
        return true;
    }
}
