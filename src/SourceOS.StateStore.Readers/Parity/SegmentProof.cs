// Why this file exists: proves that all data of one sealed segment is what was committed: frames that lead to each other from its first byte to its last, and zeroes between pages. Parity is
// made only of what passes here, and a block that was computed again is believed only then. Invariants: reads only; ends on any input.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Parity;

/// <summary>Proves sealed segments.</summary>
public static class SegmentProof
{
    /// <summary>Reads a segment whole.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="geometry">The log's geometry.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="baseAddress">Log address of the first frame of the log; 64 when it is not known.</param>
    /// <param name="segment">The segment's number; the log goes on behind it.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="flaw">What is wrong; empty when nothing is.</param>
    /// <param name="cancellation">Gives up between frames.</param>
    /// <returns>Whether the segment is whole.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static bool Run(StoreLayout layout, LogGeometry geometry, in StoreId storeId, long baseAddress, int segment, StoreFiles files, out string flaw, CancellationToken cancellation = default)
    {
        long start = geometry.SegmentStart(segment);
        long end = geometry.SegmentEnd(start);
        long first = Math.Max(geometry.FirstEntryIn(start), geometry.SegmentOf(baseAddress) == segment ? baseAddress : start);
        using LogReader reader = new(layout, geometry, files);
        flaw = CheckHead(reader, start, first);
        if (flaw.Length > 0)
        {
            return false;
        }

        FrameScanner scanner = new(reader, storeId, ScanStart.Unlinked(first), end);
        ScanOutcome outcome;
        while ((outcome = scanner.MoveNext()) == ScanOutcome.Frame)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        bool isWhole = outcome == ScanOutcome.EndOfLog && scanner is { HasFrame: true, EndReason: LogEndReason.Limit } && scanner.NextEntryAddress == end;
        flaw = isWhole ? "" : outcome == ScanOutcome.Fault ? scanner.Fault.ToString() : "its frames end early";
        return isWhole;
    }

    private static string CheckHead(LogReader reader, long start, long first)
    {
        // The first entry of a log stands 64 bytes behind a segment's start, so the head is short.
        byte[] head = new byte[Math.Clamp(first - start, 0, 4096)];
        ReadStatus status = reader.ReadExactly(start, head, out _);
        return status != ReadStatus.Ok ? $"its head cannot be read ({status})" : head.AsSpan().ContainsAnyExcept((byte)0) ? "bytes in front of its first frame are not zero" : "";
    }
}
