// Why this file exists: the last block below an acknowledged tail is rewritten by the next group, so a crash can tear it; the slot's copy
// brings it back (format-spec/segments.md). Invariants: only bytes below the slot's tail are written, and only from a valid copy; what stood
// there is set aside first; synced before anyone reads it as truth.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Events;

namespace SourceOS.StateStore.Recovery;

/// <summary>Restores blocks from slot copies.</summary>
internal sealed class BlockHealer(SegmentFiles files, Quarantine quarantine)
{
    /// <summary>Lays the copies of valid slots over their blocks where these differ and end above the log's end.</summary>
    /// <returns>Whether anything was written.</returns>
    internal bool TryHeal(SlotSet slots, long end)
    {
        bool changed = false;
        foreach (FoundSlot slot in slots.Slots)
        {
            changed |= slot.IsCopyValid && slot.Descriptor.Tail > end && TryHealBlock(slot);
        }

        if (changed)
        {
            files.SyncDirty();
        }

        return changed;
    }

    private bool TryHealBlock(FoundSlot slot)
    {
        TailSlot descriptor = slot.Descriptor;
        int length = descriptor.BlockLength;
        if (length == 0 || !files.Contains(files.SegmentOf(descriptor.BlockAddress)))
        {
            return false;
        }

        ReadOnlySpan<byte> copy = descriptor.BlockOf(slot.Bytes.Span)[..length];
        byte[] present = new byte[length];
        files.ReadExactly(descriptor.BlockAddress, present);
        if (copy.SequenceEqual(present))
        {
            return false;
        }

        quarantine.Keep($"block-{descriptor.BlockAddress}", present, descriptor.BlockAddress, "a block below an acknowledged tail, before a tail slot's copy was laid over it");
        files.Write(descriptor.BlockAddress, copy);
        return true;
    }
}
