// Why this file exists: `agent` carries a transaction from draft to revert. Invariants: nothing is applied that was not approved as it stands; a reviewer sees what would change before saying yes; a version that moved
// meanwhile is never overwritten.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Agents' transactions.</summary>
internal static class AgentVerb
{
    private static readonly Argument<string> Source = new("FILE") { Description = "A draft: {\"changes\": [object records and {\"delete\": ID}], \"rationale\": ...}; - for standard input" };
    private static readonly Argument<string> Id = Inputs.Id("The transaction's identifier");
    private static readonly Option<string> Reason = new("--reason") { Description = "Why, for people", HelpName = "TEXT" };
    private static readonly Option<bool> Apply = new("--apply") { Description = "Do it" };
    private static readonly Option<ulong?> Expected = Inputs.Sequence("--expect-seq", "Only when the transaction is at this sequence, the one that `agent diff` showed");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("agent", "Draft, review and apply what agents propose", "statestore --actor actor:agent-one agent draft draft.json", "statestore agent diff agent-txn:0f3a", "statestore agent approve agent-txn:0f3a");
        VerbCommand draft = new("draft", "Store a draft on the versions that the store has now", "statestore --actor actor:agent-one agent draft draft.json") { Run = DraftAsync };
        draft.Arguments.Add(Source);
        group.Subcommands.Add(draft);
        VerbCommand diff = new("diff", "Show what a transaction would change, field by field", "statestore agent diff agent-txn:0f3a --json") { Run = VerbCommand.Sync(Diff) };
        diff.Arguments.Add(Id);
        group.Subcommands.Add(diff);
        Add(group, "propose", "Put a draft before its reviewers", static (store, step) => AgentRoom.MoveAsync(step.Session, step.Transaction, "proposed", step.Reason, step.Now, step.Cancellation));
        Add(group, "approve", "Say yes to a proposal as it stands", static (store, step) => AgentRoom.MoveAsync(step.Session, step.Transaction, "approved", step.Reason, step.Now, step.Cancellation));
        Add(group, "reject", "Say no to a proposal", static (store, step) => AgentRoom.MoveAsync(step.Session, step.Transaction, "rejected", step.Reason, step.Now, step.Cancellation));
        Add(group, "rebase", "Put a proposal onto the newest versions when its changes touch other fields", static (store, step) => AgentRoom.RebaseAsync(store, step.Session, step.Transaction, step.Now, step.Cancellation));
        Add(group, "apply", "Carry an approved transaction out, all of it or nothing", static (store, step) => AgentRoom.ApplyAsync(step.Session, step.Transaction, step.Now, step.Cancellation));
        Add(group, "revert", "Give the objects of an applied transaction their earlier versions back", static (store, step) => AgentRoom.RevertAsync(store, step.Session, step.Transaction, step.Reason, step.Now, step.Cancellation));
        VerbCommand expire = new("expire", "Reject what nobody applied in time; shows it only, unless told to apply", "statestore agent expire", "statestore agent expire --apply") { Run = ExpireAsync };
        expire.Options.Add(Apply);
        group.Subcommands.Add(expire);
        return group;
    }

    private sealed record Step(StateSession Session, AgentTransaction Transaction, string Reason, DateTimeOffset Now, CancellationToken Cancellation);

    private static void Add(VerbCommand group, string name, string description, Func<StateStore, Step, Task<AgentStep>> run)
    {
        VerbCommand verb = new(name, description, $"statestore agent {name} agent-txn:0f3a") { Run = context => RunAsync(context, run) };
        verb.Arguments.Add(Id);
        verb.Options.Add(Reason);
        verb.Options.Add(Expected);
        group.Subcommands.Add(verb);
    }

    private static async Task<ExitCode> DraftAsync(VerbContext context)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        AgentDraft draft = AgentDraft.Parse(InputFiles.ReadDocument(context.Get(Source), context.Cancellation), now);
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store, RecordKind.Object, draft.Changes[0].ObjectId);
            Answer(context, await AgentRoom.DraftAsync(store, session, draft, now, context.Cancellation).ConfigureAwait(false));
        }

        return ExitCode.Done;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context, Func<StateStore, Step, Task<AgentStep>> run)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            AgentTransaction transaction = Find(store, id);
            if (context.Get(Expected) is { } expected && expected != transaction.Record.Sequence)
            {
                throw new CliException(new CliError(ExitCode.Refused, "conflict", $"The transaction is at sequence {transaction.Record.Sequence}, not {expected}.", $"transaction {id}", Next: "Look at it again: statestore agent diff."));
            }

            Step step = new(context.SessionFor(store, RecordKind.Transaction, id), transaction, context.Get(Reason) ?? "", DateTimeOffset.UtcNow, context.Cancellation);
            Answer(context, await run(store, step).ConfigureAwait(false));
        }

        return ExitCode.Done;
    }

    private static async Task<ExitCode> ExpireAsync(VerbContext context)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        bool applies = context.Get(Apply);
        StateStore store = applies ? context.OpenWrite() : context.OpenRead();
        await using (store.ConfigureAwait(false))
        {
            IReadOnlyList<AgentTransaction> stale;
            using (ReadSnapshot snapshot = store.OpenSnapshot())
            {
                stale = AgentRoom.Stale(snapshot, now, context.Scope(snapshot));
            }

            CommitReceipt? receipt = applies && stale.Count > 0
                ? Receipts.Require(await AgentRoom.ExpireAsync(context.SessionForMany(store), stale, now, context.Cancellation).ConfigureAwait(false))
                : null;
            AnswerExpired(context, stale, receipt);
        }

        return ExitCode.Done;
    }

    private static void AnswerExpired(VerbContext context, IReadOnlyList<AgentTransaction> stale, CommitReceipt? receipt)
    {
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteBoolean("applied"u8, receipt is not null);
                writer.WriteStartArray("expired"u8);
                foreach (AgentTransaction one in stale)
                {
                    writer.WriteStringValue(one.Record.Id);
                }

                writer.WriteEndArray();
                if (receipt is not null)
                {
                    writer.WriteNumber("sequence"u8, receipt.LastSequence);
                }

                writer.WriteEndObject();
            });
            return;
        }

        foreach (AgentTransaction one in stale)
        {
            context.Out.WriteLine($"{TerminalText.Clean(one.Record.Id)} ({one.Status}, by {TerminalText.Clean(one.ActorId)}) was good until {one.ExpiresAt:u}.");
        }

        context.Out.WriteLine(stale.Count == 0 ? "Nothing is stale." : receipt is null ? "Nothing was changed. To reject them: statestore agent expire --apply" : $"Rejected at sequence {receipt.LastSequence}.");
    }

    private static AgentTransaction Find(StateStore store, string id)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return AgentTransaction.Find(snapshot, id) ?? throw CliException.NotFound("There is no such transaction.", $"transaction {id}", "See them: statestore list transactions");
    }

    private static void Answer(VerbContext context, AgentStep step)
    {
        CommitReceipt receipt = Receipts.Require(step.Receipt);
        if (!context.Json)
        {
            context.Out.WriteLine($"{TerminalText.Clean(step.TransactionId)} is {step.Status} at sequence {receipt.LastSequence}.");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("transaction"u8, step.TransactionId);
            writer.WriteString("status"u8, step.Status);
            writer.WriteNumber("sequence"u8, receipt.LastSequence);
            writer.WriteNumber("commit"u8, receipt.CommitId);
            writer.WriteEndObject();
        });
    }

    private static ExitCode Diff(VerbContext context)
    {
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        ReadScope scope = context.Scope(snapshot);
        AgentTransaction transaction = AgentTransaction.Find(snapshot, id) is { } found && scope.Allows(found.Record) ? found : throw CliException.NotFound("There is no such transaction.", $"transaction {id}", "See them: statestore list transactions");
        var changes = AgentRoom.Diff(snapshot, transaction, scope);
        if (context.Json)
        {
            WriteJson(context, transaction, changes);
            return ExitCode.Done;
        }

        context.Out.WriteLine($"{TerminalText.Clean(id)} by {TerminalText.Clean(transaction.ActorId)} is {TerminalText.Clean(transaction.Status)} at sequence {transaction.Record.Sequence}.");
        foreach ((string objectId, IReadOnlyList<FieldChange> fields, bool hasMoved) in changes)
        {
            context.Out.WriteLine($"{TerminalText.Clean(objectId)}{(hasMoved ? " (changed since it was drafted)" : "")}");
            foreach (FieldChange field in fields)
            {
                context.Out.WriteLine($"  {TerminalText.Clean(field.Field)}: {TerminalText.Clean(field.Before ?? "-")} -> {TerminalText.Clean(field.After ?? "-")}");
            }
        }

        return ExitCode.Done;
    }

    private static void WriteJson(VerbContext context, AgentTransaction transaction, IReadOnlyList<(string ObjectId, IReadOnlyList<FieldChange> Fields, bool HasMoved)> changes) => JsonLine.Write(context.Out, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("transaction"u8, transaction.Record.Id);
        writer.WriteString("actor"u8, transaction.ActorId);
        writer.WriteString("status"u8, transaction.Status);
        writer.WriteNumber("sequence"u8, transaction.Record.Sequence);
        writer.WriteStartArray("objects"u8);
        foreach ((string objectId, IReadOnlyList<FieldChange> fields, bool hasMoved) in changes)
        {
            writer.WriteStartObject();
            writer.WriteString("object"u8, objectId);
            writer.WriteBoolean("moved"u8, hasMoved);
            writer.WriteStartArray("fields"u8);
            foreach (FieldChange field in fields)
            {
                writer.WriteStartObject();
                writer.WriteString("field"u8, field.Field);
                WriteValue(writer, "before", field.Before);
                WriteValue(writer, "after", field.After);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    private static void WriteValue(System.Text.Json.Utf8JsonWriter writer, string name, string? json)
    {
        if (json is not null)
        {
            writer.WritePropertyName(name);
            writer.WriteRawValue(json);
        }
    }
}
