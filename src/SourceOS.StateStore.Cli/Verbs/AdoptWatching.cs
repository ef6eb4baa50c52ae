// Why this file exists: `adopt --watch` follows a tree until it is told to stop. Invariants: the store is held for each round alone; one line a round, written out at once; Ctrl-C and SIGTERM are its ordinary end, with a
// summary and exit code 0.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Workspace;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Watches a directory tree.</summary>
internal static class AdoptWatching
{
    /// <summary>Runs the watch.</summary>
    public static async Task<ExitCode> RunAsync(VerbContext context, string path, AdoptOptions options)
    {
        IProgress<AdoptProgress>? progress = context.Messages.ShowsProgress ? new AdoptVerb.ProgressLine(context.Messages) : null;
        WatchSummary summary = await WorkspaceWatch.RunAsync(
            context.OpenWrite, store => context.Identity(store), path, options, new WatchOptions(), new RoundLines(context), progress, context.Cancellation).ConfigureAwait(false);
        context.Messages.EndProgress();
        Write(context, summary);
        return summary.End switch
        {
            WatchEnd.Refused => throw new CliException(Receipts.ToError(summary.Refused!.RefusalStatus!.Value, summary.Refused.Refusal)),
            WatchEnd.RootGone => throw CliException.NotFound(
                "The watched directory is gone, or another one is in its place; nothing was taken as removed because of that.", path, "Bring it back and start the watch again; to take in what is there now: statestore adopt."),
            _ => ExitCode.Done,
        };
    }

    private static void Write(VerbContext context, WatchSummary summary)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"Watched for {Units.Count(summary.Rounds)} rounds: {Units.Count(summary.Written)} objects written{(summary.Deferred > 0 ? $", {Units.Count(summary.Deferred)} rounds put off" : "")}{(summary.Overflows > 0 ? $", events lost {Units.Count(summary.Overflows)} times" : "")}.");
            context.Out.Flush();
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartObject("summary"u8);
            writer.WriteString("end"u8, summary.End switch
            {
                WatchEnd.RootGone => "root_gone"u8,
                WatchEnd.Refused => "refused"u8,
                _ => "stopped"u8,
            });
            writer.WriteNumber("rounds"u8, summary.Rounds);
            writer.WriteNumber("deferred"u8, summary.Deferred);
            writer.WriteNumber("overflows"u8, summary.Overflows);
            writer.WriteNumber("written"u8, summary.Written);
            writer.WriteNumber("sequence"u8, summary.Sequence);
            writer.WriteEndObject();
            writer.WriteEndObject();
        });
        context.Out.Flush();
    }

    // Told by one task at a time, so the lines come in order.
    private sealed class RoundLines(VerbContext context) : IProgress<WatchRound>
    {
        public void Report(WatchRound value)
        {
            context.Messages.EndProgress();
            if (value.Notice.Length > 0)
            {
                context.Messages.Warning(value.Notice);
            }

            if (context.Json)
            {
                WriteJson(value);
            }
            else if (value.Report is { } report && (value.Number == 1 || report.Commits > 0))
            {
                context.Out.WriteLine($"{TerminalText.Clean(report.WorkspaceId)} at sequence {report.Sequence} ({value.Cause}): files {AdoptVerb.Describe(report.Files)}");
            }

            context.Out.Flush();
        }

        private void WriteJson(WatchRound round) => JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("round"u8, round.Number);
            writer.WriteString("cause"u8, round.Cause);
            writer.WriteBoolean("wholeTree"u8, round.IsWholeTree);
            writer.WriteBoolean("watching"u8, round.IsWatching);
            writer.WriteBoolean("deferred"u8, round.Report is null);
            writer.WriteString("notice"u8, round.Notice);
            if (round.Report is { } report)
            {
                AdoptVerb.WriteFields(writer, report);
            }

            writer.WriteEndObject();
        });
    }
}
