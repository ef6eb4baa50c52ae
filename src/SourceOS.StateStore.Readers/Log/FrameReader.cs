// Why this file exists: looking up one event means reading one frame from the middle of the log, checked as strictly as a scan would.
// Invariants: a frame is handed out only when everything that the depth covers was found sound; memory is bounded by the longest frame.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>Reads single frames by log address, reusing its buffers. One thread at a time.</summary>
public sealed class FrameReader
{
    private const int ReadAheadBytes = 16 * 1024;

    private readonly LogGeometry _geometry;
    private readonly StoreId _storeId;
    private readonly LogWindow _window;

    /// <summary>Creates a reader.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="storeId">The store's id.</param>
    public FrameReader(LogReader reader, StoreId storeId)
    {
        ArgumentNullException.ThrowIfNull(reader);
        _geometry = reader.Geometry;
        _storeId = storeId;
        _window = new LogWindow(reader, ReadAheadBytes);
    }

    /// <summary>Room for compressed bodies, for whoever opens the body of a frame that was handed out.</summary>
    public FrameScratch Scratch { get; } = new();

    /// <summary>Reads the frame at an address.</summary>
    /// <param name="address">Log address of its entry (of the length prefix).</param>
    /// <param name="limit">Nothing from this log address on is read: the durable end, or a snapshot's position.</param>
    /// <param name="depth">How much of it is checked, apart from its neighbours.</param>
    /// <param name="frame">The frame, valid until the next call; meaningful only when the answer is true.</param>
    /// <param name="fault">What is wrong when the answer is false.</param>
    /// <returns>Whether a frame stands there and is sound.</returns>
    public bool TryReadFrameAt(long address, long limit, FrameDepth depth, out FrameView frame, out LogFault fault)
    {
        frame = default;
        long start = address + LogGeometry.EntryPrefixBytes;
        if (address < LogGeometry.FirstAddress || address >= LogGeometry.MaxAddress || (address & 3) != 0 || limit > LogGeometry.MaxAddress || start > limit)
        {
            fault = new LogFault(LogFaultCode.EntryLength, address, address, FaultCode.OutOfRange);
            return false;
        }

        // What an earlier call left in the window may be older than the frame that the caller learned of since.
        _window.Clear();
        fault = CheckHead(address, limit, out int lengthBytes);
        if (fault.IsFault)
        {
            return false;
        }

        ReadStatus status = _window.Get(start, lengthBytes, limit, out ReadOnlySpan<byte> entry);
        if (status != ReadStatus.Ok)
        {
            fault = LogFault.OfRead(address, start + entry.Length, status);
            return false;
        }

        if (!FrameView.TryRead(entry, out frame, out FormatFault formatFault))
        {
            fault = new LogFault(LogFaultCode.Header, address, start + formatFault.OffsetBytes, formatFault.Code);
            return false;
        }

        fault = FrameCheck.Check(frame, depth, Scratch);
        return !fault.IsFault;
    }

    private LogFault CheckHead(long address, long limit, out int lengthBytes)
    {
        lengthBytes = 0;
        ReadStatus status = _window.Get(address, LogGeometry.EntryPrefixBytes + FrameHeader.LengthBytes, limit, out ReadOnlySpan<byte> head);
        if (status != ReadStatus.Ok)
        {
            return LogFault.OfRead(address, address + head.Length, status);
        }

        lengthBytes = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (!FrameCheck.IsEntryLength(_geometry, address, lengthBytes))
        {
            return new LogFault(LogFaultCode.EntryLength, address, address, FaultCode.OutOfRange);
        }

        return address + LogGeometry.EntryPrefixBytes + lengthBytes > limit
            ? new LogFault(LogFaultCode.CrossesLimit, address, limit, FaultCode.OutOfRange)
            : FrameCheck.CheckHeader(head[LogGeometry.EntryPrefixBytes..], _storeId, address, lengthBytes, out _);
    }
}
