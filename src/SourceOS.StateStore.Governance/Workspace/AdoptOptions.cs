// Why this file exists: every choice of an adoption in one validated place. Invariants: read once when the adoption starts; units
// stand at the end of names.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>How a tree is adopted. Read once by the call that takes it.</summary>
public sealed record AdoptOptions
{
    /// <summary>The workspace object's identifier, 1 to 255 bytes. When null it is found by the tree's path, or made from the name of its last folder.</summary>
    public string? WorkspaceId { get; init; }

    /// <summary>Whether files that look unchanged are read and hashed again. Default false.</summary>
    public bool Rehash { get; init; }

    /// <summary>Largest file that is hashed, in bytes, 0 or more; larger ones are skipped and reported. Default 16 GiB.</summary>
    public long MaxFileBytes { get; init; } = 16L << 30;

    /// <summary>Whether folders on other file systems than the root's are entered. Default false.</summary>
    public bool CrossFileSystems { get; init; }

    /// <summary>Whether the content of `.git` folders is adopted like any other. Default false: the folder is recorded, its content is not.</summary>
    public bool IncludeVersionControl { get; init; }

    /// <summary>Threads that look names up, read and hash, 1 to 64. Default: one for each processor.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 64);

    /// <summary>Objects in one commit, 1 to 8,192. Default 1,000.</summary>
    public int BatchObjects { get; init; } = 1_000;

    /// <summary>Skipped paths that the report lists; all are counted. 0 to 1,000,000, default 10,000.</summary>
    public int MaxSkippedListed { get; init; } = 10_000;

    /// <summary>Whether a second, names-only walk runs beside the adoption so that progress can tell how much is left. Default false.</summary>
    public bool EstimateTotal { get; init; }

    /// <summary>The parts of the tree that are looked at; null for all of it.</summary>
    internal WalkScope? Scope { get; init; }

    /// <summary>Which directory the root must be; any when null.</summary>
    internal (ulong Device, ulong Inode)? ExpectedRoot { get; init; }

    /// <summary>Checks every value and throws <see cref="ArgumentOutOfRangeException"/> for the first that is out of range.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxFileBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Workers, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchObjects, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchObjects, 8_192);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxSkippedListed);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxSkippedListed, 1_000_000);
    }
}
