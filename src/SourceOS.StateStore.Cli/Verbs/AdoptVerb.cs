// Why this file exists: `adopt` takes a directory tree into the state of record. Invariants: the answer is the report; skipped files are named in it and
// do not make the command fail; a refused commit does.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Workspace;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Adopts a directory tree.</summary>
internal static class AdoptVerb
{
    private const int SkippedShown = 20;

    private static readonly Argument<string> Target = new("PATH") { Description = "The tree's root directory" };
    private static readonly Option<string> Workspace = new("--workspace") { Description = "The workspace's identifier; else found by path, or made from the directory's name", HelpName = "ID" };
    private static readonly Option<bool> Init = new("--init") { Description = "Create the store when there is none" };
    private static readonly Option<bool> Rehash = new("--rehash") { Description = "Read every file again, also those that look unchanged" };
    private static readonly Option<long?> MaxFileBytes = new("--max-file-bytes") { Description = "Skip larger files; 16 GiB by default", HelpName = "N" };
    private static readonly Option<bool> CrossFileSystems = new("--cross-file-systems") { Description = "Enter directories on other file systems" };
    private static readonly Option<bool> IncludeGit = new("--include-git") { Description = "Adopt the content of .git directories too" };

    private static readonly Option<bool> Watch = new("--watch") { Description = "Then follow what happens to the tree, until Ctrl-C; with --json one line a round" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "adopt",
            "Record a directory tree: its files with size, mode, time and SHA-256, folders, and links",
            "statestore adopt ~/src",
            "statestore adopt ~/src --init --workspace workspace:src --json",
            "statestore adopt ~/src --watch")
        {
            Run = RunAsync,
        };
        command.Arguments.Add(Target);
        foreach (Option option in (Option[])[Workspace, Init, Rehash, MaxFileBytes, CrossFileSystems, IncludeGit, Watch])
        {
            command.Options.Add(option);
        }

        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        string path = context.Get(Target);
        AdoptOptions options = Options(context);
        if (path.Length == 0 || !Directory.Exists(path))
        {
            throw File.Exists(path)
                ? CliException.BadData("Only a directory can be adopted.", path)
                : CliException.NotFound("There is no such directory.", path);
        }

        if (context.Get(Init))
        {
            await InitVerb.EnsureStoreAsync(context).ConfigureAwait(false);
        }

        if (context.Get(Watch))
        {
            return await AdoptWatching.RunAsync(context, path, options).ConfigureAwait(false);
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            SessionIdentity identity = context.Identity(store);
            IProgress<AdoptProgress>? progress = context.Messages.ShowsProgress ? new ProgressLine(context.Messages) : null;
            AdoptReport report = await WorkspaceAdapter.AdoptAsync(store, identity, path, options, progress, context.Cancellation).ConfigureAwait(false);
            context.Messages.EndProgress();
            if (report.RefusalStatus is { } status)
            {
                throw new CliException(Receipts.ToError(status, report.Refusal));
            }

            if (context.Json)
            {
                WriteJson(context.Out, report);
            }
            else
            {
                WriteText(context, report, store);
            }
        }

        return ExitCode.Done;
    }

    private static AdoptOptions Options(VerbContext context)
    {
        long maxFileBytes = context.Get(MaxFileBytes) ?? new AdoptOptions().MaxFileBytes;
        if (maxFileBytes < 0)
        {
            throw CliException.Usage("--max-file-bytes takes a number from 0 on.");
        }

        string? workspace = context.Get(Workspace);
        return new AdoptOptions
        {
            WorkspaceId = workspace is null ? null : VerbContext.CheckId(workspace, "--workspace"),
            Rehash = context.Get(Rehash),
            MaxFileBytes = maxFileBytes,
            CrossFileSystems = context.Get(CrossFileSystems),
            IncludeVersionControl = context.Get(IncludeGit),
            EstimateTotal = context.Messages.ShowsProgress,
        };
    }

    private static void WriteText(VerbContext context, AdoptReport report, StateStore store)
    {
        ByteOutput output = context.Out;
        double seconds = Math.Max(report.Seconds, 0.001);
        output.WriteLine($"Adopted {TerminalText.Clean(report.Root)} as {TerminalText.Clean(report.WorkspaceId)}");
        output.WriteLine("  files    " + Describe(report.Files));
        output.WriteLine("  folders  " + Describe(report.Folders));
        output.WriteLine("  links    " + Describe(report.Links));
        if (report.Ignored > 0)
        {
            output.WriteLine($"  ignored  {Units.Count(report.Ignored)}");
        }

        output.WriteLine(
            $"  read     {Units.Bytes(report.Bytes)} in {Units.Seconds(report.Seconds)} ({Units.Count((long)(report.Files.Seen / seconds))} files/s, {Units.Bytes(report.Bytes / seconds)}/s)");
        foreach (SkippedPath skipped in report.Skipped.Take(SkippedShown))
        {
            output.WriteLine($"  skipped  {TerminalText.Clean(skipped.Path)} ({skipped.Reason})");
        }

        if (report.Files.Skipped > SkippedShown)
        {
            output.WriteLine($"  skipped  {Units.Count(report.Files.Skipped - SkippedShown)} more; --json lists them");
        }

        if (report.RemovalSuspended)
        {
            context.Messages.Warning("Too much of the tree could not be read; nothing was taken as removed.");
        }

        StateStoreStatus status = store.GetStatus();
        output.WriteLine($"Store {status.Health.ToString().ToLowerInvariant()} at sequence {status.Sequence}.");
    }

    internal static string Describe(AdoptCounts counts)
    {
        List<string> parts = [$"{Units.Count(counts.Seen)} seen"];
        foreach ((long count, string name) in (IEnumerable<(long, string)>)[
            (counts.Added, "added"), (counts.Changed, "changed"), (counts.Removed, "removed"),
            (counts.Renamed, "renamed"), (counts.Unchanged, "unchanged"), (counts.Skipped, "skipped")])
        {
            if (count > 0)
            {
                parts.Add($"{Units.Count(count)} {name}");
            }
        }

        return string.Join(", ", parts);
    }

    private static void WriteJson(ByteOutput output, AdoptReport report) => JsonLine.Write(output, writer =>
    {
        writer.WriteStartObject();
        WriteFields(writer, report);
        writer.WriteEndObject();
    });

    /// <summary>Writes a report's fields into an open object.</summary>
    internal static void WriteFields(Utf8JsonWriter writer, AdoptReport report)
    {
        writer.WriteString("workspace"u8, report.WorkspaceId);
        writer.WriteString("root"u8, report.Root);
        WriteCounts(writer, "files", report.Files);
        WriteCounts(writer, "folders", report.Folders);
        WriteCounts(writer, "links", report.Links);
        writer.WriteNumber("ignored"u8, report.Ignored);
        writer.WriteNumber("bytes"u8, report.Bytes);
        writer.WriteNumber("seconds"u8, Math.Round(report.Seconds, 6));
        writer.WriteStartArray("skipped"u8);
        foreach (SkippedPath skipped in report.Skipped)
        {
            writer.WriteStartObject();
            writer.WriteString("path"u8, skipped.Path);
            writer.WriteString("reason"u8, skipped.Reason);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteBoolean("removalSuspended"u8, report.RemovalSuspended);
        writer.WriteNumber("commits"u8, report.Commits);
        writer.WriteNumber("sequence"u8, report.Sequence);
    }

    private static void WriteCounts(Utf8JsonWriter writer, string name, AdoptCounts counts)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("seen"u8, counts.Seen);
        writer.WriteNumber("added"u8, counts.Added);
        writer.WriteNumber("changed"u8, counts.Changed);
        writer.WriteNumber("removed"u8, counts.Removed);
        writer.WriteNumber("renamed"u8, counts.Renamed);
        writer.WriteNumber("unchanged"u8, counts.Unchanged);
        writer.WriteNumber("skipped"u8, counts.Skipped);
        writer.WriteEndObject();
    }

    // Rates over the whole run jump less than those of the last moment.
    internal sealed class ProgressLine(Messages messages) : IProgress<AdoptProgress>
    {
        public void Report(AdoptProgress value)
        {
            double seconds = Math.Max(value.Elapsed.TotalSeconds, 0.001);
            double filesPerSecond = value.Files / seconds;
            string of = value.Expected > value.Files ? $" of {Units.Count(value.Expected)}" : "";
            string left = value.Expected > value.Files && value.Files > 0
                ? $", {Units.Seconds((value.Expected - value.Files) / filesPerSecond)} left"
                : "";
            messages.Progress(
                $"{Units.Count(value.Files)}{of} files, {Units.Count((long)filesPerSecond)} files/s, {Units.Bytes(value.Bytes / seconds)}/s{left}");
        }
    }
}
