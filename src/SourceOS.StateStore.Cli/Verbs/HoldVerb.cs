// Why this file exists: `hold` sets and clears legal holds. Invariants: doing it twice is harmless; a held object is not deleted by anyone.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Retention;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Legal holds.</summary>
internal static class HoldVerb
{
    private static readonly Argument<string> Id = Inputs.Id("The object's identifier");
    private static readonly Option<string> Reason = new("--reason") { Description = "Why, for people", HelpName = "TEXT" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("hold", "Set and clear legal holds", "statestore hold set object:alpha --reason \"case 17\"", "statestore hold clear object:alpha --reason \"case closed\"");
        VerbCommand set = new("set", "Put an object under a legal hold", "statestore hold set object:alpha --reason \"case 17\"") { Run = context => RunAsync(context, isHeld: true) };
        VerbCommand clear = new("clear", "Take an object out of its legal hold", "statestore hold clear object:alpha --reason \"case closed\"") { Run = context => RunAsync(context, isHeld: false) };
        foreach (VerbCommand verb in (VerbCommand[])[set, clear])
        {
            verb.Arguments.Add(Id);
            verb.Options.Add(Reason);
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context, bool isHeld)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            CommitReceipt? receipt = await HoldRoom.SetAsync(store, context.SessionFor(store, RecordKind.Object, id), id, isHeld, context.Get(Reason) ?? "", context.Cancellation).ConfigureAwait(false);
            PutVerb.WriteAnswer(context, RecordKinds.Get(RecordKind.Object), id, Receipts.Require(receipt ?? throw CliException.NotFound("There is no such object.", $"object {id}")), isHeld ? "Held" : "Released");
        }

        return ExitCode.Done;
    }
}
