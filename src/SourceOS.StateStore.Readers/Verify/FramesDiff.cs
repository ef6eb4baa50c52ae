// Why this file exists: when the table of frames does not match the log, someone wants to know which entries are wrong. Invariants: runs only
// then; says nothing when a writer has moved on from the snapshot meanwhile; each entry is held against the frame it points at.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Names the entries of the table of frames that are missing or wrong.</summary>
internal static class FramesDiff
{
    private const int MaxNamed = 1000;

    public static void Name(VerifyContext context, StoreSurvey survey, StateOutcome state, StateHeader header)
    {
        string path = context.Layout.StateDataPath(state.Generation);
        LmdbMeta meta = state.Walk.Meta;
        if (context.Files.Open(path, out PositionalFile? file) != ReadStatus.Ok || file is null)
        {
            return;
        }

        using (file)
        {
            FindingCollector findings = new(context.Options.MaxFindings);
            if (StateMetas.Read(file, out _, out long lengthBytes) != ReadStatus.Ok)
            {
                return;
            }

            StateReader reader = new(new StatePageSource(file, meta.PageSizeBytes, lengthBytes), meta);
            FindingPlace place = new() { File = context.Layout.Relative(path), Table = "frames" };
            using LogReader log = new(context.Layout, survey.Geometry!.Value, context.Files);
            Compare(reader, new FrameReader(log, survey.StoreId!.Value), survey.Superblock?.BaseSequence ?? 1, header, findings, place, context.Cancellation);
            bool isStill = context.Options.PinnedState is not null
                || (StateMetas.Read(file, out LmdbMetaPair now, out _) == ReadStatus.Ok && !now.TryNewest(out LmdbMeta newest).IsFault && newest.TransactionId <= meta.TransactionId + 1);
            if (isStill)
            {
                context.Findings.Absorb(findings);
            }
        }
    }

    private static void Compare(
        StateReader reader, FrameReader frames, ulong firstSequence, StateHeader header, FindingCollector findings, FindingPlace place, CancellationToken cancellation)
    {
        if (!reader.TryOpen(StateTable.Frames, out LmdbDatabaseRecord database))
        {
            return;
        }

        ulong expected = firstSequence;
        LmdbCursor<StatePages> cursor = reader.Cursor(in database);
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found && findings.Count < MaxNamed; status = cursor.Next())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!Tables.TryReadNumberKey(cursor.Key, out ulong sequence) || !FrameEntry.TryDecode(cursor.Key, cursor.Value, out FrameEntry entry))
            {
                continue;
            }

            ReportGap(expected, sequence, findings, place);
            expected = Math.Max(expected, sequence + entry.EventCount);
            bool isThere = frames.TryReadFrameAt(entry.Address, header.LogPosition, FrameDepth.Chain, out FrameView frame, out _)
                && frame.Header is var found
                && found.FirstSequence == sequence
                && found.FrameNumber == entry.FrameNumber
                && (uint)found.EventCount == entry.EventCount
                && (uint)found.EntryLengthBytes == entry.EntryLengthBytes
                && found.CommitId == entry.CommitId
                && found.CommitTimeMicros == entry.CommitTimeMicros;
            if (!isThere)
            {
                FindingPlace wrong = place with { FirstSequence = sequence, FrameNumber = entry.FrameNumber, Address = entry.Address };
                findings.Add(FindingKinds.EntryExtra, wrong, "The log has no such frame at the address that the entry names.");
            }
        }

        ReportGap(expected, header.LastSequence + 1, findings, place);
    }

    private static void ReportGap(ulong expected, ulong next, FindingCollector findings, FindingPlace place)
    {
        if (next > expected)
        {
            findings.Add(FindingKinds.EntryMissing, place with { FirstSequence = expected, LastSequence = next - 1 }, "No entry leads to the frames of these sequences.");
        }
    }
}
