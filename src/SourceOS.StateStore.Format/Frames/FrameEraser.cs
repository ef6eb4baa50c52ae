// Why this file exists: an event can be erased later (hard delete, remote wipe, privacy law) while chain, tree and every old proof stay valid
// (format-spec/frames.md). Invariants: the frame's length, header and leaf hashes do not change; the entry is changed as a whole or not at all.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>Erases events of a frame in place. Thread-safe for different frames.</summary>
public static class FrameEraser
{
    /// <summary>Erases events: their entries become zeroes and the body is stored again in the room it has.</summary>
    /// <param name="entry">The frame's entry; unchanged when the result is false.</param>
    /// <param name="indexes">Indexes of the events in the frame, in any order; an event that is erased already may be named.</param>
    /// <param name="fault">Why not: what is wrong with the frame, or <see cref="FaultCode.DoesNotFit"/>.</param>
    /// <returns>Whether the events are erased.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An index is not in the frame.</exception>
    public static bool TryErase(Span<byte> entry, ReadOnlySpan<int> indexes, out FormatFault fault)
    {
        if (!FrameView.TryRead(entry, out FrameView frame, out fault))
        {
            return false;
        }

        byte[] room = new byte[FormatLimits.MaxFrameRawBodyLengthBytes];
        if (!frame.TryOpenBody(room, out FrameBody body, out fault))
        {
            return false;
        }

        byte[] raw = body.Raw.ToArray();
        Mark(raw, body.Count, indexes);
        FrameHeader header = frame.Header;
        Span<byte> area = entry[header.BodyAreaOffset..];
        byte flags = indexes.IsEmpty && body.ErasedCount == 0 ? (byte)0 : FrameView.ErasedFlag;
        int capacity = area.Length - FrameHeader.BodyHeadLengthBytes;
        if (raw.Length <= capacity)
        {
            Store(area, header.FrameNumber, FrameView.CodecRaw, flags, raw, raw.Length);
            return true;
        }

        // Others may have been stored as references to what is gone now; the slow compression makes up for the rest of that.
        Span<byte> stored = room.AsSpan(0, capacity);
        if (Lz4Chunks.TryCompress(raw, stored, isHard: false, out int written) || Lz4Chunks.TryCompress(raw, stored, isHard: true, out written))
        {
            Store(area, header.FrameNumber, FrameView.CodecLz4, flags, stored[..written], raw.Length);
            return true;
        }

        fault = new FormatFault(FaultCode.DoesNotFit, header.BodyAreaOffset);
        return false;
    }

    private static void Store(Span<byte> area, ulong frameNumber, byte codec, byte flags, ReadOnlySpan<byte> stored, int rawLength)
    {
        Span<byte> head = stackalloc byte[FrameHeader.BodyHeadLengthBytes];
        FrameBuilder.WriteBodyHead(head, frameNumber, codec, flags, stored, rawLength);
        FrameBuilder.WriteBodyArea(area, head, stored);
    }

    private static void Mark(Span<byte> raw, int count, ReadOnlySpan<int> indexes)
    {
        foreach (int index in indexes)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(indexes));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count, nameof(indexes));
            Span<byte> word = raw.Slice(index * sizeof(uint), sizeof(uint));
            WriteUInt32LittleEndian(word, ReadUInt32LittleEndian(word) | FrameBody.ErasedBit);
        }

        int at = count * sizeof(uint);
        for (int i = 0; i < count; i++)
        {
            uint word = ReadUInt32LittleEndian(raw[(i * sizeof(uint))..]);
            int length = (int)(word & ~FrameBody.ErasedBit);
            if ((word & FrameBody.ErasedBit) != 0)
            {
                raw.Slice(at, length).Clear();
            }

            at += length;
        }
    }
}
