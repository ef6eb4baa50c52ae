// Why this file exists: collects the facts about a store's log and state and looks the answer up in the table (format-spec/recovery.md).
// Invariants: reads only; a slot's copy that would heal the log is laid over it in memory, and the decision is about the log as it is then.

using System.Diagnostics.CodeAnalysis;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Recovery;

/// <summary>The outcome of recovery's reading part.</summary>
/// <param name="Decision">What to do.</param>
/// <param name="Tip">The end of the log to continue at.</param>
/// <param name="Slots">The valid tail slots.</param>
/// <param name="State">The state as found.</param>
/// <param name="Scan">What the scan found.</param>
/// <param name="LastEpoch">The highest writer epoch met.</param>
/// <param name="EndOfSegments">Log address behind the last segment.</param>
/// <param name="DurableAddress">The highest position that something vouches for.</param>
/// <param name="Healing">The slot whose copy must be laid over its block first; null when none must. Everything else is about the log with it.</param>
internal sealed record LogRecoveryResult(
    RecoveryDecision Decision, LogTip Tip, SlotSet Slots, StateInspection State, LogScan Scan, ulong LastEpoch, long EndOfSegments, long DurableAddress, FoundSlot? Healing);

/// <summary>Recovery's reading part.</summary>
internal sealed class LogRecovery(StoreLayout layout, Superblock superblock, StoreFiles files)
{
    private readonly LogGeometry _geometry = new(superblock.PageBits, superblock.SegmentBits);

    /// <summary>Finds out what to do.</summary>
    internal LogRecoveryResult Run(StateInspection state)
    {
        SegmentCatalog catalog = SegmentCatalog.List(layout, files);
        if (catalog.Status is not (ReadStatus.Ok or ReadStatus.NotFound))
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The log's directory cannot be listed ({catalog.Status}).", layout.EventsPath, "Check the directory and its rights.");
        }

        SlotSet slots = SlotSet.Read(layout, catalog, superblock.StoreId, _geometry, files);
        LogRecoveryResult found = Decide(catalog, slots, state, files, healing: null);

        // Newest first: its copy holds the bytes of the older one of the same block, and more.
        foreach (FoundSlot slot in slots.Slots)
        {
            if (Heals(catalog, slots, state, found, slot, out LogRecoveryResult? healed))
            {
                return healed;
            }
        }

        return found;
    }

    // A copy heals when it makes the log whole up to what is durable, or up to the slot's own tail where that lies further: the slot's group is
    // whole then, so it may be one that was acknowledged, whose last block the next group's write tore.
    private bool Heals(SegmentCatalog catalog, SlotSet slots, StateInspection state, LogRecoveryResult found, FoundSlot slot, [NotNullWhen(true)] out LogRecoveryResult? healed)
    {
        TailSlot descriptor = slot.Descriptor;
        healed = null;
        if (!slot.IsCopyValid || descriptor.BlockLength == 0 || descriptor.Tail <= found.Tip.Address)
        {
            return false;
        }

        ReadOnlyMemory<byte> copy = slot.Bytes.Slice(TailSlot.DescriptorLengthBytes, descriptor.BlockLength);
        OverlaidFiles overlaid = new(files, layout.SegmentPath(_geometry.SegmentOf(descriptor.BlockAddress)), _geometry.FileOffsetOf(descriptor.BlockAddress), copy);
        LogRecoveryResult result = Decide(catalog, slots, state, overlaid, slot);
        bool reachesTail = result.Tip.Address >= descriptor.Tail;
        bool reachesDurable = result.Decision.MayWrite && !found.Decision.MayWrite;
        healed = result.Decision.MayWrite && (reachesTail || reachesDurable) ? result : null;
        return healed is not null;
    }

    private LogRecoveryResult Decide(SegmentCatalog catalog, SlotSet slots, StateInspection state, StoreFiles log, FoundSlot? healing)
    {
        long endOfSegments = catalog.Last < 0 ? LogGeometry.FirstAddress : _geometry.SegmentStart(catalog.Last + 1);
        using LogReader reader = new(layout, _geometry, log);
        StateRelation relation = state.Header is null ? StateRelation.None : StateRelation.At;
        LogScan scan = relation == StateRelation.None ? ScanAll(reader, endOfSegments) : ScanFromState(reader, state, endOfSegments, ref relation);
        long vouched = Math.Max(Math.Max(slots.DurableBefore, scan.VouchedByLaterFrames), Math.Max(state.Header?.LogPosition ?? 0, state.Told?.LogPosition ?? 0));
        FoundSlot? newest = slots.Newest;
        RecoveryFacts facts = new(
            EndReachesDurable: catalog.Count > 0 && scan.End.Address >= vouched,
            scan.Stop,
            CopyHeals: healing is not null,
            relation,
            NewestSlotIsCleanAtEnd: newest is { Descriptor.IsCleanClose: true } && newest.Descriptor.Tail == scan.End.Address);
        ulong epoch = Math.Max(Math.Max(slots.HighestEpoch, scan.LastEpoch), state.Header?.WriterEpoch ?? 0);
        return new LogRecoveryResult(RecoveryTable.Decide(in facts), scan.End, slots, state, scan, epoch, endOfSegments, vouched, healing);
    }

    private LogScan ScanAll(LogReader reader, long endOfSegments) =>
        LogScan.Run(reader, superblock.StoreId, ScanStart.AtBase(superblock), BaseTip(), endOfSegments);

    private LogTip BaseTip() => new(superblock.BaseAddress, superblock.BaseFrame, superblock.BaseSequence - 1, 0, superblock.BaseChainHead);

    // The state saves reading everything below its position, if the log still holds the very frame that the state folded last.
    private LogScan ScanFromState(LogReader reader, StateInspection state, long endOfSegments, ref StateRelation relation)
    {
        StateHeader header = state.Header!;
        if (state.LastFrame is null)
        {
            relation = header.LogPosition == superblock.BaseAddress && header.ChainHead == superblock.BaseChainHead ? StateRelation.At : StateRelation.Foreign;
            LogScan whole = ScanAll(reader, endOfSegments);
            relation = relation == StateRelation.At && whole.End.FrameCount > header.FrameCount ? StateRelation.Behind : relation;
            return whole;
        }

        if (HoldsLastFrame(reader, state, endOfSegments))
        {
            LogTip tip = new(header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.ChainHead);
            ScanStart start = ScanStart.AfterCommit(superblock.StoreId, tip.Address, tip.FrameCount, tip.LastSequence, tip.LastCommitId, header.WriterEpoch, header.ChainHead);
            LogScan tail = LogScan.Run(reader, superblock.StoreId, start, tip, endOfSegments);
            relation = tail.End.Address > header.LogPosition ? StateRelation.Behind : StateRelation.At;
            return tail;
        }

        LogScan scan = ScanAll(reader, endOfSegments);
        relation = scan.End.Address < header.LogPosition ? StateRelation.Ahead : StateRelation.Foreign;
        return scan;
    }

    // FASTER will write the last page again as it loads it, so every frame from the page's first to the state's last is checked here.
    private bool HoldsLastFrame(LogReader reader, StateInspection state, long endOfSegments)
    {
        StateHeader header = state.Header!;
        if (header.LogPosition > endOfSegments)
        {
            return false;
        }

        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.Unlinked(state.FirstFrameInPage), header.LogPosition);
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            if (scanner.Position == header.LogPosition)
            {
                return scanner.Hash == header.ChainHead && scanner.Header.FrameNumber + 1 == header.FrameCount && scanner.Header.IsLastOfCommit;
            }
        }

        return false;
    }
}
