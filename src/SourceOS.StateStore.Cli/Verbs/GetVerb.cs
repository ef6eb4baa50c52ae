// Why this file exists: `get` shows one record as its JSON document, as it is or as it was. Invariants: the document is the record and nothing else, so that
// what was put comes back equal; --meta wraps it with what the store knows of it.

using System.Buffers;
using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Shows one record.</summary>
internal static class GetVerb
{
    private static readonly Argument<string> Kind = Inputs.Kind();
    private static readonly Argument<string> Id = Inputs.Id();
    private static readonly Option<ulong?> At = Inputs.Sequence("--at", "As it was at this sequence");
    private static readonly Option<bool> Meta = new("--meta") { Description = "Wrap the record with its sequence and flags" };
    private static readonly Option<bool> Tombstone = new("--tombstone") { Description = "Show a deleted record's last body too" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("get", "Show one record as JSON", "statestore get objects note:1", "statestore get actors actor:ada --meta --at 17")
        {
            Run = VerbCommand.Sync(Run),
        };
        command.Arguments.Add(Kind);
        command.Arguments.Add(Id);
        command.Options.Add(At);
        command.Options.Add(Meta);
        command.Options.Add(Tombstone);
        return command;
    }

    private static ExitCode Run(VerbContext context)
    {
        RecordKindInfo kind = Inputs.KindOf(context.Get(Kind));
        string id = VerbContext.CheckId(context.Get(Id), "The id");
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StoredRecord record = Find(context, snapshot, kind, id);
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, RecordText.Options(isIndented: !context.Json)))
        {
            if (context.Get(Meta))
            {
                RecordDocument.WriteWithMeta(writer, record);
            }
            else
            {
                RecordDocument.Write(writer, record);
            }
        }

        context.Out.Write(buffer.WrittenSpan);
        context.Out.Write("\n"u8);
        return ExitCode.Done;
    }

    private static StoredRecord Find(VerbContext context, ReadSnapshot snapshot, RecordKindInfo kind, string id)
    {
        ulong? at = context.Get(At);
        if (at > snapshot.Sequence)
        {
            throw CliException.NotFound($"The store has not reached sequence {at}; it is at {snapshot.Sequence}.", $"sequence {at}");
        }

        StoredRecord? record = at is { } sequence ? snapshot.GetAsOf(kind.Kind, id, sequence) : snapshot.Get(kind.Kind, id);
        ReadScope scope = context.Scope(snapshot);

        // What it was does not tell more than what it is: an object that went to another profile is not there for the old one.
        if (record is null || !scope.Allows(record) || (at is not null && snapshot.Get(kind.Kind, id) is { } now && !scope.Allows(now)))
        {
            throw CliException.NotFound($"There is no {kind.Name} '{id}'{(at is null ? "" : $" at sequence {at}")}.", $"{kind.Name} {id}");
        }

        return !record.IsTombstone || context.Get(Tombstone)
            ? record
            : throw CliException.NotFound(
                $"The {kind.Name} '{id}' was deleted at sequence {record.Sequence}.", $"{kind.Name} {id}", "Its last body: add --tombstone. An earlier one: --at SEQ.");
    }
}
