// Why this file exists: `prove` makes proofs as files that anyone can check without the store. Invariants: it only reads; stdout holds exactly the proof.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Proofs;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Makes proofs.</summary>
internal static class ProveVerb
{
    private static readonly Argument<ulong> Sequence = new("SEQ") { Description = "The event's sequence" };
    private static readonly Argument<ulong> Earlier = new("M") { Description = "Frames of the earlier log" };
    private static readonly Argument<ulong> Later = new("N") { Description = "Frames of the later log" };
    private static readonly Argument<string> Kind = Inputs.Kind();
    private static readonly Argument<string> Id = Inputs.Id();
    private static readonly Option<ulong?> Size = new("--size") { Description = "Prove it for the log of so many frames, as a checkpoint states it; else for the whole log", HelpName = "N" };
    private static readonly Option<string> Output = OutputFiles.Option();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("prove", "Prove what the log and the records hold, for someone without the store", "statestore prove event 42 -o event.proof", "statestore prove consistency 10 20");
        VerbCommand item = new("event", "Prove that an event stands in the log", "statestore prove event 42", "statestore prove event 42 --size 17 -o event.proof")
        {
            Run = VerbCommand.Sync(context => Prove(
                context,
                (prover, snapshot) =>
                {
                    ulong sequence = context.Get(Sequence);
                    ulong? size = CheckSize(context.Get(Size), "--size", prover);
                    bool isShown = sequence > 0 && sequence <= snapshot.Sequence && snapshot.ReadEvent(sequence) is { } item && (item.IsErased || context.Scope(snapshot).Allows(item));
                    return isShown ? prover.ProveEvent(sequence, size, context.Cancellation) : null;
                },
                $"Event {context.Get(Sequence)} is not in that log.")),
        };
        item.Arguments.Add(Sequence);
        item.Options.Add(Size);
        VerbCommand consistency = new("consistency", "Prove that the log of N frames grew out of the log of M frames", "statestore prove consistency 10 20") { Run = VerbCommand.Sync(ProveConsistency) };
        consistency.Arguments.Add(Earlier);
        consistency.Arguments.Add(Later);
        VerbCommand record = new("record", "Prove a record's value; it checks against a checkpoint made since the records last changed", "statestore prove record objects note:1 -o note.proof")
        {
            Run = VerbCommand.Sync(context => Prove(
                context,
                (prover, snapshot) =>
                {
                    RecordKind kind = Inputs.KindOf(context.Get(Kind)).Kind;
                    string id = VerbContext.CheckId(context.Get(Id), "The id");
                    return snapshot.Get(kind, id) is { } found && !context.Scope(snapshot).Allows(found) ? null : prover.ProveRecord(kind, id, context.Cancellation);
                },
                "There is no such record.")),
        };
        record.Arguments.Add(Kind);
        record.Arguments.Add(Id);
        foreach (VerbCommand verb in (VerbCommand[])[item, consistency, record])
        {
            verb.Options.Add(Output);
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static ExitCode ProveConsistency(VerbContext context) => Prove(
        context,
        (prover, _) =>
        {
            ulong later = CheckSize(context.Get(Later), "N", prover)!.Value;
            ulong earlier = CheckSize(context.Get(Earlier), "M", prover)!.Value;
            return earlier <= later ? prover.ProveConsistency(earlier, later, context.Cancellation) : throw CliException.Usage("M is at most N.");
        },
        "There is no such log.");

    private static ulong? CheckSize(ulong? size, string what, Prover prover) => size is null || (size >= 1 && size <= prover.Size)
        ? size
        : throw CliException.BadData($"{what} is {size}; the log has {prover.Size} frames.", next: "Give a size from 1 to that.");

    private static ExitCode Prove(VerbContext context, Func<Prover, ReadSnapshot, StateProof?> make, string missing)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        byte[] file = ProofJson.Encode(make(new Prover(store, snapshot), snapshot) ?? throw CliException.NotFound(missing));
        if (context.Get(Output) is { } path)
        {
            OutputFiles.Write(path, file);
        }
        else
        {
            context.Out.Write(file);
        }

        return ExitCode.Done;
    }
}
