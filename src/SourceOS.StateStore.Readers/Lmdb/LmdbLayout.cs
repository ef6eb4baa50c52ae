// Why this file exists: every offset, flag and limit of an LMDB 0.9 data file in one place, as format-spec/lmdb-layout.md states them.
// Invariants: offsets form chains that end in compile-time assertions; nothing here reads bytes.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Offsets, flags and limits of an LMDB 0.9.x data file on a 64-bit little-endian machine.</summary>
public static class LmdbLayout
{
    /// <summary>The stamp that opens each meta record.</summary>
    public const uint Magic = 0xBEEFC0DE;

    /// <summary>The only data format version this reader understands.</summary>
    public const uint Version = 1;

    /// <summary>The smallest page size accepted, in bytes.</summary>
    public const int MinPageSizeBytes = 4096;

    /// <summary>The largest page size that LMDB 0.9 can write, in bytes: a page's upper bound is a 16-bit number and must be able to equal the page size.</summary>
    public const int MaxPageSizeBytes = 32768;

    /// <summary>The deepest tree that LMDB can walk, in pages from root to leaf.</summary>
    public const int MaxDepth = 32;

    /// <summary>The longest key, in bytes.</summary>
    public const int MaxKeyBytes = 511;

    /// <summary>Pages 0 and 1 hold the two meta records; trees use pages from here on.</summary>
    public const ulong FirstTreePage = 2;

    /// <summary>The root page number of an empty tree.</summary>
    public const ulong NoRoot = ulong.MaxValue;

    // Page header.
    internal const int PageNumber = 0;
    internal const int PagePad = PageNumber + 8;
    internal const int PageFlags = PagePad + 2;
    internal const int PageLower = PageFlags + 2;
    internal const int PageUpper = PageLower + 2;
    internal const int PageHeaderBytes = PageUpper + 2;
    internal const int OverflowPageCount = PageLower;
    private const byte PageHeaderIs16 = PageHeaderBytes == 16 ? 0 : -1;

    // Page kinds, as stored in the page flags.
    internal const int BranchPage = 0x01;
    internal const int LeafPage = 0x02;
    internal const int OverflowPage = 0x04;
    internal const int MetaPage = 0x08;

    // Node header.
    internal const int NodeLow = 0;
    internal const int NodeFlags = NodeLow + 4;
    internal const int NodeKeySize = NodeFlags + 2;
    internal const int NodeHeaderBytes = NodeKeySize + 2;
    private const byte NodeHeaderIs8 = NodeHeaderBytes == 8 ? 0 : -1;

    // Leaf node flags.
    internal const int NodeIsBig = 0x01;
    internal const int NodeIsDatabase = 0x02;

    // Database record.
    internal const int DbPad = 0;
    internal const int DbFlags = DbPad + 4;
    internal const int DbDepth = DbFlags + 2;
    internal const int DbBranchPages = DbDepth + 2;
    internal const int DbLeafPages = DbBranchPages + 8;
    internal const int DbOverflowPages = DbLeafPages + 8;
    internal const int DbEntries = DbOverflowPages + 8;
    internal const int DbRoot = DbEntries + 8;

    /// <summary>The length of a database record, in bytes.</summary>
    public const int DatabaseRecordBytes = DbRoot + 8;

    private const byte DatabaseRecordIs48 = DatabaseRecordBytes == 48 ? 0 : -1;

    // The one database flag that occurs, in the free-page database: keys are integers in the machine's order.
    internal const int DbIntegerKey = 0x08;

    // Meta record, counted from the start of its page.
    internal const int MetaMagic = PageHeaderBytes;
    internal const int MetaVersion = MetaMagic + 4;
    internal const int MetaAddress = MetaVersion + 4;
    internal const int MetaMapSize = MetaAddress + 8;
    internal const int MetaFreeDb = MetaMapSize + 8;
    internal const int MetaMainDb = MetaFreeDb + DatabaseRecordBytes;
    internal const int MetaLastPage = MetaMainDb + DatabaseRecordBytes;
    internal const int MetaTransaction = MetaLastPage + 8;

    /// <summary>The bytes of a meta page that carry meaning, in bytes from the start of the page.</summary>
    public const int MetaBytes = MetaTransaction + 8;

    private const byte MetaIs152 = MetaBytes == 152 ? 0 : -1;

    /// <summary>The largest node that stays on a leaf; a value that would make its node longer goes to an overflow run.</summary>
    internal static int MaxNodeBytes(int pageSizeBytes) => (((pageSizeBytes - PageHeaderBytes) / 2) & ~1) - 2;

    /// <summary>The pages that an overflow run needs for a value.</summary>
    internal static ulong OverflowPages(uint valueBytes, int pageSizeBytes) =>
        ((PageHeaderBytes - 1 + (ulong)valueBytes) / (ulong)pageSizeBytes) + 1;

    /// <summary>Whether a page size is one that LMDB 0.9 writes and this reader accepts.</summary>
    /// <param name="pageSizeBytes">The page size, in bytes.</param>
    /// <returns>True for powers of two from 4096 to 32768.</returns>
    public static bool IsPageSize(uint pageSizeBytes) =>
        pageSizeBytes is >= MinPageSizeBytes and <= MaxPageSizeBytes && (pageSizeBytes & (pageSizeBytes - 1)) == 0;
}
