// Why this file exists: `event append` puts an event of the caller's own into the stream. Invariants: names that begin with sync. belong to the
// engine and governance and are refused here; an event changes no record.

using System.CommandLine;
using System.Text;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Appends events.</summary>
internal static class EventVerb
{
    private static readonly Argument<string> Type = new("TYPE") { Description = "A dotted name such as app.note.opened" };
    private static readonly Option<string> Object = new("--object") { Description = "The object it is about", HelpName = "ID" };
    private static readonly Option<string> Data = new("--data") { Description = "One JSON value, at most 65,536 bytes; - reads stdin", HelpName = "JSON" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("event", "Write events", "statestore event append app.note.opened --object note:1");
        VerbCommand append = new(
            "append",
            "Append one event that changes no record",
            "statestore event append app.note.opened --object note:1",
            "statestore event append backup.finished --data '{\"files\":12}' --json")
        {
            Run = RunAsync,
        };
        append.Arguments.Add(Type);
        append.Options.Add(Object);
        append.Options.Add(Data);
        group.Subcommands.Add(append);
        return group;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        string type = context.Get(Type);
        if (!Identifier.IsValidEventType(Encoding.UTF8.GetBytes(type)))
        {
            throw CliException.BadData(
                $"'{type}' is not an event type.", next: "Use lower-case names joined by dots, at most 128 bytes, such as app.note.opened.", code: "invalid_event_type");
        }

        if (type == "sync" || type.StartsWith("sync.", StringComparison.Ordinal))
        {
            throw new CliException(new CliError(
                ExitCode.Refused, "reserved_event_type", $"'{type}' belongs to the engine: names that begin with sync. say what the store itself did.", Next: "Use a name of your own."));
        }

        string? objectId = context.Get(Object) is { } given ? VerbContext.CheckId(given, "--object") : null;
        ChangeOptions options = new() { DataJson = ReadData(context) };
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store, objectId is null ? null : RecordKind.Object, objectId ?? "");
            CommitBatch batch = new CommitBatch().Append(type, objectId is null ? null : RecordKind.Object, objectId, options);
            CommitReceipt receipt = Receipts.Require(await session.CommitAsync(batch, CommitWait.Visible, context.Cancellation).ConfigureAwait(false));
            if (context.Json)
            {
                JsonLine.Write(context.Out, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("status"u8, "committed"u8);
                    writer.WriteString("type"u8, type);
                    writer.WriteNumber("sequence"u8, receipt.LastSequence);
                    writer.WriteNumber("commit"u8, receipt.CommitId);
                    writer.WriteEndObject();
                });
            }
            else
            {
                context.Out.WriteLine($"Appended {type} at sequence {receipt.LastSequence}.");
            }
        }

        return ExitCode.Done;
    }

    private static ReadOnlyMemory<byte> ReadData(VerbContext context)
    {
        string? given = context.Get(Data);
        if (given is null)
        {
            return default;
        }

        byte[] json = given == "-" ? InputFiles.ReadDocument("-", context.Cancellation) : Encoding.UTF8.GetBytes(given);
        if (json.Length > FormatLimits.MaxEventDataLengthBytes)
        {
            throw CliException.BadData($"--data has {json.Length} bytes; an event carries at most {FormatLimits.MaxEventDataLengthBytes}.", code: "too_large");
        }

        FormatFault fault = EventData.Check(json, out byte[] stored);
        return !fault.IsFault ? stored : throw CliException.BadData($"--data is not one JSON value: {fault}.", code: "invalid_json");
    }
}
