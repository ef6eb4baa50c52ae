// Why this file exists: what the tail slots say, over the segments that can hold the newest ones. Invariants: a slot counts only with a valid
// descriptor that stands in its own place; order is by generation, newest first.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Recovery;

/// <summary>A valid slot and its bytes.</summary>
internal sealed record FoundSlot(TailSlot Descriptor, bool IsCopyValid, ReadOnlyMemory<byte> Bytes);

/// <summary>The valid slots, newest first.</summary>
internal sealed class SlotSet
{
    // The tail can be in the last segment that holds data; one more may be prepared ahead, and a crash may have left one more behind it.
    private const int SegmentsRead = 4;

    private SlotSet(List<FoundSlot> slots, ulong highestEpoch)
    {
        Slots = slots;
        HighestEpoch = highestEpoch;
    }

    internal IReadOnlyList<FoundSlot> Slots { get; }

    /// <summary>Highest writer epoch that a slot or segment header names.</summary>
    internal ulong HighestEpoch { get; }

    internal FoundSlot? Newest => Slots.Count == 0 ? null : Slots[0];

    /// <summary>The highest position that a slot proves by itself.</summary>
    internal long DurableBefore => Slots.Count == 0 ? 0 : Slots.Max(slot => slot.Descriptor.DurableBefore);

    internal static SlotSet Read(StoreLayout layout, SegmentCatalog catalog, StoreId storeId, LogGeometry geometry, StoreFiles files)
    {
        List<FoundSlot> slots = [];
        ulong epoch = 0;
        ReadOnlySpan<int> segments = catalog.Segments;
        foreach (int number in segments[Math.Max(0, segments.Length - SegmentsRead)..])
        {
            SegmentInfo info = SegmentInfo.Read(layout, number, storeId, geometry, files);
            epoch = info.HeaderFault.IsFault ? epoch : Math.Max(epoch, info.Header.WriterEpoch);
            for (int index = 0; index < 2; index++)
            {
                SlotInfo slot = info.Slot(index);
                if (slot.IsValid)
                {
                    slots.Add(new FoundSlot(slot.Descriptor, slot.IsCopyValid, info.SlotBytes(index)));
                    epoch = Math.Max(epoch, slot.Descriptor.WriterEpoch);
                }
            }
        }

        slots.Sort((left, right) => right.Descriptor.Generation.CompareTo(left.Descriptor.Generation));
        return new SlotSet(slots, epoch);
    }
}
