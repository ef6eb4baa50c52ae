// Why this file exists: signatures of RFC 8032 for checkpoints and privileged writes, on every floor. Invariants: without libcrypto signing fails with one clear
// error and verifying never says yes; bytes of any length and content give true or false.

namespace SourceOS.StateStore.Format;

/// <summary>Ed25519. Thread-safe. Pure: where a private key lives is the caller's matter.</summary>
public static class Ed25519
{
    /// <summary>Length of a private key: the seed of RFC 8032.</summary>
    public const int PrivateKeyLengthBytes = 32;

    /// <summary>Length of a public key.</summary>
    public const int PublicKeyLengthBytes = 32;

    /// <summary>Length of a signature.</summary>
    public const int SignatureLengthBytes = 64;

    /// <summary>Debian package that holds the library.</summary>
    public const string DebianPackage = "libssl3";

    /// <summary>Why signatures can be neither made nor checked, as a sentence; for those who must give a reason.</summary>
    public const string MissingReason = "Signatures need libcrypto.so.3, which is not installed; it is in the Debian package " + DebianPackage + ".";

    /// <summary>Whether libcrypto is there. Without it nothing can be signed and no signature can be checked.</summary>
    public static bool IsAvailable => NativeEd25519.IsAvailable;

    /// <summary>Throws when libcrypto is not there.</summary>
    /// <exception cref="StateStoreException">NativeLibraryMissing, naming the package.</exception>
    public static void Require()
    {
        if (!IsAvailable)
        {
            throw new StateStoreException(StateStoreErrorCode.NativeLibraryMissing, MissingReason, next: $"Install it: apt-get install {DebianPackage}");
        }
    }

    /// <summary>The public key of a private key.</summary>
    /// <param name="privateKey">32 random bytes.</param>
    /// <returns>32 bytes.</returns>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    /// <exception cref="StateStoreException">NativeLibraryMissing.</exception>
    public static byte[] PublicKeyOf(ReadOnlySpan<byte> privateKey)
    {
        CheckPrivate(privateKey);
        byte[] publicKey = new byte[PublicKeyLengthBytes];
        ThrowHelper.ThrowIf(!NativeEd25519.TryPublicKey(privateKey, publicKey), "The private key was refused by libcrypto.");
        return publicKey;
    }

    /// <summary>Signs. The same key and message always give the same signature.</summary>
    /// <param name="privateKey">The private key.</param>
    /// <param name="message">Any bytes.</param>
    /// <returns>64 bytes.</returns>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    /// <exception cref="StateStoreException">NativeLibraryMissing.</exception>
    public static byte[] Sign(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> message)
    {
        CheckPrivate(privateKey);
        byte[] signature = new byte[SignatureLengthBytes];
        ThrowHelper.ThrowIf(!NativeEd25519.TrySign(privateKey, message, signature), "Signing was refused by libcrypto.");
        return signature;
    }

    /// <summary>Checks a signature. False when libcrypto is missing: ask <see cref="IsAvailable"/> to tell the two apart.</summary>
    /// <param name="publicKey">The public key.</param>
    /// <param name="message">The message.</param>
    /// <param name="signature">The signature.</param>
    /// <returns>Whether it holds.</returns>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        publicKey.Length == PublicKeyLengthBytes
        && signature.Length == SignatureLengthBytes
        && IsAvailable
        && NativeEd25519.Verify(publicKey, message, signature);

    private static void CheckPrivate(ReadOnlySpan<byte> privateKey)
    {
        ThrowHelper.ThrowIfArgument(privateKey.Length != PrivateKeyLengthBytes, "A private key has 32 bytes.", nameof(privateKey));
        Require();
    }
}
