// Why this file exists: `proof check` judges a proof against a root without any store. Invariants: exit 0 only when the proof holds, and, with a key, only when that key signed the root;
// without a key it says that nobody vouches for the root.

using System.CommandLine;
using System.Text;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Checks proofs.</summary>
internal static class ProofVerb
{
    private static readonly Argument<string> ProofFile = new("FILE") { Description = "The proof; - reads stdin" };
    private static readonly Option<string> Root = new("--root") { Description = "The checkpoint to check it against", HelpName = "NOTE", Required = true };
    private static readonly Option<string> RootKey = new("--root-key") { Description = "The verifier key that must have signed the checkpoint, or a file that holds it", HelpName = "KEY" };

    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new("proof", "Check proofs; needs no store", "statestore proof check event.proof --root root.note --root-key root.key");
        VerbCommand check = new(
            "check", "Check a proof against a checkpoint; needs no store", "statestore proof check event.proof --root root.note", "statestore proof check event.proof --root root.note --root-key root.key --json")
        {
            Run = VerbCommand.Sync(Check),
        };
        check.Arguments.Add(ProofFile);
        check.Options.Add(Root);
        check.Options.Add(RootKey);
        group.Subcommands.Add(check);
        return group;
    }

    private static ExitCode Check(VerbContext context)
    {
        string file = context.Get(ProofFile);
        string noteFile = context.Get(Root)!;
        if (!ProofJson.TryDecode(InputFiles.ReadDocument(file, context.Cancellation), out StateProof? proof, out string reason))
        {
            throw CliException.BadData($"This is not a proof: {reason}.", file, code: "invalid_proof");
        }

        if (!SignedNote.TryParse(InputFiles.ReadDocument(noteFile, context.Cancellation), out SignedNote? note, out reason) || !Checkpoint.TryParse(note.Text, out Checkpoint? checkpoint, out reason))
        {
            throw CliException.BadData($"This is not a signed checkpoint: {reason}.", noteFile, "Make one with: statestore checkpoint --sign", "invalid_checkpoint");
        }

        ProofVerdict verdict = proof.Check(checkpoint);
        string signed = "unchecked";
        if (context.Get(RootKey) is { } key)
        {
            NoteVerdict vouched = note.Verify(ReadKey(key, context.Cancellation));
            signed = ErrorMapping.SnakeCase(vouched.ToString());
            if (vouched != NoteVerdict.Verified)
            {
                verdict = new ProofVerdict(false, vouched switch
                {
                    NoteVerdict.CannotCheck => Ed25519.MissingReason,
                    NoteVerdict.BadSignature => "The checkpoint's signature by this key is wrong.",
                    _ => "The checkpoint is not signed by this key.",
                });
            }
        }

        if (context.Json)
        {
            JsonLine.Write(context.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteBoolean("holds"u8, verdict.Holds);
                writer.WriteString("statement"u8, verdict.Statement);
                writer.WriteString("rootSignature"u8, signed);
                writer.WriteNumber("size"u8, checkpoint.Size);
                writer.WriteString("root"u8, checkpoint.Root.ToString());
                writer.WriteEndObject();
            });
        }
        else
        {
            context.Out.WriteLine($"{(verdict.Holds ? context.Style.Green("holds") : context.Style.Red("refused"))}: {TerminalText.Clean(verdict.Statement)}");
            if (signed == "unchecked")
            {
                context.Out.WriteLine("The checkpoint's signature was not checked; name the key that must have made it with --root-key.");
            }
        }

        return verdict.Holds ? ExitCode.Done : ExitCode.No;
    }

    /// <summary>The key that an argument is or that its file holds.</summary>
    internal static NoteKey ReadKey(string given, CancellationToken cancellationToken)
    {
        if (NoteKey.TryParse(given, out NoteKey? key))
        {
            return key;
        }

        return NoteKey.TryParse(Encoding.UTF8.GetString(InputFiles.ReadDocument(given, cancellationToken)), out key)
            ? key
            : throw CliException.BadData("This is not a verifier key.", given, "See the keys of a store: statestore keys list", "invalid_key");
    }
}
