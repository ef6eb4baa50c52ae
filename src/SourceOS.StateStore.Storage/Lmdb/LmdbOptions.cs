// Why this file exists: what a caller may choose about an environment, with the store's defaults. Invariants: flags that would weaken
// what the reader and the walker prove (writable map, no lock file, no memory initialisation) cannot be asked for.

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>How to open an LMDB environment.</summary>
public sealed record LmdbOptions
{
    /// <summary>The map reserved by default, in bytes: 1 TiB of address space, so that it never has to move.</summary>
    public const long DefaultMapSizeBytes = 1L << 40;

    /// <summary>The map's size, in bytes: the most the file can ever hold. Address space, not memory.</summary>
    public long MapSizeBytes { get; init; } = DefaultMapSizeBytes;

    /// <summary>How many snapshots can be pinned at once over all processes, at least 1.</summary>
    public int MaxReaders { get; init; } = 254;

    /// <summary>How many named databases can be open, at least 1.</summary>
    public int MaxDatabases { get; init; } = 16;

    /// <summary>The mode of files that are created.</summary>
    public int FileMode { get; init; } = 0x180; // 0600

    /// <summary>
    /// Commits do not sync. For a state that is proven from the log after a power loss; <see cref="LmdbEnvironment.Sync"/> makes it durable.
    /// </summary>
    public bool NoSync { get; init; }

    /// <summary>Commits sync data but not the meta page, so a power loss may undo the last commit.</summary>
    public bool NoMetaSync { get; init; }

    /// <summary>Tells the kernel not to read ahead: for stores larger than memory.</summary>
    public bool NoReadahead { get; init; }
}
