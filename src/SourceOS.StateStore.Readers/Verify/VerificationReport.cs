// Why this file exists: the answer of a verification. Invariants: immutable; a verdict follows from the findings alone; what could not
// be checked is said, and never counted as sound.

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>How much a verification proves.</summary>
public enum VerificationLevel
{
    /// <summary>Superblock, newest slots, the frames that the state has not folded, the state's metas, roots, header and digest. Its cost does not grow with the store.</summary>
    Quick = 1,

    /// <summary>Every byte: frames, pages, records, digests, and the tables against each other and the log.</summary>
    Standard = 2,

    /// <summary>Standard, and the log folded once more: every table is what the log makes. The engine's `DeepVerifier` runs it; a reader alone gives what standard gives.</summary>
    Deep = 3,
}

/// <summary>What a verification says about a store.</summary>
public enum VerificationVerdict
{
    /// <summary>Everything that was checked is as it was written.</summary>
    Clean = 1,

    /// <summary>Something is damaged that can be made again without loss.</summary>
    Damaged = 2,

    /// <summary>Durable bytes are damaged, lost or older than something vouches for.</summary>
    Unsafe = 3,
}

/// <summary>What became of the bytes of one file.</summary>
/// <param name="File">The file, relative to the store.</param>
/// <param name="OwnedBytes">Bytes of the file that belong to the store.</param>
/// <param name="SeenBytes">Bytes of them that a check covered.</param>
/// <param name="FindingCount">Findings in the file.</param>
public sealed record FileAccount(string File, long OwnedBytes, long SeenBytes, long FindingCount);

/// <summary>What was checked of one table of the state.</summary>
/// <param name="Table">The table's name.</param>
/// <param name="EntryCount">Entries that were read.</param>
/// <param name="FindingCount">Findings in the table.</param>
public sealed record TableAccount(string Table, long EntryCount, long FindingCount);

/// <summary>Something that could not be checked, and why.</summary>
/// <param name="What">What was left out, in a phrase.</param>
/// <param name="Why">Why, in a phrase.</param>
public sealed record NotChecked(string What, string Why);

/// <summary>The answer of a verification.</summary>
public sealed record VerificationReport
{
    /// <summary>The store's directory.</summary>
    public required string StorePath { get; init; }

    /// <summary>The store's id in hexadecimal digits; empty when nothing tells it.</summary>
    public required string StoreId { get; init; }

    /// <summary>How much was asked for.</summary>
    public required VerificationLevel Level { get; init; }

    /// <summary>What it comes to.</summary>
    public required VerificationVerdict Verdict { get; init; }

    /// <summary>The findings, in the order of their files and offsets; the worst are never left out for lesser ones.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>How many findings there were, also those that were too many to keep.</summary>
    public required long FindingCount { get; init; }

    /// <summary>What could not be checked. Empty in a complete verification.</summary>
    public required IReadOnlyList<NotChecked> NotChecked { get; init; }

    /// <summary>Frames that were checked.</summary>
    public required long FramesChecked { get; init; }

    /// <summary>Events in them.</summary>
    public required long EventsChecked { get; init; }

    /// <summary>Records that were checked.</summary>
    public required long RecordsChecked { get; init; }

    /// <summary>Pages of the state that were checked.</summary>
    public required long PagesChecked { get; init; }

    /// <summary>Bytes that checks covered.</summary>
    public required long BytesChecked { get; init; }

    /// <summary>Bytes that belong to the store.</summary>
    public required long BytesOwned { get; init; }

    /// <summary>Whether a writer changed the store meanwhile.</summary>
    public required bool WriterSeen { get; init; }

    /// <summary>Number of frames under <see cref="LogRoot"/>.</summary>
    public required ulong LogSize { get; init; }

    /// <summary>Root of the log tree at <see cref="LogSize"/>, in hexadecimal digits; empty when the log was not read from its base.</summary>
    public required string LogRoot { get; init; }

    /// <summary>Sequence of the last event that follows without a gap; 0 when there is none, or nothing tells it.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>Whether the newest tail slot says that the store was closed cleanly, at the log's end.</summary>
    public bool IsClosedCleanly { get; init; }

    /// <summary>Log address behind the last frame that follows without a gap.</summary>
    public required long LogEnd { get; init; }

    /// <summary>The highest log address that something vouches for.</summary>
    public required long DurableAddress { get; init; }

    /// <summary>The files, in ordinal order.</summary>
    public required IReadOnlyList<FileAccount> Files { get; init; }

    /// <summary>The tables of the state, in the order of their ids.</summary>
    public required IReadOnlyList<TableAccount> Tables { get; init; }

    /// <summary>How long it took.</summary>
    public required double ElapsedSeconds { get; init; }

    /// <summary>Whether all that the level covers was checked.</summary>
    public bool IsComplete => NotChecked.Count == 0;
}
