// Why this file exists: `export --format` writes what other programs read. Invariants: the store is only read; an export shows one sequence and what the reader's scope covers; a file or directory appears whole or not at all.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Exports;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Exports.</summary>
internal static class ExportVerb
{
    private static readonly Option<string> Format = Inputs.OneOf("--format", "The format", [.. ExportFormats.All.Select(static format => format.Name)]);
    private static readonly Option<string> Output = OutputFiles.Option();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "export",
            "Write what other programs read: " + string.Join(", ", ExportFormats.All.Select(static format => format.Name)),
            "statestore export --format integrity-report",
            "statestore export --format contracts -o contracts/")
        {
            Run = VerbCommand.Sync(Run),
        };
        Format.Required = true;
        command.Options.Add(Format);
        command.Options.Add(Output);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        ExportFormat format = ExportFormats.Find(context.Get(Format)!)!;
        string? path = context.Get(Output);
        if (format.IsDirectory && string.IsNullOrEmpty(path))
        {
            throw CliException.Usage($"The format {format.Name} makes a directory; name it with --output.");
        }

        VerificationReport? report = format.WantsVerification ? VerifyVerb.Verify(context, VerificationLevel.Standard) : null;

        // A large store takes longer to write out than a snapshot may usually live.
        using StateStore store = StateStore.OpenRead(context.CheckedStorePath(), new StateStoreOptions { SnapshotMaxAgeMs = 3_600_000 });
        using ReadSnapshot snapshot = store.OpenSnapshot();
        ExportContext exported = new(snapshot, context.Scope(snapshot), report, context.StorePath, DateTimeOffset.UtcNow);
        if (string.IsNullOrEmpty(path))
        {
            using MemoryStream answer = new();
            ExportFormats.WriteTo(format, exported, answer);
            context.Out.Write(answer.GetBuffer().AsSpan(0, (int)answer.Length));
            return ExitCode.Done;
        }

        int files;
        try
        {
            files = ExportFormats.WriteTo(format, exported, path, context.Cancellation);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CliException.InputOutput(exception.Message, path, "Name a place that can be written.");
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("format"u8, format.Name);
                writer.WriteString("path"u8, path);
                writer.WriteNumber("files"u8, files);
                writer.WriteNumber("sequence"u8, snapshot.Sequence);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"Exported {format.Name} as of sequence {snapshot.Sequence} to {TerminalText.Clean(path)} ({files} files).");
        }

        return ExitCode.Done;
    }
}
