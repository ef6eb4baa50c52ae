// Why this file exists: frame bodies may be LZ4 blocks (format-spec/frames.md). Invariants: compression needs the system library and is optional, so a missing
// one means that bodies stay raw; decoding never needs it. Hostile blocks give false, never a read or write outside.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

/// <summary>LZ4 blocks. Thread-safe; allocates nothing.</summary>
public static unsafe partial class Lz4
{
    /// <summary>Debian package that holds the library which compresses.</summary>
    public const string DebianPackage = "liblz4-1";

    private const string Library = "liblz4.so.1";
    private const int HardestLevel = 12;

    private static readonly bool IsLoaded = Probe();

    /// <summary>Whether compression is available; decompression always is.</summary>
    public static bool IsAvailable => IsLoaded;

    /// <summary>Compresses quickly.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="destination">Room for the block.</param>
    /// <param name="writtenBytes">Length of the block; 0 when it does not fit or the library is missing.</param>
    /// <returns>Whether the block fits.</returns>
    public static bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int writtenBytes) =>
        TryCompress(source, destination, isHard: false, out writtenBytes);

    /// <summary>Compresses slowly and as small as it gets.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="destination">Room for the block.</param>
    /// <param name="writtenBytes">Length of the block; 0 when it does not fit or the library is missing.</param>
    /// <returns>Whether the block fits.</returns>
    public static bool TryCompressHard(ReadOnlySpan<byte> source, Span<byte> destination, out int writtenBytes) =>
        TryCompress(source, destination, isHard: true, out writtenBytes);

    /// <summary>Decodes a block to exactly the length of the destination.</summary>
    /// <param name="block">The block.</param>
    /// <param name="destination">Exactly as long as the decoded bytes must be; its content is undefined when the result is false.</param>
    /// <returns>Whether the block is valid and decodes to that length.</returns>
    public static bool TryDecompress(ReadOnlySpan<byte> block, Span<byte> destination)
    {
        if (!IsLoaded || block.IsEmpty || destination.IsEmpty)
        {
            return ManagedLz4.TryDecompress(block, destination);
        }

        fixed (byte* from = block)
        fixed (byte* to = destination)
        {
            return LZ4_decompress_safe(from, to, block.Length, destination.Length) == destination.Length;
        }
    }

    private static bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, bool isHard, out int writtenBytes)
    {
        writtenBytes = 0;
        if (!IsLoaded || source.IsEmpty || destination.IsEmpty)
        {
            return false;
        }

        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            writtenBytes = isHard
                ? LZ4_compress_HC(from, to, source.Length, destination.Length, HardestLevel)
                : LZ4_compress_default(from, to, source.Length, destination.Length);
        }

        writtenBytes = Math.Max(writtenBytes, 0);
        return writtenBytes > 0;
    }

    private static bool Probe()
    {
        // The import also serves builds that link the library statically, so only a call tells whether it is there.
        try
        {
            return LZ4_versionNumber() >= 10_700;
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
    private static partial int LZ4_versionNumber();

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int LZ4_compress_default(byte* source, byte* destination, int sourceLength, int destinationCapacity);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int LZ4_compress_HC(byte* source, byte* destination, int sourceLength, int destinationCapacity, int level);

    [LibraryImport(Library)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial int LZ4_decompress_safe(byte* source, byte* destination, int compressedLength, int destinationCapacity);
}
