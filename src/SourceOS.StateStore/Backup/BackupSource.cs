// Why this file exists: a restore reads a backup the same way whether it is encrypted or not. Invariants: only regular files are read, up to their bounds; what an encrypted file gives out counts for nothing until its last chunk held.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Backup;

/// <summary>A backup that is being read.</summary>
internal sealed class BackupSource : IDisposable
{
    private readonly string _path;
    private readonly BackupKeys? _keys;

    private BackupSource(string path, BackupKeys? keys)
    {
        _path = path;
        _keys = keys;
    }

    /// <summary>Whether it is encrypted.</summary>
    internal bool IsEncrypted => _keys is not null;

    /// <summary>Opens a backup; derives its keys when it is encrypted.</summary>
    /// <exception cref="StateStoreException">InvalidInput when secret and backup do not belong together, or the envelope cannot be read; NativeLibraryMissing.</exception>
    internal static BackupSource Open(string path, BackupSecret? secret)
    {
        string envelopePath = Path.Combine(path, BackupEnvelope.FileName);
        if (!File.Exists(envelopePath))
        {
            return secret is null || !File.Exists(Path.Combine(path, BackupManifest.FileName))
                ? new BackupSource(path, null)
                : throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The backup is not encrypted, and a secret was given for it.", path, "Restore it without the secret, if you expected that.");
        }

        if (secret is null)
        {
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The backup is encrypted.", path, "Give its key file (--key-file) or its passphrase (--passphrase-file).");
        }

        BackupCipher.ThrowIfMissing();
        string text = Encoding.UTF8.GetString(ReadAll(envelopePath, BackupEnvelope.MaxLengthBytes));
        if (!BackupEnvelope.TryParse(text, out BackupEnvelope? envelope, out Hash256 check))
        {
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The backup's file KEY is not one that this version can read; nothing was restored.", envelopePath, "Restore another backup.");
        }

        BackupKeys keys = envelope.Derive(secret, envelopePath);
        if (keys.Check != check)
        {
            keys.Dispose();
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The secret does not open this backup, or its file KEY was changed.", path, "Give the key file or passphrase that it was made with.");
        }

        return new BackupSource(path, keys);
    }

    /// <summary>Reads the manifest; null when there is none.</summary>
    internal byte[]? ReadManifest()
    {
        string path = PathOf(BackupManifest.FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        if (_keys is null)
        {
            return ReadAll(path, SignedNote.MaxLengthBytes);
        }

        using FileStream file = BackupFiles.OpenRegular(path);
        using MemoryStream text = new();
        bool isWhole = BackupCipher.TryOpen(_keys, BackupManifest.FileName, file, chunk => Append(text, chunk), CancellationToken.None);
        return isWhole && text.Length <= SignedNote.MaxLengthBytes ? text.ToArray() : throw Changed(path);
    }

    /// <summary>Copies a file, and hashes what was copied.</summary>
    internal BackupFile Copy(string name, string to, CancellationToken cancellationToken)
    {
        if (_keys is null)
        {
            return BackupFiles.Copy(Path.Combine(_path, name), to, name, cancellationToken);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        string path = PathOf(name);
        using FileStream source = BackupFiles.OpenRegular(path);
        using FileStream target = new(to, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        Sha256Hasher hasher = Sha256Hasher.Create();
        long length = 0;
        bool isWhole = BackupCipher.TryOpen(
            _keys,
            name,
            source,
            chunk =>
            {
                hasher.Append(chunk.Span);
                target.Write(chunk.Span);
                length += chunk.Length;
            },
            cancellationToken);
        if (!isWhole)
        {
            throw Changed(path);
        }

        target.Flush(flushToDisk: true);
        return new BackupFile(name, length, hasher.Finish());
    }

    /// <inheritdoc/>
    public void Dispose() => _keys?.Dispose();

    private static void Append(MemoryStream text, ReadOnlyMemory<byte> chunk)
    {
        // One chunk more than a manifest can have is enough to know that it is too long.
        if (text.Length <= SignedNote.MaxLengthBytes)
        {
            text.Write(chunk.Span);
        }
    }

    private static byte[] ReadAll(string path, int maxBytes)
    {
        using FileStream file = BackupFiles.OpenRegular(path);
        byte[] bytes = new byte[maxBytes + 1];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return length <= maxBytes ? bytes[..length] : throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The file of the backup is too long; nothing was restored.", path, "Restore another backup.");
    }

    private static StateStoreException Changed(string path) =>
        new(StateStoreErrorCode.InvalidInput, "The encrypted file is not the one that was backed up; nothing was restored.", path, "Restore another backup.");

    private string PathOf(string name) => Path.Combine(_path, _keys is null ? name : name + BackupCipher.Suffix);
}
