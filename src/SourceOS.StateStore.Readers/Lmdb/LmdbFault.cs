// Why this file exists: readers answer hostile bytes with a value that says what is wrong and where, never with an exception.
// Invariants: numbers never change meaning, because reports store them; None is the only value that is not a fault.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>What a reader found wrong with an LMDB file.</summary>
public enum LmdbFaultCode
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>The file is too short to hold a meta page.</summary>
    MetaTruncated = 1,

    /// <summary>A meta page's header has another page number or is not flagged as a meta page.</summary>
    MetaHeader = 2,

    /// <summary>A meta record does not open with LMDB's stamp.</summary>
    MetaMagic = 3,

    /// <summary>A meta record has a format version that this reader does not know.</summary>
    MetaVersion = 4,

    /// <summary>A meta record states a page size that LMDB does not write.</summary>
    MetaPageSize = 5,

    /// <summary>A meta record's transaction number belongs to the other slot.</summary>
    MetaTransaction = 6,

    /// <summary>A meta record's last page or map size is impossible.</summary>
    MetaExtent = 7,

    /// <summary>Neither meta record can be used, or none carries the transaction number asked for.</summary>
    MetaMissing = 8,

    /// <summary>A database record is shorter than 48 bytes or names an impossible root, depth or count.</summary>
    DatabaseRecord = 9,

    /// <summary>A database uses duplicates, integer keys or reversed keys, which this store never writes.</summary>
    DatabaseFlags = 10,

    /// <summary>A page number lies outside the snapshot.</summary>
    PageOutOfRange = 11,

    /// <summary>A page lies in the snapshot but beyond the end of the file.</summary>
    PageBeyondFile = 12,

    /// <summary>The operating system could not read a page.</summary>
    InputOutput = 13,

    /// <summary>A page's header carries another page number than the one it was reached by.</summary>
    PageNumber = 14,

    /// <summary>A page is not of the kind that its place in the tree needs.</summary>
    PageKind = 15,

    /// <summary>A page's free-space bounds are impossible, or it has too few keys.</summary>
    PageBounds = 16,

    /// <summary>A node lies outside its page's node area or is not aligned.</summary>
    NodeOffset = 17,

    /// <summary>A key is empty, too long, or runs out of its page.</summary>
    KeySize = 18,

    /// <summary>A value runs out of its page, or its node is longer than LMDB makes nodes.</summary>
    ValueSize = 19,

    /// <summary>A node carries flags that have no meaning for its place.</summary>
    NodeFlags = 20,

    /// <summary>The nodes of a page do not fill its node area exactly.</summary>
    NodeArea = 21,

    /// <summary>A branch points outside the snapshot or at itself.</summary>
    ChildPage = 22,

    /// <summary>An overflow run does not lie in the snapshot or is shorter than its value.</summary>
    OverflowRun = 23,

    /// <summary>A value is longer than this reader hands out in one piece.</summary>
    ValueTooLong = 24,

    /// <summary>A walk took more steps than the snapshot has pages: its pages form a cycle.</summary>
    Cycle = 25,

    /// <summary>Keys stand in the wrong order.</summary>
    KeyOrder = 26,

    /// <summary>A key lies outside the range that its branch pages promise.</summary>
    KeyRange = 27,

    /// <summary>A record of the free-page list is malformed: key, length, order or page numbers.</summary>
    FreeList = 28,

    /// <summary>A page is used by two owners.</summary>
    PageUsedTwice = 29,

    /// <summary>A page is used and listed as free.</summary>
    PageUsedAndFree = 30,

    /// <summary>A page is neither used nor listed as free.</summary>
    PageLost = 31,

    /// <summary>A page is listed as free twice.</summary>
    PageFreeTwice = 32,

    /// <summary>A count in a database record differs from what the tree holds.</summary>
    CountMismatch = 33,

    /// <summary>The file ends before pages that the snapshot uses.</summary>
    FileShort = 34,

    /// <summary>The file is longer than the snapshot; what lies beyond is not part of it. Not damage: a writer that gave up, or is at work, leaves this.</summary>
    FileLong = 35,

    /// <summary>The two meta records are not of consecutive transactions, as a file at rest has them.</summary>
    MetaNotConsecutive = 36,

    /// <summary>A named database stands where none may stand, or the main database holds something else than named databases.</summary>
    DatabaseName = 37,
}

/// <summary>A fault and its place.</summary>
/// <param name="Code">What is wrong; <see cref="LmdbFaultCode.None"/> when nothing is.</param>
/// <param name="Page">The page on which it shows.</param>
/// <param name="Offset">The offset within that page, in bytes.</param>
public readonly record struct LmdbFault(LmdbFaultCode Code, ulong Page, int Offset)
{
    /// <summary>Whether anything is wrong.</summary>
    public bool IsFault => Code != LmdbFaultCode.None;

    /// <inheritdoc/>
    public override string ToString() => IsFault ? $"{Code} at page {Page} offset {Offset}" : "none";
}

/// <summary>How a read ended.</summary>
public enum LmdbReadStatus
{
    /// <summary>The key, or the next position, is there.</summary>
    Found = 1,

    /// <summary>The key is not there, or the walk has reached its end.</summary>
    NotFound = 2,

    /// <summary>The bytes on the way are not sound; the fault says what and where.</summary>
    Fault = 3,
}
