// Why this file exists: makes the medium say what recovery decided (format-spec/recovery.md, "After the decision"). Invariants: everything
// that is cut was quarantined; everything from the last confirmed position on is written again and synced before it is believed.

using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Events;

namespace SourceOS.StateStore.Recovery;

/// <summary>Recovery's writing part for the log.</summary>
internal sealed class TailRepair(SegmentFiles files, LogReader reader, Quarantine quarantine)
{
    private const int BlockBytes = 4096;
    private const int ChunkBytes = 1 << 20;
    private const long MaxKeptBytes = 64L << 20;

    /// <summary>Cuts what stands behind the end: quarantine, zero.</summary>
    internal void Cut(long end, long endOfSegments, string reason)
    {
        ReadStatus status = LogZeroes.FindLast(reader, end, endOfSegments, out long last);
        if (status != ReadStatus.Ok)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The bytes behind the log's end cannot be read ({status}).", $"log address {end}", "Check the device; nothing was changed.");
        }

        if (last < end)
        {
            return;
        }

        // A chunk at a time, first kept, then zeroed; keeping stops at a bound, because a hostile file may be all garbage.
        byte[] buffer = new byte[(int)Math.Min(ChunkBytes, last + 1 - end)];
        byte[] zeroes = new byte[buffer.Length];
        for (long at = end; at <= last; at += buffer.Length)
        {
            int length = (int)Math.Min(buffer.Length, last + 1 - at);
            files.ReadExactly(at, buffer.AsSpan(0, length));
            if (!buffer.AsSpan(0, length).ContainsAnyExcept((byte)0))
            {
                continue;
            }

            if (quarantine.LengthBytes < MaxKeptBytes)
            {
                quarantine.Keep($"torn-{at}", buffer.AsSpan(0, length), at, reason);
            }

            files.Write(at, zeroes.AsSpan(0, length));
        }

        files.SyncDirty();
    }

    /// <summary>Writes every block from the last confirmed position to the end again, and the newest slot, and syncs.</summary>
    internal void Rewrite(long confirmed, long end, FoundSlot? newest)
    {
        long from = Math.Max(0, confirmed) & -BlockBytes;
        long until = (end + BlockBytes - 1) & -BlockBytes;
        byte[] buffer = new byte[ChunkBytes];
        for (long at = from; at < until; at += ChunkBytes)
        {
            int length = (int)Math.Min(ChunkBytes, until - at);
            files.ReadExactly(at, buffer.AsSpan(0, length));
            files.Write(at, buffer.AsSpan(0, length));
        }

        // The newest slot may be one that was written and never synced; the next slot goes over its twin, so it must be on the medium first.
        if (newest is not null)
        {
            files.WriteSlot((int)newest.Descriptor.SegmentNumber, newest.Descriptor.SlotIndex, newest.Bytes.Span);
        }

        files.SyncDirty();
    }
}
