// Why this file exists: what the log holds from a known place to its end, as facts. Invariants: reads only; every frame from the start on is
// checked completely; the end is always a commit boundary.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Recovery;

/// <summary>Facts about the log's end.</summary>
/// <param name="End">The end: behind the last whole commit.</param>
/// <param name="LastEpoch">Writer epoch of the last frame met; 0 when none was.</param>
/// <param name="Stop">What stands behind the end.</param>
/// <param name="StopAddress">Where the first bad or unfinished bytes stand.</param>
/// <param name="StopReason">Why the scan ended, for people.</param>
/// <param name="VouchedByLaterFrames">A log address above the end that a frame found behind damage proves to have been durable; 0 for none.</param>
internal sealed record LogScan(LogTip End, ulong LastEpoch, LogStop Stop, long StopAddress, string StopReason, long VouchedByLaterFrames)
{
    /// <summary>Scans from a place to the end of the last segment.</summary>
    internal static LogScan Run(LogReader reader, StoreId storeId, ScanStart start, LogTip startTip, long endOfSegments)
    {
        FrameScanner scanner = new(reader, storeId, start, endOfSegments);
        LogTip end = startTip;
        ulong epoch = 0;
        ScanOutcome outcome;
        while ((outcome = scanner.MoveNext()) == ScanOutcome.Frame)
        {
            FrameHeader header = scanner.Header;
            epoch = Math.Max(epoch, header.WriterEpoch);
            if (header.IsLastOfCommit)
            {
                end = new LogTip(scanner.Position, header.FrameNumber + 1, header.LastSequence, header.CommitId, scanner.Hash);
            }
        }

        if (outcome == ScanOutcome.EndOfLog && scanner.Position == end.Address)
        {
            ZeroCheck zeroes = LogZeroes.Find(reader, end.Address, endOfSegments);
            if (zeroes.IsZero)
            {
                return new LogScan(end, epoch, LogStop.Zeroes, end.Address, "nothing but zeroes follows", 0);
            }

            long at = zeroes.FirstNotZero >= 0 ? zeroes.FirstNotZero : zeroes.CheckedUntil;
            string what = zeroes.FirstNotZero >= 0 ? "bytes that are not a frame follow" : $"reading fails ({zeroes.Status})";
            return new LogScan(end, epoch, LogStop.Bytes, at, what, FindVoucher(reader, storeId, end, at, endOfSegments));
        }

        long stop = outcome == ScanOutcome.Fault ? scanner.Fault.Address : end.Address;
        string reason = outcome == ScanOutcome.Fault ? scanner.Fault.ToString() : "a commit without its last frame follows";
        return new LogScan(end, epoch, LogStop.Bytes, stop, reason, FindVoucher(reader, storeId, end, end.Address, endOfSegments));
    }

    // Frames behind damage tell how far the log was durable when they were written: one that says "frame n is durable" while n is missing
    // proves damage, where a torn group can only hold frames that say less.
    private static long FindVoucher(LogReader reader, StoreId storeId, LogTip end, long from, long until)
    {
        long at = Math.Max(from, end.Address);
        while (FrameSearch.FindFrameAfter(reader, storeId, at, until, out FrameCandidate candidate))
        {
            if (candidate.Header.DurableFrames > end.FrameCount)
            {
                return Math.Max(candidate.Address, end.Address + 1);
            }

            at = candidate.Address + 4;
        }

        return 0;
    }
}
