// Why this file exists: parity that rotted unseen heals nothing when it is needed, so it is verified like everything else. Invariants: reads only; what a writer makes or replaces meanwhile is
// read again before it is called wrong; damage of the log itself is the log check's to report.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Checks the parity of the log's segments.</summary>
internal sealed class ParityCheck
{
    private const int MaxNames = 1000;

    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private readonly LogGeometry _geometry;
    private readonly StoreId _storeId;
    private readonly int _first;
    private readonly long _baseAddress;

    private ParityCheck(VerifyContext context, StoreSurvey survey, LogGeometry geometry, StoreId storeId)
    {
        _context = context;
        _survey = survey;
        _geometry = geometry;
        _storeId = storeId;
        _baseAddress = survey.Superblock?.BaseAddress ?? LogGeometry.FirstAddress;
        _first = geometry.SegmentOf(Math.Min(_baseAddress, LogGeometry.MaxAddress - 1));
    }

    /// <summary>Runs.</summary>
    /// <param name="context">The run.</param>
    /// <param name="survey">Which store this is.</param>
    /// <param name="log">What the check of the log came to.</param>
    public static void Run(VerifyContext context, StoreSurvey survey, LogOutcome log)
    {
        if (survey.StoreId is { } storeId && survey.Geometry is { } geometry)
        {
            ParityCheck check = new(context, survey, geometry, storeId);
            SortedSet<int> covered = check.List();
            check.CheckAll(covered);
            check.ReportMissing(covered, log.Heads.DurableBefore);
        }
    }

    private SortedSet<int> List()
    {
        SortedSet<int> covered = [];
        long strays = 0;
        string folder = _context.Layout.ParityFolderPath;
        ReadStatus status = _context.Files.List(folder, (name, kind) =>
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            bool isUnfinished = name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal);
            ReadOnlySpan<char> plain = isUnfinished ? name.AsSpan(0, name.Length - StoreLayout.UnfinishedSuffix.Length) : name;
            if (kind != StoreEntryKind.File || !StoreLayout.TryParseParityName(plain, out int segment))
            {
                if (++strays <= MaxNames)
                {
                    _context.Find(FindingKinds.Stray, Path.Combine(folder, name), null, "This name has no meaning in a store.");
                }
            }
            else if (isUnfinished || segment < _first || !_survey.Catalog.Contains(segment))
            {
                _context.Find(FindingKinds.ParityLeftOver, Path.Combine(folder, name), null, isUnfinished ? "Parity was being made when a writer stopped." : "The segment that this parity covers is not part of the log.");
            }
            else
            {
                covered.Add(segment);
            }

            return true;
        });
        if (strays > MaxNames)
        {
            _context.Find(FindingKinds.Stray, folder, null, $"{strays - MaxNames} further names have no meaning in a store.");
        }

        if (status is not (ReadStatus.Ok or ReadStatus.NotFound))
        {
            _context.Find(FindingKinds.FileUnreadable, folder, null, $"The directory cannot be listed ({status}).");
        }

        return covered;
    }

    private void CheckAll(SortedSet<int> covered)
    {
        _context.Progress.Begin("parity", covered.Count * (_geometry.SegmentFileBytes + ParityHeader.FileLengthBytesOf(_geometry.SegmentBits)));
        OrderedWork.Run<int, int>(
            covered,
            Math.Clamp(covered.Count, 1, _context.Workers),
            _context.Workers * 2,
            () => segment =>
            {
                Check(segment);
                return segment;
            },
            _ => _context.Progress.Add(_geometry.SegmentFileBytes + ParityHeader.FileLengthBytesOf(_geometry.SegmentBits)),
            _context.Cancellation);
    }

    private void Check(int segment)
    {
        string path = _context.Layout.ParityPath(segment);
        ParityJudgement judged = Judge(segment);
        if (judged.IsMissing)
        {
            // A writer that erases takes parity away and makes it again.
            return;
        }

        long owned = ParityHeader.FileLengthBytesOf(_geometry.SegmentBits);
        _context.Account(path, owned, judged.Status == ReadStatus.Ok && !judged.Fault.IsFault ? owned : 0);
        if (judged.Status is not (ReadStatus.Ok or ReadStatus.EndOfFile))
        {
            _context.Find(FindingKinds.ParityDamaged, path, null, $"The parity cannot be read ({judged.Status}).");
        }
        else if (judged.Fault.IsFault || judged.Status != ReadStatus.Ok)
        {
            _context.Find(FindingKinds.ParityDamaged, path, judged.Fault.OffsetBytes, $"The parity is not valid: {FormatFault.Describe(judged.Fault.IsFault ? judged.Fault.Code : FaultCode.Truncated)}.");
        }
        else if (judged.BadGroups.Count > 0)
        {
            long offset = ParityHeader.ParityOffsetOf(_geometry.SegmentBits) + ((long)judged.BadGroups[0] * ParityHeader.BlockLengthBytes);
            _context.Find(FindingKinds.ParityDamaged, path, offset, string.Create(CultureInfo.InvariantCulture, $"{judged.BadGroups.Count} blocks of parity are not what was written, the first of group {judged.BadGroups[0]}."));
        }
        else if (judged.BadBlocks.Count > 0 && SegmentProof.Run(_context.Layout, _geometry, _storeId, _baseAddress, segment, _context.Files, out _, _context.Cancellation))
        {
            _context.Find(FindingKinds.ParityStale, path, null, string.Create(CultureInfo.InvariantCulture, $"The parity is of other bytes than the segment holds, which is whole: {judged.BadBlocks.Count} blocks differ, the first is {judged.BadBlocks[0]}."));
        }
    }

    private ParityJudgement Judge(int segment)
    {
        ParityJudgement judged = ParityJudge.Run(_context.Layout, _geometry, _storeId, segment, _context.Files, _context.Cancellation);

        // Read again before it is called wrong: a writer puts a new file in the place of an old one by a rename.
        return judged.IsSound && judged.BadBlocks.Count == 0 ? judged : ParityJudge.Run(_context.Layout, _geometry, _storeId, segment, _context.Files, _context.Cancellation);
    }

    // A writer at work makes it a little after it has left a segment behind, so beside one nothing is missing.
    private void ReportMissing(SortedSet<int> covered, long confirmed)
    {
        int end = confirmed <= 0 ? 0 : _geometry.SegmentOf(confirmed - 1);
        int missing = 0;
        int firstMissing = -1;
        foreach (int segment in _survey.Catalog.Segments)
        {
            if (segment >= _first && segment < end && !covered.Contains(segment))
            {
                firstMissing = firstMissing < 0 ? segment : firstMissing;
                missing++;
            }
        }

        if (missing > 0 && !_context.WriterSeen)
        {
            _context.Find(FindingKinds.ParityMissing, _context.Layout.ParityPath(firstMissing), null, missing == 1 ? "A segment has no parity." : string.Create(CultureInfo.InvariantCulture, $"{missing} segments have no parity; this is the first."));
        }
    }
}
