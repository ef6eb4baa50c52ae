// Why this file exists: `put` writes one record from its JSON document. Invariants: the document's own schema must name the kind that was asked for;
// with --expect-seq nothing is written when the record moved on.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Writes one record.</summary>
internal static class PutVerb
{
    private static readonly Argument<string> Kind = Inputs.Kind();
    private static readonly Argument<string> Source = new("FILE") { Description = "The record's JSON document; - reads stdin", DefaultValueFactory = static _ => "-" };

    /// <summary>The expected sequence, for put and delete.</summary>
    public static readonly Option<ulong?> ExpectSequence = Inputs.Sequence("--expect-seq", "Refuse unless the record is at this sequence; 0: unless it does not exist");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(
            "put",
            "Add or replace one record from its JSON document",
            "statestore put objects note.json",
            "statestore get objects note:1 | jq '.title=\"New\"' | statestore put objects - --expect-seq 42")
        {
            Run = RunAsync,
        };
        command.Arguments.Add(Kind);
        command.Arguments.Add(Source);
        command.Options.Add(ExpectSequence);
        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        RecordKindInfo wanted = Inputs.KindOf(context.Get(Kind));
        string source = context.Get(Source);
        byte[] document = InputFiles.ReadDocument(source, context.Cancellation);
        string place = source == "-" ? "standard input" : source;
        if (!RecordJson.TryParse(document, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault))
        {
            throw CliException.BadData(fault.Message, $"{place}, offset {fault.OffsetBytes}", code: ErrorMapping.SnakeCase(fault.Code.ToString()));
        }

        if (kind != wanted.Kind)
        {
            throw CliException.BadData(
                $"The document is a record of kind {RecordKinds.Get(kind).Name}, not {wanted.Name}.", place, $"Use: statestore put {RecordKinds.Get(kind).PluralName}", "wrong_kind");
        }

        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionToWrite(store, kind, body);
            CommitBatch batch = new CommitBatch().Put(kind, id, body, new ChangeOptions { ExpectedSequence = context.Get(ExpectSequence) });
            CommitReceipt receipt = Receipts.Require(await session.CommitAsync(batch, CommitWait.Visible, context.Cancellation).ConfigureAwait(false));
            WriteAnswer(context, wanted, id, receipt, "Put");
            WarnOfDrift(context, store, session, kind, id);
        }

        return ExitCode.Done;
    }

    // The commit fitted the schema; what it does not know of the object, or the client of it, is told afterwards, beside the answer.
    private static void WarnOfDrift(VerbContext context, StateStore store, StateSession session, RecordKind kind, string id)
    {
        try
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            if (kind == RecordKind.Object && snapshot.Get(kind, id) is { } record)
            {
                foreach (DriftWarning warning in SchemaDrift.OfOne(snapshot, record, session.Identity.ActorId))
                {
                    context.Messages.Warning($"{warning.Code}: {(warning.Place.Length > 0 ? warning.Place + ": " : "")}{warning.Message}");
                }
            }
        }
        catch (StateStoreException exception)
        {
            // The commit stands, so that it cannot be looked at again is a warning too.
            context.Messages.Warning(exception.Summary);
        }
    }

    /// <summary>The answer to a change of one record.</summary>
    public static void WriteAnswer(VerbContext context, RecordKindInfo kind, string id, CommitReceipt receipt, string verb)
    {
        if (!context.Json)
        {
            context.Out.WriteLine($"{verb} {kind.Name} {TerminalText.Clean(id)} at sequence {receipt.LastSequence}.");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, "committed"u8);
            writer.WriteString("kind"u8, kind.Name);
            writer.WriteString("id"u8, id);
            writer.WriteNumber("sequence"u8, receipt.LastSequence);
            writer.WriteNumber("commit"u8, receipt.CommitId);
            writer.WriteEndObject();
        });
    }
}
