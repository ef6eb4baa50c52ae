// Why this file exists: every code a verifier can report stands here once, with its weight, so that the same damage has the same name
// everywhere and repair can be planned from codes. Invariants: codes are unique and never change meaning; All holds each of them.

using static SourceOS.StateStore.Readers.Verify.FindingClass;
using static SourceOS.StateStore.Readers.Verify.FindingSeverity;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>The kinds of findings.</summary>
public static class FindingKinds
{
    private const string Nothing = "nothing";
    private const string Redundancy = "nothing while its twin holds";
    private const string Events = "the events that lie there, and every record whose only trace they are";
    private const string NoHealing = "nothing while the segment is sound; a block of it that rots cannot be computed again";
    private const string NoShortcut = "nothing while the log is sound; the state is built again from an older checkpoint or the first frame";
    private const string State = "answers from the state are wrong or missing until it is rebuilt from the log";

    // Filled by the initialisers below and by nothing else.
    private static readonly List<FindingKind> _all = [];

    /// <summary>A file of the store cannot be read.</summary>
    public static readonly FindingKind FileUnreadable = Add("store.file.unreadable", Error, Durable, false, "whatever only this file holds");

    /// <summary>The superblock's file is missing.</summary>
    public static readonly FindingKind SuperblockMissing = Add("store.superblock.missing", Error, Durable, true, "the store cannot be opened");

    /// <summary>The superblock's file has another length than the format gives it.</summary>
    public static readonly FindingKind SuperblockLength = Add("store.superblock.length", Error, Rebuildable, true, Redundancy);

    /// <summary>One slot of the superblock is not valid; the other is.</summary>
    public static readonly FindingKind SuperblockSlot = Add("store.superblock.slot", Error, Rebuildable, true, Redundancy);

    /// <summary>Both slots of the superblock are not valid.</summary>
    public static readonly FindingKind SuperblockBoth = Add("store.superblock.both", Error, Durable, true, "the store cannot be opened");

    /// <summary>The superblock was written in a format that this reader does not know.</summary>
    public static readonly FindingKind SuperblockVersion = Add("store.superblock.version", Error, Durable, false, "nothing; a newer reader is needed");

    /// <summary>The superblock's slots, its log base or its states contradict each other.</summary>
    public static readonly FindingKind SuperblockContradiction = Add("store.superblock.contradiction", Error, Durable, false, "the store cannot be trusted as a whole");

    /// <summary>A name that has no meaning in a store.</summary>
    public static readonly FindingKind Stray = Add("store.stray", Info, Disposable, false, Nothing);

    /// <summary>Bytes that recovery or repair set aside.</summary>
    public static readonly FindingKind Quarantine = Add("store.quarantine", Info, Durable, false, "the bytes set aside, if nobody looks at them");

    /// <summary>An erasure that was begun and is not finished.</summary>
    public static readonly FindingKind ErasureUnfinished = Add("store.erasure.unfinished", Error, Rebuildable, true, "what was purged can still be read");

    /// <summary>A segment that was being made when a writer stopped.</summary>
    public static readonly FindingKind SegmentUnfinished = Add("log.segment.unfinished", Info, Disposable, true, Nothing);

    /// <summary>A segment that must be there is not.</summary>
    public static readonly FindingKind SegmentMissing = Add("log.segment.missing", Error, Durable, false, Events);

    /// <summary>A segment's file ends early.</summary>
    public static readonly FindingKind SegmentShort = Add("log.segment.short", Error, Durable, false, Events);

    /// <summary>A segment's file goes on behind its data, or ends early where nothing was written yet.</summary>
    public static readonly FindingKind SegmentLength = Add("log.segment.length", Error, Rebuildable, true, Nothing);

    /// <summary>A segment number behind the log's end has no file although a higher one has.</summary>
    public static readonly FindingKind SegmentGap = Add("log.segment.gap", Warning, Disposable, true, Nothing);

    /// <summary>A segment's header is not valid.</summary>
    public static readonly FindingKind SegmentHeader = Add("log.segment.header", Error, Rebuildable, true, "nothing; it is made again from the superblock");

    /// <summary>A segment's header belongs to another place or another store.</summary>
    public static readonly FindingKind SegmentForeign = Add("log.segment.foreign", Error, Durable, false, Events);

    /// <summary>Bytes between a segment's slots and its data are not zero.</summary>
    public static readonly FindingKind SegmentReserved = Add("log.segment.reserved", Error, Rebuildable, true, Nothing);

    /// <summary>A tail slot of the newest segment is not valid, as an interrupted write leaves it.</summary>
    public static readonly FindingKind SlotTorn = Add("log.slot.torn", Warning, Rebuildable, true, Redundancy);

    /// <summary>A tail slot is not valid, and no interrupted write explains it.</summary>
    public static readonly FindingKind SlotDamaged = Add("log.slot.damaged", Error, Rebuildable, true, Redundancy);

    /// <summary>The block copy of a tail slot of the newest segment is not valid, as an interrupted write leaves it.</summary>
    public static readonly FindingKind SlotCopyTorn = Add("log.slot.copy-torn", Warning, Rebuildable, true, Redundancy);

    /// <summary>The block copy of a tail slot is not valid, and no interrupted write explains it.</summary>
    public static readonly FindingKind SlotCopyDamaged = Add("log.slot.copy-damaged", Error, Rebuildable, true, Redundancy);

    /// <summary>The block copy of a valid tail slot differs from the log.</summary>
    public static readonly FindingKind SlotCopyDiffers = Add("log.slot.copy-differs", Error, Rebuildable, true, Redundancy);

    /// <summary>A valid tail slot states what the frames contradict.</summary>
    public static readonly FindingKind SlotContradiction = Add("log.slot.contradiction", Error, Durable, false, "either the slot or the log is not what was written");

    /// <summary>Bytes of the log cannot be read.</summary>
    public static readonly FindingKind LogUnreadable = Add("log.unreadable", Error, Durable, false, Events);

    /// <summary>Bytes behind the log's end cannot be read.</summary>
    public static readonly FindingKind LogUnreadableSpace = Add("log.unreadable-space", Error, Rebuildable, true, Nothing);

    /// <summary>Bytes between the last entry of a page and its end are not zero.</summary>
    public static readonly FindingKind Filler = Add("log.filler", Error, Rebuildable, true, Nothing);

    /// <summary>An entry's length is not one that a frame can have.</summary>
    public static readonly FindingKind EntryLength = Add("log.entry.length", Error, Durable, false, Events);

    /// <summary>An entry's length is wrong, but the frame behind it says the right one.</summary>
    public static readonly FindingKind EntryPrefix = Add("log.entry.prefix", Error, Rebuildable, true, Nothing);

    /// <summary>A frame's header is not valid.</summary>
    public static readonly FindingKind FrameHeader = Add("log.frame.header", Error, Durable, false, Events);

    /// <summary>A frame belongs to another place or another store.</summary>
    public static readonly FindingKind FrameForeign = Add("log.frame.foreign", Error, Durable, false, Events);

    /// <summary>A frame does not continue the one before it.</summary>
    public static readonly FindingKind FrameChain = Add("log.frame.chain", Error, Durable, false, Events);

    /// <summary>A frame's leaf hashes do not give the root in its header.</summary>
    public static readonly FindingKind FrameLeaves = Add("log.frame.leaves", Error, Durable, false, Events);

    /// <summary>A frame's body contradicts its checksum or is not well-formed.</summary>
    public static readonly FindingKind FrameBody = Add("log.frame.body-crc", Error, Durable, false, Events);

    /// <summary>An event does not hash to its leaf.</summary>
    public static readonly FindingKind EventLeaf = Add("log.event.leaf", Error, Durable, false, Events);

    /// <summary>An event is not well-formed, or its sequence is not its place.</summary>
    public static readonly FindingKind Event = Add("log.event.malformed", Error, Durable, false, Events);

    /// <summary>A range of the log below the durable position cannot be followed.</summary>
    public static readonly FindingKind LogRange = Add("log.range.damaged", Error, Durable, false, Events);

    /// <summary>The log ends before a position that was durable.</summary>
    public static readonly FindingKind LogLostTail = Add("log.tail.lost", Error, Durable, false, Events);

    /// <summary>Bytes behind the durable position that never were acknowledged.</summary>
    public static readonly FindingKind LogTornTail = Add("log.tail.torn", Info, Disposable, true, "nothing that was acknowledged");

    /// <summary>The first frames of a commit whose last frame is not there; never acknowledged.</summary>
    public static readonly FindingKind LogOpenCommit = Add("log.tail.open-commit", Info, Disposable, true, "nothing that was acknowledged");

    /// <summary>The state has folded more of the log than there is: the log is older than the state.</summary>
    public static readonly FindingKind LogRolledBack = Add("log.rolled-back", Error, Durable, false, "the events between the log's end and the state's position");

    /// <summary>The state's position is not a commit of this log: the two have different histories.</summary>
    public static readonly FindingKind LogForked = Add("log.forked", Error, Durable, false, "one of two histories; a person must say which one counts");

    /// <summary>Segments that the log has left behind have no parity.</summary>
    public static readonly FindingKind ParityMissing = Add("log.parity.missing", Info, Protective, true, NoHealing);

    /// <summary>A segment's parity is not valid, not that segment's, or not sound.</summary>
    public static readonly FindingKind ParityDamaged = Add("log.parity.damaged", Error, Protective, true, NoHealing);

    /// <summary>A segment's parity is of other bytes than the segment holds, and the segment is whole.</summary>
    public static readonly FindingKind ParityStale = Add("log.parity.stale", Warning, Protective, true, NoHealing);

    /// <summary>A file of parity that covers no segment of the log, or that was being made when a writer stopped.</summary>
    public static readonly FindingKind ParityLeftOver = Add("log.parity.left-over", Info, Disposable, true, Nothing);

    /// <summary>A checkpoint of the state, or a frontier of the log's tree, is not valid or does not prove.</summary>
    public static readonly FindingKind CheckpointDamaged = Add("checkpoint.damaged", Error, Rebuildable, true, NoShortcut);

    /// <summary>A checkpoint or a frontier is of another history than the log.</summary>
    public static readonly FindingKind CheckpointForeign = Add("checkpoint.foreign", Warning, Rebuildable, true, NoShortcut);

    /// <summary>A checkpoint or a frontier from before the log's beginning, or one that was being made when a writer stopped.</summary>
    public static readonly FindingKind CheckpointLeftOver = Add("checkpoint.left-over", Info, Disposable, true, Nothing);

    /// <summary>The generation of the state that the superblock names is not there.</summary>
    public static readonly FindingKind StateMissing = Add("state.missing", Error, Rebuildable, true, State);

    /// <summary>The state's file cannot be read.</summary>
    public static readonly FindingKind StateUnreadable = Add("state.unreadable", Error, Rebuildable, true, State);

    /// <summary>A generation of the state that the superblock does not name.</summary>
    public static readonly FindingKind StateOtherGeneration = Add("state.other-generation", Info, Disposable, true, Nothing);

    /// <summary>A meta page of the state's file is not valid.</summary>
    public static readonly FindingKind LmdbMeta = Add("state.lmdb.meta", Error, Rebuildable, true, State);

    /// <summary>A page of the state's file breaks the structure of its tree, or its place in it.</summary>
    public static readonly FindingKind LmdbPage = Add("state.lmdb.page", Error, Rebuildable, true, State);

    /// <summary>The list of free pages contradicts the used ones.</summary>
    public static readonly FindingKind LmdbFreeList = Add("state.lmdb.free-list", Error, Rebuildable, true, State);

    /// <summary>The state's file is shorter than its snapshot, or has bytes that belong to nothing.</summary>
    public static readonly FindingKind LmdbExtent = Add("state.lmdb.extent", Error, Rebuildable, true, State);

    /// <summary>A table of the state is missing, or one is there that is not part of a state.</summary>
    public static readonly FindingKind StateTable = Add("state.table", Error, Rebuildable, true, State);

    /// <summary>The state's header is not valid.</summary>
    public static readonly FindingKind StateHeader = Add("state.header", Error, Rebuildable, true, State);

    /// <summary>The state's stored digest is not valid.</summary>
    public static readonly FindingKind StateDigest = Add("state.digest", Error, Rebuildable, true, State);

    /// <summary>A table's entries do not add up to its stored digest.</summary>
    public static readonly FindingKind TableDigest = Add("state.table.digest", Error, Rebuildable, true, State);

    /// <summary>The state's header states a position that contradicts the log.</summary>
    public static readonly FindingKind StatePosition = Add("state.position", Error, Rebuildable, true, State);

    /// <summary>The counts in the state's header differ from what it counts.</summary>
    public static readonly FindingKind StateCounts = Add("state.counts", Error, Rebuildable, true, State);

    /// <summary>A record's key or envelope is not valid.</summary>
    public static readonly FindingKind RecordEnvelope = Add("state.record.envelope", Error, Rebuildable, true, State);

    /// <summary>A record's body is not well-formed.</summary>
    public static readonly FindingKind RecordBody = Add("state.record.body", Error, Rebuildable, true, State);

    /// <summary>An entry of a derived table contradicts its check or is not well-formed.</summary>
    public static readonly FindingKind EntryCheck = Add("state.entry.check", Error, Rebuildable, true, State);

    /// <summary>An entry that follows from a record or a frame is not in its table.</summary>
    public static readonly FindingKind EntryMissing = Add("state.entry.missing", Error, Rebuildable, true, State);

    /// <summary>An entry of a derived table follows from nothing.</summary>
    public static readonly FindingKind EntryExtra = Add("state.entry.extra", Error, Rebuildable, true, State);

    /// <summary>A record that carries the mark for boot cannot be reached, or those that are there are not those that the state counts.</summary>
    public static readonly FindingKind BootCritical = Add("state.boot-critical", Error, Rebuildable, true, State);

    /// <summary>An entry of the state, sound in itself, is not what folding the log gives.</summary>
    public static readonly FindingKind FoldDiffers = Add("state.fold.differs", Error, Rebuildable, false, State);

    /// <summary>An adopted file has the size and times that were recorded, and other bytes.</summary>
    public static readonly FindingKind FileDiffers = Add("workspace.file.differs", Error, Durable, false, "the file's content as it was recorded, unless a backup of the tree has it");

    /// <summary>An adopted file was changed since.</summary>
    public static readonly FindingKind FileChanged = Add("workspace.file.changed", Info, Disposable, false, Nothing);

    /// <summary>An adopted file is not in its tree any more.</summary>
    public static readonly FindingKind FileMissing = Add("workspace.file.missing", Info, Disposable, false, Nothing);

    /// <summary>A root that the caller holds is newer than the log, or another one at its size.</summary>
    public static readonly FindingKind StoreRolledBack = Add("store.rolled-back", Error, Durable, false, "everything between the log's end and the caller's root");

    /// <summary>Every kind, in the order of this file.</summary>
    public static IReadOnlyList<FindingKind> All => _all;

    private static FindingKind Add(string code, FindingSeverity severity, FindingClass findingClass, bool autoRepair, string lossIfIgnored)
    {
        FindingKind kind = new(code, severity, findingClass, autoRepair, lossIfIgnored);
        _all.Add(kind);
        return kind;
    }
}
