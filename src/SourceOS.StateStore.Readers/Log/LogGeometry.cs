// Why this file exists: the arithmetic between log addresses, pages, segments and file offsets stands once. Invariants: bits are
// within the format's bounds, so no shift or product here can overflow for an address below MaxAddress.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>Page and segment size of a log, and where an address lies. See format-spec/segments.md and faster-layout.md.</summary>
public readonly record struct LogGeometry
{
    /// <summary>The first address of a log; the bytes before it are not used.</summary>
    public const long FirstAddress = 64;

    /// <summary>Addresses are below this bound, which is the log library's own (48 bits).</summary>
    public const long MaxAddress = 1L << 48;

    /// <summary>Bytes of a segment file before its data.</summary>
    public const int DataOffset = 32_768;

    /// <summary>Bytes of the length that stands before each entry.</summary>
    public const int EntryPrefixBytes = 4;

    /// <summary>Smallest allowed page bits.</summary>
    public const int MinPageBits = 16;

    /// <summary>Largest allowed page bits.</summary>
    public const int MaxPageBits = 26;

    /// <summary>Smallest allowed segment bits.</summary>
    public const int MinSegmentBits = 17;

    /// <summary>Largest allowed segment bits.</summary>
    public const int MaxSegmentBits = 30;

    /// <summary>Creates a geometry.</summary>
    /// <param name="pageBits">Page size as a power of two, 16 to 26.</param>
    /// <param name="segmentBits">Segment size as a power of two, 17 to 30 and not below <paramref name="pageBits"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The format does not allow this pair; see <see cref="IsValid"/>.</exception>
    public LogGeometry(int pageBits, int segmentBits)
    {
        if (!IsValid(pageBits, segmentBits))
        {
            throw new ArgumentOutOfRangeException(nameof(segmentBits), $"Page bits {pageBits} with segment bits {segmentBits} is not a geometry of a log.");
        }

        PageBits = pageBits;
        SegmentBits = segmentBits;
    }

    /// <summary>Page size as a power of two.</summary>
    public int PageBits { get; }

    /// <summary>Segment size as a power of two.</summary>
    public int SegmentBits { get; }

    /// <summary>Bytes of a page.</summary>
    public int PageBytes => 1 << PageBits;

    /// <summary>Bytes of a segment's data.</summary>
    public int SegmentBytes => 1 << SegmentBits;

    /// <summary>Bytes of a segment file.</summary>
    public long SegmentFileBytes => DataOffset + (long)SegmentBytes;

    /// <summary>Whether the format allows this pair.</summary>
    /// <param name="pageBits">Page bits.</param>
    /// <param name="segmentBits">Segment bits.</param>
    /// <returns>True when a <see cref="LogGeometry"/> can be made of them.</returns>
    public static bool IsValid(int pageBits, int segmentBits)
        => pageBits is >= MinPageBits and <= MaxPageBits
            && segmentBits is >= MinSegmentBits and <= MaxSegmentBits
            && segmentBits >= pageBits;

    /// <summary>The segment that holds an address.</summary>
    /// <param name="address">A log address, 0 to <see cref="MaxAddress"/> - 1.</param>
    /// <returns>The segment's number.</returns>
    public int SegmentOf(long address) => (int)(address >> SegmentBits);

    /// <summary>The address of a segment's first byte.</summary>
    /// <param name="segment">The segment's number, not negative.</param>
    /// <returns>The address.</returns>
    public long SegmentStart(int segment) => (long)segment << SegmentBits;

    /// <summary>Where an address stands in its segment's file.</summary>
    /// <param name="address">A log address, not negative.</param>
    /// <returns>The offset from the file's start.</returns>
    public long FileOffsetOf(long address) => DataOffset + (address & (SegmentBytes - 1L));

    /// <summary>The first address of the page that holds an address.</summary>
    /// <param name="address">A log address, not negative.</param>
    /// <returns>The page's start, a multiple of the page size.</returns>
    public long PageStart(long address) => address & -(1L << PageBits);

    /// <summary>The first address behind the page that holds an address.</summary>
    /// <param name="address">A log address, not negative.</param>
    /// <returns>The page's end.</returns>
    public long PageEnd(long address) => PageStart(address) + (1L << PageBits);

    /// <summary>The first address behind the segment that holds an address.</summary>
    /// <param name="address">A log address, not negative.</param>
    /// <returns>The segment's end.</returns>
    public long SegmentEnd(long address) => (address & -(1L << SegmentBits)) + (1L << SegmentBits);

    /// <summary>The address of the first entry that can stand in a page.</summary>
    /// <param name="address">Any address in the page.</param>
    /// <returns>The page's start, except in the first page of a log.</returns>
    public long FirstEntryIn(long address) => Math.Max(PageStart(address), FirstAddress);
}
