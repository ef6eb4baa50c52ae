// Why this file exists: what opens an encrypted backup: a key file, or a passphrase. Invariants: a key file is its owner's alone; the secret's bytes are overwritten when it is disposed; nothing prints them.

using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Backup;

/// <summary>What encrypts and opens backups. Dispose it to overwrite it in memory. Thread-safe while it is not disposed.</summary>
[DebuggerDisplay("BackupSecret")]
public sealed class BackupSecret : IDisposable
{
    /// <summary>Length of a key in bytes.</summary>
    public const int KeyLengthBytes = 32;

    private const int MaxPassphraseBytes = 1024;
    private const int MaxFileBytes = 4096;
    private const uint OthersMask = 0x3F; // 0077
    private readonly byte[] _bytes;

    private BackupSecret(byte[] bytes, bool isPassphrase)
    {
        _bytes = bytes;
        IsPassphrase = isPassphrase;
    }

    /// <summary>Whether it is a passphrase, from which a key has to be derived.</summary>
    public bool IsPassphrase { get; }

    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Takes a key.</summary>
    /// <param name="key">Exactly 32 random bytes; they are copied.</param>
    /// <returns>The secret.</returns>
    /// <exception cref="ArgumentException">It has another length.</exception>
    public static BackupSecret FromKey(ReadOnlySpan<byte> key) =>
        key.Length == KeyLengthBytes ? new BackupSecret(key.ToArray(), false) : throw new ArgumentException("A key has 32 bytes.", nameof(key));

    /// <summary>Takes a passphrase.</summary>
    /// <param name="passphrase">The passphrase; 1 to 1,024 bytes as UTF-8.</param>
    /// <returns>The secret.</returns>
    /// <exception cref="ArgumentException">It is empty or too long.</exception>
    public static BackupSecret FromPassphrase(ReadOnlySpan<char> passphrase)
    {
        int length = Encoding.UTF8.GetByteCount(passphrase);
        if (length is 0 or > MaxPassphraseBytes)
        {
            throw new ArgumentException("A passphrase has 1 to 1,024 bytes.", nameof(passphrase));
        }

        byte[] bytes = new byte[length];
        _ = Encoding.UTF8.GetBytes(passphrase, bytes);
        return new BackupSecret(bytes, true);
    }

    /// <summary>Reads a key file: 64 hexadecimal digits, a newline behind them or not.</summary>
    /// <param name="path">The file. Nobody but its owner may have rights on it.</param>
    /// <returns>The secret.</returns>
    /// <exception cref="StateStoreException">NotInitialized, AccessDenied, InvalidInput, InputOutput.</exception>
    public static BackupSecret FromKeyFile(string path)
    {
        byte[] text = ReadPrivate(path);
        try
        {
            ReadOnlySpan<byte> digits = text.AsSpan().TrimEnd("\r\n"u8);
            byte[] key = new byte[KeyLengthBytes];
            return digits.Length == 2 * KeyLengthBytes && Convert.FromHexString(Encoding.ASCII.GetString(digits), key, out _, out _) == System.Buffers.OperationStatus.Done
                ? new BackupSecret(key, false)
                : throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The file is no key of a backup: it does not hold 64 hexadecimal digits.", path, "Name the file that was made with --new-key-file.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>Reads a passphrase from the first line of a file.</summary>
    /// <param name="path">The file. Nobody but its owner may have rights on it.</param>
    /// <returns>The secret.</returns>
    /// <exception cref="StateStoreException">NotInitialized, AccessDenied, InvalidInput, InputOutput.</exception>
    public static BackupSecret FromPassphraseFile(string path)
    {
        byte[] text = ReadPrivate(path);
        try
        {
            ReadOnlySpan<byte> line = text;
            int end = line.IndexOf((byte)'\n');
            line = (end < 0 ? line : line[..end]).TrimEnd((byte)'\r');
            return line.Length is > 0 and <= MaxPassphraseBytes
                ? new BackupSecret(line.ToArray(), true)
                : throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The file's first line is no passphrase of 1 to 1,024 bytes.", path, "Write the passphrase into its first line.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>Makes a new key file of mode 0600.</summary>
    /// <param name="path">A file that does not exist.</param>
    /// <returns>The secret that it holds.</returns>
    /// <exception cref="StateStoreException">AlreadyExists, AccessDenied, DiskFull, InputOutput.</exception>
    public static BackupSecret CreateKeyFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] key = RandomNumberGenerator.GetBytes(KeyLengthBytes);
        byte[] text = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key) + "\n");
        LinuxFileOps ops = LinuxFileOps.Instance;
        int result = StoreFile.TryOpen(ops, path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow, out StoreFile? file, 0x180); // 0600
        if (result == -Errno.EEXIST)
        {
            throw new StateStoreException(StateStoreErrorCode.AlreadyExists, "There is a file at this place; a key is never overwritten.", path, "Use it with --key-file, or name a new file.");
        }

        if (result < 0 || file is null)
        {
            FileErrors.Throw(result, "create a key file", path);
        }

        using (file)
        {
            file!.Write(text, 0);
            file.SyncAll();
        }

        StoreDirectory.Sync(ops, Path.GetDirectoryName(Path.GetFullPath(path))!);
        CryptographicOperations.ZeroMemory(text);
        return new BackupSecret(key, false);
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);

    private static byte[] ReadPrivate(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Secrets are kept in files with a mode; this system has none.");
        }

        LinuxFileOps ops = LinuxFileOps.Instance;
        if (ops.Stat(path, out FileStatus status) == -Errno.ENOENT)
        {
            throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no such file.", path, "Name the file that holds the backup's secret.");
        }

        if (status.Kind == FileKind.File && ((uint)File.GetUnixFileMode(path) & OthersMask) != 0)
        {
            throw new StateStoreException(StateStoreErrorCode.AccessDenied, "Others have rights on the file of this secret, so it is not used.", path, "Set its mode to 0600 if nobody read it; else make a new one.");
        }

        using FileStream file = BackupFiles.OpenRegular(path);
        byte[] bytes = new byte[MaxFileBytes + 1];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return length <= MaxFileBytes ? bytes[..length] : throw new StateStoreException(StateStoreErrorCode.InvalidInput, "The file is too long for a secret.", path, "Name the file that holds the backup's secret.");
    }
}
