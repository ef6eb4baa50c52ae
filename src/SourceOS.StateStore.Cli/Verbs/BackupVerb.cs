// Why this file exists: `backup` and `restore`: copies of a store that prove what they hold. Invariants: the source is only read; nothing that exists is overwritten; a restore that is reported as
// done was proven; with a key, only what that key signed is restored.

using System.CommandLine;
using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Backups and restores.</summary>
internal static class BackupVerb
{
    private static readonly Argument<string> Destination = new("DEST") { Description = "A directory that does not exist yet" };
    private static readonly Argument<string> Source = new("SRC") { Description = "A backup's directory" };
    private static readonly Argument<string?> Target = new("DEST") { Description = "A directory that does not exist yet; not with --test", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<bool> Test = new("--test") { Description = "Restore in a scratch place, prove it, report, and leave nothing behind" };
    private static readonly Option<string> RootKey = new("--root-key") { Description = "The verifier key that must have signed the backup, or a file that holds it", HelpName = "KEY" };

    private static readonly Option<bool> Encrypt = new("--encrypt") { Description = "Encrypt every file with AES-256-GCM; asks for a passphrase unless a file is named" };
    private static readonly Option<string> KeyFile = new("--key-file") { Description = "File that holds the backup's key", HelpName = "FILE" };
    private static readonly Option<string> NewKeyFile = new("--new-key-file") { Description = "Make a key and keep it in this file, mode 0600; without it nobody can restore", HelpName = "FILE" };
    private static readonly Option<string> PassphraseFile = new("--passphrase-file") { Description = "File whose first line is the backup's passphrase", HelpName = "FILE" };
    private static readonly Option<string> Scratch = new("--scratch") { Description = "Where the copy is proven before it is encrypted; beside the store by default", HelpName = "DIR" };

    /// <summary>The `backup` command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("backup", "Back the store up into a new directory, also beside a writer; signed when this machine has a key of the store", "statestore backup /mnt/backups/monday", "statestore backup /mnt/backups/tuesday --encrypt --new-key-file ~/backup.key") { Run = BackupAsync };
        command.Arguments.Add(Destination);
        foreach (Option option in (Option[])[Encrypt, KeyFile, NewKeyFile, PassphraseFile, Scratch])
        {
            command.Options.Add(option);
        }

        return command;
    }

    /// <summary>The `restore` command.</summary>
    public static VerbCommand CreateRestore()
    {
        VerbCommand command = new(
            "restore", "Restore a backup into a new store and prove it", "statestore restore /mnt/backups/monday ./restored --root-key root.key", "statestore restore --test /mnt/backups/monday --json", "statestore restore /mnt/backups/tuesday ./restored --key-file ~/backup.key")
        {
            Run = RestoreAsync,
        };
        command.Arguments.Add(Source);
        command.Arguments.Add(Target);
        command.Options.Add(Test);
        command.Options.Add(RootKey);
        command.Options.Add(KeyFile);
        command.Options.Add(PassphraseFile);
        return command;
    }

    private static async Task<ExitCode> BackupAsync(VerbContext context)
    {
        string destination = context.Get(Destination);
        using PrivateKey? key = Signer(context);
        string store = context.CheckedStorePath();
        using BackupSecret? secret = SecretFor(context, destination);
        BackupReport report = await StoreBackup.CreateAsync(store, destination, key, null, secret, context.Get(Scratch), context.Cancellation).ConfigureAwait(false);
        if (!report.IsSigned)
        {
            context.Messages.Warning("The backup is not signed: it shows accidents, not forgeries. Make a key with: statestore keys create");
        }

        Write(context, report, "backed up", destination);
        return ExitCode.Done;
    }

    private static async Task<ExitCode> RestoreAsync(VerbContext context)
    {
        string source = context.Get(Source);
        string? target = context.Parse.GetValue(Target);
        if (context.Get(Test) != target is null)
        {
            throw CliException.Usage("A restore needs DEST, or --test.");
        }

        NoteKey? trusted = context.Get(RootKey) is { } given ? ProofVerb.ReadKey(given, context.Cancellation) : null;
        using BackupSecret? secret = Given(context) ?? (StoreBackup.IsEncrypted(source) && Passphrase.CanAsk ? Passphrase.Ask(context, isNew: false) : null);
        BackupReport report = target is null
            ? await StoreBackup.TestAsync(source, trusted, null, secret, context.Cancellation).ConfigureAwait(false)
            : await StoreBackup.RestoreAsync(source, target, trusted, null, secret, context.Cancellation).ConfigureAwait(false);
        if (trusted is null)
        {
            context.Messages.Warning("Who made the backup was not checked; name the key that must have signed it with --root-key.");
        }

        Write(context, report, target is null ? "tested" : "restored", target ?? source);
        return ExitCode.Done;
    }

    // Nothing is asked and no key is made when the backup could not be made anyway.
    private static BackupSecret? SecretFor(VerbContext context, string destination)
    {
        if (Path.Exists(destination))
        {
            return null;
        }

        if (context.Get(NewKeyFile) is { } made)
        {
            return context.Get(KeyFile) is null && context.Get(PassphraseFile) is null ? BackupSecret.CreateKeyFile(made) : throw CliException.Usage("Name one of --key-file, --new-key-file and --passphrase-file.");
        }

        BackupSecret? given = Given(context);
        if (given is not null || !context.Get(Encrypt))
        {
            return given;
        }

        return Passphrase.CanAsk ? Passphrase.Ask(context, isNew: true) : throw CliException.Usage("There is no terminal to ask for a passphrase on; name --key-file, --new-key-file or --passphrase-file.");
    }

    private static BackupSecret? Given(VerbContext context) => (context.Get(KeyFile), context.Get(PassphraseFile)) switch
    {
        (null, null) => null,
        ({ } key, null) => BackupSecret.FromKeyFile(key),
        (null, { } passphrase) => BackupSecret.FromPassphraseFile(passphrase),
        _ => throw CliException.Usage("Name one of --key-file and --passphrase-file."),
    };

    private static PrivateKey? Signer(VerbContext context)
    {
        using StateStore store = context.OpenRead();
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return new KeyRoom(KeyFolder.OfUser()).LoadSigner(snapshot);
    }

    private static void Write(VerbContext context, BackupReport report, string what, string place)
    {
        Checkpoint checkpoint = report.Checkpoint;
        if (!context.Json)
        {
            context.Out.WriteLine($"{char.ToUpperInvariant(what[0])}{what[1..]}: {TerminalText.Clean(place)}");
            context.Out.WriteLine($"  proven: {Units.Count((long)checkpoint.Size)} frames to sequence {checkpoint.Sequence}, root {checkpoint.Root}");
            context.Out.WriteLine($"  proven: {Units.Count((long)(checkpoint.RecordCount ?? 0))} records, root {checkpoint.RecordsRoot}");
            context.Out.WriteLine($"  {report.FileCount} files, {Units.Bytes(report.LengthBytes)}, signature {(report.IsSigned ? "yes" : "no")}, encrypted {(report.IsEncrypted ? "yes" : "no")}");
            return;
        }

        JsonLine.Write(context.Out, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, what);
            writer.WriteString("place"u8, place);
            writer.WriteNumber("size"u8, checkpoint.Size);
            writer.WriteString("root"u8, checkpoint.Root.ToString());
            writer.WriteNumber("sequence"u8, checkpoint.Sequence ?? 0);
            writer.WriteNumber("records"u8, checkpoint.RecordCount ?? 0);
            writer.WriteString("recordsRoot"u8, checkpoint.RecordsRoot.ToString());
            writer.WriteNumber("files"u8, report.FileCount);
            writer.WriteNumber("bytes"u8, report.LengthBytes);
            writer.WriteBoolean("signed"u8, report.IsSigned);
            writer.WriteBoolean("encrypted"u8, report.IsEncrypted);
            writer.WriteEndObject();
        });
    }
}
