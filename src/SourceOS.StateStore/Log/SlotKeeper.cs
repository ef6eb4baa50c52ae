// Why this file exists: which tail slot is written next (format-spec/segments.md, "How a group becomes durable"). Invariants: the newest slot
// covered by a completed sync is never overwritten; generations only grow; no I/O here.

namespace SourceOS.StateStore.Log;

/// <summary>Chooses tail slots.</summary>
internal sealed class SlotKeeper(ulong lastGeneration, long syncedSegment, int syncedIndex)
{
    private long _syncedSegment = syncedSegment;
    private int _syncedIndex = syncedIndex;
    private long _writtenSegment = -1;
    private int _writtenIndex;

    /// <summary>Generation of the slot written last.</summary>
    internal ulong Generation { get; private set; } = lastGeneration;

    /// <summary>Whether a slot is the newest one that a completed sync covers.</summary>
    internal bool IsSynced(long segment, int index) => segment == _syncedSegment && index == _syncedIndex;

    /// <summary>Takes the next slot of a segment.</summary>
    /// <returns>Its index and generation.</returns>
    internal (int Index, ulong Generation) Next(long segment)
    {
        int index = segment == _syncedSegment ? 1 - _syncedIndex : 0;
        _writtenSegment = segment;
        _writtenIndex = index;
        Generation++;
        return (index, Generation);
    }

    /// <summary>Says that the slot taken last is covered by a completed sync of its segment.</summary>
    internal void Synced()
    {
        _syncedSegment = _writtenSegment;
        _syncedIndex = _writtenIndex;
    }
}
