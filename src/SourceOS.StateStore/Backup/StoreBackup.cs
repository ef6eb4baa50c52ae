// Why this file exists: a backup is worth what its restore proves, so a backup is made by restoring: the log is copied, opened as a store, and its roots are what the manifest states. Invariants: the
// source is only read, also beside a writer; nothing has its final name before it is proven and synced; what was interrupted is started anew by running it again.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Proofs;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Backup;

/// <summary>What a backup or a restore came to.</summary>
/// <param name="Checkpoint">Size and roots of what was backed up or restored.</param>
/// <param name="FileCount">Files of the backup, without the manifest.</param>
/// <param name="LengthBytes">Their length.</param>
/// <param name="IsSigned">Whether the manifest is signed; for a restore with a key: by that key.</param>
public sealed record BackupReport(Checkpoint Checkpoint, int FileCount, long LengthBytes, bool IsSigned)
{
    /// <summary>Whether the backup is encrypted.</summary>
    public bool IsEncrypted { get; init; }
}

/// <summary>Backs stores up and restores them. Thread-safe for different destinations.</summary>
public static class StoreBackup
{
    private const int Attempts = 5;

    /// <summary>Makes a backup: a new directory with the log, the superblock and a manifest. Works beside a writer; holds at least everything that was visible when it started.</summary>
    /// <param name="storePath">The store.</param>
    /// <param name="destination">A directory that does not exist; its parent does. `DESTINATION.unfinished` is used meanwhile, and removed first.</param>
    /// <param name="key">Signs the manifest; null for an unsigned one, which shows accidents but not forgeries.</param>
    /// <param name="options">How the copy is opened; defaults when null.</param>
    /// <param name="secret">Encrypts every file of it with AES-256-GCM (format-spec/backup.md); null leaves them readable.</param>
    /// <param name="scratchParent">Where the copy is proven before an encrypted backup is made of it, so that nothing readable reaches the destination; it takes as much room as log and state. The store's parent directory when null.</param>
    /// <param name="cancellationToken">Ends the work; no backup is made then.</param>
    /// <returns>What was backed up.</returns>
    /// <exception cref="StateStoreException">AlreadyExists; InvalidInput when the destination lies in the store; as <see cref="StateStore.Open"/> when the log is damaged; DiskFull, InputOutput.</exception>
    public static async Task<BackupReport> CreateAsync(string storePath, string destination, PrivateKey? key = null, StateStoreOptions? options = null, BackupSecret? secret = null, string? scratchParent = null, CancellationToken cancellationToken = default)
    {
        string target = BackupFiles.CheckNew(destination, storePath);
        string made = secret is null ? BackupFiles.Unfinished(target) : ScratchOf(storePath, scratchParent);
        if (secret is not null)
        {
            BackupCipher.ThrowIfMissing();
        }

        if (File.Exists(new StoreLayout(storePath).ErasureJournalPath))
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, "An erasure of this store is not finished; a backup would hold what was purged.", storePath, "Finish it first: statestore repair --apply");
        }

        ulong wanted;
        using (StateStore source = StateStore.OpenRead(storePath))
        {
            wanted = source.VisibleSequence;
        }

        try
        {
            Checkpoint checkpoint = await CopyProvenAsync(storePath, made, wanted, options, cancellationToken).ConfigureAwait(false);
            foreach (string entry in Directory.EnumerateFileSystemEntries(made))
            {
                if (Path.GetFileName(entry) is not (StoreLayout.SuperblockName or StoreLayout.EventsName))
                {
                    Remove(entry);
                }
            }

            List<BackupFile> files = [.. Names(made).Select(name => BackupFiles.Hash(Path.Combine(made, name), name))];
            string text = new BackupManifest(checkpoint, files).ToText();
            BackupFiles.WriteAll(Path.Combine(made, BackupManifest.FileName), key is null ? Encoding.UTF8.GetBytes(text) : key.SignNote(text, checkpoint.Origin).Encode());
            if (secret is not null)
            {
                Seal(made, BackupFiles.Unfinished(target), [.. files.Select(static file => file.Path), BackupManifest.FileName], secret, cancellationToken);
            }

            BackupFiles.Finish(BackupFiles.Unfinished(target), target);
            return new BackupReport(checkpoint, files.Count, files.Sum(static file => file.LengthBytes), key is not null) { IsEncrypted = secret is not null };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failed(exception, target);
        }
        finally
        {
            if (secret is not null)
            {
                BackupFiles.DeleteDirectory(made);
            }
        }
    }

    /// <summary>Whether a directory looks like an encrypted backup, so that a secret can be asked for.</summary>
    /// <param name="source">The directory.</param>
    /// <returns>True when it holds the file that says how its key is made.</returns>
    public static bool IsEncrypted(string source) => File.Exists(Path.Combine(source, BackupEnvelope.FileName));

    /// <summary>Restores a backup into a new store and proves it: every file has its hash, and log and records of the restored store have the roots that the manifest states.</summary>
    /// <param name="source">The backup.</param>
    /// <param name="destination">A directory that does not exist; its parent does.</param>
    /// <param name="trusted">The key that must have signed the manifest; null takes any manifest.</param>
    /// <param name="options">How the restored store is opened; defaults when null.</param>
    /// <param name="secret">Opens an encrypted backup; null for one that is not.</param>
    /// <param name="cancellationToken">Ends the work; no store is made then.</param>
    /// <returns>What was restored.</returns>
    /// <exception cref="StateStoreException">NotInitialized when there is no backup; InvalidInput when it is not what its manifest or signature says; AlreadyExists; NativeLibraryMissing; DiskFull, InputOutput.</exception>
    public static async Task<BackupReport> RestoreAsync(string source, string destination, NoteKey? trusted = null, StateStoreOptions? options = null, BackupSecret? secret = null, CancellationToken cancellationToken = default)
    {
        string target = BackupFiles.CheckNew(destination, source);
        string made = BackupFiles.Unfinished(target);
        try
        {
            using BackupSource backup = BackupSource.Open(source, secret);
            BackupManifest manifest = ReadManifest(source, backup, trusted);
            BackupFiles.DeleteDirectory(made);
            Directory.CreateDirectory(made);
            foreach (BackupFile file in manifest.Files)
            {
                if (backup.Copy(file.Path, Path.Combine(made, file.Path), cancellationToken) != file)
                {
                    throw Refused("The file is not the one that was backed up", Path.Combine(source, file.Path));
                }
            }

            Checkpoint restored = await ProveAsync(made, options, cancellationToken).ConfigureAwait(false);
            if (restored != manifest.Checkpoint)
            {
                throw Refused($"The restored store has the roots of {restored.Size} frames at sequence {restored.Sequence}, and not those that the manifest states", source);
            }

            BackupFiles.Finish(made, target);
            return new BackupReport(restored, manifest.Files.Count, manifest.Files.Sum(static file => file.LengthBytes), trusted is not null) { IsEncrypted = backup.IsEncrypted };
        }
        catch (FileNotFoundException exception)
        {
            throw Refused("A file of the backup is missing", exception.FileName ?? source);
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.LogDamaged or StateStoreErrorCode.ReviewRequired or StateStoreErrorCode.SuperblockDamaged or StateStoreErrorCode.LogRolledBack)
        {
            throw Refused($"The backup does not open as a store: {exception.Summary}", source);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failed(exception, target);
        }
    }

    /// <summary>Restores a backup in a scratch place, proves it, and leaves nothing behind.</summary>
    /// <param name="source">The backup.</param>
    /// <param name="trusted">The key that must have signed the manifest; null takes any manifest.</param>
    /// <param name="options">How the restored store is opened; defaults when null.</param>
    /// <param name="secret">Opens an encrypted backup; null for one that is not.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>What was restored.</returns>
    /// <exception cref="StateStoreException">As <see cref="RestoreAsync"/>.</exception>
    public static async Task<BackupReport> TestAsync(string source, NoteKey? trusted = null, StateStoreOptions? options = null, BackupSecret? secret = null, CancellationToken cancellationToken = default)
    {
        string scratch = Directory.CreateTempSubdirectory("statestore-restore-test-").FullName;
        try
        {
            return await RestoreAsync(source, Path.Combine(scratch, "store"), trusted, options, secret, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    // The superblock first and the newest segment first: whatever a copied slot vouches for is in what is copied after it. Should a writer have outrun that all the same, the copy does not open, and
    // is made again.
    private static async Task<Checkpoint> CopyProvenAsync(string storePath, string made, ulong wanted, StateStoreOptions? options, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            BackupFiles.DeleteDirectory(made);
            Directory.CreateDirectory(made);
            foreach (string name in Names(storePath).OrderBy(static name => name != StoreLayout.SuperblockName).ThenByDescending(static name => name, StringComparer.Ordinal))
            {
                _ = BackupFiles.Copy(Path.Combine(storePath, name), Path.Combine(made, name), name, cancellationToken);
            }

            try
            {
                Checkpoint checkpoint = await ProveAsync(made, options, cancellationToken).ConfigureAwait(false);
                return checkpoint.Sequence >= wanted
                    ? checkpoint
                    : throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"The copy ends at sequence {checkpoint.Sequence}, before {wanted}, which was visible.", storePath, "Run `statestore verify`.");
            }
            catch (StateStoreException exception) when (attempt < Attempts && exception.Code is (StateStoreErrorCode.LogDamaged or StateStoreErrorCode.ReviewRequired or StateStoreErrorCode.LogRolledBack))
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private static async Task<Checkpoint> ProveAsync(string path, StateStoreOptions? options, CancellationToken cancellationToken)
    {
        StateStore store = StateStore.Open(path, options);
        await using (store.ConfigureAwait(false))
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            Prover prover = new(store, snapshot);
            if (prover.Size > 0)
            {
                // Reads every frame header and holds them to the root that the state has.
                _ = prover.ProveConsistency(prover.Size, prover.Size, cancellationToken);
            }

            return prover.MakeCheckpoint(cancellationToken);
        }
    }

    private static IEnumerable<string> Names(string path)
    {
        string events = Path.Combine(path, StoreLayout.EventsName);
        IEnumerable<string> segments = Directory.EnumerateFiles(events).Select(static file => Path.GetFileName(file)).Where(static name => StoreLayout.TryParseSegmentName(name, out _));
        return segments.Select(static name => StoreLayout.EventsName + "/" + name).Prepend(StoreLayout.SuperblockName).Order(StringComparer.Ordinal);
    }

    // A fixed name, so that what an interrupted run left is found and removed by the next.
    private static string ScratchOf(string storePath, string? scratchParent)
    {
        string store = Path.TrimEndingDirectorySeparator(Path.GetFullPath(storePath));
        return Path.Combine(scratchParent ?? Path.GetDirectoryName(store)!, "." + Path.GetFileName(store) + ".backup.unfinished");
    }

    private static void Seal(string from, string to, IEnumerable<string> names, BackupSecret secret, CancellationToken cancellationToken)
    {
        BackupFiles.DeleteDirectory(to);
        Directory.CreateDirectory(Path.Combine(to, StoreLayout.EventsName));
        BackupEnvelope envelope = BackupEnvelope.New(secret);
        using BackupKeys keys = envelope.Derive(secret, to);
        foreach (string name in names)
        {
            using FileStream source = BackupFiles.OpenRegular(Path.Combine(from, name));
            using FileStream target = new(Path.Combine(to, name + BackupCipher.Suffix), new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
            BackupCipher.Seal(keys, name, source, target, cancellationToken);
            target.Flush(flushToDisk: true);
        }

        BackupFiles.WriteAll(Path.Combine(to, BackupEnvelope.FileName), Encoding.ASCII.GetBytes(envelope.ToText(keys)));
    }

    private static BackupManifest ReadManifest(string source, BackupSource backup, NoteKey? trusted)
    {
        string path = Path.Combine(source, BackupManifest.FileName);
        byte[] bytes = backup.ReadManifest()
            ?? throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no backup here.", Path.GetFullPath(source), "Name a directory that `statestore backup` made.");
        string text = Encoding.UTF8.GetString(bytes);
        bool isNote = SignedNote.TryParse(bytes, out SignedNote? note, out string reason);
        if (!BackupManifest.TryParse(isNote ? note!.Text : text, out BackupManifest? manifest, out reason))
        {
            throw Refused($"The manifest cannot be read: {reason}", path);
        }

        if (trusted is null)
        {
            return manifest;
        }

        return (isNote ? note!.Verify(trusted) : NoteVerdict.NotSigned) switch
        {
            NoteVerdict.Verified => manifest,
            NoteVerdict.CannotCheck => throw new StateStoreException(StateStoreErrorCode.NativeLibraryMissing, Ed25519.MissingReason),
            NoteVerdict.BadSignature => throw Refused("The manifest's signature is wrong", path),
            _ => throw Refused("The manifest is not signed by the key that must have signed it", path),
        };
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
        else
        {
            File.Delete(path);
        }
    }

    private static StateStoreException Refused(string what, string place) =>
        new(StateStoreErrorCode.InvalidInput, what + "; nothing was restored.", place, "Restore another backup.");

    private static StateStoreException Failed(Exception exception, string place) =>
        new(exception is UnauthorizedAccessException ? StateStoreErrorCode.AccessDenied : StateStoreErrorCode.InputOutput, exception.Message, place, "Run it again when the cause is gone.", innerException: exception);
}
