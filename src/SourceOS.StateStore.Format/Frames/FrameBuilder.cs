// Why this file exists: makes frames (format-spec/frames.md). Everything that does not depend on the frame's place is done by Seal, so that what is left
// when the place is known is one copy and three short checksums. Invariants: nothing allocates once the buffers have grown; what is written, FrameView reads.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>
/// Builds frames, one after the other. Reusable; not thread-safe. Events are added; <see cref="Seal"/> fixes them and gives the entry's length;
/// <see cref="Stamp"/> takes the place, which follows from the length, and gives the frame's hash; <see cref="WriteTo(Span{byte})"/> writes the entry.
/// </summary>
public sealed class FrameBuilder
{
    // The directory is written in front of the entries when the number of events is known, so room for the longest one is kept there.
    private const int EntriesAt = FormatLimits.MaxFrameEvents * sizeof(uint);
    private const int SmallestCompressed = 128;

    private readonly int _maxEntryLength;
    private readonly byte[] _header = new byte[FrameHeader.LengthBytes];
    private readonly byte[] _bodyHead = new byte[FrameHeader.BodyHeadLengthBytes];
    private byte[] _raw = new byte[EntriesAt + 16_384];
    private byte[] _leaves = new byte[64 * Hash256.LengthBytes];
    private byte[] _stored = [];
    private int[] _offsets = new int[64];
    private int _end = EntriesAt;
    private int _storedLength;
    private byte _codec;
    private bool _isSealed;
    private bool _isStamped;
    private Hash256 _root;

    /// <summary>Creates an empty builder.</summary>
    /// <param name="maxEntryLengthBytes">Longest entry, as the log's page bounds it: <see cref="FormatLimits.MaxFrameLengthBytes"/>; by default that of the largest page.</param>
    public FrameBuilder(int maxEntryLengthBytes = (1 << FormatLimits.MaxPageBits) - FormatLimits.PageOverheadBytes)
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

    /// <summary>Bytes of all buffers, which a builder keeps for its next frame.</summary>
    public int CapacityBytes => _raw.Length + _leaves.Length + _stored.Length + (_offsets.Length * sizeof(int));

    /// <summary>The frame's header; known once the frame is stamped.</summary>
    public FrameHeader Header { get; private set; }

    /// <summary>The frame's hash; known once the frame is stamped.</summary>
    public Hash256 FrameHash { get; private set; }

    /// <summary>Length of an entry whose body is not compressed: the longest a frame can become.</summary>
    /// <param name="eventCount">Number of events.</param>
    /// <param name="rawLengthBytes">Length of the raw body, see <see cref="RawLengthBytes"/>.</param>
    /// <returns>The length in bytes.</returns>
    public static int EntryLengthFor(int eventCount, int rawLengthBytes) =>
        FrameHeader.LengthBytes + (eventCount * Hash256.LengthBytes) + FrameHeader.BodyHeadLengthBytes + RoundUp(rawLengthBytes);

    /// <summary>What an event adds to the raw body: its place in the directory, its salt, itself.</summary>
    /// <param name="eventLengthBytes">The event's length.</param>
    /// <returns>The length in bytes.</returns>
    public static int RawLengthOf(int eventLengthBytes) => sizeof(uint) + FrameBody.SaltLengthBytes + eventLengthBytes;

    /// <summary>Forgets all events.</summary>
    public void Reset()
    {
        Count = 0;
        _end = EntriesAt;
        EntryLengthBytes = 0;
        _isSealed = false;
        _isStamped = false;
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

        int raw = RawLengthBytes + RawLengthOf(eventLengthBytes);
        return raw <= FormatLimits.MaxFrameRawBodyLengthBytes && EntryLengthFor(Count + 1, raw) <= _maxEntryLength;
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

    /// <summary>Hashes the events and compresses the body if that pays. After it, only <see cref="Stamp"/>, writing and <see cref="Reset"/> may follow.</summary>
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

    /// <summary>Takes the frame's place. May be called again with another place.</summary>
    /// <param name="header">The header; event count, events root and body area length are filled in.</param>
    /// <returns>The frame's hash.</returns>
    /// <exception cref="ArgumentException">The header breaks a rule, or an event's sequence is not that of its place.</exception>
    public Hash256 Stamp(in FrameHeader header)
    {
        ThrowHelper.ThrowIf(!_isSealed, "The frame is not sealed.");
        _isStamped = false;
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
        whole.Encode(_header);
        WriteBodyHead(_bodyHead, whole.FrameNumber, _codec, flags: 0, StoredBytes, RawLengthBytes);
        Header = whole;
        FrameHash = FrameHeader.HashOf(_header);
        _isStamped = true;
        return FrameHash;
    }

    /// <summary>Writes the stamped frame.</summary>
    /// <param name="destination">At least <see cref="EntryLengthBytes"/> bytes; exactly so many are written.</param>
    public void WriteTo(Span<byte> destination)
    {
        ThrowHelper.ThrowIf(!_isStamped, "The frame is not stamped.");
        ThrowHelper.ThrowIfShort(destination, EntryLengthBytes, nameof(destination));
        _header.CopyTo(destination);
        _leaves.AsSpan(0, Count * Hash256.LengthBytes).CopyTo(destination[FrameHeader.LengthBytes..]);
        WriteBodyArea(destination[Header.BodyAreaOffset..EntryLengthBytes], _bodyHead, StoredBytes);
    }

    /// <summary>Stamps the sealed frame and writes it.</summary>
    /// <param name="destination">At least <see cref="EntryLengthBytes"/> bytes; exactly so many are written.</param>
    /// <param name="header">The header; event count, events root and body area length are filled in.</param>
    /// <returns>The frame's hash.</returns>
    /// <exception cref="ArgumentException">The header breaks a rule, or an event's sequence is not that of its place.</exception>
    public Hash256 WriteTo(Span<byte> destination, in FrameHeader header)
    {
        Hash256 hash = Stamp(header);
        WriteTo(destination);
        return hash;
    }

    /// <summary>Writes the head of a body area.</summary>
    internal static void WriteBodyHead(Span<byte> head, ulong frameNumber, byte codec, byte flags, ReadOnlySpan<byte> stored, int rawLength)
    {
        head[FrameView.CodecAt] = codec;
        head[FrameView.BodyFlagsAt] = flags;
        WriteUInt16LittleEndian(head[FrameView.BodyReservedAt..], 0);
        WriteUInt32LittleEndian(head[FrameView.StoredLengthAt..], (uint)stored.Length);
        WriteUInt32LittleEndian(head[FrameView.RawLengthAt..], (uint)rawLength);
        WriteUInt32LittleEndian(head[FrameView.BodyChecksumAt..], Checksum.Crc32C(frameNumber, head[..FrameView.BodyChecksumAt], stored));
    }

    /// <summary>Writes head, stored bytes and padding of a body area.</summary>
    internal static void WriteBodyArea(Span<byte> area, ReadOnlySpan<byte> head, ReadOnlySpan<byte> stored)
    {
        head.CopyTo(area);
        stored.CopyTo(area[head.Length..]);
        area[(head.Length + stored.Length)..].Clear();
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
        if (Lz4Chunks.TryCompress(raw, _stored.AsSpan(0, worthwhile), isHard: false, out int written))
        {
            _codec = FrameView.CodecLz4;
            _storedLength = written;
        }
    }
}
