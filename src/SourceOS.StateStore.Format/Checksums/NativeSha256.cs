// Why this file exists: SHA-256 from libcrypto's low-level functions, which use the machine's SHA instructions and, unlike the runtime's own hash
// classes, neither allocate nor end the process when OpenSSL is missing. Invariants: used only after a known case came out right once.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

internal static unsafe class NativeSha256
{
    private const int ShortLengthBytes = 1024;

    private static readonly Functions Loaded = Load();

    /// <summary>Whether the library is loaded and answers as it must.</summary>
    internal static readonly bool IsAvailable = Loaded.Init != 0 && Probe();

    internal static void Start(ref Sha256Context context)
    {
        fixed (Sha256Context* at = &context)
        {
            ((delegate* unmanaged[Cdecl, SuppressGCTransition]<Sha256Context*, int>)Loaded.Init)(at);
        }
    }

    internal static void Append(ref Sha256Context context, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        fixed (Sha256Context* at = &context)
        fixed (byte* start = data)
        {
            if (data.Length <= ShortLengthBytes)
            {
                ((delegate* unmanaged[Cdecl, SuppressGCTransition]<Sha256Context*, byte*, nuint, int>)Loaded.Update)(at, start, (nuint)data.Length);
            }
            else
            {
                ((delegate* unmanaged[Cdecl]<Sha256Context*, byte*, nuint, int>)Loaded.Update)(at, start, (nuint)data.Length);
            }
        }
    }

    internal static void Finish(ref Sha256Context context, Span<byte> destination)
    {
        fixed (Sha256Context* at = &context)
        fixed (byte* start = destination)
        {
            ((delegate* unmanaged[Cdecl, SuppressGCTransition]<byte*, Sha256Context*, int>)Loaded.Final)(start, at);
        }
    }

    private static Functions Load()
    {
        if (!NativeLibrary.TryLoad("libcrypto.so.3", out nint library)
            || !NativeLibrary.TryGetExport(library, "SHA256_Init", out nint init)
            || !NativeLibrary.TryGetExport(library, "SHA256_Update", out nint update)
            || !NativeLibrary.TryGetExport(library, "SHA256_Final", out nint final))
        {
            return default;
        }

        return new Functions { Init = init, Update = update, Final = final };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Probe()
    {
        ReadOnlySpan<byte> input = "abc"u8;
        Span<byte> native = stackalloc byte[32];
        Span<byte> managed = stackalloc byte[32];
        Sha256Context context = default;
        Start(ref context);
        Append(ref context, input);
        Finish(ref context, native);
        Sha256Hasher hasher = Sha256Hasher.Create(native: false);
        hasher.Append(input);
        hasher.Finish(managed);
        return native.SequenceEqual(managed);
    }

    private struct Functions
    {
        public nint Init;
        public nint Update;
        public nint Final;
    }
}
