// Why this file exists: what a scan of the log found wrong, precise enough for recovery to decide and for a verifier to report.
// Invariants: numbers never change meaning; 0 means that nothing is wrong.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>What is wrong with the log at a place.</summary>
public enum LogFaultCode
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>The medium or the kernel refused a read.</summary>
    Unreadable = 1,

    /// <summary>A segment's file is missing.</summary>
    SegmentMissing = 2,

    /// <summary>A segment's file ends before its data does.</summary>
    SegmentShort = 3,

    /// <summary>Bytes between a page's last entry and its end are not zero.</summary>
    FillerNotZero = 4,

    /// <summary>An entry's length is negative, not a multiple of 4, too small for a frame, or leaves its page.</summary>
    EntryLength = 5,

    /// <summary>An entry goes on behind the end that the caller set.</summary>
    CrossesLimit = 6,

    /// <summary>A frame's header is not valid.</summary>
    Header = 7,

    /// <summary>A frame's header says another length than its entry has.</summary>
    LengthMismatch = 8,

    /// <summary>A frame belongs to another store.</summary>
    WrongStore = 9,

    /// <summary>A frame was written for another address.</summary>
    WrongAddress = 10,

    /// <summary>A frame does not continue the one before it; the detail says which rule is broken.</summary>
    Chain = 11,

    /// <summary>A frame's leaf hashes do not give the root in its header.</summary>
    Leaves = 12,

    /// <summary>A frame's body contradicts its checksum or is not well-formed.</summary>
    Body = 13,

    /// <summary>An event does not hash to its leaf.</summary>
    EventLeaf = 14,

    /// <summary>An event is not well-formed.</summary>
    Event = 15,
}

/// <summary>A fault of the log and its place.</summary>
/// <param name="Code">What is wrong.</param>
/// <param name="EntryAddress">Log address of the entry (of its length prefix) or filler at fault.</param>
/// <param name="Address">Log address of the byte or structure at fault, as near as can be told.</param>
/// <param name="Detail">Which rule of the format is broken.</param>
/// <param name="Status">How the read went, when reading is what failed.</param>
public readonly record struct LogFault(LogFaultCode Code, long EntryAddress, long Address, FaultCode Detail = FaultCode.None, ReadStatus Status = ReadStatus.Ok)
{
    /// <summary>No fault.</summary>
    public static LogFault None => default;

    /// <summary>Whether something is wrong.</summary>
    public bool IsFault => Code != LogFaultCode.None;

    /// <summary>Whether the bytes could not be read, as opposed to being wrong.</summary>
    public bool IsReadFailure => Code is LogFaultCode.Unreadable or LogFaultCode.SegmentMissing or LogFaultCode.SegmentShort;

    /// <summary>The fault of a read that failed.</summary>
    /// <param name="entryAddress">Log address of the entry that was being read.</param>
    /// <param name="address">Log address of the first byte that could not be read.</param>
    /// <param name="status">How the read went.</param>
    /// <returns>The fault.</returns>
    public static LogFault OfRead(long entryAddress, long address, ReadStatus status)
    {
        LogFaultCode code = status switch
        {
            ReadStatus.NotFound => LogFaultCode.SegmentMissing,
            ReadStatus.EndOfFile => LogFaultCode.SegmentShort,
            _ => LogFaultCode.Unreadable,
        };
        return new LogFault(code, entryAddress, address, FaultCode.None, status);
    }

    /// <summary>The fault as a phrase for people.</summary>
    /// <returns>A phrase without a full stop.</returns>
    public override string ToString()
    {
        string what = Code switch
        {
            LogFaultCode.None => "nothing is wrong",
            LogFaultCode.Unreadable => $"the bytes cannot be read ({Status})",
            LogFaultCode.SegmentMissing => "the segment's file is missing",
            LogFaultCode.SegmentShort => "the segment's file ends before its data does",
            LogFaultCode.FillerNotZero => "bytes between the last entry of a page and its end are not zero",
            LogFaultCode.EntryLength => "the entry's length is not one that a frame can have",
            LogFaultCode.CrossesLimit => "the entry goes on behind the end of what may be read",
            LogFaultCode.LengthMismatch => "the frame's header says another length than its entry has",
            LogFaultCode.WrongStore => "the frame belongs to another store",
            LogFaultCode.WrongAddress => "the frame was written for another address",
            LogFaultCode.Leaves => "the leaf hashes do not give the root in the frame's header",
            LogFaultCode.EventLeaf => "an event does not hash to its leaf",
            LogFaultCode.Header => $"the frame's header is not valid: {FormatFault.Describe(Detail)}",
            LogFaultCode.Chain => $"the frame does not continue the one before: {FormatFault.Describe(Detail)}",
            LogFaultCode.Body => $"the frame's body is not valid: {FormatFault.Describe(Detail)}",
            LogFaultCode.Event => $"an event is not valid: {FormatFault.Describe(Detail)}",
            _ => "an unknown fault",
        };
        return IsFault ? $"{what} (address {Address})" : what;
    }
}
