// Why this file exists: a survey and a salvage follow the log over damage, from each sound frame to the next one that can be found, and both must find the same ones. Invariants: reads only; moves forward, so it ends on any input; a frame counts when all that the depth asks of it was checked.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore;

/// <summary>Follows the log from its base to the end of its segments, over damage.</summary>
internal sealed class FrameSweep(LogReader reader, Superblock superblock, long endOfSegments, FrameDepth depth = FrameDepth.Full)
{
    private long _searchFrom = superblock.BaseAddress;

    /// <summary>The scan; its header, hash and position are those of the frame that was met last.</summary>
    internal FrameScanner Scanner { get; } = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), endOfSegments, depth);

    /// <summary>Log address up to which the log is whole from its base; negative until it is known.</summary>
    internal long WholeUntil { get; private set; } = -1;

    /// <summary>What stands there, for people.</summary>
    internal string StopReason { get; private set; } = "";

    /// <summary>Goes to the next frame.</summary>
    /// <returns>False when there is none.</returns>
    internal bool MoveNext()
    {
        while (true)
        {
            ScanOutcome outcome = Scanner.MoveNext();
            if (outcome == ScanOutcome.Frame)
            {
                _searchFrom = Scanner.Position;
                return true;
            }

            if (WholeUntil < 0)
            {
                WholeUntil = Scanner.Position;
                StopReason = outcome == ScanOutcome.Fault ? Scanner.Fault.ToString() : "the log ends";
            }

            if (!FrameSearch.FindFrameAfter(reader, superblock.StoreId, Math.Max(_searchFrom, Scanner.Position), endOfSegments, out FrameCandidate candidate))
            {
                return false;
            }

            _searchFrom = candidate.Address + LogGeometry.EntryPrefixBytes;
            Scanner.Restart(ScanStart.Unlinked(candidate.Address), endOfSegments);
        }
    }
}
