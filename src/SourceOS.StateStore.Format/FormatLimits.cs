// Why this file exists: the bounds of format-spec/README.md as constants, so that each is written once in the code. Invariants: the numbers are the page's.

namespace SourceOS.StateStore.Format;

/// <summary>The versions and bounds of the format.</summary>
public static class FormatLimits
{
    /// <summary>Format version that this code writes. 1: first version; may change until release 0.1.0.</summary>
    public const int FormatVersion = 1;

    /// <summary>Lowest version of a reader that can read what this code writes.</summary>
    public const int LowestReaderVersion = 1;

    /// <summary>Longest identifier in bytes of UTF-8.</summary>
    public const int MaxIdentifierLengthBytes = 255;

    /// <summary>Longest event type in bytes.</summary>
    public const int MaxEventTypeLengthBytes = 128;

    /// <summary>Longest record body in bytes.</summary>
    public const int MaxRecordBodyLengthBytes = 1_048_576;

    /// <summary>Longest event in bytes.</summary>
    public const int MaxEventLengthBytes = 1_179_648;

    /// <summary>Longest event data (JSON) in bytes.</summary>
    public const int MaxEventDataLengthBytes = 65_536;

    /// <summary>Most events in a frame.</summary>
    public const int MaxFrameEvents = 16_384;

    /// <summary>Longest raw body of a frame in bytes.</summary>
    public const int MaxFrameRawBodyLengthBytes = 2_097_152;

    /// <summary>Smallest log page, as a power of two.</summary>
    public const int MinPageBits = 16;

    /// <summary>Largest log page, as a power of two.</summary>
    public const int MaxPageBits = 26;

    /// <summary>Log page of a new store, as a power of two.</summary>
    public const int DefaultPageBits = 22;

    /// <summary>Smallest log segment, as a power of two; a segment is never below one page.</summary>
    public const int MinSegmentBits = 17;

    /// <summary>Largest log segment, as a power of two.</summary>
    public const int MaxSegmentBits = 30;

    /// <summary>Log segment of a new store, as a power of two.</summary>
    public const int DefaultSegmentBits = 24;

    /// <summary>Deepest JSON.</summary>
    public const int MaxJsonDepth = 64;

    /// <summary>Longest JSON document of a record in bytes.</summary>
    public const int MaxRecordJsonLengthBytes = 1_048_576;

    /// <summary>First log address.</summary>
    public const long FirstLogAddress = 64;

    /// <summary>Bytes of a page that no frame may use: the first address, and the entry's own prefix.</summary>
    public const int PageOverheadBytes = 72;

    /// <summary>Unit of writing the log in bytes.</summary>
    public const int LogBlockLengthBytes = 4096;

    /// <summary>Longest frame that a page of the given size takes.</summary>
    /// <param name="pageBits">Page size as a power of two.</param>
    /// <returns>The length of the entry's payload in bytes.</returns>
    public static int MaxFrameLengthBytes(int pageBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageBits, MinPageBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageBits, MaxPageBits);
        return (1 << pageBits) - PageOverheadBytes;
    }
}
