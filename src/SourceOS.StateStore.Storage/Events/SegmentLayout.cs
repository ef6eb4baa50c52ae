// Why this file exists: where things stand in a segment file, and how the files are called (format-spec/segments.md).
// Invariants: offsets are a chain of constants that ends in a compile-time check; names have one spelling for a number.

using System.Globalization;

namespace SourceOS.StateStore.Storage.Events;

/// <summary>Offsets and names of segment files.</summary>
public static class SegmentLayout
{
    /// <summary>Length of the segment header, at offset 0.</summary>
    public const int HeaderBytes = 4096;

    /// <summary>Length of one tail slot.</summary>
    public const int SlotBytes = 8192;

    /// <summary>Number of tail slots in a segment.</summary>
    public const int SlotCount = 2;

    /// <summary>Length of everything before the data.</summary>
    public const int PrologueBytes = 32768;

    /// <summary>Smallest segment size as a power of two.</summary>
    public const int MinSegmentBits = 17;

    /// <summary>Largest segment size as a power of two.</summary>
    public const int MaxSegmentBits = 30;

    private const string Prefix = "segment-";
    private const string Suffix = ".log";
    private const string NewSuffix = ".log.new";

    private const int ReservedOffset = HeaderBytes + (SlotCount * SlotBytes);
    private const byte PrologueHoldsHeaderAndSlots = ReservedOffset + 12288 == PrologueBytes ? 0 : -1;

    /// <summary>File offset of a tail slot.</summary>
    /// <param name="slotIndex">0 or 1.</param>
    /// <returns>The offset in bytes.</returns>
    public static long SlotOffset(int slotIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slotIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slotIndex, SlotCount);
        return HeaderBytes + ((long)slotIndex * SlotBytes);
    }

    /// <summary>Name of a segment's file.</summary>
    /// <param name="segment">The segment number.</param>
    /// <returns>For example "segment-00000007.log".</returns>
    public static string FileName(int segment) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{segment:D8}{Suffix}");

    /// <summary>Name under which a segment is made; a file of this name is never part of the store.</summary>
    /// <param name="segment">The segment number.</param>
    /// <returns>For example "segment-00000007.log.new".</returns>
    public static string NewFileName(int segment) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{segment:D8}{NewSuffix}");

    /// <summary>Reads a segment number from a file name.</summary>
    /// <param name="fileName">The name.</param>
    /// <param name="segment">The number.</param>
    /// <returns>Whether it is exactly the name of a segment.</returns>
    public static bool TryParseFileName(string fileName, out int segment)
    {
        segment = -1;
        if (fileName is null || !fileName.StartsWith(Prefix, StringComparison.Ordinal) || !fileName.EndsWith(Suffix, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> digits = fileName.AsSpan(Prefix.Length, Math.Max(0, fileName.Length - Prefix.Length - Suffix.Length));
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out segment) && fileName == FileName(segment);
    }
}
