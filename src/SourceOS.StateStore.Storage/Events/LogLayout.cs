// Why this file exists: FASTER's placement of entries as plain arithmetic (format-spec/faster-layout.md), so that a frame's header
// can hold its own address before FASTER has placed it. Invariants: pure; agrees with FASTER 2.6.5 with checksums off,
// which a property test checks entry by entry.

namespace SourceOS.StateStore.Storage.Events;

/// <summary>Where entries land in a log with a given page size.</summary>
public readonly struct LogLayout
{
    /// <summary>The first address an entry can have.</summary>
    public const long FirstAddress = 64;

    /// <summary>Bytes of the length that stands before each entry.</summary>
    public const int LengthPrefixBytes = 4;

    /// <summary>The unit in which the log is written.</summary>
    public const int BlockBytes = 4096;

    /// <summary>Smallest page size as a power of two.</summary>
    public const int MinPageBits = 16;

    /// <summary>Largest page size as a power of two.</summary>
    public const int MaxPageBits = 26;

    /// <summary>Creates the arithmetic of a page size.</summary>
    /// <param name="logPageBits">The page size as a power of two, <see cref="MinPageBits"/> to <see cref="MaxPageBits"/>.</param>
    public LogLayout(int logPageBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(logPageBits, MinPageBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(logPageBits, MaxPageBits);
        PageBits = logPageBits;
    }

    /// <summary>The page size as a power of two.</summary>
    public int PageBits { get; }

    /// <summary>The page size in bytes.</summary>
    public int PageBytes => 1 << PageBits;

    /// <summary>The longest entry that fits any page, the first too.</summary>
    public int MaxEntryBytes => PageBytes - (int)FirstAddress - LengthPrefixBytes;

    /// <summary>Bytes an entry occupies: length prefix, entry, padding to a multiple of 4.</summary>
    /// <param name="lengthBytes">Length of the entry.</param>
    /// <returns>The bytes occupied.</returns>
    public static int OccupiedBytes(int lengthBytes) => LengthPrefixBytes + ((lengthBytes + 3) & ~3);

    /// <summary>The start of the block that contains an address.</summary>
    /// <param name="address">A log address.</param>
    /// <returns>The address rounded down to 4,096.</returns>
    public static long BlockStart(long address) => address & -BlockBytes;

    /// <summary>The start of the page that contains an address.</summary>
    /// <param name="address">A log address.</param>
    /// <returns>The address rounded down to the page size.</returns>
    public long PageStart(long address) => address & -(long)PageBytes;

    /// <summary>Where an entry lands (its length prefix) when the log ends at a tail.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="lengthBytes">Length of the entry, 1 to <see cref="MaxEntryBytes"/>.</param>
    /// <returns>The tail itself, or the start of the next page when the entry does not fit the rest of this one.</returns>
    public long NextEntryAddress(long tail, int lengthBytes)
    {
        long offset = tail - PageStart(tail);
        return offset + OccupiedBytes(lengthBytes) <= PageBytes ? tail : PageStart(tail) + PageBytes;
    }

    /// <summary>The tail after an entry was placed at an address.</summary>
    /// <param name="address">Where the entry stands.</param>
    /// <param name="lengthBytes">Its length.</param>
    /// <returns>The address behind its padding.</returns>
    public static long TailAfter(long address, int lengthBytes) => address + OccupiedBytes(lengthBytes);
}
