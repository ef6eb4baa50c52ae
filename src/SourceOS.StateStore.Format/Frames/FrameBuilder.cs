// Why this file exists: makes frames (format-spec/frames.md). Everything that does not depend on the frame's place is done by Seal, so that what is left
// when the place is known is one copy and three short checksums. Invariants: nothing allocates once the buffers have grown; what is written, FrameView reads.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>Builds frames, one after the other. Reusable; not thread-safe. Events are added, the frame is sealed, then written once its place is known.</summary>
public sealed class FrameBuilder
{
    // The directory is written in front of the entries when the number of events is known, so room for the longest one is kept there.
    private const int EntriesAt = FormatLimits.MaxFrameEvents * sizeof(uint);
    private const int SmallestCompressed = 128;

    private readonly int _maxEntryLength;
    private byte[] _raw = new byte[EntriesAt + 16_384];
    private byte[] _leaves = new byte[64 * Hash256.LengthBytes];
    private byte[] _stored = [];
    private int[] _offsets = new int[64];
    private int _end = EntriesAt;
    private int _storedLength;
    private byte _codec;
    private bool _isSealed;
    private Hash256 _root;

    /// <summary>Creates an empty builder.</summary>
    /// <param name="maxEntryLengthBytes">Longest entry, as the log's page bounds it: <see cref="FormatLimits.MaxFrameLengthBytes"/>.</param>
    public FrameBuilder(int maxEntryLengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxEntryLengthBytes, FrameHeader.LengthBytes);
        _maxEntryLength = maxEntryLengthBytes;
    }

    /// <summary>Number of events.</summary>
    public int Count { get; private set; }

    /// <summary>Length of the raw body in bytes: directory and entries.</summary>
    public int RawLengthBytes => (Count * sizeof(uint)) + (_end - EntriesAt);

    /// <summary>Length of the whole entry in bytes; known once the frame is sealed.</summary>
    public int EntryLengthBytes { get; private set; }

    /// <summary>Forgets all events.</summary>
    public void Reset()
    {
        Count = 0;
        _end = EntriesAt;
        EntryLengthBytes = 0;
        _isSealed = false;
    }

    /// <summary>Whether an event fits beside those that are there, also if nothing compresses.</summary>
    /// <param name="eventLengthBytes">The event's length.</param>
    /// <returns>True when it fits.</returns>
    public bool CanAdd(int eventLengthBytes)
    {
        if (eventLengthBytes is <= EventLayout.HeaderLength or > FormatLimits.MaxEventLengthBytes || Count == FormatLimits.MaxFrameEvents)
        {
            return false;
        }

        int raw = RawLengthBytes + sizeof(uint) + FrameBody.SaltLengthBytes + eventLengthBytes;
        int entry = FrameHeader.LengthBytes + ((Count + 1) * Hash256.LengthBytes) + FrameHeader.BodyHeadLengthBytes + RoundUp(raw);
        return raw <= FormatLimits.MaxFrameRawBodyLengthBytes && entry <= _maxEntryLength;
    }

    /// <summary>Writes an event into the frame.</summary>
    /// <param name="fields">Its fields; sequences may be patched in the result until the frame is sealed.</param>
    /// <param name="salt">16 random bytes.</param>
    /// <returns>The event's bytes in the frame; valid until the next event is added.</returns>
    public Span<byte> Add(in EventFields fields, ReadOnlySpan<byte> salt)
    {
        Span<byte> place = Reserve(EventWriter.Measure(fields), salt);
        _ = EventWriter.Write(place, fields);
        return Take(place);
    }

    /// <summary>Copies a written event into the frame.</summary>
    /// <param name="eventBytes">The event.</param>
    /// <param name="salt">16 random bytes.</param>
    /// <returns>The event's bytes in the frame; valid until the next event is added.</returns>
    public Span<byte> AddRaw(ReadOnlySpan<byte> eventBytes, ReadOnlySpan<byte> salt)
    {
        Span<byte> place = Reserve(eventBytes.Length, salt);
        eventBytes.CopyTo(place);
        return Take(place);
    }

    /// <summary>The bytes of an event in the frame, for patching its sequences.</summary>
    /// <param name="index">Index in the frame, from 0.</param>
    /// <returns>The event; valid until the next one is added.</returns>
    public Span<byte> EventAt(int index)
    {
        ThrowHelper.ThrowIf(_isSealed, "The frame is sealed; its events no longer change.");
        return EventSpan(index);
    }

    /// <summary>Hashes the events and compresses the body if that pays. After it, only <see cref="WriteTo"/> and <see cref="Reset"/> may be called.</summary>
    /// <param name="allowCompression">False keeps the body raw.</param>
    /// <returns>Length of the whole entry in bytes.</returns>
    public int Seal(bool allowCompression = true)
    {
        ThrowHelper.ThrowIf(_isSealed || Count == 0, "A frame is sealed once, and holds at least one event.");
        Grow(ref _leaves, Count * Hash256.LengthBytes);
        for (int i = 0; i < Count; i++)
        {
            ReadOnlySpan<byte> entry = _raw.AsSpan(_offsets[i], EntryLength(i));
            Checksum.Sha256Leaf(
                entry[..FrameBody.SaltLengthBytes], entry[FrameBody.SaltLengthBytes..], _leaves.AsSpan(i * Hash256.LengthBytes, Hash256.LengthBytes));
        }

        _root = MerkleHash.Root(_leaves.AsSpan(0, Count * Hash256.LengthBytes));
        WriteDirectory();
        Compress(allowCompression);
        EntryLengthBytes = FrameHeader.LengthBytes + (Count * Hash256.LengthBytes) + FrameHeader.BodyHeadLengthBytes + RoundUp(_storedLength);
        _isSealed = true;
        return EntryLengthBytes;
    }

    /// <summary>Writes the sealed frame to its place.</summary>
    /// <param name="destination">At least <see cref="EntryLengthBytes"/> bytes; exactly so many are written.</param>
    /// <param name="header">The header; event count, events root and body area length are filled in.</param>
    /// <returns>The frame's hash.</returns>
    /// <exception cref="ArgumentException">The header breaks a rule, or an event's sequence is not that of its place.</exception>
    public Hash256 WriteTo(Span<byte> destination, in FrameHeader header)
    {
        ThrowHelper.ThrowIf(!_isSealed, "The frame is not sealed.");
        ThrowHelper.ThrowIfShort(destination, EntryLengthBytes, nameof(destination));
        for (int i = 0; i < Count; i++)
        {
            bool isInOrder = ReadUInt64LittleEndian(EventSpan(i)[EventLayout.SequenceAt..]) == header.FirstSequence + (ulong)i;
            ThrowHelper.ThrowIfArgument(!isInOrder, "The sequences of a frame's events run from its first sequence without gaps.", nameof(header));
        }

        FrameHeader whole = header with
        {
            EventCount = Count,
            EventsRoot = _root,
            BodyAreaLengthBytes = FrameHeader.BodyHeadLengthBytes + RoundUp(_storedLength),
        };
        Span<byte> headerBytes = destination[..FrameHeader.LengthBytes];
        whole.Encode(headerBytes);
        _leaves.AsSpan(0, Count * Hash256.LengthBytes).CopyTo(destination[FrameHeader.LengthBytes..]);
        Span<byte> area = destination.Slice(whole.BodyAreaOffset, whole.BodyAreaLengthBytes);
        WriteBodyArea(area, whole.FrameNumber, _codec, flags: 0, StoredBytes, RawLengthBytes);
        return FrameHeader.HashOf(headerBytes);
    }

    /// <summary>Writes head, stored bytes and padding of a body area.</summary>
    internal static void WriteBodyArea(Span<byte> area, ulong frameNumber, byte codec, byte flags, ReadOnlySpan<byte> stored, int rawLength)
    {
        stored.CopyTo(area[FrameHeader.BodyHeadLengthBytes..]);
        area[(FrameHeader.BodyHeadLengthBytes + stored.Length)..].Clear();
        area[FrameView.CodecAt] = codec;
        area[FrameView.BodyFlagsAt] = flags;
        WriteUInt16LittleEndian(area[FrameView.BodyReservedAt..], 0);
        WriteUInt32LittleEndian(area[FrameView.StoredLengthAt..], (uint)stored.Length);
        WriteUInt32LittleEndian(area[FrameView.RawLengthAt..], (uint)rawLength);
        ReadOnlySpan<byte> written = area.Slice(FrameHeader.BodyHeadLengthBytes, stored.Length);
        WriteUInt32LittleEndian(area[FrameView.BodyChecksumAt..], Checksum.Crc32C(frameNumber, area[..FrameView.BodyChecksumAt], written));
    }

    private static int RoundUp(int length) => (length + 3) & ~3;

    private static void Grow(ref byte[] buffer, int neededBytes)
    {
        if (buffer.Length < neededBytes)
        {
            Array.Resize(ref buffer, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)neededBytes));
        }
    }

    private ReadOnlySpan<byte> StoredBytes =>
        _codec == FrameView.CodecLz4 ? _stored.AsSpan(0, _storedLength) : _raw.AsSpan(EntriesAt - (Count * sizeof(uint)), _storedLength);

    private int EntryLength(int index) => (index + 1 < Count ? _offsets[index + 1] : _end) - _offsets[index];

    private Span<byte> EventSpan(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return _raw.AsSpan(_offsets[index], EntryLength(index))[FrameBody.SaltLengthBytes..];
    }

    private Span<byte> Reserve(int eventLength, ReadOnlySpan<byte> salt)
    {
        ThrowHelper.ThrowIf(_isSealed, "The frame is sealed; reset the builder first.");
        ThrowHelper.ThrowIfNotLength(salt, FrameBody.SaltLengthBytes, nameof(salt));
        ThrowHelper.ThrowIfArgument(!CanAdd(eventLength), "The event does not fit the frame.", nameof(eventLength));
        Grow(ref _raw, _end + FrameBody.SaltLengthBytes + eventLength);
        if (_offsets.Length == Count)
        {
            Array.Resize(ref _offsets, Count * 2);
        }

        salt.CopyTo(_raw.AsSpan(_end));
        return _raw.AsSpan(_end + FrameBody.SaltLengthBytes, eventLength);
    }

    private Span<byte> Take(Span<byte> place)
    {
        _offsets[Count++] = _end;
        _end += FrameBody.SaltLengthBytes + place.Length;
        return place;
    }

    private void WriteDirectory()
    {
        Span<byte> directory = _raw.AsSpan(EntriesAt - (Count * sizeof(uint)));
        for (int i = 0; i < Count; i++)
        {
            WriteUInt32LittleEndian(directory[(i * sizeof(uint))..], (uint)EntryLength(i));
        }
    }

    private void Compress(bool isAllowed)
    {
        int rawLength = RawLengthBytes;
        ReadOnlySpan<byte> raw = _raw.AsSpan(EntriesAt - (Count * sizeof(uint)), rawLength);
        _codec = FrameView.CodecRaw;
        _storedLength = rawLength;
        if (!isAllowed || rawLength < SmallestCompressed || !Lz4.IsAvailable)
        {
            return;
        }

        // Room for exactly what pays makes the library give up early on what does not.
        int worthwhile = rawLength - (rawLength / 8);
        Grow(ref _stored, worthwhile);
        if (Lz4.TryCompress(raw, _stored.AsSpan(0, worthwhile), out int written))
        {
            _codec = FrameView.CodecLz4;
            _storedLength = written;
        }
    }
}
