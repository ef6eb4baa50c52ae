// Why this file exists: reads the whole log once, on all cores, in two passes: what the slots vouch for first, what stands behind it after,
// because only the second can change under a writer. Invariants: pages are checked in any order and linked in order; memory is bounded by
// the window of pages; a writer at work never makes the first pass find anything.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>What a check of the log came to.</summary>
/// <param name="Linker">The linked log.</param>
/// <param name="Heads">Headers and slots.</param>
/// <param name="Sums">Sums over the frames below the state's position.</param>
/// <param name="UnsureFrom">Where what was found may only be a writer at work: its pages were read one after the other while it wrote them.</param>
internal sealed record LogOutcome(LogLinker Linker, SegmentHeads Heads, FoldedSums Sums, long UnsureFrom = long.MaxValue);

/// <summary>Checks the log.</summary>
internal static class LogCheck
{
    private const long WindowBytes = 256L << 20;

    /// <summary>Runs.</summary>
    /// <param name="context">The run.</param>
    /// <param name="survey">Which store this is.</param>
    /// <param name="statePosition">The state's log position; 0 when there is no state.</param>
    /// <param name="claimed">Positions whose chain head and root of the tree somebody else states.</param>
    /// <returns>The outcome; null when nothing tells how the log is cut.</returns>
    public static LogOutcome? Run(VerifyContext context, StoreSurvey survey, long statePosition, IReadOnlyCollection<long> claimed)
    {
        if (survey.StoreId is not { } storeId || survey.Geometry is not { } geometry)
        {
            context.CannotCheck("the log", "neither the superblock nor a segment's header tells how it is cut");
            return null;
        }

        survey.RefreshCatalog(context);
        SegmentHeads heads = SegmentHeads.Check(context, survey, geometry);
        Superblock? atBase = BaseOf(context, survey, storeId, geometry);
        long first = atBase?.BaseAddress ?? geometry.FirstEntryIn(geometry.SegmentStart(Math.Max(0, survey.Catalog.First)));
        if (first >= LogGeometry.MaxAddress || (first & 3) != 0)
        {
            context.Find(FindingKinds.SuperblockContradiction, context.Layout.SuperblockPath, 64, $"The log cannot begin at address {first}.");
            return null;
        }

        using LogReader reader = new(context.Layout, geometry, context.Files, Math.Clamp(context.Workers * 2, 4, 64));
        LogLinker linker = new(context, geometry, atBase, first, statePosition, [.. claimed]);
        FoldedSums sums = new();
        HashSet<long> marks = [.. heads.Slots.Select(static fact => fact.Slot.Tail), statePosition, .. claimed];
        long end = survey.Catalog.Count == 0 ? first : geometry.SegmentStart(survey.Catalog.Last) + geometry.SegmentBytes;
        long vouched = Math.Clamp(heads.Slots.Count == 0 ? first : heads.Slots.Max(static fact => fact.Slot.Tail), first, end);
        LogPagePlan plan = new(reader, storeId, first, vouched, statePosition, marks, IncludesHead: true);
        Pass(context, survey, plan, linker, sums);

        // What stands behind may be in the middle of being written; whoever sees the slots move meanwhile leaves it alone.
        long rest = linker.CrossesLimitAt ?? vouched;
        if (rest < end && !NoticeWriter(context, survey, heads))
        {
            Pass(context, survey, plan with { FirstAddress = rest, Limit = end, IncludesHead = false }, linker, sums);
            if (NoticeWriter(context, survey, heads))
            {
                return new LogOutcome(linker, heads, sums, rest);
            }
        }

        return new LogOutcome(linker, heads, sums);
    }

    /// <summary>Whether the slots moved since they were read.</summary>
    internal static bool NoticeWriter(VerifyContext context, StoreSurvey survey, SegmentHeads heads)
    {
        if (!context.WriterSeen && SegmentHeads.FindNewestGeneration(context, survey) > heads.NewestGeneration)
        {
            context.WriterSeen = true;
        }

        return context.WriterSeen;
    }

    // Without a superblock, a log that starts with segment 0 starts at the genesis of its store.
    private static Superblock? BaseOf(VerifyContext context, StoreSurvey survey, StoreId storeId, LogGeometry geometry)
    {
        if (survey.Superblock is not null)
        {
            return survey.Superblock;
        }

        if (survey.Catalog.First == 0)
        {
            return Superblock.CreateNew(storeId, geometry.PageBits, geometry.SegmentBits, 0, "");
        }

        context.CannotCheck("what the first frame of the log continues", "the superblock that says so is missing");
        return null;
    }

    private static void Pass(VerifyContext context, StoreSurvey survey, LogPagePlan plan, LogLinker linker, FoldedSums sums)
    {
        LogGeometry geometry = plan.Reader.Geometry;
        int window = (int)Math.Clamp(WindowBytes / geometry.PageBytes, 1, context.Workers * 4L);
        int workers = Math.Max(1, Math.Min(context.Workers, (int)Math.Max(1, WindowBytes * 4 / geometry.PageBytes)));
        context.Progress.Begin("log", plan.Limit - geometry.PageStart(plan.FirstAddress));
        Lock gate = new();
        List<LogPageCheck> checks = [];
        OrderedWork.Run<long, LogPage>(
            Pages(survey.Catalog, geometry, plan),
            workers,
            window,
            () =>
            {
                LogPageCheck check = new(plan, context.Cancellation);
                lock (gate)
                {
                    checks.Add(check);
                }

                return check.Check;
            },
            linker.Add,
            context.Cancellation);
        foreach (LogPageCheck check in checks)
        {
            sums.Add(check.Sums);
        }
    }

    private static IEnumerable<long> Pages(SegmentCatalog catalog, LogGeometry geometry, LogPagePlan plan)
    {
        int lowest = geometry.SegmentOf(plan.FirstAddress);
        for (int i = 0; i < catalog.Count; i++)
        {
            int segment = catalog.Segments[i];
            if (segment < lowest)
            {
                continue;
            }

            long start = geometry.SegmentStart(segment);
            long from = Math.Max(start, geometry.PageStart(plan.FirstAddress));
            for (long page = from; page < start + geometry.SegmentBytes && page < plan.Limit; page += geometry.PageBytes)
            {
                yield return page;
            }
        }
    }
}
