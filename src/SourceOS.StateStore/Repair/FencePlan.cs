// Why this file exists: decides whether a damaged log can be fenced: given up as it is, with the records of a sound state written again behind it (format-spec/fences.md).
// Invariants: reads only; a fence is offered only when the state is proven and nothing in the log goes beyond it, so that no sequence is ever used twice.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;

namespace SourceOS.StateStore;

/// <summary>A fence that could be set.</summary>
/// <param name="Survey">What of the log is sound.</param>
/// <param name="Lost">The sequences that nothing holds any more.</param>
/// <param name="LastSequence">The last sequence before the fence.</param>
internal sealed record FencePlan(LogSurvey Survey, IReadOnlyList<SequenceRange> Lost, ulong LastSequence)
{
    private const int MaxNamedRanges = 16;

    /// <summary>How many events are lost.</summary>
    internal ulong LostEvents => Lost.Aggregate(0UL, static (sum, range) => sum + range.Count);

    /// <summary>The lost sequences as a phrase; long lists are cut.</summary>
    internal string LostText
    {
        get
        {
            string named = string.Join(", ", Lost.Take(MaxNamedRanges));
            string more = Lost.Count > MaxNamedRanges ? string.Create(CultureInfo.InvariantCulture, $" and {Lost.Count - MaxNamedRanges} further ranges") : "";
            return Lost.Count == 0 ? "none" : named + more;
        }
    }

    /// <summary>Looks for damage that only a fence answers; null when there is none, or when a fence must not be set.</summary>
    internal static FencePlan? TryMake(StoreLayout layout, Superblock superblock, StoreFiles files, StateInspection state, LogRecoveryResult found)
    {
        // What a slot's copy heals is healed first; a second plan then sees what is left.
        if (found.Healing is not null || state.Header is not StateHeader header || !state.IsProven || header.FrameCount == superblock.BaseFrame)
        {
            return null;
        }

        bool isForked = found.Decision.Case == RecoveryCase.ForkedLog;
        if (!found.Decision.MayWrite && (isForked || found.DurableAddress > header.LogPosition))
        {
            return null;
        }

        using LogReader reader = new(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), files);
        LogSurvey survey = LogSurvey.Run(reader, superblock, found.EndOfSegments);
        if (found.Decision.MayWrite)
        {
            return survey.WholeUntil >= found.Tip.Address ? null : Make(superblock, survey, found.Tip.LastSequence);
        }

        return survey.HighestSequence > header.LastSequence ? null : Make(superblock, survey, header.LastSequence);
    }

    /// <summary>The step that sets the fence.</summary>
    internal static RepairStep Step(int order) => new(
        order,
        RepairAction.FenceLog,
        StoreLayout.EventsName,
        "every record as it stands; the damaged log as it is, in quarantine",
        "a log that starts behind the fence, with every record written into it again",
        "all segments, the state and the superblock",
        IsDestructive: true);

    /// <summary>What a person must know before the fence is set.</summary>
    internal string Review() => string.Create(
        CultureInfo.InvariantCulture,
        $"The log is damaged from address {Survey.WholeUntil} on ({Survey.StopReason}). Sequences lost: {LostText} ({LostEvents} events). Every record is kept; the history up to sequence {LastSequence} is read from quarantine only.");

    private static FencePlan Make(Superblock superblock, LogSurvey survey, ulong last) => new(survey, survey.Missing(superblock.BaseSequence, last), last);
}
