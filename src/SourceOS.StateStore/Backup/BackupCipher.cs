// Why this file exists: files of an encrypted backup are streams of sealed chunks (format-spec/backup.md; the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, 2015). Invariants: a nonce is a chunk's number and whether it is the last, under a key
// that no other file has, so none is used twice; nothing of a chunk is given out before its tag held; a file that ends early, goes on, or whose chunks were moved fails.

using System.Buffers.Binary;
using System.Security.Cryptography;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Backup;

/// <summary>Seals and opens files.</summary>
internal static class BackupCipher
{
    /// <summary>What the name of a sealed file ends with.</summary>
    internal const string Suffix = ".enc";

    internal const int ChunkLengthBytes = 1 << 20;
    internal const int TagLengthBytes = 16;
    private const int NonceLengthBytes = 12;

    /// <summary>Throws when the machine has no AES-GCM.</summary>
    internal static void ThrowIfMissing()
    {
        if (!Scrypt.IsAvailable || !AesGcm.IsSupported)
        {
            throw new StateStoreException(StateStoreErrorCode.NativeLibraryMissing, "Encrypted backups need libcrypto, which is not there.", next: "Install libssl3.");
        }
    }

    /// <summary>Seals a stream.</summary>
    internal static void Seal(BackupKeys keys, string name, Stream source, Stream target, CancellationToken cancellationToken)
    {
        byte[] key = keys.ForFile(name);
        using AesGcm cipher = new(key, TagLengthBytes);
        CryptographicOperations.ZeroMemory(key);
        byte[] plain = new byte[ChunkLengthBytes];
        byte[] next = new byte[ChunkLengthBytes];
        byte[] output = new byte[ChunkLengthBytes + TagLengthBytes];
        Span<byte> nonce = stackalloc byte[NonceLengthBytes];
        int length = source.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
        for (ulong index = 0; ; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();

            // A full chunk is the last one only when nothing follows, so the next is read before this one is sealed.
            int following = length < ChunkLengthBytes ? 0 : source.ReadAtLeast(next, next.Length, throwOnEndOfStream: false);
            WriteNonce(nonce, index, following == 0);
            cipher.Encrypt(nonce, plain.AsSpan(0, length), output.AsSpan(0, length), output.AsSpan(length, TagLengthBytes));
            target.Write(output, 0, length + TagLengthBytes);
            if (following == 0)
            {
                break;
            }

            (plain, next, length) = (next, plain, following);
        }

        CryptographicOperations.ZeroMemory(plain);
        CryptographicOperations.ZeroMemory(next);
    }

    /// <summary>Opens a sealed stream.</summary>
    /// <param name="keys">The backup's keys.</param>
    /// <param name="name">The file's name in the backup, without the suffix.</param>
    /// <param name="source">The sealed bytes.</param>
    /// <param name="take">Takes the bytes, chunk by chunk, in order.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether all of it is what was sealed; when not, what was taken counts for nothing.</returns>
    internal static bool TryOpen(BackupKeys keys, string name, Stream source, Action<ReadOnlyMemory<byte>> take, CancellationToken cancellationToken)
    {
        byte[] key = keys.ForFile(name);
        using AesGcm cipher = new(key, TagLengthBytes);
        CryptographicOperations.ZeroMemory(key);
        byte[] sealedBytes = new byte[ChunkLengthBytes + TagLengthBytes];
        byte[] next = new byte[ChunkLengthBytes + TagLengthBytes];
        byte[] plain = new byte[ChunkLengthBytes];
        Span<byte> nonce = stackalloc byte[NonceLengthBytes];
        int length = source.ReadAtLeast(sealedBytes, sealedBytes.Length, throwOnEndOfStream: false);
        for (ulong index = 0; ; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int following = length < sealedBytes.Length ? 0 : source.ReadAtLeast(next, next.Length, throwOnEndOfStream: false);
            if (length < TagLengthBytes)
            {
                return false;
            }

            int plainLength = length - TagLengthBytes;
            WriteNonce(nonce, index, following == 0);
            try
            {
                cipher.Decrypt(nonce, sealedBytes.AsSpan(0, plainLength), sealedBytes.AsSpan(plainLength, TagLengthBytes), plain.AsSpan(0, plainLength));
            }
            catch (AuthenticationTagMismatchException)
            {
                return false;
            }

            take(plain.AsMemory(0, plainLength));
            if (following == 0)
            {
                CryptographicOperations.ZeroMemory(plain);
                return true;
            }

            (sealedBytes, next, length) = (next, sealedBytes, following);
        }
    }

    private static void WriteNonce(Span<byte> nonce, ulong index, bool isLast)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(nonce[3..], index);
        nonce[11] = isLast ? (byte)1 : (byte)0;
    }
}
