// Why this file exists: `import --format` takes files of other programs in by lines. Invariants: every file is checked before the store is opened for writing, so a bad one leaves the store as it was; each file is one commit.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Exports;

namespace SourceOS.StateStore.Cli.Import;

/// <summary>Takes lines in.</summary>
internal static class LineImport
{
    private const int MaxStreamLength = 255;

    private sealed record CheckedFile(string Name, string Stream, IReadOnlyList<TakenLine> Lines);

    /// <summary>Takes files in.</summary>
    /// <param name="context">The invocation.</param>
    /// <param name="format">The format.</param>
    /// <param name="paths">The files; "-" is standard input.</param>
    /// <param name="stream">The stream of all of them; null takes each file's name.</param>
    public static async Task<ExitCode> RunAsync(VerbContext context, LineFormat format, IReadOnlyList<string> paths, string? stream)
    {
        if (stream is not null && paths.Count > 1)
        {
            throw CliException.Usage("--stream names the stream of one file.");
        }

        List<CheckedFile> files = [.. paths.Select(path => Read(context, path, stream))];
        int taken = 0, unchanged = 0;
        ImportTarget target = new(context);
        await using (target.ConfigureAwait(false))
        {
            ulong sequence = target.FirstSequence;
            foreach (CheckedFile file in files)
            {
                TakeInResult result = await LineTakeIn.TakeInAsync(target.Store, target.Session, format, file.Stream, file.Lines).ConfigureAwait(false);
                if (result.Fault is { } fault)
                {
                    throw Bad(file.Name, fault);
                }

                sequence = result.Receipt is { } receipt ? Receipts.Require(receipt).LastSequence : sequence;
                taken += result.Taken;
                unchanged += result.Unchanged;
            }

            Answer(context, format, files.Count, taken, unchanged, sequence);
        }

        return ExitCode.Done;
    }

    private static CheckedFile Read(VerbContext context, string path, string? stream)
    {
        string name = path == "-" ? "standard input" : path;
        string of = stream ?? (path == "-" ? "standard-input" : Path.GetFileName(path));
        if (of.Length is 0 or > MaxStreamLength || of.Any(char.IsControl))
        {
            throw CliException.BadData($"A stream's name has 1 to {MaxStreamLength} letters and no control characters.", name, "Name it with --stream.", "invalid_identifier");
        }

        using Stream file = InputFiles.Open(path);
        using MemoryStream content = new();
        byte[] buffer = new byte[128 << 10];
        int read;
        while ((read = file.Read(buffer)) > 0 && content.Length <= LineTakeIn.MaxFileBytes)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            content.Write(buffer, 0, read);
        }

        return LineTakeIn.Check(of, content.GetBuffer().AsMemory(0, (int)content.Length), out IReadOnlyList<TakenLine> lines) is { } fault
            ? throw Bad(name, fault)
            : new CheckedFile(name, of, lines);
    }

    private static CliException Bad(string file, LineFault fault) =>
        CliException.BadData(fault.Message, $"{file}:{fault.Line}", "Nothing of the file was written.", fault.Rule);

    private static void Answer(VerbContext context, LineFormat format, int files, int taken, int unchanged, ulong sequence)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"Took {Units.Count(taken)} lines of {format.Name} in from {Units.Count(files)} files ({Units.Count(unchanged)} were there); the store is at sequence {sequence}.");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("format"u8, format.Name);
            writer.WriteNumber("files"u8, files);
            writer.WriteStartObject("lines"u8);
            writer.WriteNumber("taken"u8, taken);
            writer.WriteNumber("unchanged"u8, unchanged);
            writer.WriteEndObject();
            writer.WriteNumber("sequence"u8, sequence);
            writer.WriteEndObject();
        });
    }
}
