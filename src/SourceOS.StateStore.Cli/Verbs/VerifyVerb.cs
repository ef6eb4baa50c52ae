// Why this file exists: `verify` proves a store, or says what is wrong with it. Invariants: it only reads, also beside a writer, unless it is asked to record what it found; exit 0 means that everything
// the level covers was checked and is sound; what could not be checked is named and never counted as sound.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Repair;
using SourceOS.StateStore.Governance.Workspace;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Verifies the store.</summary>
internal static class VerifyVerb
{
    private const int FindingsShown = 50;

    private static readonly Option<string> Level = Inputs.OneOf("--level", "How much to prove; standard by default", "quick", "standard", "deep");

    private static readonly Option<bool> Record = new("--record") { Description = "Also record what was found, as a report and an event; then `status` knows when the store was last verified" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("verify", "Prove the store: every frame, page, record and digest", "statestore verify", "statestore verify --level quick --json", "statestore verify --level deep --record")
        {
            Run = RunAsync,
        };
        command.Options.Add(Level);
        command.Options.Add(Record);
        return command;
    }

    /// <summary>Verifies; a directory without a store is "not initialized".</summary>
    /// <param name="context">The invocation.</param>
    /// <param name="level">How much.</param>
    public static VerificationReport Verify(VerbContext context, VerificationLevel level)
    {
        string path = context.CheckedStorePath();
        if (!File.Exists(Path.Combine(path, "STORE")) && !Directory.Exists(Path.Combine(path, "events")))
        {
            throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no store here.", Path.GetFullPath(path));
        }

        ProgressLine? progress = context.Messages.ShowsProgress ? new ProgressLine(context.Messages) : null;
        VerifyOptions options = new() { Level = level, Progress = progress };
        VerificationReport report = level == VerificationLevel.Deep ? Deep(context, path, options) : StoreVerifier.Run(path, options, context.Cancellation);
        context.Messages.EndProgress();
        return report;
    }

    // Files are compared with what the store says, so a store that cannot be trusted says nothing about them.
    private static VerificationReport Deep(VerbContext context, string path, VerifyOptions options)
    {
        VerificationReport report = DeepVerifier.Run(path, options, cancellation: context.Cancellation);
        if (report.Verdict != VerificationVerdict.Clean)
        {
            return report with { NotChecked = [.. report.NotChecked, new NotChecked("adopted files", "the store itself is not sound")] };
        }

        using StateStore store = StateStore.OpenRead(path);
        return AdoptedFilesCheck.AddTo(store, report, options.Progress, context.Cancellation);
    }

    /// <summary>The level of a word; standard when none was given.</summary>
    /// <param name="word">The word.</param>
    public static VerificationLevel LevelOf(string? word) => word switch
    {
        "quick" => VerificationLevel.Quick,
        "deep" => VerificationLevel.Deep,
        _ => VerificationLevel.Standard,
    };

    /// <summary>The exit code of a verdict.</summary>
    /// <param name="report">The report.</param>
    public static ExitCode ExitOf(VerificationReport report) => report.Verdict switch
    {
        VerificationVerdict.Clean => report.IsComplete ? ExitCode.Done : ExitCode.No,
        VerificationVerdict.Damaged => ExitCode.No,
        _ => ExitCode.Unsafe,
    };

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        VerificationReport report = Verify(context, LevelOf(context.Get(Level)));
        if (context.Get(Record))
        {
            await RecordAsync(context, report).ConfigureAwait(false);
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => VerificationJson.Write(writer, report));
        }
        else
        {
            WriteText(context, report);
        }

        return ExitOf(report);
    }

    // A store that takes no commits takes no record either; what was found is told all the same.
    private static async Task RecordAsync(VerbContext context, VerificationReport report)
    {
        if (report.Verdict == VerificationVerdict.Unsafe)
        {
            context.Messages.Warning("The verification is not recorded: nothing is written to a store that cannot be trusted.");
            return;
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            _ = Receipts.Require(await VerificationRecord.RecordAsync(context.SessionFor(store), report, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false));
        }
    }

    private static void WriteText(VerbContext context, VerificationReport report)
    {
        ByteOutput output = context.Out;
        string verdict = report.Verdict.ToString().ToLowerInvariant();
        string coloured = report.Verdict switch
        {
            VerificationVerdict.Clean => context.Style.Green(verdict),
            VerificationVerdict.Damaged => context.Style.Yellow(verdict),
            _ => context.Style.Red(verdict),
        };
        output.WriteLine($"{coloured}: {report.Level.ToString().ToLowerInvariant()} check of {TerminalText.Clean(context.StorePath)}");
        output.WriteLine(
            $"  {Units.Count(report.FramesChecked)} frames, {Units.Count(report.RecordsChecked)} records, {Units.Count(report.PagesChecked)} pages;"
            + $" {Units.Bytes(report.BytesChecked)} checked of {Units.Bytes(report.BytesOwned)} in {Units.Seconds(report.ElapsedSeconds)}");
        if (report.LogRoot.Length > 0)
        {
            output.WriteLine($"  root {report.LogRoot} over {report.LogSize} frames");
        }

        foreach (Finding finding in report.Findings.Take(FindingsShown))
        {
            string severity = finding.Severity.ToString().ToLowerInvariant();
            output.WriteLine($"  {(finding.Severity == FindingSeverity.Error ? context.Style.Red(severity) : severity)} {finding.Code}: {TerminalText.Clean(finding.Message)} [{TerminalText.Clean(finding.Place.ToString())}]");
        }

        if (report.FindingCount > FindingsShown)
        {
            output.WriteLine($"  and {Units.Count(report.FindingCount - FindingsShown)} more; --json lists them");
        }

        foreach (NotChecked left in report.NotChecked)
        {
            output.WriteLine($"  not checked: {TerminalText.Clean(left.What)}: {TerminalText.Clean(left.Why)}");
        }
    }

    private sealed class ProgressLine(Messages messages) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value) => messages.Progress(value.TotalBytes > 0
            ? $"{value.Phase}: {Units.Bytes(value.DoneBytes)} of {Units.Bytes(value.TotalBytes)}"
            : $"{value.Phase}: {Units.Bytes(value.DoneBytes)}");
    }
}
