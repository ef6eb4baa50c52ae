// Why this file exists: what repairs leave behind can be looked at, and a fence can be undone: `repair reports`, `repair quarantine list`, `repair rollback`. Invariants: the first two
// read only; the last refuses once anything was written behind the fence.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Reports, quarantine, rollback.</summary>
internal static class RepairRooms
{
    private static readonly Argument<string> FenceId = Inputs.Id("The fence's id, as `repair quarantine list` shows it");

    /// <summary>The commands.</summary>
    public static IEnumerable<VerbCommand> Create()
    {
        VerbCommand rollback = new("rollback", "Put the store that a fence set aside back in place, unless something was written since", "statestore repair rollback fence-0123456789abcdef") { Run = VerbCommand.Sync(Rollback) };
        rollback.Arguments.Add(FenceId);
        VerbCommand quarantine = new("quarantine", "What recoveries and repairs set aside", "statestore repair quarantine list");
        quarantine.Subcommands.Add(new VerbCommand("list", "List what was set aside, where it stood and why", "statestore repair quarantine list --json") { Run = VerbCommand.Sync(ListQuarantine) });
        return [new VerbCommand("reports", "Show the reports of repairs", "statestore repair reports") { Run = VerbCommand.Sync(ShowReports) }, quarantine, rollback];
    }

    private static ExitCode Rollback(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(FenceId), "The id");
        try
        {
            StoreRepair.Rollback(context.CheckedStorePath(), id);
        }
        catch (ArgumentException exception)
        {
            throw CliException.Usage(exception.Message);
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("outcome"u8, "rolled-back");
                writer.WriteString("id"u8, id);
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"Undone: the store is as it was before {TerminalText.Clean(id)}.");
        }

        return ExitCode.Done;
    }

    private static ExitCode ListQuarantine(VerbContext context)
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

    private static ExitCode ShowReports(VerbContext context)
    {
        foreach (byte[] report in StoreRepair.ReadReports(context.CheckedStorePath()))
        {
            using JsonDocument document = JsonDocument.Parse(report);
            if (context.Json)
            {
                JsonLine.Write(context.Out, document.RootElement.WriteTo);
                continue;
            }

            context.Out.WriteLine($"{TerminalText.Clean(Text(document, "report_id"u8))}  {TerminalText.Clean(Text(document, "completed_at"u8))}  by {TerminalText.Clean(Text(document, "actor_id"u8))}");
            context.Out.WriteLine($"   {TerminalText.Clean(Text(document, "summary"u8))}");
        }

        return ExitCode.Done;
    }

    private static string Text(JsonDocument report, ReadOnlySpan<byte> name) =>
        report.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
