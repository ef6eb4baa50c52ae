// Why this file exists: the one door to verification: what is this store worth. Invariants: reads only, through positional reads; never maps
// a file, never opens a native store library, never trusts a length; ends on any input; the verdict follows from the findings alone.

using System.Diagnostics;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Verifies stores. Stateless and thread-safe; several may run at once, also beside a writer.</summary>
public static class StoreVerifier
{
    /// <summary>Verifies a store.</summary>
    /// <param name="storePath">The store's directory.</param>
    /// <param name="options">What to prove and how; the defaults when null.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>The report. A directory that holds no store gives a report that says so.</returns>
    /// <exception cref="ArgumentException">The path is empty, or an option is out of its range.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static VerificationReport Run(string storePath, VerifyOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(storePath);
        options ??= new VerifyOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.DegreeOfParallelism, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.DegreeOfParallelism, 256, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxFindings, nameof(options));
        long started = Stopwatch.GetTimestamp();
        VerifyContext context = new(storePath, options, cancellation);
        StoreSurvey survey = StoreSurvey.Make(context);
        return options.Level == VerificationLevel.Quick ? QuickCheck.Run(context, survey, started) : Standard(context, survey, started);
    }

    private static VerificationReport Standard(VerifyContext context, StoreSurvey survey, long started)
    {
        // The state first: the log only grows, so whatever the state has folded is there when the log is read.
        StateOutcome? state = StateCheck.Run(context, survey);
        StateHeader? header = state?.Header is { } read && (survey.StoreId is not { } id || read.StoreId == id) ? read : null;
        StateClaim claim = header is null ? default : new StateClaim(header.LogPosition, header.LastSequence);
        StateCheckpointCheck? checkpoints = StateCheckpointCheck.List(context, survey);
        LogOutcome? log = LogCheck.Run(context, survey, claim.LogPosition, [.. checkpoints?.Positions ?? []]);
        long durable = 0;
        if (log is not null)
        {
            durable = LogVerdict.Judge(context, survey, log, claim).Durable;
            ParityCheck.Run(context, survey, log);
            checkpoints?.Judge(log);
            if (state is not null && header is not null)
            {
                StateCross.Check(context, survey, log, state);
            }
        }

        return ReportBuilder.Build(context, survey, state, log, durable, started);
    }
}

/// <summary>Puts a report together.</summary>
internal static class ReportBuilder
{
    public static VerificationReport Build(VerifyContext context, StoreSurvey survey, StateOutcome? state, LogOutcome? log, long durable, long started)
    {
        List<FileAccount> files = context.FileAccounts();
        LogLinker? linker = log?.Linker;
        bool hasRoot = linker is not null && (survey.Superblock is not null || survey.Catalog.First == 0);
        return new VerificationReport
        {
            StorePath = context.Layout.StorePath,
            StoreId = survey.StoreId?.ToString() ?? "",
            Level = context.Options.Level,
            Verdict = context.Findings.Verdict,
            Findings = context.Findings.ToSortedList(),
            FindingCount = context.Findings.Count,
            NotChecked = context.NotCheckedItems(),
            FramesChecked = linker?.Frames ?? 0,
            EventsChecked = linker?.Events ?? 0,
            RecordsChecked = state?.Sums.Entries[(int)StateTable.Records] ?? 0,
            PagesChecked = (long)(state?.Walk.UsedPages ?? 0) + (long)(state?.Walk.FreePages ?? 0),
            BytesChecked = files.Sum(static file => file.SeenBytes),
            BytesOwned = files.Sum(static file => file.OwnedBytes),
            WriterSeen = context.WriterSeen,
            LogSize = linker?.Frontier.LeafCount ?? 0,
            LogRoot = hasRoot ? linker!.Frontier.Root().ToString() : "",
            LogEnd = linker?.End.Address ?? 0,
            LastSequence = linker?.End.LastSequence ?? 0,
            IsClosedCleanly = log?.Heads.Newest is { Slot.IsCleanClose: true } newest && newest.Slot.Tail == linker!.End.Address,
            DurableAddress = durable,
            Files = files,
            Tables =
            [
                .. Enumerable.Range(1, state is null ? 0 : Tables.Count).Select(table =>
                {
                    string name = System.Text.Encoding.ASCII.GetString(Tables.Name((StateTable)table));
                    return new TableAccount(name, state!.Sums.Entries[table], context.Findings.CountInTable(name));
                }),
            ],
            ElapsedSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds,
        };
    }
}
