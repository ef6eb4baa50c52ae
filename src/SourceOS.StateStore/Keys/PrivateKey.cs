// Why this file exists: a private key in memory, and the one form it has in a file (PKCS#8 PEM, which openssl reads). Invariants: the seed leaves this class only as a
// signature or into a key file; it is zeroed on dispose; no text form shows it.

using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Keys;

/// <summary>An Ed25519 private key. Thread-safe until disposed.</summary>
public sealed class PrivateKey : IDisposable
{
    private const string Begin = "-----BEGIN PRIVATE KEY-----\n";
    private const string End = "\n-----END PRIVATE KEY-----\n";

    private readonly byte[] _seed;
    private readonly byte[] _publicKey;
    private bool _isDisposed;

    private PrivateKey(byte[] seed)
    {
        _seed = seed;
        _publicKey = Ed25519.PublicKeyOf(seed);
        Id = IdOf(_publicKey);
    }

    /// <summary>The key's identifier: `key:` and the first 16 hex digits of the SHA-256 of the public key.</summary>
    public string Id { get; }

    /// <summary>The public key.</summary>
    public ReadOnlySpan<byte> PublicKey => _publicKey;

    // What stands before the seed in PKCS#8: version 0, the algorithm 1.3.101.112, an octet string in an octet string.
    private static ReadOnlySpan<byte> Prefix => [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

    /// <summary>Makes a new key from the system's random numbers.</summary>
    /// <returns>The key; dispose it.</returns>
    /// <exception cref="StateStoreException">NativeLibraryMissing.</exception>
    public static PrivateKey Generate()
    {
        Ed25519.Require();
        return new PrivateKey(RandomNumberGenerator.GetBytes(Ed25519.PrivateKeyLengthBytes));
    }

    /// <summary>The identifier of a public key.</summary>
    /// <param name="publicKey">32 bytes.</param>
    /// <returns>The identifier.</returns>
    public static string IdOf(ReadOnlySpan<byte> publicKey) => "key:" + Checksum.Sha256(publicKey).ToString()[..16];

    /// <summary>Signs bytes.</summary>
    /// <param name="message">Any bytes.</param>
    /// <returns>64 bytes.</returns>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return Ed25519.Sign(_seed, message);
    }

    /// <summary>Signs a text as a note.</summary>
    /// <param name="text">The text; ends with a newline.</param>
    /// <param name="name">The name to sign with.</param>
    /// <returns>The note.</returns>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public SignedNote SignNote(string text, string name)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return SignedNote.Sign(text, name, _seed);
    }

    /// <summary>The public key under a name.</summary>
    /// <param name="name">The name that it signs notes with.</param>
    /// <returns>The named key.</returns>
    public NoteKey NoteKeyFor(string name) => new(name, _publicKey);

    /// <summary>Zeroes the key.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_seed);
        _isDisposed = true;
    }

    internal static bool TryParsePem(ReadOnlySpan<byte> pem, [NotNullWhen(true)] out PrivateKey? key)
    {
        key = null;
        string text = Encoding.ASCII.GetString(pem).ReplaceLineEndings("\n");
        byte[] der = new byte[64];
        try
        {
            if (!text.StartsWith(Begin, StringComparison.Ordinal) || !text.EndsWith(End, StringComparison.Ordinal) || text.Length < Begin.Length + End.Length
                || !Convert.TryFromBase64Chars(text.AsSpan(Begin.Length, text.Length - Begin.Length - End.Length), der, out int length)
                || length != Prefix.Length + Ed25519.PrivateKeyLengthBytes || !der.AsSpan().StartsWith(Prefix))
            {
                return false;
            }

            key = new PrivateKey(der[Prefix.Length..length]);
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
        }
    }

    internal byte[] ToPem()
    {
        byte[] der = [.. Prefix, .. _seed];
        byte[] pem = Encoding.ASCII.GetBytes(Begin + Convert.ToBase64String(der) + End);
        CryptographicOperations.ZeroMemory(der);
        return pem;
    }
}
