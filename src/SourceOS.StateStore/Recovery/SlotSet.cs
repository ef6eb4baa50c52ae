// Why this file exists: what the tail slots say, over the segments that can hold the newest ones. Invariants: a slot counts only with a valid
// descriptor that stands in its own place; order is by generation, newest first; without damage the newest slot of the store is among them.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Recovery;

/// <summary>A valid slot and its bytes.</summary>
internal sealed record FoundSlot(TailSlot Descriptor, bool IsCopyValid, ReadOnlyMemory<byte> Bytes);

/// <summary>The valid slots, newest first.</summary>
internal sealed class SlotSet
{
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

    // A commit that was never acknowledged may have made any number of segments behind the tail, and slots in them, so the search goes back from
    // the last segment until a slot is met. No slot newer than that one stands below what that one says was durable: ends never go back behind it.
    internal static SlotSet Read(StoreLayout layout, SegmentCatalog catalog, StoreId storeId, LogGeometry geometry, StoreFiles files)
    {
        List<FoundSlot> slots = [];
        ulong epoch = 0;
        long lowest = long.MinValue;
        ReadOnlySpan<int> segments = catalog.Segments;
        for (int i = segments.Length - 1; i >= 0 && segments[i] >= lowest; i--)
        {
            SegmentInfo info = SegmentInfo.Read(layout, segments[i], storeId, geometry, files);
            epoch = info.HeaderFault.IsFault ? epoch : Math.Max(epoch, info.Header.WriterEpoch);
            AddSlots(info, slots, ref epoch);
            if (lowest == long.MinValue && slots.Count > 0)
            {
                lowest = slots.Min(slot => TailSlot.SegmentOf(slot.Descriptor.DurableBefore, geometry.SegmentBits));
            }
        }

        slots.Sort((left, right) => right.Descriptor.Generation.CompareTo(left.Descriptor.Generation));
        return new SlotSet(slots, epoch);
    }

    private static void AddSlots(SegmentInfo info, List<FoundSlot> slots, ref ulong epoch)
    {
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
}
