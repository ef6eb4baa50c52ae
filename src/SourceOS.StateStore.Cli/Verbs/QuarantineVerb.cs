// Why this file exists: `repair quarantine` lists what recoveries and repairs set aside, shows an entry, and lets one go. Invariants: listing and showing only read; letting go is a dry run unless --apply is said, takes somebody who may repair, and is an event.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Repair;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>The quarantine.</summary>
internal static class QuarantineVerb
{
    private static readonly Argument<string> EntryId = Inputs.Id("The entry's id, as `repair quarantine list` shows it");
    private static readonly Option<string> Output = OutputFiles.Option();
    private static readonly Option<bool> Apply = new("--apply") { Description = "Do it; without it, what would go is shown" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand quarantine = new("quarantine", "What recoveries and repairs set aside", "statestore repair quarantine list");
        quarantine.Subcommands.Add(new VerbCommand("list", "List what was set aside, where it stood and why", "statestore repair quarantine list --json") { Run = VerbCommand.Sync(List) });
        VerbCommand show = new("show", "Show an entry, or copy its bytes out", "statestore repair quarantine show torn-66560-20260101T000000.bin", "statestore repair quarantine show torn-66560-20260101T000000.bin -o torn.bin") { Run = VerbCommand.Sync(Show) };
        show.Arguments.Add(EntryId);
        show.Options.Add(Output);
        VerbCommand release = new("release", "Let an entry go: it is removed, and the log says what went", "statestore repair quarantine release fence-0123456789abcdef", "statestore repair quarantine release fence-0123456789abcdef --apply") { Run = ReleaseAsync };
        release.Arguments.Add(EntryId);
        release.Options.Add(Apply);
        quarantine.Subcommands.Add(show);
        quarantine.Subcommands.Add(release);
        return quarantine;
    }

    private static ExitCode List(VerbContext context)
    {
        foreach (QuarantineEntry entry in StoreRepair.ListQuarantine(context.CheckedStorePath()))
        {
            if (!context.Json)
            {
                string undo = entry.CanRollBack ? $"; undo: statestore repair rollback {entry.Id}" : "";
                context.Out.WriteLine($"{TerminalText.Clean(entry.Id)}  {entry.LengthBytes} bytes  {TerminalText.Clean(entry.KeptAt)}  {TerminalText.Clean(entry.Reason)}{TerminalText.Clean(undo)}");
                continue;
            }

            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("id"u8, entry.Id);
                writer.WriteString("path"u8, entry.Path);
                writer.WriteNumber("lengthBytes"u8, entry.LengthBytes);
                writer.WriteString("reason"u8, entry.Reason);
                writer.WriteString("keptAt"u8, entry.KeptAt);
                if (entry.LogAddress is { } address)
                {
                    writer.WriteNumber("logAddress"u8, address);
                }

                writer.WriteBoolean("canRollBack"u8, entry.CanRollBack);
                writer.WriteEndObject();
            });
        }

        return ExitCode.Done;
    }

    private static ExitCode Show(VerbContext context)
    {
        (QuarantineEntry entry, QuarantineContent content) = Find(context);
        if (context.Get(Output) is { } target)
        {
            if (!File.Exists(entry.Path))
            {
                throw CliException.Usage("Only an entry that is one file can be copied out.", $"Look into the folder: {entry.Path}");
            }

            OutputFiles.Write(target, stream =>
            {
                using FileStream source = File.OpenRead(entry.Path);
                source.CopyTo(stream);
            });
            context.Messages.Info($"{content.LengthBytes} bytes written to {target}.");
            return ExitCode.Done;
        }

        Write(context, entry, content, "set-aside");
        return ExitCode.Done;
    }

    private static async Task<ExitCode> ReleaseAsync(VerbContext context)
    {
        (QuarantineEntry entry, QuarantineContent content) = Find(context);
        if (!context.Get(Apply))
        {
            Write(context, entry, content, "would-be-released");
            if (!context.Json)
            {
                string warning = entry.CanRollBack ? " The fence cannot be undone then, and the history before it cannot be read any more." : "";
                context.Out.WriteLine($"Nothing was changed.{warning} Do it with: statestore repair quarantine release {TerminalText.Clean(entry.Id)} --apply");
            }

            return ExitCode.Done;
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            _ = Receipts.Require(await QuarantineRoom.ReleaseAsync(context.SessionFor(store), content, context.Cancellation).ConfigureAwait(false));
        }

        Write(context, entry, content, "released");
        return ExitCode.Done;
    }

    private static (QuarantineEntry Entry, QuarantineContent Content) Find(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(EntryId), "The id");
        string path = context.CheckedStorePath();
        QuarantineEntry entry = StoreRepair.ListQuarantine(path).FirstOrDefault(entry => entry.Id == id)
            ?? throw CliException.NotFound("Nothing of this id is in quarantine.", $"quarantine {id}");
        return (entry, StoreRepair.SurveyQuarantine(path, id));
    }

    private static void Write(VerbContext context, QuarantineEntry entry, QuarantineContent content, string status)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"{TerminalText.Clean(entry.Id)}: {status.Replace('-', ' ')}");
            context.Out.WriteLine($"  {TerminalText.Clean(entry.Reason)}");
            context.Out.WriteLine($"  kept at {TerminalText.Clean(entry.KeptAt)}{(entry.LogAddress is { } at ? $", stood at log address {at}" : "")}");
            context.Out.WriteLine($"  {content.Files} files, {Units.Bytes(content.LengthBytes)}, sha256 {content.Hash}");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, status);
            writer.WriteString("id"u8, entry.Id);
            writer.WriteString("path"u8, entry.Path);
            writer.WriteString("reason"u8, entry.Reason);
            writer.WriteString("keptAt"u8, entry.KeptAt);
            writer.WriteNumber("files"u8, content.Files);
            writer.WriteNumber("lengthBytes"u8, content.LengthBytes);
            writer.WriteString("sha256"u8, content.Hash.ToString());
            writer.WriteBoolean("canRollBack"u8, entry.CanRollBack);
            writer.WriteEndObject();
        });
    }
}
