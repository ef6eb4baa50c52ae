// Why this file exists: `delete` marks a record as deleted and leaves a tombstone. Invariants: deleting what is not there is an error, so that a
// mistyped identifier is noticed.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Deletes one record.</summary>
internal static class DeleteVerb
{
    private static readonly Argument<string> Kind = Inputs.Kind();
    private static readonly Argument<string> Id = Inputs.Id();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("delete", "Delete one record; a tombstone stays", "statestore delete objects note:1", "statestore delete objects note:1 --expect-seq 42 --json")
        {
            Run = RunAsync,
        };
        command.Arguments.Add(Kind);
        command.Arguments.Add(Id);
        command.Options.Add(PutVerb.ExpectSequence);
        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        RecordKindInfo kind = Inputs.KindOf(context.Get(Kind));
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store, kind.Kind, id);
            CommitBatch batch = new CommitBatch().Delete(kind.Kind, id, new ChangeOptions { ExpectedSequence = context.Get(PutVerb.ExpectSequence) });
            CommitReceipt receipt = Receipts.Require(await session.CommitAsync(batch, CommitWait.Visible, context.Cancellation).ConfigureAwait(false));
            PutVerb.WriteAnswer(context, kind, id, receipt, "Deleted");
        }

        return ExitCode.Done;
    }
}
