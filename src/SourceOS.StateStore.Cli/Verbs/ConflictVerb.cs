// Why this file exists: `conflict resolve` settles a conflict. Invariants: who chose, what and why is recorded in the same commit as its effect.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Conflicts;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Conflicts.</summary>
internal static class ConflictVerb
{
    private static readonly Argument<string> Id = Inputs.Id("The conflict's identifier");
    private static readonly Option<string> Choice = Inputs.OneOf("--option", "What to do", [.. ConflictRoom.Options]);
    private static readonly Option<string> Reason = new("--reason") { Description = "Why, for people", HelpName = "TEXT", Required = true };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("conflict", "Settle conflicts; `conflicts` lists them", "statestore conflict resolve conflict:alpha-001 --option fork --reason \"keep both\"");
        VerbCommand resolve = new("resolve", "Settle a conflict", "statestore conflict resolve conflict:alpha-001 --option fork --reason \"keep both\"") { Run = ResolveAsync };
        Choice.Required = true;
        resolve.Arguments.Add(Id);
        resolve.Options.Add(Choice);
        resolve.Options.Add(Reason);
        group.Subcommands.Add(resolve);
        return group;
    }

    private static async Task<ExitCode> ResolveAsync(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            ConflictOutcome outcome = await ConflictRoom.ResolveAsync(store, context.SessionFor(store, RecordKind.Conflict, id), id, context.Get(Choice)!, context.Get(Reason)!, DateTimeOffset.UtcNow, context.Cancellation).ConfigureAwait(false)
                ?? throw CliException.NotFound("There is no such conflict.", $"conflict {id}", "See the conflicts: statestore conflicts");
            CommitReceipt receipt = Receipts.Require(outcome.Receipt);
            if (context.Json)
            {
                JsonLine.Write(context.Out, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("status"u8, "resolved"u8);
                    writer.WriteString("conflict"u8, id);
                    writer.WriteString("option"u8, outcome.Option);
                    writer.WriteString("effect"u8, outcome.Effect);
                    writer.WriteNumber("sequence"u8, receipt.LastSequence);
                    writer.WriteEndObject();
                });
            }
            else
            {
                context.Out.WriteLine($"Resolved conflict {TerminalText.Clean(id)} by {outcome.Option} at sequence {receipt.LastSequence}. {TerminalText.Clean(outcome.Effect)}");
            }
        }

        return ExitCode.Done;
    }
}
