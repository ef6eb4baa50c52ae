// Why this file exists: headers and tail slots of all segments, and what the slots vouch for. Invariants: memory is one small value for
// each valid slot, up to a bound; an invalid slot is judged only when it is known whether an interrupted write explains it.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>A valid slot.</summary>
internal readonly record struct SlotFact(int Segment, int Index, bool IsCopyValid, TailSlot Slot);

/// <summary>A segment that is not as long as it should be.</summary>
internal readonly record struct SegmentLengthFact(int Segment, long LengthBytes);

/// <summary>The heads of all segments.</summary>
internal sealed class SegmentHeads
{
    private const int MaxFacts = 1 << 19;
    private const int Readings = 6;

    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private readonly LogGeometry _geometry;
    private readonly List<(int Segment, int Index, FormatFault Fault, bool IsCopy)> _badSlots = [];

    private SegmentHeads(VerifyContext context, StoreSurvey survey, LogGeometry geometry)
    {
        _context = context;
        _survey = survey;
        _geometry = geometry;
    }

    /// <summary>The valid slots, by segment.</summary>
    public List<SlotFact> Slots { get; } = [];

    /// <summary>Segments whose file has another length than it should.</summary>
    public List<SegmentLengthFact> Lengths { get; } = [];

    /// <summary>The highest generation of a valid slot; 0 when there is none.</summary>
    public ulong NewestGeneration { get; private set; }

    /// <summary>The slot of the highest generation.</summary>
    public SlotFact? Newest { get; private set; }

    /// <summary>The highest address that a valid slot says was durable before it; 0 when there is none.</summary>
    public long DurableBefore { get; private set; }

    public static SegmentHeads Check(VerifyContext context, StoreSurvey survey, LogGeometry geometry, bool isQuick = false)
    {
        SegmentHeads heads = new(context, survey, geometry);
        SegmentCatalog catalog = survey.Catalog;
        int first = isQuick ? Math.Max(0, catalog.Count - 3) : 0;
        context.Progress.Begin("segment heads", (long)(catalog.Count - first) * LogGeometry.DataOffset);
        for (int i = first; i < catalog.Count; i++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            heads.CheckSegment(catalog.Segments[i]);
            context.Progress.Add(LogGeometry.DataOffset);
        }

        heads.ReportBadSlots();
        return heads;
    }

    /// <summary>The highest generation of any slot that stands in the files now.</summary>
    public static ulong FindNewestGeneration(VerifyContext context, StoreSurvey survey)
    {
        // Only the last segments can have got a new slot; a writer that made further segments shows by them.
        SegmentCatalog catalog = SegmentCatalog.List(context.Layout, context.Files);
        ulong newest = 0;
        for (int i = Math.Max(0, catalog.Count - 3); i < catalog.Count; i++)
        {
            SegmentInfo info = SegmentInfo.Read(context.Layout, catalog.Segments[i], survey.StoreId, survey.Geometry, context.Files);
            for (int index = 0; index < 2; index++)
            {
                SlotInfo slot = info.Slot(index);
                newest = slot.IsValid ? Math.Max(newest, slot.Descriptor.Generation) : newest;
            }
        }

        return newest;
    }

    // A writer replaces slots while they are read. What a crash tore stays as it is, so a slot that looks torn is read again until two readings say the same.
    private SegmentInfo ReadSettled(int number)
    {
        SegmentInfo info = SegmentInfo.Read(_context.Layout, number, _survey.StoreId, _geometry, _context.Files);
        for (int attempt = 1; attempt < Readings && (IsTorn(info.Slot(0)) || IsTorn(info.Slot(1))); attempt++)
        {
            Thread.Sleep(attempt);
            SegmentInfo again = SegmentInfo.Read(_context.Layout, number, _survey.StoreId, _geometry, _context.Files);
            bool isSettled = again.SlotBytes(0).Span.SequenceEqual(info.SlotBytes(0).Span) && again.SlotBytes(1).Span.SequenceEqual(info.SlotBytes(1).Span);
            info = again;
            if (isSettled)
            {
                break;
            }
        }

        return info;
    }

    private static bool IsTorn(in SlotInfo slot) => slot.IsWritten && !(slot.IsValid && slot.IsCopyValid);

    private void CheckSegment(int number)
    {
        SegmentInfo info = ReadSettled(number);
        long expected = _geometry.SegmentFileBytes;
        if (info.Status is not (ReadStatus.Ok or ReadStatus.EndOfFile))
        {
            _context.Find(FindingKinds.FileUnreadable, info.Path, null, $"The segment's head cannot be read ({info.Status}).");
        }

        _context.Account(info.Path, expected, info.Status == ReadStatus.Ok ? LogGeometry.DataOffset : Math.Min(info.LengthBytes, LogGeometry.DataOffset));
        if (info.LengthBytes != expected && Lengths.Count < MaxFacts)
        {
            Lengths.Add(new SegmentLengthFact(number, info.LengthBytes));
        }

        if (info.HeaderFault.IsFault)
        {
            bool isForeign = info.HeaderFault.Code is FaultCode.WrongPlace or FaultCode.WrongStore;
            _context.Find(
                isForeign ? FindingKinds.SegmentForeign : FindingKinds.SegmentHeader,
                info.Path,
                info.HeaderFault.OffsetBytes,
                $"The segment's header is not valid: {FormatFault.Describe(info.HeaderFault.Code)}.");
        }

        if (info.ReservedFault.IsFault)
        {
            _context.Find(FindingKinds.SegmentReserved, info.Path, info.ReservedFault.OffsetBytes, "Bytes between the slots and the data are not zero.");
        }

        for (int index = 0; index < 2; index++)
        {
            TakeSlot(number, index, info.Slot(index));
        }
    }

    private void TakeSlot(int segment, int index, in SlotInfo slot)
    {
        if (Slots.Count >= MaxFacts || _badSlots.Count >= MaxFacts)
        {
            _context.CannotCheck("tail slots of the segments behind the first ones", "there are more than this verifier holds");
            return;
        }

        if (IsTorn(slot))
        {
            _badSlots.Add((segment, index, slot.Fault, slot.IsValid));
        }

        if (!slot.IsValid)
        {
            return;
        }

        SlotFact fact = new(segment, index, slot.IsCopyValid, slot.Descriptor);
        Slots.Add(fact);
        DurableBefore = Math.Max(DurableBefore, slot.Descriptor.DurableBefore);
        if (slot.Descriptor.Generation > NewestGeneration)
        {
            NewestGeneration = slot.Descriptor.Generation;
            Newest = fact;
        }
    }

    // Only the segment that was written last can hold a slot that a crash tore: before a later segment got a slot, this one was synced.
    private void ReportBadSlots()
    {
        int newestSegment = Slots.Count == 0 ? -1 : Slots.Max(static fact => fact.Segment);
        foreach ((int segment, int index, FormatFault fault, bool isCopy) in _badSlots)
        {
            bool mayBeTorn = segment >= newestSegment && fault.Code is not (FaultCode.WrongPlace or FaultCode.WrongStore);
            FindingKind kind = isCopy
                ? mayBeTorn ? FindingKinds.SlotCopyTorn : FindingKinds.SlotCopyDamaged
                : mayBeTorn ? FindingKinds.SlotTorn : FindingKinds.SlotDamaged;
            string part = isCopy ? "block copy" : "descriptor";
            _context.Find(
                kind,
                _context.Layout.SegmentPath(segment),
                SegmentHeader.SlotFileOffset(index) + fault.OffsetBytes,
                $"The {part} of tail slot {index} is not valid: {FormatFault.Describe(fault.Code)}.");
        }
    }
}
