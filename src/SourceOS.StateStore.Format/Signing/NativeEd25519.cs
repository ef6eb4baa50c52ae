// Why this file exists: the curve comes from libcrypto, because a hand-written one is a risk nobody needs to take. Invariants: used only after a known case
// came out right once; every object that libcrypto makes is freed here; a missing library is an answer, not an exception.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

internal static unsafe partial class NativeEd25519
{
    private const string Library = "libcrypto.so.3";
    private const int EvpPkeyEd25519 = 1087;

    /// <summary>Whether the library is loaded and answers as it must.</summary>
    internal static readonly bool IsAvailable = Probe();

    internal static bool TryPublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        nint key = LoadPrivate(seed);
        if (key == 0)
        {
            return false;
        }

        try
        {
            nuint length = Ed25519.PublicKeyLengthBytes;
            fixed (byte* to = publicKey)
            {
                return EVP_PKEY_get_raw_public_key(key, to, &length) == 1 && length == Ed25519.PublicKeyLengthBytes;
            }
        }
        finally
        {
            EVP_PKEY_free(key);
        }
    }

    internal static bool TrySign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        nint key = LoadPrivate(seed);
        nint context = key == 0 ? 0 : EVP_MD_CTX_new();
        try
        {
            nuint length = Ed25519.SignatureLengthBytes;
            fixed (byte* from = message)
            fixed (byte* to = signature)
            {
                return context != 0
                    && EVP_DigestSignInit(context, 0, 0, 0, key) == 1
                    && EVP_DigestSign(context, to, &length, from, (nuint)message.Length) == 1
                    && length == Ed25519.SignatureLengthBytes;
            }
        }
        finally
        {
            EVP_MD_CTX_free(context);
            EVP_PKEY_free(key);
        }
    }

    internal static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        nint key;
        fixed (byte* at = publicKey)
        {
            key = EVP_PKEY_new_raw_public_key(EvpPkeyEd25519, 0, at, (nuint)publicKey.Length);
        }

        nint context = key == 0 ? 0 : EVP_MD_CTX_new();
        try
        {
            fixed (byte* from = message)
            fixed (byte* signed = signature)
            {
                return context != 0
                    && EVP_DigestVerifyInit(context, 0, 0, 0, key) == 1
                    && EVP_DigestVerify(context, signed, (nuint)signature.Length, from, (nuint)message.Length) == 1;
            }
        }
        finally
        {
            EVP_MD_CTX_free(context);
            EVP_PKEY_free(key);
            ERR_clear_error();
        }
    }

    private static nint LoadPrivate(ReadOnlySpan<byte> seed)
    {
        fixed (byte* at = seed)
        {
            return EVP_PKEY_new_raw_private_key(EvpPkeyEd25519, 0, at, (nuint)seed.Length);
        }
    }

    private static bool Probe()
    {
        // The first case of RFC 8032, section 7.1. The import also serves builds that link the library, so only a call tells.
        try
        {
            Span<byte> signature = stackalloc byte[Ed25519.SignatureLengthBytes];
            byte[] seed = Convert.FromHexString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
            byte[] publicKey = Convert.FromHexString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
            bool isRight = TrySign(seed, default, signature) && Verify(publicKey, default, signature);
            signature[0] ^= 1;
            return isRight && !Verify(publicKey, default, signature);
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
    private static partial nint EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial nint EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_PKEY_get_raw_public_key(nint key, byte* destination, nuint* length);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial nint EVP_MD_CTX_new();

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_DigestSignInit(nint context, nint keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_DigestSign(nint context, byte* signature, nuint* length, byte* message, nuint messageLength);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_DigestVerifyInit(nint context, nint keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int EVP_DigestVerify(nint context, byte* signature, nuint length, byte* message, nuint messageLength);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial void ERR_clear_error();
}
