// Why this file exists: XXH3 from the system library, which uses the machine's vector units. Invariants: used only after the library answered
// a known case rightly once; short inputs skip the transition of the garbage collector, long ones do not, so that nothing waits on them.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

internal static unsafe partial class NativeXxh3
{
    private const string Library = "libxxhash.so.0";
    private const int ShortLengthBytes = 4096;
    private const ulong EmptyInputHash = 0x2D06800538D394C2;

    /// <summary>Whether the library is loaded and answers as it must.</summary>
    internal static readonly bool IsAvailable = Probe();

    internal static ulong Hash64(ulong seed, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            return data.Length <= ShortLengthBytes
                ? XXH3_64bits_withSeed_Short(start, (nuint)data.Length, seed)
                : XXH3_64bits_withSeed(start, (nuint)data.Length, seed);
        }
    }

    internal static UInt128 Hash128(ulong seed, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            Pair pair = data.Length <= ShortLengthBytes
                ? XXH3_128bits_withSeed_Short(start, (nuint)data.Length, seed)
                : XXH3_128bits_withSeed(start, (nuint)data.Length, seed);
            return new UInt128(pair.High, pair.Low);
        }
    }

    private static bool Probe()
    {
        // The import also serves builds that link the library statically, so only a call tells whether it is there.
        try
        {
            return XXH3_64bits_withSeed(null, 0, 0) == EmptyInputHash
                && XXH3_128bits_withSeed(null, 0, 0).Low == (ulong)ManagedXxh3.Hash128(0, default);
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

    [LibraryImport(Library, EntryPoint = "XXH3_64bits_withSeed")]
    [SuppressGCTransition]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial ulong XXH3_64bits_withSeed_Short(byte* input, nuint length, ulong seed);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial ulong XXH3_64bits_withSeed(byte* input, nuint length, ulong seed);

    [LibraryImport(Library, EntryPoint = "XXH3_128bits_withSeed")]
    [SuppressGCTransition]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial Pair XXH3_128bits_withSeed_Short(byte* input, nuint length, ulong seed);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial Pair XXH3_128bits_withSeed(byte* input, nuint length, ulong seed);

    [StructLayout(LayoutKind.Sequential)]
    private struct Pair
    {
        public ulong Low;
        public ulong High;
    }
}
