// Why this file exists: `verify` proves a store, or says what is wrong with it. Invariants: it only reads, also beside a writer; exit 0 means that everything
// the level covers was checked and is sound; what could not be checked is named and never counted as sound.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Verifies the store.</summary>
internal static class VerifyVerb
{
    private const int FindingsShown = 50;

    private static readonly Option<string> Level = Inputs.OneOf("--level", "How much to prove; standard by default", "quick", "standard");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("verify", "Prove the store: every frame, page, record and digest", "statestore verify", "statestore verify --level quick --json")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Options.Add(Level);
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
        VerificationReport report = StoreVerifier.Run(path, new VerifyOptions { Level = level, Progress = progress }, context.Cancellation);
        context.Messages.EndProgress();
        return report;
    }

    /// <summary>The exit code of a verdict.</summary>
    /// <param name="report">The report.</param>
    public static ExitCode ExitOf(VerificationReport report) => report.Verdict switch
    {
        VerificationVerdict.Clean => report.IsComplete ? ExitCode.Done : ExitCode.No,
        VerificationVerdict.Damaged => ExitCode.No,
        _ => ExitCode.Unsafe,
    };

    private static ExitCode Run(VerbContext context)
    {
        VerificationReport report = Verify(context, context.Get(Level) == "quick" ? VerificationLevel.Quick : VerificationLevel.Standard);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => WriteJson(writer, report));
        }
        else
        {
            WriteText(context, report);
        }

        return ExitOf(report);
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

    private static void WriteJson(Utf8JsonWriter writer, VerificationReport report)
    {
        writer.WriteStartObject();
        writer.WriteString("verdict"u8, report.Verdict.ToString().ToLowerInvariant());
        writer.WriteString("level"u8, report.Level.ToString().ToLowerInvariant());
        writer.WriteString("storeId"u8, report.StoreId);
        writer.WriteNumber("framesChecked"u8, report.FramesChecked);
        writer.WriteNumber("eventsChecked"u8, report.EventsChecked);
        writer.WriteNumber("recordsChecked"u8, report.RecordsChecked);
        writer.WriteNumber("pagesChecked"u8, report.PagesChecked);
        writer.WriteNumber("bytesChecked"u8, report.BytesChecked);
        writer.WriteNumber("bytesOwned"u8, report.BytesOwned);
        writer.WriteNumber("seconds"u8, Math.Round(report.ElapsedSeconds, 6));
        writer.WriteString("root"u8, report.LogRoot);
        writer.WriteNumber("logSize"u8, report.LogSize);
        writer.WriteBoolean("writerSeen"u8, report.WriterSeen);
        writer.WriteBoolean("complete"u8, report.IsComplete);
        writer.WriteNumber("findingCount"u8, report.FindingCount);
        writer.WriteStartArray("findings"u8);
        foreach (Finding finding in report.Findings)
        {
            WriteFinding(writer, finding);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("notChecked"u8);
        foreach (NotChecked left in report.NotChecked)
        {
            writer.WriteStartObject();
            writer.WriteString("what"u8, left.What);
            writer.WriteString("why"u8, left.Why);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteFinding(Utf8JsonWriter writer, Finding finding)
    {
        writer.WriteStartObject();
        writer.WriteString("code"u8, finding.Code);
        writer.WriteString("severity"u8, finding.Severity.ToString().ToLowerInvariant());
        writer.WriteString("place"u8, finding.Place.ToString());
        writer.WriteString("class"u8, finding.Class.ToString().ToLowerInvariant());
        writer.WriteBoolean("autoRepair"u8, finding.AutoRepair);
        writer.WriteString("message"u8, finding.Message);
        writer.WriteString("lossIfIgnored"u8, finding.LossIfIgnored);
        if (finding.Place.File.Length > 0)
        {
            writer.WriteString("file"u8, finding.Place.File);
        }

        if (finding.Place.OffsetBytes is { } offset)
        {
            writer.WriteNumber("offset"u8, offset);
        }

        if (finding.Place.FirstSequence is { } first)
        {
            writer.WriteNumber("firstSequence"u8, first);
            writer.WriteNumber("lastSequence"u8, finding.Place.LastSequence ?? first);
        }

        writer.WriteEndObject();
    }

    private sealed class ProgressLine(Messages messages) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value) => messages.Progress(value.TotalBytes > 0
            ? $"{value.Phase}: {Units.Bytes(value.DoneBytes)} of {Units.Bytes(value.TotalBytes)}"
            : $"{value.Phase}: {Units.Bytes(value.DoneBytes)}");
    }
}
