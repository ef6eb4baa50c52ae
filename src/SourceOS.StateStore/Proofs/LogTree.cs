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
    internal static Hash256[] Roots(StateView view, LogReader log, ReadOnlySpan<MerkleRange> ranges, CancellationToken cancellationToken)
    {
        StateHeader state = view.Roots.Header;
        MerkleFrontier whole = new();
        MerkleFrontier[] parts = new MerkleFrontier[ranges.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = new MerkleFrontier();
        }

        byte[] header = new byte[FrameHeader.LengthBytes];
        Hash256 previous = default;
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

            RequireStart(entry, whole);
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

    private static void RequireStart(in FrameEntry entry, MerkleFrontier whole)
    {
        if (entry.FrameNumber == whole.LeafCount)
        {
            return;
        }

        throw whole.LeafCount == 0
            ? new StateStoreException(
                StateStoreErrorCode.InvalidInput, $"The log starts at frame {entry.FrameNumber}; proofs need its earlier frames.", next: "Make the proof where the whole log is kept.")
            : new StateStoreException(StateStoreErrorCode.StateDamaged, $"The frame table lacks frame {whole.LeafCount}.", next: "Run `statestore repair`.");
    }

    private static void ReadHeader(LogReader log, in FrameEntry entry, StoreId storeId, in Hash256 previous, byte[] header)
    {
        ReadStatus status = log.ReadExactly(entry.Address + 4, header, out _);
        bool isFrame = status == ReadStatus.Ok && FrameHeader.TryDecode(header, out FrameHeader found, out _)
            && found.FrameNumber == entry.FrameNumber && found.StoreId == storeId && found.Address == entry.Address
            && (entry.FrameNumber == 0 || found.PreviousHash == previous);
        if (!isFrame)
        {
            throw new StateStoreException(
                StateStoreErrorCode.LogDamaged, "A frame of the log is not the one that the state names.", $"frame {entry.FrameNumber}, log address {entry.Address}", "Run `statestore verify` to see the damage.");
        }
    }
}
