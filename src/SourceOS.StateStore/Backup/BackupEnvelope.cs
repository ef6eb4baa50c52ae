// Why this file exists: how the keys of an encrypted backup follow from its secret (format-spec/backup.md). Invariants: text and values determine each other; costs are bounded before anything is derived by them; every file has a key of its own, bound to the backup and to the
// file's name, so that files of two backups, or two files of one, cannot stand in for each other.

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Backup;

/// <summary>The envelope of an encrypted backup.</summary>
/// <param name="Salt">32 random bytes.</param>
/// <param name="Cost">Cost of scrypt; null when the secret is a key.</param>
/// <param name="BlockSize">Block size of scrypt.</param>
/// <param name="Parallelism">Parallelism of scrypt.</param>
internal sealed record BackupEnvelope(Hash256 Salt, long? Cost, int BlockSize, int Parallelism)
{
    internal const string FileName = "KEY";
    internal const int MaxLengthBytes = 1024;

    private const string Title = "sourceos-statestore-encrypted-backup/1\n";
    private const string Cipher = "cipher aes-256-gcm 1048576\n";
    private const int DefaultCost = 1 << 17;

    /// <summary>A new envelope for a secret.</summary>
    internal static BackupEnvelope New(BackupSecret secret) =>
        new(new Hash256(RandomNumberGenerator.GetBytes(Hash256.LengthBytes)), secret.IsPassphrase ? DefaultCost : null, secret.IsPassphrase ? 8 : 0, secret.IsPassphrase ? 1 : 0);

    /// <summary>The text without the check.</summary>
    internal string Head() => Title + Cipher
        + (Cost is long cost ? string.Create(CultureInfo.InvariantCulture, $"kdf scrypt {cost} {BlockSize} {Parallelism}\n") : "kdf none\n")
        + $"salt {Salt}\n";

    /// <summary>The whole text.</summary>
    internal string ToText(BackupKeys keys) => Head() + $"check {keys.Check}\n";

    internal static bool TryParse(string text, [NotNullWhen(true)] out BackupEnvelope? envelope, out Hash256 check)
    {
        envelope = null;
        check = default;
        string[] lines = text.Split('\n');
        if (lines.Length != 6 || !text.StartsWith(Title + Cipher, StringComparison.Ordinal))
        {
            return false;
        }

        string[] kdf = lines[2].Split(' ');
        if (!lines[3].StartsWith("salt ", StringComparison.Ordinal) || !Hash256.TryParse(lines[3].AsSpan(5), out Hash256 salt)
            || !lines[4].StartsWith("check ", StringComparison.Ordinal) || !Hash256.TryParse(lines[4].AsSpan(6), out check))
        {
            return false;
        }

        if (lines[2] == "kdf none")
        {
            envelope = new BackupEnvelope(salt, null, 0, 0);
        }
        else if (kdf is ["kdf", "scrypt", _, _, _] && long.TryParse(kdf[2], NumberStyles.None, CultureInfo.InvariantCulture, out long n)
            && int.TryParse(kdf[3], NumberStyles.None, CultureInfo.InvariantCulture, out int r) && int.TryParse(kdf[4], NumberStyles.None, CultureInfo.InvariantCulture, out int p) && Scrypt.IsCost(n, r, p))
        {
            envelope = new BackupEnvelope(salt, n, r, p);
        }

        return envelope is not null && string.Equals(envelope.Head() + $"check {check}\n", text, StringComparison.Ordinal);
    }

    /// <summary>Derives the keys.</summary>
    /// <exception cref="StateStoreException">InvalidInput when the secret is of the other kind; NativeLibraryMissing.</exception>
    internal BackupKeys Derive(BackupSecret secret, string place)
    {
        if (secret.IsPassphrase != Cost is not null)
        {
            throw new StateStoreException(StateStoreErrorCode.InvalidInput, Cost is null ? "The backup is encrypted with a key, not with a passphrase." : "The backup is encrypted with a passphrase, not with a key.", place, Cost is null ? "Give its key file." : "Give its passphrase.");
        }

        Span<byte> master = stackalloc byte[BackupSecret.KeyLengthBytes];
        if (Cost is not long cost)
        {
            secret.Bytes.CopyTo(master);
        }
        else if (!Scrypt.TryDerive(secret.Bytes, Salt.Bytes, cost, BlockSize, Parallelism, master))
        {
            throw new StateStoreException(
                Scrypt.IsAvailable ? StateStoreErrorCode.InputOutput : StateStoreErrorCode.NativeLibraryMissing, "The key cannot be derived from the passphrase: libcrypto is missing or has no memory for it.", place, "Install libssl3, and have the memory ready that the backup's file KEY asks for (128 MiB by default).");
        }

        Span<byte> salt = stackalloc byte[Checksum.Sha256LengthBytes];
        Checksum.Sha256(Encoding.ASCII.GetBytes(Head()), salt);
        BackupKeys keys = new(HKDF.Extract(HashAlgorithmName.SHA256, master.ToArray(), salt.ToArray()));
        CryptographicOperations.ZeroMemory(master);
        return keys;
    }
}

/// <summary>The keys of one backup.</summary>
internal sealed class BackupKeys(byte[] root) : IDisposable
{
    /// <summary>Tells a wrong secret from a damaged backup.</summary>
    internal Hash256 Check => new(HKDF.Expand(HashAlgorithmName.SHA256, root, Hash256.LengthBytes, "check"u8.ToArray()));

    /// <summary>The key of a file.</summary>
    internal byte[] ForFile(string name) => HKDF.Expand(HashAlgorithmName.SHA256, root, BackupSecret.KeyLengthBytes, Encoding.UTF8.GetBytes("file " + name));

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(root);
}
