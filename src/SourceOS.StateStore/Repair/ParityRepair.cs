// Why this file exists: blocks of sealed segments that rotted are computed again from parity, and parity that is missing or rotten is made again (format-spec/parity.md, "Healing"). Invariants: only
// blocks that SegmentHealing proved are written; what stood there is set aside first; the parity file is what a crash
// in the middle is repeated from, so it is never changed while a block of its segment is written, nor while one is left that is beyond it.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Parity;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Blocks of one segment that can be computed again.</summary>
/// <param name="Segment">The segment.</param>
/// <param name="Blocks">Numbers of the blocks, in order.</param>
internal sealed record SegmentHeal(int Segment, IReadOnlyList<int> Blocks)
{
    private const int MaxNamed = 32;

    /// <summary>Whether other blocks of the segment stay bad, because their groups are beyond parity.</summary>
    internal bool LeavesDamage { get; init; }

    /// <summary>The blocks as a phrase.</summary>
    internal string BlockText => string.Join(", ", Blocks.Take(MaxNamed)) + (Blocks.Count > MaxNamed ? string.Create(CultureInfo.InvariantCulture, $" and {Blocks.Count - MaxNamed} more") : "");

    /// <summary>The step that heals them.</summary>
    internal RepairStep Step(int order) => new(
        order,
        RepairAction.HealSegment,
        $"{StoreLayout.EventsName}/{StoreLayout.SegmentName(Segment)} blocks {BlockText}",
        "every other block of the segment, and its parity",
        string.Create(CultureInfo.InvariantCulture, $"{Blocks.Count} blocks of 64 KiB from parity, proven by their checks and the chain of frames"),
        "the blocks as they are",
        IsDestructive: false);
}

/// <summary>What repair has to do with parity. Immutable.</summary>
/// <param name="Heals">Segments that can be healed.</param>
/// <param name="Remake">Sealed segments whose parity is missing, rotten or of other bytes.</param>
/// <param name="Remove">Segments whose parity is worth nothing and that are not sealed.</param>
internal sealed record ParityFacts(IReadOnlyList<SegmentHeal> Heals, IReadOnlyList<int> Remake, IReadOnlyList<int> Remove)
{
    /// <summary>Whether there is nothing to do.</summary>
    internal bool IsEmpty => Heals.Count == 0 && Remake.Count == 0 && Remove.Count == 0;

    /// <summary>Names what was seen, for a plan's hash.</summary>
    /// <param name="isFenced">Whether a fence replaces the log, and with it every parity file.</param>
    internal string Fingerprint(bool isFenced)
    {
        string heals = string.Join(';', Heals.Select(static heal => $"{heal.Segment}:{heal.BlockText}"));
        return IsEmpty || (isFenced && Heals.Count == 0) ? "" : isFenced ? "|" + heals : $"|{heals}|{string.Join(',', Remake)}|{string.Join(',', Remove)}";
    }

    /// <summary>The step that makes parity again.</summary>
    internal RepairStep MakeStep(int order)
    {
        IEnumerable<int> segments = Remake.Concat(Remove).Order();
        int count = Remake.Count + Remove.Count;
        string named = string.Join(", ", segments.Take(32)) + (count > 32 ? string.Create(CultureInfo.InvariantCulture, $" and {count - 32} more") : "");
        return new RepairStep(order, RepairAction.MakeParity, $"{StoreLayout.ParityName} of segments {named}", "the log", "parity, from segments that were proven", "", IsDestructive: false);
    }
}

/// <summary>Finds and does what parity allows.</summary>
internal static class ParityRepair
{
    /// <summary>Looks at the parity of every segment of the log. Reads the log once, damaged segments twice more.</summary>
    internal static ParityFacts Find(StoreLayout layout, Superblock superblock, StoreFiles files)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        SegmentCatalog catalog = SegmentCatalog.List(layout, files);
        long confirmed = SlotSet.Read(layout, catalog, superblock.StoreId, geometry, files).DurableBefore;
        int sealedEnd = ParityKeeper.SealedEnd(geometry, confirmed);
        List<SegmentHeal> heals = [];
        List<int> remake = [];
        List<int> remove = [];
        foreach (int segment in catalog.Segments)
        {
            if (segment < geometry.SegmentOf(superblock.BaseAddress))
            {
                continue;
            }

            ParityJudgement judged = ParityJudge.Run(layout, geometry, superblock.StoreId, segment, files);
            if (judged.IsSound && judged.BadBlocks.Count == 0)
            {
                continue;
            }

            bool isSealed = segment < sealedEnd;
            if (judged.BadBlocks.Count > 0 && SegmentHealing.Find(layout, superblock, files, segment, judged) is SegmentHeal heal)
            {
                // A group whose own parity rotted had nothing to heal. What is fenced gets no parity.
                heals.Add(heal);
                if (!judged.IsSound && isSealed && !heal.LeavesDamage)
                {
                    remake.Add(segment);
                }
            }
            else if (SegmentHealing.IsWhole(layout, superblock, files, segment) && isSealed)
            {
                remake.Add(segment);
            }
            else if (!judged.IsMissing && !judged.IsSound)
            {
                remove.Add(segment);
            }
        }

        return new ParityFacts(heals, remake, remove);
    }

    /// <summary>The files as they will be once the segments are healed.</summary>
    internal static StoreFiles Healed(StoreLayout layout, Superblock superblock, StoreFiles files, IReadOnlyList<SegmentHeal> heals)
    {
        if (heals.Count == 0)
        {
            return files;
        }

        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        return new BlockwiseFiles(files, heals.ToDictionary(heal => layout.SegmentPath(heal.Segment), heal => Loader(layout, geometry, superblock.StoreId, files, heal)), geometry.SegmentFileBytes);
    }

    /// <summary>Heals segments. The caller holds the writer's lock.</summary>
    internal static void Heal(StoreLayout layout, Superblock superblock, FileOps ops, Quarantine quarantine, IReadOnlyList<SegmentHeal> heals)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        StoreFiles files = new SeamStoreFiles(ops);
        byte[] block = new byte[ParityHeader.BlockLengthBytes];
        foreach (SegmentHeal heal in heals)
        {
            BlockLoader load = Loader(layout, geometry, superblock.StoreId, files, heal);
            string path = layout.SegmentPath(heal.Segment);
            using (StoreFile target = StoreFile.Open(ops, path, OpenOptions.ReadWrite | OpenOptions.NoFollow))
            {
                foreach (int index in heal.Blocks)
                {
                    long offset = LogGeometry.DataOffset + ((long)index * ParityHeader.BlockLengthBytes);
                    if (files.Open(path, out PositionalFile? source) != ReadStatus.Ok || source is null)
                    {
                        throw Failed(path, "it cannot be read");
                    }

                    using (source)
                    {
                        if (load(source, index, block) != ReadStatus.Ok)
                        {
                            throw Failed(path, $"block {index} can no longer be computed");
                        }
                    }

                    byte[] old = ReadWhatThereIs(target, offset, out int unreadable);
                    string note = unreadable == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"; {unreadable} bytes of it could not be read and are zero here");
                    quarantine.Keep($"segment-{heal.Segment}-block-{index}", old, geometry.SegmentStart(heal.Segment) + ((long)index * block.Length), $"block {index} of segment {heal.Segment} at file offset {offset}, before it was computed again from parity{note}");
                    target.Write(block, offset);
                }

                target.SyncAll();
            }

            if (!IsHealed(layout, superblock, files, heal))
            {
                throw Failed(path, "its frames are not whole after its blocks were computed again");
            }
        }
    }

    /// <summary>Makes parity again. The caller holds the writer's lock.</summary>
    internal static void Make(StoreLayout layout, Superblock superblock, FileOps ops, TimeProvider clock, ParityFacts facts)
    {
        ParityMaker maker = new(ops, layout, superblock, clock);
        ParityMaker.Drop(ops, layout, facts.Remove);
        maker.DropLeftOvers();
        foreach (int segment in facts.Remake)
        {
            maker.Make(segment);
        }
    }

    // The segment proves, or, where blocks beyond parity are left in it, the healed ones are those that the table names.
    private static bool IsHealed(StoreLayout layout, Superblock superblock, StoreFiles files, SegmentHeal heal) => heal.LeavesDamage
        ? !ParityJudge.Run(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), superblock.StoreId, heal.Segment, files).BadBlocks.Intersect(heal.Blocks).Any()
        : SegmentHealing.IsWhole(layout, superblock, files, heal.Segment);

    private static BlockLoader Loader(StoreLayout layout, LogGeometry geometry, StoreId storeId, StoreFiles files, SegmentHeal heal)
    {
        HashSet<int> bad = [.. heal.Blocks];
        return (data, index, block) =>
        {
            if (!bad.Contains(index))
            {
                return ParityFile.ReadData(data, index, block);
            }

            _ = ParityFile.Open(layout, geometry, storeId, heal.Segment, files, out ParityFile? parity, out _);
            using (parity)
            {
                return parity is not null && parity.TryRecompute(index, data, block) ? ReadStatus.Ok : ReadStatus.InputOutput;
            }
        };
    }

    // A block may be bad because the device does not give it out any more; then what can be read of it is kept.
    private static byte[] ReadWhatThereIs(StoreFile file, long offset, out int unreadable)
    {
        const int Piece = FormatLimits.LogBlockLengthBytes;
        byte[] bytes = new byte[ParityHeader.BlockLengthBytes];
        unreadable = 0;
        for (int at = 0; at < bytes.Length; at += Piece)
        {
            try
            {
                int read = file.ReadUpTo(bytes.AsSpan(at, Piece), offset + at);
                if (read < Piece)
                {
                    return bytes[..(at + read)];
                }
            }
            catch (StateStoreException)
            {
                unreadable += Piece;
            }
        }

        return bytes;
    }

    private static StateStoreException Failed(string path, string what) => new(
        StateStoreErrorCode.InputOutput, $"A segment could not be healed: {what}.", path, "What stood there is in quarantine. Check the device, and run the repair again.", isRetryable: true);
}
