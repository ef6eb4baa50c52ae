// Why this file exists: recovery, replay and the verifier follow the log frame by frame; how the next frame is found and what it must
// satisfy stands here once. Invariants: each step moves forward or ends the scan, so it ends on any input; nothing from the limit on is
// read; memory is one window and one scratch, bounded by the longest frame; a step allocates nothing once those have grown; a fault or
// an end stays what it is until the scan is started again.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What a step of a scan came to.</summary>
public enum ScanOutcome
{
    /// <summary>A frame that continues the log.</summary>
    Frame = 1,

    /// <summary>There is no further entry: zeroes, the limit, or no further segment.</summary>
    EndOfLog = 2,

    /// <summary>What stands there is not a frame that continues the log; <see cref="FrameScanner.Fault"/> says why.</summary>
    Fault = 3,

    /// <summary>The steps that the caller allowed are used up; the scan can go on.</summary>
    BudgetExhausted = 4,
}

/// <summary>Why a log has no further entry.</summary>
public enum LogEndReason
{
    /// <summary>A zero stands where the next length would.</summary>
    Zero = 1,

    /// <summary>The caller's limit.</summary>
    Limit = 2,

    /// <summary>The next segment has no file.</summary>
    NoSegment = 3,
}

/// <summary>Follows a log forward, frame by frame. One thread at a time.</summary>
public sealed class FrameScanner
{
    private const int FillerChunkBytes = 64 * 1024;

    private readonly LogReader _reader;
    private readonly LogGeometry _geometry;
    private readonly StoreId _storeId;
    private readonly LogWindow _window;
    private readonly FrameScratch _scratch = new();
    private ScanStart _start;
    private long _limit;
    private FrameHeader _header;
    private Hash256 _hash;
    private bool _hasFrame;
    private ScanOutcome _final;

    /// <summary>Creates a scanner.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="start">Where to start.</param>
    /// <param name="limit">Nothing from this log address on is read.</param>
    /// <param name="depth">How much of each frame is checked.</param>
    /// <param name="readAheadBytes">How much is read at a time, 4 KiB to 64 MiB; 1 MiB suits most media.</param>
    public FrameScanner(LogReader reader, StoreId storeId, ScanStart start, long limit = LogGeometry.MaxAddress, FrameDepth depth = FrameDepth.Full, int readAheadBytes = 1 << 20)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(readAheadBytes, 4096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(readAheadBytes, 1 << 26);
        _reader = reader;
        _geometry = reader.Geometry;
        _storeId = storeId;
        _window = new LogWindow(reader, readAheadBytes);
        Depth = depth;
        _start = start;
        Restart(start, limit);
    }

    /// <summary>How much of each frame is checked.</summary>
    public FrameDepth Depth { get; set; }

    /// <summary>Receives the events of each frame at full depth; null for none.</summary>
    public IFrameEventVisitor? Visitor { get; set; }

    /// <summary>How many further steps may be taken; the default has no bound, since every scan ends.</summary>
    public long StepBudget { get; set; } = long.MaxValue;

    /// <summary>Log address behind the last good frame; the start's address when there was none.</summary>
    public long Position { get; private set; }

    /// <summary>Header of the last good frame; meaningful after the first one.</summary>
    public ref readonly FrameHeader Header => ref _header;

    /// <summary>Hash of the last good frame; meaningful after the first one.</summary>
    public ref readonly Hash256 Hash => ref _hash;

    /// <summary>Whether a good frame was met since the start.</summary>
    public bool HasFrame => _hasFrame;

    /// <summary>Good frames since the start.</summary>
    public long FrameCount { get; private set; }

    /// <summary>Bytes of filler that were found zero since the start.</summary>
    public long FillerBytes { get; private set; }

    /// <summary>What is wrong, after <see cref="ScanOutcome.Fault"/>.</summary>
    public LogFault Fault { get; private set; }

    /// <summary>Why there is no further entry, after <see cref="ScanOutcome.EndOfLog"/>.</summary>
    public LogEndReason EndReason { get; private set; }

    /// <summary>Where the next entry was looked for last: <see cref="Position"/>, or the start of the page behind it.</summary>
    public long NextEntryAddress { get; private set; }

    /// <summary>Starts again.</summary>
    /// <param name="start">Where to start.</param>
    /// <param name="limit">Nothing from this log address on is read.</param>
    public void Restart(ScanStart start, long limit = LogGeometry.MaxAddress)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        _start = start;
        _limit = Math.Min(limit, LogGeometry.MaxAddress);
        _window.Clear();
        _hasFrame = false;
        _final = default;
        Position = start.Address;
        NextEntryAddress = start.Address;
        FrameCount = 0;
        FillerBytes = 0;
        Fault = LogFault.None;
        EndReason = default;
    }

    /// <summary>Allows reading further, for a log that has grown; a scan that ended at its end goes on from there.</summary>
    /// <param name="limit">Nothing from this log address on is read; not below the present limit.</param>
    public void Extend(long limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, _limit);
        _limit = Math.Min(limit, LogGeometry.MaxAddress);
        if (_final == ScanOutcome.EndOfLog)
        {
            _final = default;
            _window.Clear();
        }
    }

    /// <summary>Takes a step.</summary>
    /// <returns>What it came to.</returns>
    public ScanOutcome MoveNext()
    {
        if (_final != default)
        {
            return _final;
        }

        if (StepBudget <= 0)
        {
            return ScanOutcome.BudgetExhausted;
        }

        StepBudget--;
        if (!FindEntry(out long address, out int lengthBytes))
        {
            return _final;
        }

        LogFault fault = CheckEntry(address, lengthBytes);
        if (fault.IsFault)
        {
            return End(fault);
        }

        Position = address + LogGeometry.EntryPrefixBytes + lengthBytes;
        NextEntryAddress = Position;
        FrameCount++;
        return ScanOutcome.Frame;
    }

    /// <summary>The last good frame over the scanner's own buffer.</summary>
    /// <returns>The frame; valid until the next step.</returns>
    /// <exception cref="InvalidOperationException">The last step did not come to a frame.</exception>
    public FrameView Frame()
    {
        long entry = _header.Address;
        if (!_hasFrame
            || _window.Get(entry + LogGeometry.EntryPrefixBytes, _header.EntryLengthBytes, _limit, out ReadOnlySpan<byte> bytes) != ReadStatus.Ok
            || !FrameView.TryRead(bytes, out FrameView frame, out _))
        {
            throw new InvalidOperationException("There is a frame only after a step that came to one, until the next step.");
        }

        return frame;
    }

    // Finds the next length that is not zero, over the filler of at most one page.
    private bool FindEntry(out long address, out int lengthBytes)
    {
        address = Position;
        lengthBytes = 0;
        for (int hops = 0; hops < 2; hops++)
        {
            NextEntryAddress = address;
            if (address > _limit - LogGeometry.EntryPrefixBytes)
            {
                return Stop(LogEndReason.Limit);
            }

            if ((address & 3) != 0 || address < LogGeometry.FirstAddress)
            {
                return Stop(new LogFault(LogFaultCode.EntryLength, address, address, FaultCode.WrongPlace));
            }

            ReadStatus status = _window.Get(address, LogGeometry.EntryPrefixBytes, _limit, out ReadOnlySpan<byte> prefix);
            if (status != ReadStatus.Ok)
            {
                return status == ReadStatus.NotFound ? Stop(LogEndReason.NoSegment) : Stop(LogFault.OfRead(address, address + prefix.Length, status));
            }

            lengthBytes = BinaryPrimitives.ReadInt32LittleEndian(prefix);
            if (lengthBytes != 0)
            {
                return true;
            }

            long pageEnd = _geometry.PageEnd(address);
            if (hops > 0 || address == _geometry.FirstEntryIn(address))
            {
                return Stop(LogEndReason.Zero);
            }

            LogFault fault = CheckFiller(address, Math.Min(pageEnd, _limit));
            if (fault.IsFault)
            {
                return Stop(fault);
            }

            address = pageEnd;
        }

        return Stop(LogEndReason.Zero);
    }

    private LogFault CheckFiller(long from, long until)
    {
        for (long at = from; at < until;)
        {
            int length = (int)Math.Min(FillerChunkBytes, until - at);
            ReadStatus status = _window.Get(at, length, _limit, out ReadOnlySpan<byte> bytes);
            int notZero = bytes.IndexOfAnyExcept((byte)0);
            if (notZero >= 0)
            {
                return new LogFault(LogFaultCode.FillerNotZero, from, at + notZero, FaultCode.ReservedNotZero);
            }

            if (status != ReadStatus.Ok)
            {
                return LogFault.OfRead(from, at + bytes.Length, status);
            }

            at += length;
        }

        FillerBytes += until - from;
        return LogFault.None;
    }

    private LogFault CheckEntry(long address, int lengthBytes)
    {
        long start = address + LogGeometry.EntryPrefixBytes;
        if (!FrameCheck.IsEntryLength(_geometry, address, lengthBytes))
        {
            return new LogFault(LogFaultCode.EntryLength, address, address, FaultCode.OutOfRange);
        }

        if (start + lengthBytes > _limit)
        {
            return new LogFault(LogFaultCode.CrossesLimit, address, _limit, FaultCode.OutOfRange);
        }

        // The header is checked before the rest is asked for, so that memory never follows a length that nothing vouches for.
        ReadStatus status = _window.Get(start, FrameHeader.LengthBytes, _limit, out ReadOnlySpan<byte> bytes);
        if (status != ReadStatus.Ok)
        {
            return LogFault.OfRead(address, start + bytes.Length, status);
        }

        LogFault fault = FrameCheck.CheckHeader(bytes, _storeId, address, lengthBytes, out FrameHeader header);
        if (fault.IsFault)
        {
            return fault;
        }

        FaultCode chain = _hasFrame ? FrameChain.Check(_header, _hash, header) : _start.Check(header);
        if (chain != FaultCode.None)
        {
            return new LogFault(LogFaultCode.Chain, address, start, chain);
        }

        status = _window.Get(start, lengthBytes, _limit, out bytes);
        return status == ReadStatus.Ok ? CheckFrame(bytes, header) : LogFault.OfRead(address, start + bytes.Length, status);
    }

    private LogFault CheckFrame(ReadOnlySpan<byte> entry, in FrameHeader header)
    {
        if (!FrameView.TryRead(entry, out FrameView frame, out FormatFault fault))
        {
            // The header was valid a moment ago: a writer, or the medium, changed the bytes between two reads.
            return new LogFault(LogFaultCode.Header, header.Address, header.Address + LogGeometry.EntryPrefixBytes, fault.Code);
        }

        LogFault found = FrameCheck.Check(frame, Depth, _scratch, Visitor);
        if (found.IsFault)
        {
            return found;
        }

        _hash = frame.Hash();
        _header = header;
        _hasFrame = true;
        return LogFault.None;
    }

    private ScanOutcome End(in LogFault fault)
    {
        Fault = fault;
        _final = ScanOutcome.Fault;
        return _final;
    }

    private bool Stop(in LogFault fault)
    {
        _ = End(fault);
        return false;
    }

    private bool Stop(LogEndReason reason)
    {
        EndReason = reason;
        _final = ScanOutcome.EndOfLog;
        return false;
    }
}
