// Why this file exists: the events of a frame, read in place from its raw body (format-spec/frames.md). Invariants: a body exists only over bytes whose
// directory was checked as a whole: entries lie in order, without gaps, and erased ones are all zero.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The events of a frame. Valid as long as the frame's bytes and the scratch they were decoded into.</summary>
public readonly ref struct FrameBody
{
    /// <summary>Length of an event's salt in bytes.</summary>
    public const int SaltLengthBytes = 16;

    internal const uint ErasedBit = 0x8000_0000;
    internal const int ShortestEntryLength = SaltLengthBytes + EventLayout.HeaderLength + 1;
    internal const int LongestEntryLength = SaltLengthBytes + FormatLimits.MaxEventLengthBytes;

    private readonly ReadOnlySpan<byte> _raw;
    private readonly ulong _firstSequence;

    internal FrameBody(ReadOnlySpan<byte> raw, int count, ulong firstSequence, int erasedCount)
    {
        _raw = raw;
        Count = count;
        _firstSequence = firstSequence;
        ErasedCount = erasedCount;
    }

    /// <summary>Number of events, erased ones included.</summary>
    public int Count { get; }

    /// <summary>Number of erased events.</summary>
    public int ErasedCount { get; }

    /// <summary>The raw body: directory and entries.</summary>
    public ReadOnlySpan<byte> Raw => _raw;

    /// <summary>Finds one event; costs a step for each event before it.</summary>
    /// <param name="index">Index in the frame, from 0.</param>
    /// <returns>The event.</returns>
    public FrameEvent this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            int at = Count * sizeof(uint);
            for (int i = 0; i < index; i++)
            {
                at += EntryLength(i);
            }

            return EventAt(index, at);
        }
    }

    /// <summary>A body over bytes that another body's <see cref="Raw"/> gave, so that a reader that keeps them need not check, or decode, a frame again for each of its events.</summary>
    /// <param name="raw">Those bytes, unchanged; other bytes give nonsense or an exception, never a read outside them.</param>
    /// <param name="header">The frame's header.</param>
    /// <returns>The body; it does not count what is erased.</returns>
    public static FrameBody OverChecked(ReadOnlySpan<byte> raw, in FrameHeader header) => new(raw, header.EventCount, header.FirstSequence, erasedCount: 0);

    /// <summary>Where each event's entry starts in <see cref="Raw"/>.</summary>
    /// <param name="starts">Room for at least <see cref="Count"/> numbers.</param>
    public void GetStarts(Span<int> starts)
    {
        int at = Count * sizeof(uint);
        for (int i = 0; i < Count; i++)
        {
            starts[i] = at;
            at += EntryLength(i);
        }
    }

    /// <summary>One event by where its entry starts, in one step.</summary>
    /// <param name="index">Index in the frame, from 0.</param>
    /// <param name="start">What <see cref="GetStarts"/> gave for it.</param>
    /// <returns>The event.</returns>
    public FrameEvent GetAt(int index, int start)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return EventAt(index, start);
    }

    /// <summary>Enumerates the events in order.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>Checks a raw body as a whole.</summary>
    internal static FormatFault Check(ReadOnlySpan<byte> raw, int count, bool claimsErased, out int erasedCount)
    {
        erasedCount = 0;
        long at = (long)count * sizeof(uint);
        if (raw.Length < at)
        {
            return new FormatFault(FaultCode.Truncated, raw.Length);
        }

        for (int i = 0; i < count; i++)
        {
            uint word = ReadUInt32LittleEndian(raw[(i * sizeof(uint))..]);
            uint length = word & ~ErasedBit;
            if (length is < ShortestEntryLength or > LongestEntryLength || length > raw.Length - at)
            {
                return new FormatFault(FaultCode.OutOfRange, i * sizeof(uint));
            }

            if ((word & ErasedBit) != 0)
            {
                erasedCount++;
                FormatFault fault = ByteRules.CheckZero(raw, (int)at, (int)(at + length));
                if (fault.IsFault)
                {
                    return fault;
                }
            }

            at += length;
        }

        return at != raw.Length ? new FormatFault(FaultCode.LengthMismatch, at)
            : claimsErased != (erasedCount > 0) ? new FormatFault(FaultCode.CountMismatch, 0)
            : FormatFault.None;
    }

    private int EntryLength(int index) => (int)(ReadUInt32LittleEndian(_raw[(index * sizeof(uint))..]) & ~ErasedBit);

    private FrameEvent EventAt(int index, int at)
    {
        uint word = ReadUInt32LittleEndian(_raw[(index * sizeof(uint))..]);
        return new FrameEvent(
            _raw.Slice(at, (int)(word & ~ErasedBit)), index, _firstSequence + (ulong)index, (word & ErasedBit) != 0);
    }

    /// <summary>Enumerates the events of a body in order.</summary>
    public ref struct Enumerator
    {
        private readonly FrameBody _body;
        private int _index;
        private int _at;

        internal Enumerator(FrameBody body)
        {
            _body = body;
            _index = -1;
            _at = body.Count * sizeof(uint);
        }

        /// <summary>The event the enumerator stands on.</summary>
        public readonly FrameEvent Current => _body.EventAt(_index, _at);

        /// <summary>Goes to the next event.</summary>
        /// <returns>False behind the last one.</returns>
        public bool MoveNext()
        {
            if (_index + 1 >= _body.Count)
            {
                return false;
            }

            _at += _index >= 0 ? _body.EntryLength(_index) : 0;
            _index++;
            return true;
        }
    }
}

/// <summary>One event of a frame with its salt, or the place of an erased one.</summary>
public readonly ref struct FrameEvent
{
    private readonly ReadOnlySpan<byte> _entry;

    internal FrameEvent(ReadOnlySpan<byte> entry, int index, ulong sequence, bool isErased)
    {
        _entry = entry;
        Index = index;
        Sequence = sequence;
        IsErased = isErased;
    }

    /// <summary>Index in the frame, from 0.</summary>
    public int Index { get; }

    /// <summary>The event's sequence, as its place in the frame says.</summary>
    public ulong Sequence { get; }

    /// <summary>Whether the event was erased; then salt and event are all zero.</summary>
    public bool IsErased { get; }

    /// <summary>The 16 random bytes that make the leaf hash unguessable.</summary>
    public ReadOnlySpan<byte> Salt => _entry[..FrameBody.SaltLengthBytes];

    /// <summary>The event's bytes.</summary>
    public ReadOnlySpan<byte> EventBytes => _entry[FrameBody.SaltLengthBytes..];

    /// <summary>Hash of the leaf that salt and event make; meaningless for an erased event.</summary>
    /// <returns>sha256(0x00 || salt || event).</returns>
    public Hash256 LeafHash()
    {
        Span<byte> hash = stackalloc byte[Hash256.LengthBytes];
        Checksum.Sha256Leaf(Salt, EventBytes, hash);
        return new Hash256(hash);
    }

    /// <summary>Reads the event and checks that its sequence is that of its place.</summary>
    /// <param name="view">The event, when it is valid.</param>
    /// <param name="fault">What is wrong, with its offset in the event; <see cref="FaultCode.Erased"/> for an erased one.</param>
    /// <returns>Whether it is there and valid.</returns>
    public bool TryRead(out EventView view, out FormatFault fault)
    {
        view = default;
        if (IsErased)
        {
            fault = new FormatFault(FaultCode.Erased, 0);
            return false;
        }

        if (!EventView.TryRead(EventBytes, out view, out fault))
        {
            return false;
        }

        if (view.Sequence != Sequence)
        {
            view = default;
            fault = new FormatFault(FaultCode.SequenceGap, EventLayout.SequenceAt);
            return false;
        }

        return true;
    }
}
