// Why this file exists: every decoder answers with the same small value: what is wrong and where. Invariants: a decoder never throws because of
// bytes; codes never change meaning, since reports carry them.

namespace SourceOS.StateStore.Format;

/// <summary>What is wrong with bytes. <see cref="None"/> means nothing is. Numbers are stable and appear in reports.</summary>
public enum FaultCode
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>The bytes end before the structure does.</summary>
    Truncated = 1,

    /// <summary>There are bytes after the structure's end.</summary>
    TrailingBytes = 2,

    /// <summary>The magic bytes are not those of the structure.</summary>
    BadMagic = 3,

    /// <summary>The version is one this reader does not know.</summary>
    UnsupportedVersion = 4,

    /// <summary>The checksum is not that of the bytes.</summary>
    ChecksumMismatch = 5,

    /// <summary>Bytes that must be zero are not.</summary>
    ReservedNotZero = 6,

    /// <summary>A flag is set that has no meaning.</summary>
    UnknownFlag = 7,

    /// <summary>A code is not in its enumeration.</summary>
    UnknownCode = 8,

    /// <summary>A number is outside its range.</summary>
    OutOfRange = 9,

    /// <summary>A length is not what the rest of the structure says.</summary>
    LengthMismatch = 10,

    /// <summary>A count is not what the rest of the structure says.</summary>
    CountMismatch = 11,

    /// <summary>The structure was never written: all bytes are zero.</summary>
    NeverWritten = 12,

    /// <summary>The structure stands in a place it was not written for.</summary>
    WrongPlace = 13,

    /// <summary>The structure belongs to another store.</summary>
    WrongStore = 14,

    /// <summary>Text is not well-formed UTF-8.</summary>
    InvalidUtf8 = 15,

    /// <summary>An identifier or name breaks its rules.</summary>
    InvalidIdentifier = 16,

    /// <summary>JSON text is malformed, too deep, or not in the form the format stores.</summary>
    InvalidJson = 17,

    /// <summary>A compressed block does not decode to what it claims.</summary>
    CompressionFault = 18,

    /// <summary>A hash is not that of what it names.</summary>
    HashMismatch = 19,

    /// <summary>The value is right but not in its one encoding.</summary>
    NotCanonical = 20,

    /// <summary>A combination of fields that the rules exclude.</summary>
    RuleBroken = 21,

    /// <summary>A frame's number does not follow the one before.</summary>
    FrameNumberGap = 22,

    /// <summary>A frame's first sequence does not follow the last one of the frame before.</summary>
    SequenceGap = 23,

    /// <summary>A frame does not name the hash of the frame before.</summary>
    ChainBroken = 24,

    /// <summary>A frame's commit id, index, epoch or time does not continue the commit before.</summary>
    CommitOrder = 25,

    /// <summary>A frame's writer epoch is below that of the frame before.</summary>
    EpochOrder = 26,

    /// <summary>The scratch space given to the decoder is too small.</summary>
    ScratchTooSmall = 27,

    /// <summary>The event was erased.</summary>
    Erased = 28,

    /// <summary>A name occurs twice.</summary>
    DuplicateName = 29,

    /// <summary>The new encoding does not fit the room of the old one.</summary>
    DoesNotFit = 30,
}

/// <summary>What is wrong with bytes, and at which offset of the bytes given to the decoder.</summary>
/// <param name="Code">What is wrong; <see cref="FaultCode.None"/> when nothing is.</param>
/// <param name="OffsetBytes">Where, from the start of the bytes that were given.</param>
public readonly record struct FormatFault(FaultCode Code, long OffsetBytes)
{
    /// <summary>No fault.</summary>
    public static FormatFault None => default;

    /// <summary>Whether something is wrong.</summary>
    public bool IsFault => Code != FaultCode.None;

    /// <summary>The same fault seen from a structure that contains the decoded bytes.</summary>
    /// <param name="offsetBytes">Where the decoded bytes start in that structure.</param>
    /// <returns>The fault with its offset moved.</returns>
    public FormatFault At(long offsetBytes) => IsFault ? new FormatFault(Code, OffsetBytes + offsetBytes) : this;

    /// <summary>What is wrong, as a phrase for people.</summary>
    /// <param name="code">The code.</param>
    /// <returns>A phrase without a full stop.</returns>
    public static string Describe(FaultCode code) => code switch
    {
        FaultCode.None => "nothing is wrong",
        FaultCode.Truncated => "the bytes end before the structure does",
        FaultCode.TrailingBytes => "there are bytes after the structure's end",
        FaultCode.BadMagic => "the magic bytes are not those of the structure",
        FaultCode.UnsupportedVersion => "the version is one this reader does not know",
        FaultCode.ChecksumMismatch => "the checksum is not that of the bytes",
        FaultCode.ReservedNotZero => "bytes that must be zero are not",
        FaultCode.UnknownFlag => "a flag is set that has no meaning",
        FaultCode.UnknownCode => "a code is not in its enumeration",
        FaultCode.OutOfRange => "a number is outside its range",
        FaultCode.LengthMismatch => "a length is not what the rest of the structure says",
        FaultCode.CountMismatch => "a count is not what the rest of the structure says",
        FaultCode.NeverWritten => "the structure was never written",
        FaultCode.WrongPlace => "the structure stands in a place it was not written for",
        FaultCode.WrongStore => "the structure belongs to another store",
        FaultCode.InvalidUtf8 => "text is not well-formed UTF-8",
        FaultCode.InvalidIdentifier => "an identifier or name breaks its rules",
        FaultCode.InvalidJson => "JSON text is malformed, too deep, or not in the form the format stores",
        FaultCode.CompressionFault => "a compressed block does not decode to what it claims",
        FaultCode.HashMismatch => "a hash is not that of what it names",
        FaultCode.NotCanonical => "the value is not in its one encoding",
        FaultCode.RuleBroken => "a combination of fields is one that the rules exclude",
        FaultCode.FrameNumberGap => "the frame number does not follow the one before",
        FaultCode.SequenceGap => "the first sequence does not follow the last one of the frame before",
        FaultCode.ChainBroken => "the frame does not name the hash of the frame before",
        FaultCode.CommitOrder => "the frame does not continue the commit before",
        FaultCode.EpochOrder => "the writer epoch is below that of the frame before",
        FaultCode.ScratchTooSmall => "the scratch space is too small",
        FaultCode.Erased => "the event was erased",
        FaultCode.DuplicateName => "a name occurs twice",
        FaultCode.DoesNotFit => "the new encoding does not fit the room of the old one",
        _ => "an unknown fault",
    };

    /// <summary>The fault as a phrase for people, with its offset.</summary>
    /// <returns>A phrase without a full stop.</returns>
    public override string ToString() => IsFault ? $"{Describe(Code)} (offset {OffsetBytes})" : Describe(Code);
}
