// Why this file exists: a passphrase becomes a key through scrypt (RFC 7914), which costs a guesser memory and not only time; it comes from libcrypto. Invariants: used only after the RFC's vector came out right once; a missing library is an answer, not an exception.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>The scrypt key derivation of RFC 7914. Thread-safe.</summary>
public static unsafe partial class Scrypt
{
    /// <summary>Most memory that one derivation may take, in bytes.</summary>
    public const long MaxMemoryBytes = 1L << 30;

    private const string Library = "libcrypto.so.3";

    /// <summary>Whether the library is loaded and answers as it must.</summary>
    public static bool IsAvailable { get; } = Probe();

    /// <summary>Whether costs are ones that this class works with: a power of two, and memory within its bound.</summary>
    /// <param name="n">Cost, a power of two above 1.</param>
    /// <param name="r">Block size, 1 to 64.</param>
    /// <param name="p">Parallelism, 1 to 16.</param>
    /// <returns>True when they are.</returns>
    public static bool IsCost(long n, int r, int p) => n > 1 && (n & (n - 1)) == 0 && r is >= 1 and <= 64 && p is >= 1 and <= 16 && n <= MaxMemoryBytes / (128L * r) / 2;

    /// <summary>Derives a key.</summary>
    /// <param name="passphrase">The passphrase's bytes.</param>
    /// <param name="salt">The salt.</param>
    /// <param name="n">Cost, see <see cref="IsCost"/>.</param>
    /// <param name="r">Block size.</param>
    /// <param name="p">Parallelism.</param>
    /// <param name="key">Takes the key.</param>
    /// <returns>False when the library is missing, has no memory for it, or a cost is out of bounds.</returns>
    public static bool TryDerive(ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, long n, int r, int p, Span<byte> key) =>
        IsAvailable && IsCost(n, r, p) && Derive(passphrase, salt, n, r, p, key);

    private static bool Derive(ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, long n, int r, int p, Span<byte> key)
    {
        fixed (byte* pass = passphrase)
        fixed (byte* from = salt)
        fixed (byte* to = key)
        {
            // An empty span has no address, and libcrypto takes none for an empty passphrase.
            byte none = 0;
            return EVP_PBE_scrypt(pass is null ? &none : pass, (nuint)passphrase.Length, from, (nuint)salt.Length, (ulong)n, (ulong)r, (ulong)p, (ulong)MaxMemoryBytes, to, (nuint)key.Length) == 1;
        }
    }

    private static bool Probe()
    {
        // The second vector of RFC 7914, section 12, its first 16 bytes.
        try
        {
            Span<byte> key = stackalloc byte[64];
            ReadOnlySpan<byte> expected = [0xfd, 0xba, 0xbe, 0x1c, 0x9d, 0x34, 0x72, 0x00, 0x78, 0x56, 0xe7, 0x19, 0x0d, 0x01, 0xe9, 0xfe];
            return Derive("password"u8, "NaCl"u8, 1024, 8, 16, key) && key[..16].SequenceEqual(expected);
        }
        catch (DllNotFoundException)
        {
            return false;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
        catch (BadImageFormatException)
        {
            return false;
        }
    }

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_PBE_scrypt(byte* passphrase, nuint passphraseLength, byte* salt, nuint saltLength, ulong n, ulong r, ulong p, ulong maxMemory, byte* key, nuint keyLength);
}
