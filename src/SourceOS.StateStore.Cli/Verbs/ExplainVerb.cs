// Why this file exists: `explain` answers the eleven questions about an object. Invariants: the answers come from the library; an answer of `unknown` is
// shown as what it is, with its reason.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Explains an object.</summary>
internal static class ExplainVerb
{
    private static readonly Argument<string> Id = Inputs.Id("The object's identifier");
    private static readonly Option<ulong?> At = Inputs.Sequence("--at", "As it was at this sequence");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("explain", "Answer the eleven questions about an object", "statestore explain object:alpha", "statestore explain object:alpha --at 17 --json")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Arguments.Add(Id);
        command.Options.Add(At);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        ulong? at = context.Get(At);
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (at > snapshot.Sequence)
        {
            throw CliException.NotFound($"The store has not reached sequence {at}; it is at {snapshot.Sequence}.", $"sequence {at}");
        }

        ReadScope scope = context.Scope(snapshot);
        StoredRecord? now = snapshot.Get(RecordKind.Object, id);
        StoredRecord? then = at is { } sequence ? snapshot.GetAsOf(RecordKind.Object, id, sequence) : now;
        if ((now is not null && !scope.Allows(now)) || (then is not null && !scope.Allows(then)))
        {
            throw CliException.NotFound($"There is no object '{id}'.", $"object {id}", "See what there is: statestore list objects");
        }

        ExplainReport report = ObjectExplainer.Explain(snapshot, id, at)
            ?? throw CliException.NotFound($"There is no object '{id}'{(at is null ? "" : $" at sequence {at}")}.", $"object {id}", "See what there is: statestore list objects");
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => ExplainJson.Write(writer, report));
        }
        else
        {
            WriteText(context, report);
        }

        return ExitCode.Done;
    }

    private static void WriteText(VerbContext context, ExplainReport report)
    {
        context.Out.WriteLine($"{context.Style.Bold(TerminalText.Clean(report.ObjectId))} as of sequence {report.AsOf}");
        foreach (ExplainAnswer answer in report.Answers)
        {
            context.Out.WriteLine($"{answer.Number,3}  {context.Style.Bold(answer.Question)}");
            context.Out.WriteLine($"     {TerminalText.Clean(answer.Sentence)}");
            context.Out.WriteLine(context.Style.Dim($"     {TerminalText.Clean(answer.Value)}  [{TerminalText.Clean(string.Join(", ", answer.Evidence))}]"));
        }
    }
}
