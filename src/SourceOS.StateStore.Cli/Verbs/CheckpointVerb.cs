// Why this file exists: `checkpoint` states size and roots of the log and the records as text, and signs it. Invariants: without --record nothing is written, so it works beside a writer;
// stdout holds exactly the note, which other programs verify byte for byte.

using System.Buffers;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Proofs;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Makes checkpoints.</summary>
internal static class CheckpointVerb
{
    private static readonly Option<bool> Sign = new("--sign") { Description = "Sign it with a key of this store that this machine has" };
    private static readonly Option<string> Key = new("--key") { Description = "With --sign: this key; else the newest", HelpName = "ID" };
    private static readonly Option<bool> Record = new("--record") { Description = "With --sign: also put the note into the log, as an event" };
    private static readonly Option<string> Output = OutputFiles.Option();

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("checkpoint", "State the size and the roots of the log and the records, and sign that", "statestore checkpoint --sign -o root.note", "statestore checkpoint --json")
        {
            Run = RunAsync,
        };
        foreach (Option option in (Option[])[Sign, Key, Record, Output])
        {
            command.Options.Add(option);
        }

        return command;
    }

    private static async Task<ExitCode> RunAsync(VerbContext context)
    {
        if (!context.Get(Sign) && (context.Get(Record) || context.Get(Key) is not null))
        {
            throw CliException.Usage("--key and --record need --sign.");
        }

        StateStore store = context.Get(Record) ? context.OpenWrite() : context.OpenRead();
        await using (store.ConfigureAwait(false))
        {
            (Checkpoint checkpoint, string text, string keyId) = Make(context, store);
            if (context.Get(Record))
            {
                CommitBatch batch = new CommitBatch().Append("sync.checkpoint.signed", null, null, new ChangeOptions { Lane = Lane.Audit, DataJson = EventOf(text, keyId) });
                StateSession session = context.SessionFor(store);
                _ = Receipts.Require(await session.CommitAsync(batch, CommitWait.Visible, context.Cancellation).ConfigureAwait(false));
            }

            if (context.Get(Output) is { } file)
            {
                OutputFiles.Write(file, Encoding.UTF8.GetBytes(text));
            }

            if (context.Json)
            {
                JsonLine.Write(context.Out, writer => WriteJson(writer, checkpoint, text, keyId));
            }
            else if (context.Get(Output) is null)
            {
                context.Out.Write(text);
            }
        }

        return ExitCode.Done;
    }

    private static (Checkpoint Checkpoint, string Text, string KeyId) Make(VerbContext context, StateStore store)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Checkpoint checkpoint = new Prover(store, snapshot).MakeCheckpoint(context.Cancellation);
        if (!context.Get(Sign))
        {
            return (checkpoint, checkpoint.ToText(), "");
        }

        string? wanted = context.Get(Key) is { } given ? VerbContext.CheckId(given, "--key") : null;
        using PrivateKey key = new KeyRoom(KeyFolder.OfUser()).LoadSigner(snapshot, wanted) ?? throw CliException.NotFound(
            wanted is null ? "This machine has no valid key of this store." : "There is no such key, or it is revoked.", wanted ?? "", "Make one with: statestore keys create");
        return (checkpoint, key.SignNote(checkpoint.ToText(), checkpoint.Origin).ToString(), key.Id);
    }

    private static byte[] EventOf(string note, string keyId)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("key"u8, keyId);
            writer.WriteString("note"u8, note);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteJson(Utf8JsonWriter writer, Checkpoint checkpoint, string text, string keyId)
    {
        writer.WriteStartObject();
        writer.WriteString("origin"u8, checkpoint.Origin);
        writer.WriteNumber("size"u8, checkpoint.Size);
        writer.WriteString("root"u8, checkpoint.Root.ToString());
        writer.WriteNumber("sequence"u8, checkpoint.Sequence ?? 0);
        writer.WriteNumber("records"u8, checkpoint.RecordCount ?? 0);
        writer.WriteString("recordsRoot"u8, checkpoint.RecordsRoot.ToString());
        writer.WriteBoolean("signed"u8, keyId.Length > 0);
        writer.WriteString("key"u8, keyId);
        writer.WriteString("note"u8, text);
        writer.WriteEndObject();
    }
}
