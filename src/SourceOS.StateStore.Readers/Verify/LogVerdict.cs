// Why this file exists: decides, from what the pages hold and what others vouch for, what is damage and what is only a tail that a crash
// left. Invariants: follows the facts of format-spec/recovery.md; nothing behind the durable position is damage; nothing below it is
// explained away.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What else vouches for a position of the log.</summary>
/// <param name="LogPosition">The state's log position; 0 when there is no state.</param>
/// <param name="LastSequence">The last sequence that it has folded.</param>
internal readonly record struct StateClaim(long LogPosition, ulong LastSequence);

/// <summary>Turns what was found in the log into findings.</summary>
internal sealed class LogVerdict
{
    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private readonly LogGeometry _geometry;
    private readonly LogLinker _log;
    private readonly SegmentHeads _heads;
    private readonly StateClaim _state;
    private readonly long _first;
    private readonly long _unsureFrom;
    private readonly List<SlotFact> _current = [];

    private LogVerdict(VerifyContext context, StoreSurvey survey, LogOutcome outcome, StateClaim state, long first)
    {
        _context = context;
        _survey = survey;
        _geometry = survey.Geometry!.Value;
        _log = outcome.Linker;
        _heads = outcome.Heads;
        _state = state;
        _first = first;
        _unsureFrom = outcome.UnsureFrom;
    }

    /// <summary>The highest address that something vouches for.</summary>
    public long Durable { get; private set; }

    public static LogVerdict Judge(VerifyContext context, StoreSurvey survey, LogOutcome outcome, StateClaim state)
    {
        long first = survey.Superblock?.BaseAddress ?? LogGeometry.FirstAddress;
        LogVerdict verdict = new(context, survey, outcome, state, first);
        verdict.FindCurrentSlots();
        verdict.FindDurable();
        verdict.CheckSlots();
        verdict.ReportSegments();
        verdict.ReportDamage();
        verdict.ReportEnd();
        verdict.CheckKnownRoot();
        return verdict;
    }

    private FindingPlace PlaceAt(long address)
    {
        bool isInside = address < LogGeometry.MaxAddress;
        return new FindingPlace
        {
            File = isInside ? _context.Layout.Relative(_context.Layout.SegmentPath(_geometry.SegmentOf(address))) : StoreLayout.EventsName,
            OffsetBytes = isInside ? _geometry.FileOffsetOf(address) : null,
            Address = address,
        };
    }

    // A slot that a later one undercuts belongs to a group that recovery cut away; what it says about its tail no longer holds.
    private void FindCurrentSlots()
    {
        long lowestLaterTail = long.MaxValue;
        foreach (SlotFact fact in _heads.Slots.OrderByDescending(static fact => fact.Slot.Generation))
        {
            if (fact.Slot.Tail <= lowestLaterTail)
            {
                _current.Add(fact);
                lowestLaterTail = fact.Slot.Tail;
            }
        }
    }

    private void FindDurable()
    {
        Durable = Math.Max(_first, Math.Max(_heads.DurableBefore, _state.LogPosition));
        if (_log.HighestLooseSegment > 0)
        {
            Durable = Math.Max(Durable, _geometry.SegmentStart(_log.HighestLooseSegment - 1));
        }

        foreach (LogBreak gap in _log.Breaks.Where(gap => gap.FirstFrame < _log.DurableFrames && gap.From < _unsureFrom))
        {
            Durable = Math.Max(Durable, gap.From + 1);
        }

        foreach (LogDamage damage in _log.Damage)
        {
            if (damage.Frame is { } frame && frame.FrameNumber < _log.DurableFrames && damage.From < _unsureFrom)
            {
                Durable = Math.Max(Durable, damage.From + 1);
            }
        }

        // A slot proves its own tail only when everything up to it is whole.
        long wholeUntil = _log.End.Address;
        foreach (LogDamage damage in _log.Damage)
        {
            wholeUntil = damage.Frame is not null && damage.From >= Durable ? Math.Min(wholeUntil, damage.From) : wholeUntil;
        }

        foreach (SlotFact fact in _current)
        {
            if (fact.Slot.Tail <= wholeUntil && Confirms(fact.Slot))
            {
                Durable = Math.Max(Durable, fact.Slot.Tail);
            }
        }
    }

    private bool Confirms(in TailSlot slot)
    {
        if (_log.Marks.TryGetValue(slot.Tail, out LogMark mark))
        {
            return mark.Hash == slot.ChainHead && mark.Header.FrameNumber + 1 == slot.FrameCount && mark.Header.LastSequence == slot.LastSequence;
        }

        Superblock? atBase = _survey.Superblock;
        return slot.Tail == _first && atBase is not null
            && slot.ChainHead == atBase.BaseChainHead && slot.FrameCount == atBase.BaseFrame && slot.LastSequence == atBase.BaseSequence - 1;
    }

    private void CheckSlots()
    {
        using LogReader reader = new(_context.Layout, _geometry, _context.Files);
        foreach (SlotFact fact in _current)
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            if (fact.Slot.Tail > _log.End.Address)
            {
                continue;
            }

            FindingPlace place = new()
            {
                File = _context.Layout.Relative(_context.Layout.SegmentPath(fact.Segment)),
                OffsetBytes = SegmentHeader.SlotFileOffset(fact.Index),
                Address = fact.Slot.Tail,
            };
            if (!Confirms(fact.Slot))
            {
                _context.Find(FindingKinds.SlotContradiction, place, $"Tail slot {fact.Index} states an end of the log at address {fact.Slot.Tail} that the frames contradict.");
            }
            else if (fact.IsCopyValid && !IsDamaged(fact.Slot.BlockAddress, fact.Slot.Tail) && !CopyEqualsLog(reader, fact))
            {
                _context.Find(FindingKinds.SlotCopyDiffers, place, $"The block copy of tail slot {fact.Index} differs from the log's block at address {fact.Slot.BlockAddress}.");
            }
        }
    }

    private bool IsDamaged(long from, long until) => _log.Damage.Any(damage => damage.From < until && damage.Until >= from);

    // True also when either cannot be read any more or a writer replaced the slot: other checks speak for those.
    private bool CopyEqualsLog(LogReader reader, in SlotFact fact)
    {
        SegmentInfo info = SegmentInfo.Read(_context.Layout, fact.Segment, _survey.StoreId, _geometry, _context.Files);
        SlotInfo slot = info.Slot(fact.Index);
        if (!slot.IsCopyValid || slot.Descriptor != fact.Slot)
        {
            return true;
        }

        Span<byte> block = stackalloc byte[TailSlot.CopyLengthBytes];
        block = block[..fact.Slot.BlockLength];
        return reader.ReadExactly(fact.Slot.BlockAddress, block, out _) != ReadStatus.Ok
            || block.SequenceEqual(fact.Slot.BlockOf(info.SlotBytes(fact.Index).Span));
    }

    private void ReportSegments()
    {
        long needed = Math.Max(Durable, _log.End.Address);
        foreach (SegmentLengthFact fact in _heads.Lengths)
        {
            long dataEnd = _geometry.SegmentStart(fact.Segment) + Math.Max(0, fact.LengthBytes - LogGeometry.DataOffset);
            bool losesData = fact.LengthBytes < _geometry.SegmentFileBytes && dataEnd < needed;
            _context.Find(
                losesData ? FindingKinds.SegmentShort : FindingKinds.SegmentLength,
                _context.Layout.SegmentPath(fact.Segment),
                Math.Min(fact.LengthBytes, _geometry.SegmentFileBytes),
                $"The segment has {fact.LengthBytes} bytes instead of {_geometry.SegmentFileBytes}.");
        }

        // At least the segment of the base is always there.
        int lowest = _geometry.SegmentOf(Math.Min(_first, LogGeometry.MaxAddress - 1));
        int highest = Math.Max(lowest, _geometry.SegmentOf(Math.Clamp(needed - 1, 0, LogGeometry.MaxAddress - 1)));
        SegmentCatalog catalog = _survey.Catalog;
        if (catalog.Count == 0)
        {
            ReportMissing(lowest, highest, highest);
            return;
        }

        if (catalog.First > lowest)
        {
            ReportMissing(lowest, catalog.First - 1, highest);
        }

        foreach (SegmentGap gap in catalog.Gaps.Where(gap => gap.Last >= lowest))
        {
            ReportMissing(Math.Max(gap.First, lowest), gap.Last, highest);
        }

        if (catalog.Last < highest)
        {
            ReportMissing(catalog.Last + 1, highest, highest);
        }
    }

    private void ReportMissing(int first, int last, int highestNeeded)
    {
        bool losesData = first <= highestNeeded;
        string which = first == last ? $"Segment {first} has no file" : $"Segments {first} to {last} have no file";
        FindingPlace place = PlaceAt(_geometry.SegmentStart(first)) with { OffsetBytes = null };
        _context.Find(losesData ? FindingKinds.SegmentMissing : FindingKinds.SegmentGap, place, losesData ? which + "." : which + ", behind the end of the log.");
    }

    private void ReportDamage()
    {
        foreach (LogBreak gap in _log.Breaks.Where(gap => gap.From < Durable && gap.From < _unsureFrom))
        {
            bool names = gap.NextSequence > gap.FirstSequence;
            _context.Find(
                FindingKinds.LogRange,
                PlaceAt(gap.From) with
                {
                    FrameNumber = gap.FirstFrame,
                    FirstSequence = names ? gap.FirstSequence : null,
                    LastSequence = names ? gap.NextSequence - 1 : null,
                },
                $"The log cannot be followed from address {gap.From} to {gap.Until}: frames {gap.FirstFrame} to {Math.Max(gap.FirstFrame, gap.NextFrame) - 1} are missing or do not lead to frame {gap.NextFrame} ({FormatFault.Describe(gap.Rule)}).");
        }

        foreach (LogDamage damage in _log.Damage.Concat(_log.Stale).Where(damage => damage.From < Durable && damage.From < _unsureFrom))
        {
            ReportDamage(damage);
        }

        if (_log.FurtherDamage > 0)
        {
            _context.Find(FindingKinds.LogRange, new FindingPlace { File = StoreLayout.EventsName }, $"{_log.FurtherDamage} further damages of the log were too many to list.");
        }
    }

    private void ReportDamage(in LogDamage damage)
    {
        LogFault fault = damage.Fault;
        if (fault.Code == LogFaultCode.SegmentShort)
        {
            return;
        }

        // Where the chain goes on as if nothing had happened, no frame stood in the bytes that are wrong: only a length, or a filler.
        bool isBridged = damage.Frame is null && damage.Until <= _log.End.Address && fault.Code != LogFaultCode.Chain;
        FindingKind kind = fault.Code switch
        {
            LogFaultCode.Unreadable or LogFaultCode.SegmentMissing => isBridged ? FindingKinds.LogUnreadableSpace : FindingKinds.LogUnreadable,
            _ when isBridged => damage.From == damage.Until ? FindingKinds.EntryPrefix : FindingKinds.Filler,
            LogFaultCode.FillerNotZero => FindingKinds.Filler,
            LogFaultCode.EntryLength or LogFaultCode.LengthMismatch or LogFaultCode.CrossesLimit => FindingKinds.EntryLength,
            LogFaultCode.WrongStore or LogFaultCode.WrongAddress => FindingKinds.FrameForeign,
            LogFaultCode.Chain => FindingKinds.FrameChain,
            LogFaultCode.Leaves => FindingKinds.FrameLeaves,
            LogFaultCode.Body => FindingKinds.FrameBody,
            LogFaultCode.EventLeaf => FindingKinds.EventLeaf,
            LogFaultCode.Event => FindingKinds.Event,
            _ => FindingKinds.FrameHeader,
        };
        FindingPlace place = PlaceAt(Math.Max(damage.From, Math.Min(fault.Address, LogGeometry.MaxAddress - 1)));
        if (damage.Frame is { } frame)
        {
            place = place with { FrameNumber = frame.FrameNumber, FirstSequence = frame.FirstSequence, LastSequence = frame.LastSequence };
        }

        string text = fault.ToString();
        _context.Find(kind, place, char.ToUpperInvariant(text[0]) + text[1..] + ".");
    }

    private void ReportEnd()
    {
        LogPoint end = _log.CommitEnd;
        bool hasBytesBehind = _log.Breaks.Count > 0 || _log.Damage.Any(damage => damage.Until > end.Address) || _log.Stale.Count > 0;
        if (Durable > end.Address)
        {
            ReportLost(end, hasBytesBehind);
            return;
        }

        if (_context.WriterSeen)
        {
            // Whatever stands behind the durable position is what the writer is at.
            return;
        }

        if (_log.End.Address > end.Address)
        {
            _context.Find(
                FindingKinds.LogOpenCommit,
                PlaceAt(end.Address) with { FrameNumber = end.FrameCount, FirstSequence = end.LastSequence + 1, LastSequence = _log.End.LastSequence },
                $"{_log.End.FrameCount - end.FrameCount} frames belong to a commit that was never finished.");
        }

        ReportTorn();
    }

    private void ReportTorn()
    {
        List<LogDamage> torn = [.. _log.Damage.Concat(_log.Stale).Where(damage => damage.From >= Durable && damage.Fault.Code != LogFaultCode.SegmentShort)];
        foreach (LogDamage damage in torn.Where(static damage => damage.Fault.Code == LogFaultCode.Unreadable))
        {
            _context.Find(FindingKinds.LogUnreadableSpace, PlaceAt(damage.Fault.Address), $"Bytes behind the end of the log cannot be read ({damage.Fault.Status}).");
        }

        torn.RemoveAll(static damage => damage.Fault.IsReadFailure);
        List<LogBreak> loose = [.. _log.Breaks.Where(gap => gap.From >= Durable)];
        if (torn.Count == 0 && loose.Count == 0)
        {
            return;
        }

        long from = Math.Min(torn.Count == 0 ? long.MaxValue : torn.Min(static d => d.From), loose.Count == 0 ? long.MaxValue : loose.Min(static g => g.Until));
        _context.Find(
            FindingKinds.LogTornTail,
            PlaceAt(from),
            $"Bytes up to address {Math.Max(from, _log.HighestEnd)} never became part of the log; nothing that was acknowledged is among them.");
    }

    private void ReportLost(LogPoint end, bool hasBytesBehind)
    {
        ulong last = Math.Max(_state.LastSequence, _current.Where(fact => fact.Slot.DurableBefore > end.Address).Select(static fact => fact.Slot.LastSequence).DefaultIfEmpty().Max());
        FindingPlace place = PlaceAt(end.Address) with
        {
            FrameNumber = end.FrameCount,
            FirstSequence = end.LastSequence + 1,
            LastSequence = last > end.LastSequence ? last : null,
        };
        if (_state.LogPosition > end.Address && !hasBytesBehind)
        {
            _context.Find(FindingKinds.LogRolledBack, place, $"The log ends at address {end.Address}, but the state has folded it up to {_state.LogPosition}.");
        }
        else if (!hasBytesBehind)
        {
            _context.Find(FindingKinds.LogLostTail, place, $"The log ends at address {end.Address}, but it was durable up to {Durable}.");
        }
        else if (_log.Breaks.All(gap => gap.From >= Durable))
        {
            _context.Find(FindingKinds.LogRange, place, $"Nothing that follows can be read between address {end.Address} and {Durable}, which was durable.");
        }
    }

    private void CheckKnownRoot()
    {
        if (_context.Options.MinimumRoot is not { } known)
        {
            return;
        }

        if (_log.RootAtKnownSize is not { } root)
        {
            _context.Find(FindingKinds.StoreRolledBack, PlaceAt(_log.End.Address), $"The log holds {_log.Frontier.LeafCount} frames that follow from its base; the given root covers {known.Size}.");
        }
        else if (root != known.Root)
        {
            _context.Find(FindingKinds.StoreRolledBack, PlaceAt(_first), $"The root of the first {known.Size} frames is {root}, not the given one.");
        }
    }
}
