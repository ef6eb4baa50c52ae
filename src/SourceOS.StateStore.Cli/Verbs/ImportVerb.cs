// Why this file exists: `import` takes records from JSON and NDJSON files, directories and stdin. Invariants: the kind of each record comes from its own
// schema field; without --batch a file is all or nothing.

using System.CommandLine;
using System.Diagnostics;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Import;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Exports;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Imports records.</summary>
internal static class ImportVerb
{
    private const int FailuresShown = 20;

    private static readonly Argument<string[]> Sources = new("FILE")
    {
        Description = "JSON or NDJSON files, directories of them, or - for stdin", Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<int?> Batch = Inputs.Count("--batch", "Commit every N records instead of each file as a whole");
    private static readonly Option<bool> Continue = new("--continue") { Description = "Skip bad lines and list them at the end" };

    private static readonly Option<string> Format = Inputs.OneOf("--format", "Take lines in as events instead, byte for byte", [.. LineTakeIn.Formats.Select(static format => format.Name)]);
    private static readonly Option<string> Stream = new("--stream") { Description = "With --format: the stream that the lines belong to; the file's name by default", HelpName = "NAME" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "import",
            "Import records from JSON or NDJSON; each record's kind comes from its schema field",
            "statestore import records.ndjson",
            "statestore import ./contracts --continue --json",
            "statestore import --format ledger ledger.jsonl",
            "zcat dump.ndjson.gz | statestore import - --batch 1000")
        {
            Run = RunAsync,
        };
        command.Arguments.Add(Sources);
        command.Options.Add(Batch);
        command.Options.Add(Continue);
        command.Options.Add(Format);
        command.Options.Add(Stream);
        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        if (context.Get(Format) is { } format)
        {
            if (context.Get(Batch) is not null || context.Get(Continue))
            {
                throw CliException.Usage("--format takes files in whole; it does not go with --batch or --continue.");
            }

            return await LineImport.RunAsync(context, LineTakeIn.Formats.First(known => known.Name == format), context.Get(Sources) ?? [], context.Get(Stream)).ConfigureAwait(false);
        }

        if (context.Get(Stream) is not null)
        {
            throw CliException.Usage("--stream goes with --format.");
        }

        IReadOnlyList<string> files = ImportOrder.Sort((context.Get(Sources) ?? []).SelectMany(InputFiles.Expand));
        long start = Stopwatch.GetTimestamp();
        ImportTarget target = new(context);
        await using (target.ConfigureAwait(false))
        {
            Importer importer = new(target, context.Get(Batch), context.Get(Continue), context.Cancellation);
            foreach (string file in files)
            {
                context.Messages.Progress($"{Units.Count(importer.Read)} records, {TerminalText.Clean(file)}");
                await importer.ImportAsync(file).ConfigureAwait(false);
            }

            context.Messages.EndProgress();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            ulong sequence = importer.LastSequence != 0 ? importer.LastSequence : target.FirstSequence;
            if (context.Json)
            {
                WriteJson(context.Out, importer, seconds, sequence);
            }
            else
            {
                WriteText(context, importer, seconds, sequence);
            }

            return importer.Failed > 0 ? ExitCode.BadData : ExitCode.Done;
        }
    }

    private static void WriteText(VerbContext context, Importer importer, double seconds, ulong sequence)
    {
        context.Out.WriteLine(
            $"Imported {Units.Count(importer.Imported)} records from {Units.Count(importer.Files)} files in {Units.Seconds(seconds)}"
            + $" ({Units.Count(importer.Unchanged)} unchanged, {Units.Count(importer.Failed)} bad); the store is at sequence {sequence}.");
        foreach (ImportFailure failure in importer.Failures.Take(FailuresShown))
        {
            context.Messages.Warning($"{failure.File}:{failure.Line}: {failure.Rule}: {failure.Message}");
        }

        if (importer.Failed > FailuresShown)
        {
            context.Messages.Warning($"{Units.Count(importer.Failed - FailuresShown)} more bad lines; --json lists them.");
        }
    }

    private static void WriteJson(ByteOutput output, Importer importer, double seconds, ulong sequence) => JsonLine.Write(output, writer =>
    {
        writer.WriteStartObject();
        writer.WriteNumber("files"u8, importer.Files);
        writer.WriteStartObject("records"u8);
        writer.WriteNumber("read"u8, importer.Read);
        writer.WriteNumber("imported"u8, importer.Imported);
        writer.WriteNumber("unchanged"u8, importer.Unchanged);
        writer.WriteNumber("failed"u8, importer.Failed);
        writer.WriteEndObject();
        writer.WriteStartArray("failures"u8);
        foreach (ImportFailure failure in importer.Failures)
        {
            writer.WriteStartObject();
            writer.WriteString("file"u8, failure.File);
            writer.WriteNumber("line"u8, failure.Line);
            writer.WriteString("rule"u8, failure.Rule);
            writer.WriteString("message"u8, failure.Message);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("sequence"u8, sequence);
        writer.WriteNumber("seconds"u8, Math.Round(seconds, 6));
        writer.WriteEndObject();
    });
}
