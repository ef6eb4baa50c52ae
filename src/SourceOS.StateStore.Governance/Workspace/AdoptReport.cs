// Why this file exists: what an adoption did, in numbers that add up. Invariants: seen = added + changed + renamed + unchanged + skipped
// for files; every skipped path is counted, also those beyond the listed ones.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>What became of the entries of one sort.</summary>
/// <param name="Seen">Met in the tree.</param>
/// <param name="Added">New since the last run.</param>
/// <param name="Changed">Known, with other content or other metadata.</param>
/// <param name="Removed">Known, and not in the tree any more; a tombstone is left.</param>
/// <param name="Renamed">Known under another path that is gone; the object kept its identifier.</param>
/// <param name="Unchanged">Known and as before.</param>
/// <param name="Skipped">Met but not taken; see <see cref="AdoptReport.Skipped"/>.</param>
public sealed record AdoptCounts(long Seen, long Added, long Changed, long Removed, long Renamed, long Unchanged, long Skipped);

/// <summary>The outcome of an adoption. Immutable.</summary>
public sealed record AdoptReport
{
    /// <summary>The workspace object's identifier.</summary>
    public required string WorkspaceId { get; init; }

    /// <summary>The tree's root, an absolute path.</summary>
    public required string Root { get; init; }

    /// <summary>Regular files, and every other path that was skipped.</summary>
    public required AdoptCounts Files { get; init; }

    /// <summary>Folders below the root.</summary>
    public required AdoptCounts Folders { get; init; }

    /// <summary>Symbolic links; recorded, never followed.</summary>
    public required AdoptCounts Links { get; init; }

    /// <summary>Names left out by an ignore rule or a built-in rule; what is below an ignored folder is not counted.</summary>
    public required long Ignored { get; init; }

    /// <summary>Bytes read and hashed.</summary>
    public required long Bytes { get; init; }

    /// <summary>How long it took, in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Paths that were not taken, at most <see cref="AdoptOptions.MaxSkippedListed"/> of them.</summary>
    public required IReadOnlyList<SkippedPath> Skipped { get; init; }

    /// <summary>Whether removed objects were left as they are because too many folders could not be read to tell what is gone.</summary>
    public required bool RemovalSuspended { get; init; }

    /// <summary>Sequence of the run's last event; the store's when nothing changed.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>Commits written.</summary>
    public required int Commits { get; init; }

    /// <summary>Why the store refused a commit; null when it refused none. What was committed before stays, and nothing after it was tried.</summary>
    public CommitRefusal? Refusal { get; init; }

    /// <summary>The refused commit's status; null when none was refused.</summary>
    public CommitStatus? RefusalStatus { get; init; }
}

/// <summary>How far an adoption is.</summary>
/// <param name="Files">Files met and dealt with so far.</param>
/// <param name="Bytes">Bytes hashed so far.</param>
/// <param name="Objects">Objects committed so far.</param>
/// <param name="Expected">Files in the tree as far as they were counted; 0 when that is not known yet.</param>
/// <param name="Elapsed">Time since the start.</param>
public readonly record struct AdoptProgress(long Files, long Bytes, long Objects, long Expected, TimeSpan Elapsed);
