// Why this file exists: joins the pages of the log in order: chain, tree, and what breaks them. Invariants: pages come in ascending order on
// one thread; once the chain broke, nothing behind the break counts towards end, tree or size, but is still linked to name what is
// missing; memory is bounded by the kept damages and the marks.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>A place where the chain is interrupted.</summary>
/// <param name="From">Address behind the last frame before it.</param>
/// <param name="Until">Address of the first frame behind it.</param>
/// <param name="FirstFrame">Number of the first frame that is missing.</param>
/// <param name="NextFrame">Number of the first frame behind it.</param>
/// <param name="FirstSequence">First sequence that is missing.</param>
/// <param name="NextSequence">First sequence behind it.</param>
/// <param name="Rule">The rule that the frame behind it breaks.</param>
internal readonly record struct LogBreak(
    long From, long Until, ulong FirstFrame, ulong NextFrame, ulong FirstSequence, ulong NextSequence, FaultCode Rule);

/// <summary>Where the log stands behind some frame.</summary>
internal readonly record struct LogPoint(long Address, ulong FrameCount, ulong LastSequence, ulong CommitId, ulong WriterEpoch, long CommitTimeMicros, Hash256 ChainHead);

/// <summary>Links pages.</summary>
internal sealed class LogLinker
{
    private const int MaxKept = 10_000;

    private readonly VerifyContext _context;
    private readonly LogGeometry _geometry;
    private readonly Superblock? _base;
    private readonly long _statePosition;
    private readonly HashSet<long> _claimed;
    private readonly KnownRoot? _knownRoot;
    private FrameHeader _last;
    private Hash256 _lastHash;
    private bool _hasLast;

    public LogLinker(VerifyContext context, LogGeometry geometry, Superblock? atBase, long firstAddress, long statePosition, HashSet<long> claimed)
    {
        _context = context;
        _geometry = geometry;
        _base = atBase;
        _statePosition = statePosition;
        _claimed = claimed;
        _knownRoot = context.Options.MinimumRoot;
        LogPoint start = atBase is null
            ? new LogPoint(firstAddress, 0, 0, 0, 0, 0, default)
            : new LogPoint(firstAddress, atBase.BaseFrame, atBase.BaseSequence - 1, 0, 0, 0, atBase.BaseChainHead);
        End = start;
        CommitEnd = start;
        HighestEnd = firstAddress;
        if (atBase is not null)
        {
            Frontier.Set(atBase.BaseFrame, atBase.BaseFrontier);
            CheckKnownRoot();
        }
    }

    /// <summary>Behind the last frame that follows from the base without a break.</summary>
    public LogPoint End { get; private set; }

    /// <summary>Behind the last commit that is whole.</summary>
    public LogPoint CommitEnd { get; private set; }

    /// <summary>The log tree over the frames up to <see cref="End"/>.</summary>
    public MerkleFrontier Frontier { get; } = new();

    /// <summary>The log tree at the state's position; null when that was not reached.</summary>
    public MerkleFrontier? StateFrontier { get; private set; }

    /// <summary>Roots of the log tree at the positions that were asked for, as far as the log is unbroken.</summary>
    public Dictionary<long, Hash256> Roots { get; } = [];

    /// <summary>Root at the known root's size; null when that was not reached.</summary>
    public Hash256? RootAtKnownSize { get; private set; }

    /// <summary>Whether the chain broke.</summary>
    public bool IsBroken => Breaks.Count > 0;

    public List<LogBreak> Breaks { get; } = [];

    public List<LogDamage> Damage { get; } = [];

    /// <summary>Frames that continue nothing and were left out: older ones that stand behind newer ones.</summary>
    public List<LogDamage> Stale { get; } = [];

    /// <summary>Statements that were confirmed or refuted, by address, as far as the log is unbroken.</summary>
    public Dictionary<long, LogMark> Marks { get; } = [];

    /// <summary>The most durable frames that any linked frame states.</summary>
    public ulong DurableFrames { get; private set; }

    /// <summary>Address behind the last byte that is not zero, as far as pages tell; at least the log's first address.</summary>
    public long HighestEnd { get; private set; }

    /// <summary>The highest segment in which a frame was found whose number is above those that follow from the base; -1 when there is none.</summary>
    public int HighestLooseSegment { get; private set; } = -1;

    /// <summary>Where an entry went on behind the limit of a pass; null when there was none.</summary>
    public long? CrossesLimitAt { get; private set; }

    public long Frames { get; private set; }

    public long Events { get; private set; }

    public long FurtherDamage { get; private set; }

    public void Add(LogPage page)
    {
        _context.Progress.Add(_geometry.PageBytes);
        if (page.IsMissing)
        {
            return;
        }

        CrossesLimitAt ??= page.CrossesLimitAt;
        Frames += page.Frames;
        Events += page.Events;
        FurtherDamage += page.FurtherDamage;
        _context.Account(_context.Layout.SegmentPath(_geometry.SegmentOf(page.Start)), 0, page.SeenBytes);
        foreach (LogDamage damage in page.Damage)
        {
            Keep(Damage, damage);
            HighestEnd = Math.Max(HighestEnd, damage.Until);
        }

        foreach (LogRun run in page.Runs)
        {
            Link(run);
            HighestEnd = Math.Max(HighestEnd, run.End);
        }
    }

    private static LogPoint PointAt(in LogMark mark) => new(
        mark.Address, mark.Header.FrameNumber + 1, mark.Header.LastSequence, mark.Header.CommitId, mark.Header.WriterEpoch, mark.Header.CommitTimeMicros, mark.Hash);

    private void Link(LogRun run)
    {
        FaultCode rule = _hasLast ? FrameChain.Check(_last, _lastHash, run.First)
            : _base is not null ? FrameChain.CheckFirst(_base, run.First)
            : FaultCode.None;
        if (rule == FaultCode.None)
        {
            CheckPlacement(run.First);
            if (!IsBroken)
            {
                Grow(run);
            }
        }
        else if (_hasLast && run.First.FrameNumber <= _last.FrameNumber)
        {
            LogFault fault = new(LogFaultCode.Chain, run.First.Address, run.First.Address + LogGeometry.EntryPrefixBytes, rule);
            Keep(Stale, new LogDamage(fault, run.First.Address, run.End, null));
            return;
        }
        else
        {
            Break(run, rule);
        }

        DurableFrames = Math.Max(DurableFrames, run.DurableFrames);
        _last = run.Last;
        _lastHash = run.LastHash;
        _hasLast = true;
        if (IsBroken)
        {
            HighestLooseSegment = _geometry.SegmentOf(run.First.Address);
        }
    }

    private void Break(LogRun run, FaultCode rule)
    {
        LogPoint before = IsBroken || !_hasLast
            ? new LogPoint(_hasLast ? _last.Address + LogGeometry.EntryPrefixBytes + _last.EntryLengthBytes : End.Address, _hasLast ? _last.FrameNumber + 1 : End.FrameCount, _hasLast ? _last.LastSequence : End.LastSequence, 0, 0, 0, default)
            : End;
        if (Breaks.Count < MaxKept)
        {
            Breaks.Add(new LogBreak(
                before.Address, run.First.Address, before.FrameCount, run.First.FrameNumber, before.LastSequence + 1, run.First.FirstSequence, rule));
        }
        else
        {
            FurtherDamage++;
        }
    }

    // The entry stands directly behind the one before, or at the start of the next page because it did not fit any more.
    private void CheckPlacement(in FrameHeader first)
    {
        long expected = _hasLast ? _last.Address + LogGeometry.EntryPrefixBytes + _last.EntryLengthBytes : End.Address;
        if (first.Address == expected)
        {
            return;
        }

        long pageEnd = _geometry.PageEnd(expected - 1);
        bool isNextPage = first.Address == pageEnd && expected + LogGeometry.EntryPrefixBytes + first.EntryLengthBytes > pageEnd;
        if (!isNextPage)
        {
            LogFault fault = new(LogFaultCode.FillerNotZero, expected, expected, FaultCode.WrongPlace);
            Keep(Damage, new LogDamage(fault, expected, first.Address, null));
        }
    }

    private void Grow(LogRun run)
    {
        int nextMark = 0;
        for (int i = 0; i < run.Leaves.Count; i++)
        {
            Frontier.Append(run.Leaves[i]);
            if (nextMark < run.Marks.Count && run.Marks[nextMark].FrameInRun == i)
            {
                LogMark mark = run.Marks[nextMark++];
                Marks[mark.Address] = mark;
                if (_claimed.Contains(mark.Address))
                {
                    Roots[mark.Address] = Frontier.Root();
                }

                if (mark.Address == _statePosition)
                {
                    StateFrontier = new MerkleFrontier();
                    StateFrontier.CopyFrom(Frontier);
                }
            }

            CheckKnownRoot();
        }

        End = PointAt(new LogMark(run.End, run.Last, run.LastHash, 0));
        if (run.LastCommit is { } commit)
        {
            CommitEnd = PointAt(commit);
        }
    }

    private void CheckKnownRoot()
    {
        if (_knownRoot is not null && Frontier.LeafCount == _knownRoot.Size)
        {
            RootAtKnownSize = Frontier.Root();
        }
    }

    private void Keep(List<LogDamage> list, in LogDamage damage)
    {
        if (list.Count < MaxKept)
        {
            list.Add(damage);
        }
        else
        {
            FurtherDamage++;
        }
    }
}
