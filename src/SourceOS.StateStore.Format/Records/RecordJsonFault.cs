// Why this file exists: whoever hands in a document learns which rule it broke and where. Invariants: codes never change meaning, since doors show them.

namespace SourceOS.StateStore.Format;

/// <summary>Which rule a document broke. Numbers are stable and appear in machine-readable output.</summary>
public enum RecordJsonFaultCode
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The document, or the body it makes, is over its bound.</summary>
    TooLarge = 1,

    /// <summary>The text is not JSON.</summary>
    InvalidJson = 2,

    /// <summary>The text is not well-formed UTF-8.</summary>
    InvalidUtf8 = 3,

    /// <summary>Objects and arrays are nested too deep.</summary>
    TooDeep = 4,

    /// <summary>The document is not an object.</summary>
    NotAnObject = 5,

    /// <summary>A name occurs twice in an object.</summary>
    DuplicateName = 6,

    /// <summary>The document has no schema, or one that is not text.</summary>
    MissingSchema = 7,

    /// <summary>The schema names no kind of record.</summary>
    UnknownSchema = 8,

    /// <summary>The id field is missing or not text.</summary>
    MissingId = 9,

    /// <summary>The id is not an identifier.</summary>
    InvalidId = 10,

    /// <summary>A field's name is empty or longer than 255 bytes.</summary>
    InvalidName = 11,

    /// <summary>There are more than 4,096 fields that the kind does not know.</summary>
    TooManyFields = 12,
}

/// <summary>What is wrong with a document.</summary>
/// <param name="Code">Which rule it broke.</param>
/// <param name="OffsetBytes">Where, from the document's start.</param>
/// <param name="Message">The same in a sentence for people.</param>
public readonly record struct RecordJsonFault(RecordJsonFaultCode Code, long OffsetBytes, string Message)
{
    internal static RecordJsonFault BodyTooLarge(long offsetBytes) =>
        new(RecordJsonFaultCode.TooLarge, offsetBytes, "The record's body would be longer than 1,048,576 bytes; keep content in files and its hash in the record.");
}
