// Why this file exists: a store that was rolled back as a whole is sound in itself; only a root kept elsewhere shows it. Invariants: a store that cannot be shown to continue the root is not
// accepted; the root's signature is for the caller to have checked.

namespace SourceOS.StateStore.Format;

/// <summary>How a store relates to a root that was seen before.</summary>
public enum MinimumRootVerdict
{
    /// <summary>The store continues the log that had this root.</summary>
    Continues = 1,

    /// <summary>The store's log is shorter: it was rolled back.</summary>
    RolledBack = 2,

    /// <summary>The store's log is another one from some frame on.</summary>
    Forked = 3,

    /// <summary>The root is another store's.</summary>
    OtherStore = 4,

    /// <summary>The root at that size cannot be told.</summary>
    Unknown = 5,
}

/// <summary>Compares a store with a root that was seen before. Thread-safe.</summary>
public static class MinimumRoot
{
    /// <summary>Compares.</summary>
    /// <param name="seen">The checkpoint that was seen before.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="size">Frames in the store's log.</param>
    /// <param name="rootAt">The store's root at a size from 0 to <paramref name="size"/>; null when it cannot be told.</param>
    /// <returns>The verdict; everything but <see cref="MinimumRootVerdict.Continues"/> means that the store is not accepted.</returns>
    public static MinimumRootVerdict Compare(Checkpoint seen, Guid storeId, ulong size, Func<ulong, Hash256?> rootAt)
    {
        ArgumentNullException.ThrowIfNull(seen);
        ArgumentNullException.ThrowIfNull(rootAt);
        if (!string.Equals(seen.Origin, Checkpoint.OriginOf(storeId), StringComparison.Ordinal))
        {
            return MinimumRootVerdict.OtherStore;
        }

        if (size < seen.Size)
        {
            return MinimumRootVerdict.RolledBack;
        }

        return rootAt(seen.Size) switch
        {
            null => MinimumRootVerdict.Unknown,
            { } root when root == seen.Root => MinimumRootVerdict.Continues,
            _ => MinimumRootVerdict.Forked,
        };
    }
}
