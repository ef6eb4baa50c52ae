// Why this file exists: `keys` makes, lists, replaces and revokes signing keys. Invariants: a private key is never printed, only where its file is; what a verifier
// needs (name, hash, public key in one line) is printed with every key.

using System.CommandLine;
using System.Text.Json;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Signing keys.</summary>
internal static class KeysVerb
{
    private static readonly Option<string> Purpose = new("--purpose") { Description = "What the key is for; checkpoint by default, changes for signing privileged writes", HelpName = "WORD" };
    private static readonly Option<string> Owner = new("--for") { Description = "The actor who signs with it; the acting one by default", HelpName = "ACTOR" };
    private static readonly Argument<string> KeyId = Inputs.Id("The key's identifier");

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("keys", "Make, list, replace and revoke signing keys; private keys stay outside the store", "statestore keys create", "statestore keys list --json");
        VerbCommand create = new("create", "Make an Ed25519 key for the acting actor", "statestore keys create", "statestore keys create --purpose changes --json") { Run = CreateKeyAsync };
        create.Options.Add(Purpose);
        create.Options.Add(Owner);
        VerbCommand list = new("list", "List the store's keys", "statestore keys list") { Run = VerbCommand.Sync(List) };
        VerbCommand rotate = new("rotate", "Put a new key in the place of one, and revoke that", "statestore keys rotate key:0123456789abcdef") { Run = context => ReplaceAsync(context, isRotation: true) };
        rotate.Arguments.Add(KeyId);
        VerbCommand revoke = new("revoke", "Revoke a key: it must not sign any more", "statestore keys revoke key:0123456789abcdef") { Run = context => ReplaceAsync(context, isRotation: false) };
        revoke.Arguments.Add(KeyId);
        VerbCommand check = new("check", "Check the signatures of all privileged writes, from the log alone", "statestore keys check", "statestore keys check --json") { Run = VerbCommand.Sync(Check) };
        foreach (VerbCommand verb in (VerbCommand[])[create, list, rotate, revoke, check])
        {
            group.Subcommands.Add(verb);
        }

        return group;
    }

    private static async Task<ExitCode> CreateKeyAsync(VerbContext context)
    {
        string purpose = context.Get(Purpose) is { } given ? VerbContext.CheckId(given, "--purpose") : "checkpoint";
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store);
            KeyChange change = await new KeyRoom(KeyFolder.OfUser()).CreateAsync(store, session, purpose, context.Get(Owner) is { } owner ? VerbContext.CheckId(owner, "--for") : session.Identity.ActorId, context.Cancellation).ConfigureAwait(false);
            Answer(context, store, "created", change);
        }

        return ExitCode.Done;
    }

    private static async Task<ExitCode> ReplaceAsync(VerbContext context, bool isRotation)
    {
        string id = VerbContext.CheckId(context.Get(KeyId), "The id");
        StateStore store = context.OpenWrite();
        await using (store.ConfigureAwait(false))
        {
            StateSession session = context.SessionFor(store);
            KeyChange? change = isRotation
                ? await new KeyRoom(KeyFolder.OfUser()).RotateAsync(store, session, id, context.Cancellation).ConfigureAwait(false)
                : await KeyRoom.RevokeAsync(store, session, id, context.Cancellation).ConfigureAwait(false);
            if (change is null)
            {
                throw CliException.NotFound("There is no such key, or it is revoked already.", $"key {id}", "See the keys: statestore keys list");
            }

            Answer(context, store, isRotation ? "rotated" : "revoked", change);
        }

        return ExitCode.Done;
    }

    private static void Answer(VerbContext context, StateStore store, string what, KeyChange change)
    {
        CommitReceipt receipt = Receipts.Require(change.Receipt);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        KnownKey key = KeyRoom.Find(snapshot, change.KeyId)!;
        NoteKey verifier = new(Checkpoint.OriginOf(store.Id), key.PublicKey.Span);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("status"u8, what);
                writer.WriteNumber("sequence"u8, receipt.LastSequence);
                writer.WritePropertyName("key"u8);
                WriteKey(writer, key, verifier);
                writer.WriteString("privateKeyFile"u8, change.PrivateKeyPath);
                writer.WriteEndObject();
            });
            return;
        }

        context.Out.WriteLine($"{char.ToUpperInvariant(what[0])}{what[1..]} {key.Id} at sequence {receipt.LastSequence}.");
        if (change.PrivateKeyPath.Length > 0)
        {
            context.Out.WriteLine($"Private key: {TerminalText.Clean(change.PrivateKeyPath)}");
            context.Out.WriteLine($"Verifier key: {verifier}");
        }
    }

    private static ExitCode Check(VerbContext context)
    {
        using StateStore store = context.OpenRead();
        SignatureReport report = SignatureCheck.Run(store, context.Cancellation);
        if (context.Json)
        {
            JsonLine.Write(context.Out, writer => WriteReport(writer, report));
            return report.FindingCount == 0 ? ExitCode.Done : ExitCode.No;
        }

        foreach (SignatureFinding finding in report.Findings)
        {
            context.Out.WriteLine($"{finding.Sequence}: {finding.Rule}: {TerminalText.Clean(finding.Message)}");
        }

        context.Out.WriteLine($"{report.Privileged} privileged writes in {report.Events} events: {report.Valid} signed and valid, {report.Unsigned} without a signature that needed none, {report.FindingCount} findings."
            + $"{(report.Unknown > 0 ? $" {report.Unknown} are signed by keys from before this log." : "")}{(report.Erased > 0 ? $" {report.Erased} events are erased." : "")}");
        return report.FindingCount == 0 ? ExitCode.Done : ExitCode.No;
    }

    private static void WriteReport(Utf8JsonWriter writer, SignatureReport report)
    {
        writer.WriteStartObject();
        writer.WriteNumber("events"u8, report.Events);
        writer.WriteNumber("privileged"u8, report.Privileged);
        writer.WriteNumber("valid"u8, report.Valid);
        writer.WriteNumber("unsigned"u8, report.Unsigned);
        writer.WriteNumber("erased"u8, report.Erased);
        writer.WriteNumber("unknown"u8, report.Unknown);
        writer.WriteNumber("findingCount"u8, report.FindingCount);
        writer.WriteStartArray("findings"u8);
        foreach (SignatureFinding finding in report.Findings)
        {
            writer.WriteStartObject();
            writer.WriteNumber("sequence"u8, finding.Sequence);
            writer.WriteString("rule"u8, finding.Rule);
            writer.WriteString("message"u8, finding.Message);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static ExitCode List(VerbContext context)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        string origin = Checkpoint.OriginOf(store.Id);
        if (context.Json)
        {
            foreach (KnownKey key in KeyRoom.List(snapshot))
            {
                JsonLine.Write(context.Out, writer => WriteKey(writer, key, new NoteKey(origin, key.PublicKey.Span)));
            }

            return ExitCode.Done;
        }

        Table table = new(context.Out, context.Style, context.Columns, "KEY", "ACTOR", "PURPOSE", "STATE", "VERIFIER KEY");
        foreach (KnownKey key in KeyRoom.List(snapshot))
        {
            string state = !key.IsRevoked ? "valid" : key.ReplacedBy.Length > 0 ? $"replaced by {key.ReplacedBy}" : "revoked";
            table.Add(key.Id, key.ActorId, key.Purpose, state, new NoteKey(origin, key.PublicKey.Span).ToString());
        }

        table.Finish();
        return ExitCode.Done;
    }

    private static void WriteKey(Utf8JsonWriter writer, KnownKey key, NoteKey verifier)
    {
        writer.WriteStartObject();
        writer.WriteString("id"u8, key.Id);
        writer.WriteString("actor"u8, key.ActorId);
        writer.WriteString("purpose"u8, key.Purpose);
        writer.WriteBase64String("publicKey"u8, key.PublicKey.Span);
        writer.WriteString("verifierKey"u8, verifier.ToString());
        writer.WriteBoolean("revoked"u8, key.IsRevoked);
        writer.WriteString("replacedBy"u8, key.ReplacedBy);
        writer.WriteNumber("sequence"u8, key.Sequence);
        writer.WriteEndObject();
    }
}
