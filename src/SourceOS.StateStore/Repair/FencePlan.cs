// Why this file exists: decides whether a damaged log can be fenced: given up as it is, with the records of a sound state written again behind it (format-spec/fences.md).
// Invariants: reads only; when the state is proven and nothing in the log goes beyond it, the records are the state's; else they are what a salvage finds. No sequence is ever used twice.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>A fence that could be set.</summary>
/// <param name="Survey">What of the log is sound.</param>
/// <param name="Lost">The sequences that nothing holds any more.</param>
/// <param name="LastSequence">The last sequence before the fence.</param>
internal sealed record FencePlan(LogSurvey Survey, IReadOnlyList<SequenceRange> Lost, ulong LastSequence)
{
    private const int MaxNamedRanges = 16;

    /// <summary>From what the records are made when the state does not hold all of them; null when it does.</summary>
    internal SalvagePlan? Salvage { get; init; }

    /// <summary>Records that can be missing or older than they were: at most one for each lost event that nothing else holds.</summary>
    internal ulong LostRecordsAtMost => Salvage is null ? 0 : Lost.Aggregate(0UL, (sum, range) => sum + (range.Last <= Salvage.StartSequence ? 0 : range.Last - Math.Max(range.First - 1, Salvage.StartSequence)));

    /// <summary>What was done, in a sentence.</summary>
    internal string Summary => Salvage is null
        ? "The damaged log was set aside whole, and a new one starts behind it."
        : "Log and state were set aside whole; a new log starts behind them, with every record that was found sound.";

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
    internal static FencePlan? TryMake(StoreLayout layout, Superblock superblock, FileOps ops, StoreFiles files, StateInspection state, LogRecoveryResult found)
    {
        // What a slot's copy heals is healed first; a second plan then sees what is left. Two histories are for a person alone.
        if (found.Healing is not null || found.Decision.Case == RecoveryCase.ForkedLog)
        {
            return null;
        }

        // Without a state to start from, recovery has read every frame already: a log that may be written to is whole.
        if (found.Decision.MayWrite && Usable(superblock, found.State) is null)
        {
            return null;
        }

        StateInspection? usable = Usable(superblock, state) ?? Usable(superblock, found.State);
        using LogReader reader = new(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), files);
        LogSurvey survey = LogSurvey.Run(reader, superblock, found.EndOfSegments);
        if (found.Decision.MayWrite)
        {
            return survey.WholeUntil >= found.Tip.Address ? null : Make(superblock, survey, found.Tip.LastSequence);
        }

        if (usable is { Checkpoint: null, Header: { } header } && found.DurableAddress <= header.LogPosition && survey.HighestSequence <= header.LastSequence)
        {
            return Make(superblock, survey, header.LastSequence);
        }

        return SalvagePlan.TryMake(layout, superblock, ops, files, usable, found) is { } salvage
            ? Make(superblock, survey, salvage.Place.LastSequence) with { Salvage = salvage }
            : null;
    }

    private static StateInspection? Usable(Superblock superblock, StateInspection state) =>
        state.IsProven && state.Header is { } header && header.FrameCount > superblock.BaseFrame ? state : null;

    /// <summary>The step that sets the fence.</summary>
    internal RepairStep Step(int order) => new(
        order,
        Salvage is null ? RepairAction.FenceLog : RepairAction.SalvageLog,
        StoreLayout.EventsName,
        Salvage is null ? "every record as it stands; the damaged log as it is, in quarantine" : "log and state as they are, in quarantine",
        Salvage is null ? "a log that starts behind the fence, with every record written into it again" : $"a log that starts behind the fence, with every record as {SourceText} last say it",
        "all segments, the state and the superblock",
        IsDestructive: true);

    /// <summary>What a person must know before the fence is set.</summary>
    internal string Review() => Salvage is { } salvage ? ReviewSalvage(salvage) : string.Create(
        CultureInfo.InvariantCulture,
        $"The log is damaged from address {Survey.WholeUntil} on ({Survey.StopReason}). Sequences lost: {LostText} ({LostEvents} events). Every record is kept; the history up to sequence {LastSequence} is read from quarantine only.");

    private string SourceText => Salvage?.Start switch
    {
        { Checkpoint: ulong sequence } => string.Create(CultureInfo.InvariantCulture, $"the checkpoint at sequence {sequence} and the sound frames behind it"),
        { Header: { } header } => string.Create(CultureInfo.InvariantCulture, $"the state at sequence {header.LastSequence} and the sound frames behind it"),
        _ => "the sound frames",
    };

    private string ReviewSalvage(SalvagePlan salvage) => string.Create(
        CultureInfo.InvariantCulture,
        $"The log is damaged from address {Survey.WholeUntil} on ({Survey.StopReason}), and the state does not hold what is missing. Sequences lost: {LostText} ({LostEvents} events). Records are taken from {SourceText}; up to {LostRecordsAtMost} of them may be missing or older than they were, deleted ones among them. {(salvage.IsTreeExact ? "The log's tree goes on." : "Proofs that lead across the lost frames end here.")} A newer backup keeps more.");

    private static FencePlan Make(Superblock superblock, LogSurvey survey, ulong last) => new(survey, survey.Missing(superblock.BaseSequence, last), last);
}
