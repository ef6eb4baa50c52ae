// Why this file exists: a frame's body is compressed in chunks that do not refer to each other (format-spec/frames.md). When an event is erased, text that others
// were stored as references to goes with it; inside one chunk a surviving copy is always near enough to refer to instead, so the body still fits its room.
// Invariants: each chunk but the last decodes to exactly 65,536 bytes; hostile lengths give false.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

internal static class Lz4Chunks
{
    /// <summary>Raw bytes of each chunk but the last: as far as an LZ4 reference reaches.</summary>
    internal const int ChunkLengthBytes = 65_536;

    /// <summary>Compresses a body.</summary>
    /// <param name="raw">The raw body, not empty.</param>
    /// <param name="destination">Room for the stored bytes.</param>
    /// <param name="isHard">Whether to take time to get small.</param>
    /// <param name="writtenBytes">Length of the stored bytes.</param>
    /// <returns>Whether they fit.</returns>
    internal static bool TryCompress(ReadOnlySpan<byte> raw, Span<byte> destination, bool isHard, out int writtenBytes)
    {
        writtenBytes = 0;
        while (!raw.IsEmpty)
        {
            ReadOnlySpan<byte> chunk = raw[..Math.Min(raw.Length, ChunkLengthBytes)];
            Span<byte> room = destination[writtenBytes..];
            if (room.Length <= sizeof(uint) || !TryCompressChunk(chunk, room[sizeof(uint)..], isHard, out int length))
            {
                return false;
            }

            WriteUInt32LittleEndian(room, (uint)length);
            writtenBytes += sizeof(uint) + length;
            raw = raw[chunk.Length..];
        }

        return true;
    }

    /// <summary>Decodes stored bytes to exactly the length of the destination.</summary>
    /// <param name="stored">The stored bytes.</param>
    /// <param name="destination">Exactly as long as the raw body; its content is undefined when the result is false.</param>
    /// <returns>Whether the bytes are valid and decode to that length.</returns>
    internal static bool TryDecompress(ReadOnlySpan<byte> stored, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            Span<byte> chunk = destination[..Math.Min(destination.Length, ChunkLengthBytes)];
            if (stored.Length < sizeof(uint))
            {
                return false;
            }

            uint length = ReadUInt32LittleEndian(stored);
            stored = stored[sizeof(uint)..];
            if (length > (uint)stored.Length || !Lz4.TryDecompress(stored[..(int)length], chunk))
            {
                return false;
            }

            stored = stored[(int)length..];
            destination = destination[chunk.Length..];
        }

        return stored.IsEmpty;
    }

    private static bool TryCompressChunk(ReadOnlySpan<byte> chunk, Span<byte> room, bool isHard, out int length) =>
        isHard ? Lz4.TryCompressHard(chunk, room, out length) : Lz4.TryCompress(chunk, room, out length);
}
