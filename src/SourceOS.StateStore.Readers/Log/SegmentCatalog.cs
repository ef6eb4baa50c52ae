// Why this file exists: which segment files are there, which are missing between them, and what else lies beside them. Invariants: 4 bytes
// a segment, whatever the directory holds; names that are not segments are counted and the first of them kept; nothing is opened.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>A run of segment numbers that have no file although lower and higher ones do.</summary>
/// <param name="First">The first missing number.</param>
/// <param name="Last">The last missing number.</param>
public readonly record struct SegmentGap(int First, int Last);

/// <summary>The names in a store's events directory at one moment. Immutable.</summary>
public sealed class SegmentCatalog
{
    /// <summary>Most segments that are listed.</summary>
    public const int MaxSegments = 1 << 24;

    /// <summary>Most stray names and gaps that are kept.</summary>
    public const int MaxKept = 1024;

    private readonly int[] _segments;

    private SegmentCatalog(ReadStatus status, int[] segments, bool isTruncated, List<string> strays, long strayCount, List<string> unfinished)
    {
        Status = status;
        _segments = segments;
        IsTruncated = isTruncated;
        StrayNames = strays;
        StrayCount = strayCount;
        UnfinishedNames = unfinished;
        List<SegmentGap> gaps = [];
        for (int i = 1; i < segments.Length; i++)
        {
            int expected = segments[i - 1] + 1;
            if (segments[i] != expected)
            {
                MissingCount += segments[i] - expected;
                if (gaps.Count < MaxKept)
                {
                    gaps.Add(new SegmentGap(expected, segments[i] - 1));
                }
            }
        }

        Gaps = gaps;
    }

    /// <summary>How listing the directory ended; the rest describes what was seen before a failure.</summary>
    public ReadStatus Status { get; }

    /// <summary>Numbers of the segments that have a file, ascending.</summary>
    public ReadOnlySpan<int> Segments => _segments;

    /// <summary>How many segments have a file.</summary>
    public int Count => _segments.Length;

    /// <summary>The lowest segment number; -1 when there is none.</summary>
    public int First => _segments.Length == 0 ? -1 : _segments[0];

    /// <summary>The highest segment number; -1 when there is none.</summary>
    public int Last => _segments.Length == 0 ? -1 : _segments[^1];

    /// <summary>Whether the directory holds more than <see cref="MaxSegments"/> segments, of which only some are listed.</summary>
    public bool IsTruncated { get; }

    /// <summary>Runs of missing numbers, ascending; the first <see cref="MaxKept"/> of them.</summary>
    public IReadOnlyList<SegmentGap> Gaps { get; }

    /// <summary>How many numbers are missing between the lowest and the highest.</summary>
    public long MissingCount { get; }

    /// <summary>Names that have no meaning here, in ordinal order; some <see cref="MaxKept"/> of them when there are more.</summary>
    public IReadOnlyList<string> StrayNames { get; }

    /// <summary>How many such names there are.</summary>
    public long StrayCount { get; }

    /// <summary>Names of segments that were being made when a writer stopped, in ordinal order; not part of the store.</summary>
    public IReadOnlyList<string> UnfinishedNames { get; }

    /// <summary>Lists the directory of a store's segments.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="files">How to list; the running kernel's files when null.</param>
    /// <returns>What is there.</returns>
    public static SegmentCatalog List(StoreLayout layout, StoreFiles? files = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        List<int> segments = [];
        List<string> strays = [];
        List<string> unfinished = [];
        long strayCount = 0;
        bool isTruncated = false;
        ReadStatus status = (files ?? StoreFiles.Native).List(layout.EventsPath, (name, kind) =>
        {
            if (kind == StoreEntryKind.File && StoreLayout.TryParseSegmentName(name, out int segment))
            {
                isTruncated = segments.Count == MaxSegments;
                if (!isTruncated)
                {
                    segments.Add(segment);
                }
            }
            else if (kind == StoreEntryKind.File && IsUnfinished(name) && unfinished.Count < MaxKept)
            {
                unfinished.Add(name);
            }
            else
            {
                strayCount++;
                if (strays.Count < MaxKept)
                {
                    strays.Add(name);
                }
            }

            return !isTruncated;
        });
        segments.Sort();
        strays.Sort(StringComparer.Ordinal);
        unfinished.Sort(StringComparer.Ordinal);
        return new SegmentCatalog(status, [.. segments], isTruncated, strays, strayCount, unfinished);
    }

    /// <summary>Whether a segment has a file.</summary>
    /// <param name="segment">The segment's number.</param>
    /// <returns>True when it was listed.</returns>
    public bool Contains(int segment) => Array.BinarySearch(_segments, segment) >= 0;

    private static bool IsUnfinished(string name)
        => name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal)
            && StoreLayout.TryParseSegmentName(name.AsSpan(0, name.Length - StoreLayout.UnfinishedSuffix.Length), out _);
}
