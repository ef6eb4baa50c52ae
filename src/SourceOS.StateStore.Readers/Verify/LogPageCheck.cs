// Why this file exists: checks one page of the log apart from all others, so that pages can be checked on all cores. Invariants: every byte
// of the page is covered by a frame, by zeroes or by a damage; it ends on any input, because each step begins behind the one before; what
// a page adds to the worker's sums is added once, whatever happens on the way.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What all page checks of a verification share. Immutable.</summary>
/// <param name="Reader">The log.</param>
/// <param name="StoreId">The store's id.</param>
/// <param name="FirstAddress">Where the log begins.</param>
/// <param name="Limit">Nothing from here on is looked at.</param>
/// <param name="StatePosition">Frames below it have been folded into the state; 0 when there is no state.</param>
/// <param name="Marks">Addresses behind frames about which somebody makes a statement.</param>
/// <param name="IncludesHead">Whether the bytes before the first address that a log can have are looked at too.</param>
internal sealed record LogPagePlan(LogReader Reader, StoreId StoreId, long FirstAddress, long Limit, long StatePosition, HashSet<long> Marks, bool IncludesHead);

/// <summary>Sums over the frames that the state has folded.</summary>
internal sealed class FoldedSums
{
    public StateDigest Frames { get; } = new();

    public LaneCount[] Lanes { get; } = new LaneCount[StateHeader.LanePlaces];

    public void Add(FoldedSums other)
    {
        Frames.AddAll(other.Frames);
        for (int i = 0; i < Lanes.Length; i++)
        {
            bool isLater = other.Lanes[i].LastSequence > Lanes[i].LastSequence;
            Lanes[i] = new LaneCount(
                Lanes[i].Events + other.Lanes[i].Events,
                isLater ? other.Lanes[i].LastSequence : Lanes[i].LastSequence,
                isLater ? other.Lanes[i].LastTimeMicros : Lanes[i].LastTimeMicros);
        }
    }

    public void Clear()
    {
        Frames.Clear();
        Array.Clear(Lanes);
    }
}

/// <summary>Checks pages, one at a time. One thread at a time.</summary>
internal sealed class LogPageCheck : IFrameEventVisitor
{
    private const int ReadAheadBytes = 1 << 20;

    private readonly LogPagePlan _plan;
    private readonly LogGeometry _geometry;
    private readonly CancellationToken _cancellation;
    private readonly FrameScanner _scanner;
    private readonly LogWindow _window;
    private readonly FrameScratch _scratch = new();
    private readonly FoldedSums _pageSums = new();
    private readonly byte[] _frameKey = new byte[8];
    private readonly byte[] _frameValue = new byte[FrameEntry.EncodedLengthBytes];
    private LogPage _page = new(0);
    private long _limit;

    public LogPageCheck(LogPagePlan plan, CancellationToken cancellation)
    {
        _plan = plan;
        _geometry = plan.Reader.Geometry;
        _cancellation = cancellation;
        _scanner = new FrameScanner(plan.Reader, plan.StoreId, ScanStart.Unlinked(plan.FirstAddress), plan.Limit, FrameDepth.Chain, ReadAheadBytes);
        _window = new LogWindow(plan.Reader, FrameHeader.LengthBytes);
    }

    /// <summary>Sums over all pages this worker checked.</summary>
    public FoldedSums Sums { get; } = new();

    /// <summary>Checks the page at an address.</summary>
    public LogPage Check(long pageStart)
    {
        CheckOnce(pageStart);
        if (_page.Damage.Count > 0)
        {
            // A writer may have erased an event, or finished a group, between two reads; what is damaged is damaged on the second look too.
            CheckOnce(pageStart);
        }

        Sums.Add(_pageSums);
        LogPage page = _page;
        _page = new LogPage(0);
        return page;
    }

    void IFrameEventVisitor.Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view)
    {
        _page.Events++;
        if (header.Address >= _plan.StatePosition)
        {
            return;
        }

        ref LaneCount lane = ref _pageSums.Lanes[(int)view.Lane - 1];
        lane = new LaneCount(lane.Events + 1, view.Sequence, view.OccurredAtMicros);
    }

    private void CheckOnce(long pageStart)
    {
        _page = new LogPage(pageStart);
        _pageSums.Clear();
        _limit = Math.Min(_geometry.PageEnd(pageStart), _plan.Limit);
        long first = Math.Max(_geometry.FirstEntryIn(pageStart), _plan.FirstAddress);
        bool hasHead = _plan.FirstAddress - pageStart == LogGeometry.FirstAddress;
        if (hasHead && _plan.IncludesHead && CheckZero(pageStart, _plan.FirstAddress) is { IsReadFailure: false } stray)
        {
            AddDamage(stray, stray.EntryAddress, _plan.FirstAddress);
        }

        if (first >= _limit)
        {
            return;
        }

        _scanner.Restart(ScanStart.Unlinked(first), _limit);
        long searchFrom = first;
        while (true)
        {
            _cancellation.ThrowIfCancellationRequested();
            switch (_scanner.MoveNext())
            {
                case ScanOutcome.Frame:
                    Take(_scanner.Frame());
                    searchFrom = _scanner.Position;
                    continue;
                case ScanOutcome.EndOfLog when _scanner.EndReason == LogEndReason.NoSegment:
                    _page.IsMissing = true;
                    return;
                case ScanOutcome.EndOfLog when _scanner.EndReason == LogEndReason.Limit:
                    _page.SeenBytes += _limit - _scanner.Position;
                    return;
                case ScanOutcome.EndOfLog:
                    if (CheckZero(_scanner.Position, _limit) is not { } notZero || !Resume(notZero, ref searchFrom))
                    {
                        return;
                    }

                    continue;
                default:
                    if (!Resume(_scanner.Fault, ref searchFrom))
                    {
                        return;
                    }

                    continue;
            }
        }
    }

    // Finds where the log goes on behind a fault. Each search starts behind the last place that was tried.
    private bool Resume(LogFault fault, ref long searchFrom)
    {
        if (fault.Code == LogFaultCode.Chain && fault.EntryAddress >= searchFrom)
        {
            // The frame is whole and stands in its place, but continues something else: it starts a run of its own.
            searchFrom = fault.EntryAddress + LogGeometry.EntryPrefixBytes;
            _scanner.Restart(ScanStart.Unlinked(fault.EntryAddress), _limit);
            return true;
        }

        long from = fault.EntryAddress;
        if (fault.Code == LogFaultCode.CrossesLimit)
        {
            _page.CrossesLimitAt = from;
            return false;
        }

        long at = Math.Max(searchFrom, fault.IsReadFailure ? fault.Address : from);
        while (FrameSearch.FindFrameAfter(_plan.Reader, _plan.StoreId, at, _limit, out FrameCandidate candidate, _cancellation))
        {
            long end = candidate.Address + LogGeometry.EntryPrefixBytes + candidate.Header.EntryLengthBytes;
            at = candidate.Address + LogGeometry.EntryPrefixBytes;
            if (end > _limit)
            {
                continue;
            }

            searchFrom = at;
            if (candidate.IsLengthRight)
            {
                AddDamage(fault, from, candidate.Address);
                _scanner.Restart(ScanStart.Unlinked(candidate.Address), _limit);
                return true;
            }

            if (TryTakeWithoutLength(candidate))
            {
                // Only the length in front of the frame is wrong, so that nothing between the two is lost when they are the same place.
                AddDamage(fault, from, candidate.Address);
                searchFrom = end;
                _scanner.Restart(ScanStart.Unlinked(end), _limit);
                return true;
            }
        }

        AddDamage(fault, from, _limit);
        return false;
    }

    private void AddDamage(in LogFault fault, long from, long until)
    {
        _page.Add(new LogDamage(fault, from, until, null));
        _page.SeenBytes += fault.IsReadFailure ? Math.Max(0, fault.Address - from) : until - from;
    }

    private bool TryTakeWithoutLength(in FrameCandidate candidate)
    {
        long start = candidate.Address + LogGeometry.EntryPrefixBytes;
        _window.Clear();
        if (_window.Get(start, candidate.Header.EntryLengthBytes, _limit, out ReadOnlySpan<byte> entry) != ReadStatus.Ok
            || !FrameView.TryRead(entry, out FrameView frame, out _))
        {
            return false;
        }

        Take(frame);
        return true;
    }

    private void Take(in FrameView frame)
    {
        FrameHeader header = frame.Header;
        Hash256 hash = frame.Hash();
        long end = header.Address + LogGeometry.EntryPrefixBytes + header.EntryLengthBytes;
        LogRun? run = _page.Runs.Count > 0 ? _page.Runs[^1] : null;
        if (run is null || FrameChain.Check(run.Last, run.LastHash, header) != FaultCode.None)
        {
            run = new LogRun { First = header };
            _page.Runs.Add(run);
        }

        run.Last = header;
        run.LastHash = hash;
        run.End = end;
        run.DurableFrames = Math.Max(run.DurableFrames, header.DurableFrames);
        LogMark mark = new(end, header, hash, run.Leaves.Count);
        run.Leaves.Add(MerkleHash.Leaf(hash.Bytes));
        if (header.IsLastOfCommit)
        {
            run.LastCommit = mark;
        }

        if (_plan.Marks.Contains(end))
        {
            run.Marks.Add(mark);
        }

        _page.Frames++;
        _page.SeenBytes += end - header.Address;
        AddToFolded(header, end);
        LogFault fault = FrameCheck.Check(frame, FrameDepth.Full, _scratch, this);
        if (fault.IsFault)
        {
            _page.Add(new LogDamage(fault, header.Address, end, header));
        }
    }

    private void AddToFolded(in FrameHeader header, long end)
    {
        if (end > _plan.StatePosition)
        {
            return;
        }

        Tables.NumberKey(header.FirstSequence, _frameKey);
        FrameEntry entry = new(header.FrameNumber, header.Address, (uint)header.EntryLengthBytes, (uint)header.EventCount, header.CommitId, header.CommitTimeMicros);
        entry.Encode(_frameKey, _frameValue);
        _pageSums.Frames.Add(StateTable.Frames, _frameKey, _frameValue);
    }

    // The fault of the first byte that is not zero or cannot be read; null when there is none.
    private LogFault? CheckZero(long from, long until)
    {
        ZeroCheck check = LogZeroes.Find(_plan.Reader, from, until, _cancellation);
        long zeroUntil = check.FirstNotZero >= 0 ? check.FirstNotZero & ~3L : check.CheckedUntil;
        _page.SeenBytes += zeroUntil - from;
        if (check.IsZero)
        {
            return null;
        }

        return check.Status == ReadStatus.Ok
            ? new LogFault(LogFaultCode.FillerNotZero, zeroUntil, check.FirstNotZero, FaultCode.ReservedNotZero)
            : LogFault.OfRead(check.CheckedUntil, check.CheckedUntil, check.Status);
    }
}
