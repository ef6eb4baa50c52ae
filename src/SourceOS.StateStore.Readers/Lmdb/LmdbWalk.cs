// Why this file exists: what goes into a full walk and what comes out of it.
// Invariants: plain data; a report is sound only when the walk reached its end and found no damage.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Receives the entries of a walk. With more than one worker it is called from several threads at once.</summary>
public interface ILmdbVisitor
{
    /// <summary>Receives one entry of a named database. Entries of one page come in key order.</summary>
    /// <param name="database">The database's name.</param>
    /// <param name="key">The key, valid during the call.</param>
    /// <param name="value">The value, valid during the call.</param>
    /// <param name="page">The leaf page that holds the entry.</param>
    void Visit(string database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong page);
}

/// <summary>How to walk.</summary>
public sealed record LmdbWalkOptions
{
    /// <summary>
    /// The metas as they stand in the file, when no writer is at work: both are then checked too. Null for a snapshot beside a writer, which
    /// may be replacing one of them.
    /// </summary>
    public LmdbMetaPair? MetasAtRest { get; init; }

    /// <summary>The file's length, in bytes.</summary>
    public required long FileLengthBytes { get; init; }

    /// <summary>Receives the entries; null when only the structure matters, which leaves overflow values unread.</summary>
    public ILmdbVisitor? Visitor { get; init; }

    /// <summary>Remembers the pages that were found sound, so that readers and the writer need not check them again.</summary>
    public CheckedPages? CheckedPages { get; init; }

    /// <summary>How many findings to keep; more are only counted.</summary>
    public int MaxFindings { get; init; } = 1000;

    /// <summary>How many named databases to walk; more are a finding.</summary>
    public int MaxDatabases { get; init; } = 1024;

    /// <summary>How many threads walk, 1 or more.</summary>
    public int Workers { get; init; } = 1;
}

/// <summary>Counts of a running walk, to be read from other threads.</summary>
public sealed class LmdbWalkProgress
{
    private long _pages;

    /// <summary>The tree and overflow pages seen so far.</summary>
    public long PagesSeen => Interlocked.Read(ref _pages);

    internal void Add(long pages) => Interlocked.Add(ref _pages, pages);
}

/// <summary>What a walk counted in one database.</summary>
/// <param name="Name">Its name; "" for the main database, "(free)" for the free-page database.</param>
/// <param name="Record">Its record.</param>
/// <param name="BranchPages">Branch pages seen.</param>
/// <param name="LeafPages">Leaf pages seen.</param>
/// <param name="OverflowPages">Overflow pages seen.</param>
/// <param name="Entries">Entries seen.</param>
public readonly record struct LmdbDatabaseCount(string Name, LmdbDatabaseRecord Record, ulong BranchPages, ulong LeafPages, ulong OverflowPages, ulong Entries);

/// <summary>The result of a full walk.</summary>
/// <param name="Meta">The snapshot that was walked.</param>
/// <param name="Findings">What was found, at most as many as asked for.</param>
/// <param name="FindingCount">How many findings there were in all.</param>
/// <param name="HasDamage">Whether any finding means damage.</param>
/// <param name="Databases">The databases, with what was counted in each.</param>
/// <param name="UsedPages">Pages in use, the two meta pages included.</param>
/// <param name="FreePages">Pages listed as free.</param>
/// <param name="BytesSeen">The bytes of all pages that are used or listed as free, each counted once.</param>
/// <param name="BytesOwned">The bytes of the snapshot: up to and including its last page. Equal to <paramref name="BytesSeen"/> in a sound file.</param>
public sealed record LmdbWalkReport(
    LmdbMeta Meta,
    IReadOnlyList<LmdbFinding> Findings,
    long FindingCount,
    bool HasDamage,
    IReadOnlyList<LmdbDatabaseCount> Databases,
    ulong UsedPages,
    ulong FreePages,
    ulong BytesSeen,
    ulong BytesOwned)
{
    /// <summary>Whether the snapshot is structurally sound.</summary>
    public bool IsSound => !HasDamage && BytesSeen == BytesOwned;
}
