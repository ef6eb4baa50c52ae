// Why this file exists: early boot may have no native library at all. Then everything that reads must work with equal results, and nothing may throw.

using System.Reflection;
using System.Runtime.Loader;

namespace SourceOS.StateStore.Format.Tests;

public sealed class MissingLibraryTests
{
    private delegate ulong Hash64(ulong seed, ReadOnlySpan<byte> data);

    private delegate UInt128 Hash128(ulong seed, ReadOnlySpan<byte> data);

    private delegate bool Decompress(ReadOnlySpan<byte> block, Span<byte> destination);

    private delegate bool VerifySignature(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

    private delegate void RequireLibrary();

    private delegate bool Compress(ReadOnlySpan<byte> source, Span<byte> destination, out int writtenBytes);

    /// <summary>Loads the assembly once more, where no native library is found.</summary>
    private sealed class Bare() : AssemblyLoadContext("bare", isCollectible: true)
    {
        protected override IntPtr LoadUnmanagedDll(string unmanagedDllName) => throw new DllNotFoundException(unmanagedDllName);
    }

    private static T Method<T>(Type type, string name)
        where T : Delegate
    {
        Type[] parameters = [.. typeof(T).GetMethod("Invoke")!.GetParameters().Select(p => p.ParameterType)];
        return type.GetMethod(name, BindingFlags.Public | BindingFlags.Static, parameters)!.CreateDelegate<T>();
    }

    [Fact]
    public void Hashes_and_decompression_work_and_compression_says_no()
    {
        var bare = new Bare();
        Assembly assembly = bare.LoadFromAssemblyPath(typeof(Checksum).Assembly.Location);
        Type checksum = assembly.GetType(typeof(Checksum).FullName!)!;
        Type lz4 = assembly.GetType(typeof(Lz4).FullName!)!;
        Assert.False((bool)checksum.GetProperty(nameof(Checksum.IsNativeXxhActive))!.GetValue(null)!);
        Assert.False((bool)lz4.GetProperty(nameof(Lz4.IsAvailable))!.GetValue(null)!);

        Hash64 hash64 = Method<Hash64>(checksum, nameof(Checksum.Xxh64));
        Hash128 hash128 = Method<Hash128>(checksum, nameof(Checksum.Xxh128));
        byte[] data = new Random(1).NextBytes(5000);
        for (int length = 0; length < data.Length; length += 37)
        {
            Assert.Equal(Checksum.Xxh64(7, data.AsSpan(0, length)), hash64(7, data.AsSpan(0, length)));
            Assert.Equal(Checksum.Xxh128(7, data.AsSpan(0, length)), hash128(7, data.AsSpan(0, length)));
        }

        byte[] text = new byte[3000];
        byte[] block = new byte[3000];
        byte[] back = new byte[3000];
        Assert.True(Lz4.TryCompress(text, block, out int written));
        Assert.True(Method<Decompress>(lz4, nameof(Lz4.TryDecompress))(block.AsSpan(0, written), back));
        Assert.Equal(text, back);
        Assert.False(Method<Compress>(lz4, nameof(Lz4.TryCompress))(text, block, out written));
        Assert.Equal(0, written);
        bare.Unload();
    }

    [Fact]
    public void Without_libcrypto_no_signature_is_believed_and_signing_names_the_package()
    {
        var bare = new Bare();
        Type ed25519 = bare.LoadFromAssemblyPath(typeof(Ed25519).Assembly.Location).GetType(typeof(Ed25519).FullName!)!;
        Assert.False((bool)ed25519.GetProperty(nameof(Ed25519.IsAvailable))!.GetValue(null)!);
        byte[] seed = new byte[Ed25519.PrivateKeyLengthBytes];
        Assert.True(Ed25519.Verify(Ed25519.PublicKeyOf(seed), "said"u8, Ed25519.Sign(seed, "said"u8)));
        Assert.False(Method<VerifySignature>(ed25519, nameof(Ed25519.Verify))(Ed25519.PublicKeyOf(seed), "said"u8, Ed25519.Sign(seed, "said"u8)));
        Exception refused = Assert.ThrowsAny<Exception>(() => Method<RequireLibrary>(ed25519, nameof(Ed25519.Require))());
        Assert.Equal(typeof(StateStoreException).FullName, refused.GetType().FullName);
        Assert.Contains(Ed25519.DebianPackage, refused.Message, StringComparison.Ordinal);
        bare.Unload();
    }
}
