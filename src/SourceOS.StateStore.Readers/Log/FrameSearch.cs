// Why this file exists: behind damage the log goes on, and what survives there must be found to name what is missing and to fence it.
// Invariants: each byte of the range is read at most twice; a place counts only when a header with a right checksum says that it stands
// exactly there in exactly this store; bytes that cannot be read are stepped over; it ends on any input.

using System.Buffers;
using System.Buffers.Binary;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>A place where a frame's header was found.</summary>
/// <param name="Address">Log address of its entry.</param>
/// <param name="Header">The header, which is valid by itself and for this place.</param>
/// <param name="IsLengthRight">Whether the entry's length prefix is the one that the header asks for.</param>
public readonly record struct FrameCandidate(long Address, FrameHeader Header, bool IsLengthRight);

/// <summary>Finds frames where no length leads to them.</summary>
public static class FrameSearch
{
    // Reads grow from the first to the second, so that a search which is repeated at every place costs little when it finds something soon.
    private const int FirstChunkBytes = 4096;
    private const int ChunkBytes = 1 << 18;
    private const int BlockBytes = 4096;
    private const int HeadBytes = LogGeometry.EntryPrefixBytes + FrameHeader.LengthBytes;

    private static ReadOnlySpan<byte> Magic => "SSFR"u8;

    /// <summary>Finds the first frame header at or behind an address.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="from">The first address an entry may have.</param>
    /// <param name="until">The header must end below this address.</param>
    /// <param name="candidate">What was found.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <returns>Whether something was found.</returns>
    /// <exception cref="OperationCanceledException">The search was cancelled.</exception>
    public static bool FindFrameAfter(
        LogReader reader, StoreId storeId, long from, long until, out FrameCandidate candidate, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        candidate = default;
        until = Math.Min(until, LogGeometry.MaxAddress);
        long at = (Math.Clamp(from, LogGeometry.FirstAddress, LogGeometry.MaxAddress) + 3) & ~3L;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            return Find(reader, storeId, at, until, buffer, out candidate, cancellation);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static bool Find(
        LogReader reader, StoreId storeId, long at, long until, byte[] buffer, out FrameCandidate candidate, CancellationToken cancellation)
    {
        candidate = default;
        int length = FirstChunkBytes;
        while (at <= until - HeadBytes)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(length, until - at));
            length = Math.Min(length * 2, ChunkBytes);
            ReadStatus status = reader.ReadExactly(at, chunk, out int read);
            if (FindIn(chunk[..read], storeId, at, out candidate))
            {
                return true;
            }

            // The next chunk starts where a header could still begin; behind bytes that cannot be read, at the next block or segment.
            at = status == ReadStatus.Ok
                ? at + chunk.Length - HeadBytes + 4
                : Math.Max(at + 4, StepOver(reader.Geometry, at + read, status));
        }

        return false;
    }

    private static long StepOver(LogGeometry geometry, long unreadable, ReadStatus status) =>
        status is ReadStatus.NotFound or ReadStatus.EndOfFile ? geometry.SegmentEnd(unreadable) : (unreadable & -BlockBytes) + BlockBytes;

    private static bool FindIn(ReadOnlySpan<byte> chunk, StoreId storeId, long chunkAddress, out FrameCandidate candidate)
    {
        int at = LogGeometry.EntryPrefixBytes;
        while (at <= chunk.Length - FrameHeader.LengthBytes)
        {
            int found = chunk[at..].IndexOf(Magic);
            if (found < 0 || at + found > chunk.Length - FrameHeader.LengthBytes)
            {
                break;
            }

            at += found;
            long address = chunkAddress + at - LogGeometry.EntryPrefixBytes;
            if ((at & 3) == 0
                && FrameHeader.TryDecode(chunk[at..], out FrameHeader header, out _)
                && header.StoreId == storeId
                && header.Address == address)
            {
                int prefix = BinaryPrimitives.ReadInt32LittleEndian(chunk[(at - LogGeometry.EntryPrefixBytes)..]);
                candidate = new FrameCandidate(address, header, prefix == header.EntryLengthBytes);
                return true;
            }

            at++;
        }

        candidate = default;
        return false;
    }
}
