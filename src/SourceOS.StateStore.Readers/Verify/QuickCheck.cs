// Why this file exists: early boot has milliseconds, whatever the store's size. Invariants: reads a bounded number of segments, pages and
// log bytes, and each record that carries the mark for boot; what it leaves out is either not part of the level or said.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>The quick level: superblock, newest slots, the state's metas, roots, header and digest, the records that a boot reads, and the frames that the state has not folded.</summary>
internal sealed class QuickCheck
{
    private const long MaxScanBytes = 64L << 20;

    private readonly VerifyContext _context;
    private readonly StoreSurvey _survey;
    private FrameEntry? _lastFolded;
    private long _frames;
    private long _records;
    private long _durable;
    private long _end;
    private ulong _lastSequence;
    private bool _isClosedCleanly;

    // The tree's head as the state remembers it, with the frames behind it; null when the log's end was not reached.
    private MerkleFrontier? _frontier;

    private QuickCheck(VerifyContext context, StoreSurvey survey)
    {
        _context = context;
        _survey = survey;
    }

    public static VerificationReport Run(VerifyContext context, StoreSurvey survey, long started)
    {
        QuickCheck check = new(context, survey);
        StateHeader? header = check.CheckState();
        check.CheckLog(header);
        return ReportBuilder.Build(context, survey, null, null, check._durable, started) with
        {
            FramesChecked = check._frames,
            RecordsChecked = check._records,
            LogEnd = check._end,
            LastSequence = check._lastSequence,
            IsClosedCleanly = check._isClosedCleanly,
            LogSize = check._frontier?.LeafCount ?? 0,
            LogRoot = check._frontier?.Root().ToString() ?? "",
        };
    }

    private StateHeader? CheckState()
    {
        string path = _context.Layout.StateDataPath(_survey.Generation);
        for (int attempt = 0; attempt < Math.Max(1, _context.Options.StateAttempts); attempt++)
        {
            FindingCollector findings = new(_context.Options.MaxFindings);
            ReadStatus status = _context.Files.Open(path, out PositionalFile? file);
            if (file is null)
            {
                _context.Find(status == ReadStatus.NotFound ? FindingKinds.StateMissing : FindingKinds.StateUnreadable, path, null, $"The state's file cannot be opened ({status}).");
                return null;
            }

            using (file)
            {
                StateHeader? header = ReadState(file, findings, path, out ulong transaction);
                bool moved = StateMetas.Read(file, out LmdbMetaPair after, out _) == ReadStatus.Ok && !after.TryNewest(out LmdbMeta newest).IsFault && newest.TransactionId > transaction + 1;
                // What was read while a writer went on may be of two transactions even where every part of it is sound.
                if (!moved)
                {
                    _context.Findings.Absorb(findings);
                    return header;
                }

                _context.WriterSeen = true;
            }
        }

        _context.CannotCheck("the state", "a writer kept replacing its pages while it was read");
        return null;
    }

    private StateHeader? ReadState(PositionalFile file, FindingCollector findings, string path, out ulong transaction)
    {
        FindingPlace place = new() { File = _context.Layout.Relative(path) };
        transaction = 0;
        if (StateMetas.Read(file, out LmdbMetaPair metas, out long lengthBytes) != ReadStatus.Ok)
        {
            findings.Add(FindingKinds.StateUnreadable, place, "The head of the state's file cannot be read.");
            return null;
        }

        if (metas.TryNewest(out LmdbMeta meta).IsFault)
        {
            findings.Add(FindingKinds.LmdbMeta, place, $"Neither meta page can be used: {metas.FirstFault.Code} and {metas.SecondFault.Code}.");
            return null;
        }

        transaction = meta.TransactionId;
        StateReader reader = new(new StatePageSource(file, meta.PageSizeBytes, lengthBytes), meta);
        foreach (StateTable table in Enum.GetValues<StateTable>())
        {
            if (!reader.TryOpen(table, out LmdbDatabaseRecord database) || reader.Cursor(in database).SeekFirst() == LmdbReadStatus.Fault)
            {
                findings.Add(FindingKinds.StateTable, place with { Table = System.Text.Encoding.ASCII.GetString(Tables.Name(table)) }, "The table is missing or its first entry cannot be reached.");
            }
        }

        _lastFolded = LastFrame(reader);
        return ReadMeta(reader, findings, place);
    }

    private static FrameEntry? LastFrame(StateReader reader)
    {
        if (!reader.TryOpen(StateTable.Frames, out LmdbDatabaseRecord frames))
        {
            return null;
        }

        LmdbCursor<StatePages> cursor = reader.Cursor(in frames);
        return cursor.SeekLast() == LmdbReadStatus.Found && FrameEntry.TryDecode(cursor.Key, cursor.Value, out FrameEntry entry) ? entry : null;
    }

    private StateHeader? ReadMeta(StateReader reader, FindingCollector findings, FindingPlace place)
    {
        place = place with { Table = "meta" };
        if (!reader.TryOpen(StateTable.Meta, out LmdbDatabaseRecord database))
        {
            return null;
        }

        if (!reader.TryGet(in database, Tables.DigestKey, out ReadOnlySpan<byte> value) || !new StateDigest().TryDecode(value, out _))
        {
            findings.Add(FindingKinds.StateDigest, place, "The state's digest is missing or not valid.");
        }

        StateHeader header = new();
        if (!reader.TryGet(in database, Tables.HeaderKey, out value) || !header.TryDecode(value, out _))
        {
            findings.Add(FindingKinds.StateHeader, place, "The state's header is missing or not valid.");
            return null;
        }

        if ((_survey.StoreId is { } storeId && header.StoreId != storeId) || header.Generation != _survey.Generation)
        {
            findings.Add(FindingKinds.StateHeader, place, "The state belongs to another store or generation.");
            return null;
        }

        _records = new BootCriticalCheck(reader, header, findings, place, _context.Cancellation).Run();
        return header;
    }

    private void CheckLog(StateHeader? header)
    {
        if (_survey.StoreId is not { } storeId || _survey.Geometry is not { } geometry)
        {
            _context.CannotCheck("the log", "neither the superblock nor a segment's header tells how it is cut");
            return;
        }

        _survey.RefreshCatalog(_context);
        SegmentHeads heads = SegmentHeads.Check(_context, _survey, geometry, isQuick: true);
        ScanStart? start = StartOf(header, storeId);
        if (start is null)
        {
            _context.CannotCheck("the frames at the log's end", "no state says where they begin; a standard verification reads them from the base");
            return;
        }

        using LogReader reader = new(_context.Layout, geometry, _context.Files);
        if (header is { FrameCount: > 0 } && !CheckLastFolded(reader, storeId, header))
        {
            return;
        }

        FrameScanner scanner = new(reader, storeId, start);
        MerkleFrontier frontier = new();
        if (header is { FrameCount: > 0 })
        {
            frontier.CopyFrom(header.Frontier);
        }

        _lastSequence = header?.LastSequence ?? 0;
        ScanOutcome outcome;
        while ((outcome = scanner.MoveNext()) == ScanOutcome.Frame && scanner.Position - start.Address < MaxScanBytes)
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            frontier.AppendFrame(scanner.Hash);
            _lastSequence = scanner.Header.FirstSequence + (ulong)scanner.Header.EventCount - 1;
        }

        _frames = scanner.FrameCount;
        _end = scanner.Position;
        if (outcome == ScanOutcome.Frame)
        {
            _context.CannotCheck("the rest of the log", "the state has folded so little of it that reading on is not quick");
            return;
        }

        _frontier = frontier;
        _isClosedCleanly = heads.Newest is { Slot.IsCleanClose: true } newest && newest.Slot.Tail == scanner.Position;
        JudgeEnd(heads, scanner, geometry, header);
    }

    // The frame that the state has folded last must be in the log, with the hash that the state remembers.
    private bool CheckLastFolded(LogReader reader, StoreId storeId, StateHeader header)
    {
        FrameReader frames = new(reader, storeId);
        LogFault fault = LogFault.None;
        if (_lastFolded is { } entry
            && frames.TryReadFrameAt(entry.Address, header.LogPosition, FrameDepth.Full, out FrameView frame, out fault)
            && frame.Hash() == header.ChainHead
            && entry.Address + LogGeometry.EntryPrefixBytes + entry.EntryLengthBytes == header.LogPosition)
        {
            return true;
        }

        long at = Math.Clamp(_lastFolded?.Address ?? header.LogPosition - 1, 0, LogGeometry.MaxAddress - 1);
        FindingPlace place = new()
        {
            File = _context.Layout.Relative(_context.Layout.SegmentPath(reader.Geometry.SegmentOf(at))),
            OffsetBytes = reader.Geometry.FileOffsetOf(at),
            Address = at,
            LastSequence = header.LastSequence,
        };
        _context.Find(FindingKinds.LogForked, place, $"The frame that the state has folded last is not in the log as the state remembers it{(fault.IsFault ? $": {fault}" : "")}.");
        return false;
    }

    private ScanStart? StartOf(StateHeader? header, StoreId storeId)
    {
        if (header is not null && header.FrameCount > 0)
        {
            return ScanStart.AfterCommit(storeId, header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.WriterEpoch, header.ChainHead);
        }

        return header is not null && _survey.Superblock is { } superblock ? ScanStart.AtBase(superblock) : null;
    }

    private void JudgeEnd(SegmentHeads heads, FrameScanner scanner, LogGeometry geometry, StateHeader? header)
    {
        _durable = Math.Max(heads.DurableBefore, header?.LogPosition ?? 0);
        foreach (SlotFact fact in heads.Slots)
        {
            _durable = scanner.HasFrame && fact.Slot.Tail == scanner.Position && fact.Slot.ChainHead == scanner.Hash ? Math.Max(_durable, fact.Slot.Tail) : _durable;
        }

        long at = Math.Clamp(scanner.Position, 0, LogGeometry.MaxAddress - 1);
        FindingPlace place = new()
        {
            File = _context.Layout.Relative(_context.Layout.SegmentPath(geometry.SegmentOf(at))),
            OffsetBytes = geometry.FileOffsetOf(at),
            Address = scanner.Position,
        };
        if (scanner.Position < _durable)
        {
            bool isFault = scanner.Fault.IsFault;
            _context.Find(isFault ? FindingKinds.LogRange : FindingKinds.LogLostTail, place, $"The log can be followed to address {scanner.Position}, but it was durable up to {_durable}{(isFault ? $": {scanner.Fault}" : "")}.");
        }
        else if (scanner.Fault.IsFault && !LogCheck.NoticeWriter(_context, _survey, heads))
        {
            _context.Find(FindingKinds.LogTornTail, place, $"Bytes behind address {scanner.Position} never became part of the log: {scanner.Fault}.");
        }
    }
}
