// Why this file exists: proofs need roots of parts of the log tree. Invariants: the frame headers of the whole snapshot are read in order and chained, and their root must be the one that
// the state's frontier has, so a proof is never made from damaged frames; memory does not grow with the log.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore.Proofs;

/// <summary>Computes subtree roots of the log tree of one snapshot.</summary>
internal static class LogTree
{
    /// <summary>Roots of ranges of frames, each a subtree of the tree.</summary>
    internal static Hash256[] Roots(StateView view, LogReader log, ReadOnlySpan<MerkleRange> ranges, Superblock superblock, CancellationToken cancellationToken)
    {
        StateHeader state = view.Roots.Header;
        MerkleFrontier whole = new();
        whole.Set(superblock.BaseFrame, superblock.BaseFrontier);
        MerkleFrontier[] parts = new MerkleFrontier[ranges.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = StartOf(ranges[i], superblock);
        }

        byte[] header = new byte[FrameHeader.LengthBytes];
        Hash256 previous = superblock.BaseChainHead;
        LmdbCursor<MappedPages> cursor = new(view.Roots.Reader, in view.Roots[StateTable.Frames]);
        LmdbReadStatus status = cursor.SeekFirst();
        while (status == LmdbReadStatus.Found)
        {
            cancellationToken.ThrowIfCancellationRequested();
            view.ThrowIfMoved();
            if (!FrameEntry.TryDecode(cursor.Key, cursor.Value, out FrameEntry entry))
            {
                StateFaults.ThrowEntry(StateTable.Frames, cursor.Key, "its check does not hold");
            }

            RequireNext(entry, whole);
            ReadHeader(log, entry, state.StoreId, previous, header);
            previous = FrameHeader.HashOf(header);
            whole.AppendFrame(previous);
            for (int i = 0; i < parts.Length; i++)
            {
                if (entry.FrameNumber >= ranges[i].Start && entry.FrameNumber - ranges[i].Start < ranges[i].Count)
                {
                    parts[i].AppendFrame(previous);
                }
            }

            status = cursor.Next();
        }

        view.ThrowIfMoved();
        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(StateTable.Frames, cursor.Fault);
        }

        return whole.ContentEquals(state.Frontier)
            ? Array.ConvertAll(parts, static part => part.Root())
            : throw new StateStoreException(
                StateStoreErrorCode.LogDamaged, "The frames of the log do not make the root that the state records, so nothing is proven from them.", next: "Run `statestore verify` to see the damage.");
    }

    // What a log that starts at a base does not hold is known by the subtrees of the base's frontier alone: a range is proven when it is made of whole ones of them.
    private static MerkleFrontier StartOf(in MerkleRange range, Superblock superblock)
    {
        MerkleFrontier part = new();
        ulong end = range.Start + range.Count;
        if (range.Start >= superblock.BaseFrame)
        {
            return part;
        }

        List<Hash256> known = [];
        ulong at = 0;
        ulong held = 0;
        for (int i = 0, bit = 63; bit >= 0; bit--)
        {
            ulong size = 1UL << bit;
            if ((superblock.BaseFrame & size) == 0)
            {
                continue;
            }

            if (at >= range.Start && at + size <= end)
            {
                known.Add(superblock.BaseFrontier[i]);
                held += size;
            }

            at += size;
            i++;
        }

        if (held != Math.Min(end, superblock.BaseFrame) - range.Start)
        {
            throw new StateStoreException(
                StateStoreErrorCode.InvalidInput, $"The log starts at frame {superblock.BaseFrame}; this proof needs its earlier frames.", next: "Make the proof where the whole log is kept.");
        }

        part.Set(held, [.. known]);
        return part;
    }

    private static void RequireNext(in FrameEntry entry, MerkleFrontier whole)
    {
        if (entry.FrameNumber != whole.LeafCount)
        {
            throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The frame table lacks frame {whole.LeafCount}.", next: "Run `statestore repair`.");
        }
    }

    private static void ReadHeader(LogReader log, in FrameEntry entry, StoreId storeId, in Hash256 previous, byte[] header)
    {
        ReadStatus status = log.ReadExactly(entry.Address + 4, header, out _);
        bool isFrame = status == ReadStatus.Ok && FrameHeader.TryDecode(header, out FrameHeader found, out _)
            && found.FrameNumber == entry.FrameNumber && found.StoreId == storeId && found.Address == entry.Address
            && found.PreviousHash == previous;
        if (!isFrame)
        {
            throw new StateStoreException(
                StateStoreErrorCode.LogDamaged, "A frame of the log is not the one that the state names.", $"frame {entry.FrameNumber}, log address {entry.Address}", "Run `statestore verify` to see the damage.");
        }
    }
}
