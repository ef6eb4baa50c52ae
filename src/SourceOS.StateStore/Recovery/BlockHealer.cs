// Why this file exists: the last block below an acknowledged tail is rewritten by the next group, so a crash can tear it; the slot's copy
// brings it back (format-spec/segments.md). Invariants: only bytes below the slot's tail are written, and only from a valid copy that is known to
// heal the log; what stood there is set aside first; synced before anyone reads it as truth.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Events;

namespace SourceOS.StateStore.Recovery;

/// <summary>Restores blocks from slot copies.</summary>
internal sealed class BlockHealer(SegmentFiles files, Quarantine quarantine)
{
    /// <summary>Lays a slot's copy over its block.</summary>
    internal void Heal(FoundSlot slot)
    {
        TailSlot descriptor = slot.Descriptor;
        byte[] present = new byte[descriptor.BlockLength];
        files.ReadExactly(descriptor.BlockAddress, present);
        quarantine.Keep($"block-{descriptor.BlockAddress}", present, descriptor.BlockAddress, "a block below an acknowledged tail, before a tail slot's copy was laid over it");
        files.Write(descriptor.BlockAddress, descriptor.BlockOf(slot.Bytes.Span));
        files.SyncDirty();
    }
}
