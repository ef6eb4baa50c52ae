// Why this file exists: everything about a frame that can be judged without its neighbours, told apart by what is wrong, in one pass
// that can also hand out the events. Invariants: never throws because of bytes; allocates nothing but what the scratch grows to.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>How much of a frame is checked.</summary>
public enum FrameDepth
{
    /// <summary>The header, its place, and that it continues the frame before.</summary>
    Chain = 1,

    /// <summary>Also that the leaf hashes give the root in the header.</summary>
    Leaves = 2,

    /// <summary>Also the body's checksum and form, each event against its leaf, and each event's own rules.</summary>
    Full = 3,
}

/// <summary>Receives the events of a frame while it is checked.</summary>
public interface IFrameEventVisitor
{
    /// <summary>Receives one event that was found sound. A later event of the same frame may still be found damaged.</summary>
    /// <param name="header">Its frame.</param>
    /// <param name="frameEvent">Its place in the frame.</param>
    /// <param name="view">The event; valid during the call.</param>
    void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view);
}

/// <summary>Checks frames apart from their neighbours.</summary>
public static class FrameCheck
{
    /// <summary>The shortest entry that can be a frame: one event, and more than the head of its body.</summary>
    internal const int SmallestEntryBytes = FrameHeader.LengthBytes + Hash256.LengthBytes + FrameHeader.BodyHeadLengthBytes + 4;

    /// <summary>Checks a frame whose header and length are known to be valid.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="depth">How much.</param>
    /// <param name="scratch">Room for a compressed body.</param>
    /// <param name="visitor">Receives the events when the depth is <see cref="FrameDepth.Full"/>; null for none.</param>
    /// <returns>No fault, or the first one.</returns>
    public static LogFault Check(in FrameView frame, FrameDepth depth, FrameScratch scratch, IFrameEventVisitor? visitor = null)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        if (depth >= FrameDepth.Leaves && !frame.VerifyLeaves())
        {
            return FaultIn(frame, LogFaultCode.Leaves, FrameHeader.LengthBytes, FaultCode.HashMismatch);
        }

        return depth >= FrameDepth.Full ? CheckBody(frame, scratch, visitor) : LogFault.None;
    }

    /// <summary>Whether a length is one that a frame at an address can have.</summary>
    internal static bool IsEntryLength(LogGeometry geometry, long address, int lengthBytes) =>
        lengthBytes >= SmallestEntryBytes
        && lengthBytes % 4 == 0
        && address + LogGeometry.EntryPrefixBytes + lengthBytes <= geometry.PageEnd(address);

    /// <summary>Checks a header by itself and against the place and length of its entry.</summary>
    internal static LogFault CheckHeader(ReadOnlySpan<byte> bytes, StoreId storeId, long address, int lengthBytes, out FrameHeader header)
    {
        long start = address + LogGeometry.EntryPrefixBytes;
        if (!FrameHeader.TryDecode(bytes, out header, out FormatFault fault))
        {
            return new LogFault(LogFaultCode.Header, address, start + fault.OffsetBytes, fault.Code);
        }

        if (header.StoreId != storeId)
        {
            return new LogFault(LogFaultCode.WrongStore, address, start, FaultCode.WrongStore);
        }

        if (header.Address != address)
        {
            return new LogFault(LogFaultCode.WrongAddress, address, start, FaultCode.WrongPlace);
        }

        return header.EntryLengthBytes == lengthBytes
            ? LogFault.None
            : new LogFault(LogFaultCode.LengthMismatch, address, address, FaultCode.LengthMismatch);
    }

    /// <summary>The fault of a part of a frame.</summary>
    internal static LogFault FaultIn(in FrameView frame, LogFaultCode code, long offsetInEntry, FaultCode detail)
    {
        long entry = frame.Header.Address;
        return new LogFault(code, entry, entry + LogGeometry.EntryPrefixBytes + offsetInEntry, detail);
    }

    private static LogFault CheckBody(in FrameView frame, FrameScratch scratch, IFrameEventVisitor? visitor)
    {
        if (!frame.TryOpenBody(scratch, out FrameBody body, out FormatFault fault))
        {
            return FaultIn(frame, LogFaultCode.Body, frame.Header.BodyAreaOffset, fault.Code);
        }

        FrameHeader header = frame.Header;
        foreach (FrameEvent frameEvent in body)
        {
            if (frameEvent.IsErased)
            {
                continue;
            }

            if (!frame.VerifyEvent(frameEvent))
            {
                return FaultIn(frame, LogFaultCode.EventLeaf, FrameHeader.LengthBytes + (frameEvent.Index * Hash256.LengthBytes), FaultCode.HashMismatch);
            }

            if (!frameEvent.TryRead(out EventView view, out fault))
            {
                return FaultIn(frame, LogFaultCode.Event, header.BodyAreaOffset, fault.Code);
            }

            fault = view.CheckContent();
            if (fault.IsFault)
            {
                return FaultIn(frame, LogFaultCode.Event, header.BodyAreaOffset, fault.Code);
            }

            visitor?.Visit(header, frameEvent, view);
        }

        return LogFault.None;
    }
}
