// Why this file exists: `status` is health at a glance, for a person, a program, a status bar and a prompt. Invariants: it reads the state's header and a bounded
// number of records, whatever the store's size; a store that is missing or cannot be trusted still gets a status, and the exit code says so.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Shows the store's health.</summary>
internal static class StatusVerb
{
    private static readonly Option<string> Format = Inputs.OneOf("--format", "How", "text", "json", "line", "prompt");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("status", "Show the store's health at a glance", "statestore status", "statestore status --json", "PS1='$(statestore status --format prompt) $ '")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Options.Add(Format);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        StatusView view = StatusView.Read(context);
        string format = context.Json ? "json" : context.Get(Format) ?? "text";
        switch (format)
        {
            case "json":
                JsonLine.Write(context.Out, view.WriteJson);
                break;
            case "line":
                context.Out.WriteLine(view.Line());
                break;
            case "prompt":
                context.Out.WriteLine(view.Prompt());
                break;
            default:
                WriteText(context, view);
                break;
        }

        return view.Error?.Exit ?? ExitCode.Done;
    }

    private static void WriteText(VerbContext context, StatusView view)
    {
        ByteOutput output = context.Out;
        string health = view.HealthWord;
        output.WriteLine($"{"health",-12}{(health == "healthy" ? context.Style.Green(health) : health == "degraded" ? context.Style.Yellow(health) : context.Style.Red(health))}");
        output.WriteLine($"{"store",-12}{TerminalText.Clean(context.StorePath)}");
        if (view.Status is { } status)
        {
            output.WriteLine($"{"id",-12}{status.StoreId}, format {status.FormatVersion}");
            output.WriteLine($"{"sequence",-12}{status.Sequence} ({status.DurableSequence} durable)");
            output.WriteLine($"{"records",-12}{string.Join(", ", view.Counts().Where(static count => count.Value > 0).Select(static count => $"{Units.Count(count.Value)} {count.Name}"))}");
            output.WriteLine($"{"lanes",-12}{string.Join(", ", status.Lanes.Where(static lane => lane.Events > 0).Select(static lane => $"{StoreGlance.NameOf(lane)} {Units.Count(lane.Events)}"))}");
            output.WriteLine($"{"size",-12}log {Units.Bytes(status.LogLengthBytes)}, state {Units.Bytes(status.StateLengthBytes)}");
            output.WriteLine($"{"conflicts",-12}{view.OpenConflicts} open; {view.PlansBlocked} plans blocked");
            output.WriteLine($"{"last commit",-12}{(status.LastCommitAt is { } at ? Units.Time(at) : "none")}");
        }

        if (view.Error is { } error)
        {
            output.WriteLine($"{"problem",-12}{TerminalText.Clean(error.Message)}");
        }

        if (view.NextAction.Length > 0)
        {
            output.WriteLine($"{"next",-12}{TerminalText.Clean(view.NextAction)}");
        }
    }
}
