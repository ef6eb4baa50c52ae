// Why this file exists: the hot path reads pages straight from the map.
// Invariants: the length is fixed when the snapshot is taken and never exceeds the file's; every access is checked against it.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// Pages of a mapped file, handed out without copying. The caller keeps the map alive for as long as it uses this or any bytes from
/// it, and no one may truncate the file meanwhile. Safe to use from several threads.
/// </summary>
public readonly unsafe struct MappedPages : ILmdbPages
{
    private readonly byte* _start;
    private readonly int _pageShift;

    /// <summary>Views a mapped region as pages.</summary>
    /// <param name="start">The start of the region.</param>
    /// <param name="lengthBytes">The bytes that may be read: never more than the file had when the snapshot was taken.</param>
    /// <param name="pageSizeBytes">The page size, in bytes.</param>
    public MappedPages(byte* start, long lengthBytes, int pageSizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        if (pageSizeBytes < 0 || !LmdbLayout.IsPageSize((uint)pageSizeBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(pageSizeBytes), pageSizeBytes, "The page size must be one that LMDB writes.");
        }

        if (start is null && lengthBytes != 0)
        {
            throw new ArgumentNullException(nameof(start));
        }

        _start = start;
        _pageShift = System.Numerics.BitOperations.Log2((uint)pageSizeBytes);
        PageCount = (ulong)lengthBytes >> _pageShift;
    }

    /// <inheritdoc/>
    public int PageSizeBytes => 1 << _pageShift;

    /// <inheritdoc/>
    public ulong PageCount { get; }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes)
    {
        // Both comparisons are needed: the sum of two hostile numbers may wrap.
        if (firstPage >= PageCount || pageCount > PageCount - firstPage)
        {
            bytes = default;
            return LmdbFaultCode.PageBeyondFile;
        }

        ulong length = pageCount << _pageShift;
        if (length > int.MaxValue)
        {
            bytes = default;
            return LmdbFaultCode.ValueTooLong;
        }

        bytes = new ReadOnlySpan<byte>(_start + (firstPage << _pageShift), (int)length);
        return LmdbFaultCode.None;
    }
}
