// Why this file exists: decides which blocks of a damaged segment parity may give back (format-spec/parity.md, "Healing"). Invariants: reads only; where all of them can be computed, the whole segment must prove with them; where a group is
// beyond parity, a block of another group counts only when it is the one that damaged frames, and every frame in it that the lost blocks do not reach is whole with it; ends on any input.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;

namespace SourceOS.StateStore;

/// <summary>Finds what can be healed of one segment.</summary>
internal static class SegmentHealing
{
    // Each round gives up at least one block; that many rounds mean a parity file that contradicts the log all over.
    private const int MaxRounds = 4;

    /// <summary>Looks for blocks that can be computed again.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="superblock">Its superblock.</param>
    /// <param name="files">How files are read.</param>
    /// <param name="segment">The segment.</param>
    /// <param name="judged">What its parity says of it.</param>
    /// <returns>The blocks; null when there are none, or when the frames are whole as they stand: then it is the parity that is of other bytes.</returns>
    internal static SegmentHeal? Find(StoreLayout layout, Superblock superblock, StoreFiles files, int segment, ParityJudgement judged)
    {
        int groups = ParityHeader.GroupsOf(superblock.SegmentBits);
        List<int> alone = [.. judged.BadBlocks.GroupBy(block => block % groups).Where(group => group.Count() == 1 && !judged.BadGroups.Contains(group.Key)).Select(static group => group.First()).Order()];
        if (alone.Count == 0 || IsWhole(layout, superblock, files, segment))
        {
            return null;
        }

        if (alone.Count < judged.BadBlocks.Count)
        {
            return FindPart(layout, superblock, files, segment, judged.BadBlocks, alone);
        }

        SegmentHeal all = new(segment, alone);
        return IsWhole(layout, superblock, ParityRepair.Healed(layout, superblock, files, [all]), segment) ? all : null;
    }

    /// <summary>Whether all frames of a segment are whole.</summary>
    internal static bool IsWhole(StoreLayout layout, Superblock superblock, StoreFiles files, int segment) =>
        SegmentProof.Run(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), superblock.StoreId, superblock.BaseAddress, segment, files, out _);

    private static SegmentHeal? FindPart(StoreLayout layout, Superblock superblock, StoreFiles files, int segment, IReadOnlyList<int> bad, List<int> blocks)
    {
        List<BrokenRange> before = Broken(layout, superblock, files, segment);
        for (int round = 0; round < MaxRounds && blocks.Count > 0; round++)
        {
            SegmentHeal heal = new(segment, blocks) { LeavesDamage = true };
            List<BrokenRange> after = Broken(layout, superblock, ParityRepair.Healed(layout, superblock, files, [heal]), segment);
            HashSet<int> left = [.. bad.Except(blocks)];
            List<int> proven = [.. blocks.Where(block => IsProven(block, before, after, left))];
            if (proven.Count == blocks.Count)
            {
                return heal;
            }

            blocks = proven;
        }

        return null;
    }

    // What is still broken in a block must reach into one that stays bad, and less of it must be broken than before: otherwise nothing says that the block was wrong, or is right now.
    private static bool IsProven(int block, List<BrokenRange> before, List<BrokenRange> after, HashSet<int> left) =>
        before.Sum(range => range.Within(block)) > after.Sum(range => range.Within(block))
        && after.TrueForAll(range => range.Within(block) == 0 || range.Blocks().Any(left.Contains));

    /// <summary>The parts of a segment that no whole frame holds, in order; where two frames do not lead to each other, the bytes on both sides.</summary>
    private static List<BrokenRange> Broken(StoreLayout layout, Superblock superblock, StoreFiles files, int segment)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        long start = geometry.SegmentStart(segment);
        long end = geometry.SegmentEnd(start);
        long first = Math.Max(geometry.FirstEntryIn(start), geometry.SegmentOf(superblock.BaseAddress) == segment ? superblock.BaseAddress : start);
        List<BrokenRange> broken = [];
        using LogReader reader = new(layout, geometry, files);
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.Unlinked(first), end);
        long from = first;
        while (true)
        {
            ScanOutcome outcome;
            while ((outcome = scanner.MoveNext()) == ScanOutcome.Frame)
            {
                from = scanner.Position;
            }

            if (outcome == ScanOutcome.EndOfLog && scanner is { HasFrame: true, EndReason: LogEndReason.Limit } && scanner.NextEntryAddress == end)
            {
                return broken;
            }

            // A search begins behind the frame that was refused, so each one is tried once.
            long gap = Math.Max(scanner.Position, first);
            bool isFound = FrameSearch.FindFrameAfter(reader, superblock.StoreId, Math.Max(from, gap), end, out FrameCandidate candidate);
            long next = isFound ? candidate.Address : end;
            broken.Add(new BrokenRange(Math.Max(gap - 1, start) - start, Math.Max(next, gap + 1) - start));
            if (!isFound)
            {
                return broken;
            }

            from = next + LogGeometry.EntryPrefixBytes;
            scanner.Restart(ScanStart.Unlinked(next), end);
        }
    }

    /// <summary>Bytes of a segment's data, from the first to the one behind the last.</summary>
    private readonly record struct BrokenRange(long From, long To)
    {
        /// <summary>How many of them lie in a block.</summary>
        internal long Within(int block)
        {
            long start = (long)block * ParityHeader.BlockLengthBytes;
            return Math.Max(0, Math.Min(To, start + ParityHeader.BlockLengthBytes) - Math.Max(From, start));
        }

        /// <summary>The blocks that they lie in.</summary>
        internal IEnumerable<int> Blocks()
        {
            int first = (int)(From / ParityHeader.BlockLengthBytes);
            return Enumerable.Range(first, (int)((To - 1) / ParityHeader.BlockLengthBytes) - first + 1);
        }
    }
}
