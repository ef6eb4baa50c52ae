// Why this file exists: the map is far larger than a store may grow, so the store has its own quota and must know how much of it is used.
// Invariants: plain arithmetic on a snapshot's own numbers; never negative; a quota that shrank below the use leaves nothing available.

using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>Measures an environment against a quota.</summary>
public sealed class LmdbMeter
{
    /// <summary>Creates a meter.</summary>
    /// <param name="quotaBytes">The most that the data file may grow to, in bytes.</param>
    public LmdbMeter(long quotaBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(quotaBytes);
        QuotaBytes = quotaBytes;
    }

    /// <summary>The most that the data file may grow to, in bytes.</summary>
    public long QuotaBytes { get; }

    /// <summary>Measures a snapshot whose free pages were counted.</summary>
    /// <param name="meta">The snapshot.</param>
    /// <param name="freePages">The pages that it lists as free.</param>
    /// <returns>The use.</returns>
    public LmdbUsage Measure(in LmdbMeta meta, ulong freePages)
    {
        ulong pageSize = (ulong)meta.PageSizeBytes;
        ulong pages = meta.LastPage + 1;
        long file = (long)(pages * pageSize);
        long free = (long)(Math.Min(freePages, pages) * pageSize);
        return new LmdbUsage(QuotaBytes, file, free);
    }

    /// <summary>Measures a snapshot, reading its whole free-page list.</summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="meta">The snapshot.</param>
    /// <returns>The use.</returns>
    /// <exception cref="StateStoreException">The free-page list is damaged.</exception>
    public LmdbUsage Measure<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta)
        where TPages : struct, ILmdbPages
    {
        LmdbFault fault = LmdbFreeRecord.CountPages(reader, in meta, out ulong freePages);
        if (fault.IsFault)
        {
            throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The state's free-page list is damaged: {fault}.", next: "Verify the store; the state can be rebuilt from the log.");
        }

        return Measure(in meta, freePages);
    }
}

/// <summary>How much of a quota is used. Free pages count as available, though a pinned old snapshot may still hold some of them.</summary>
/// <param name="QuotaBytes">The quota, in bytes.</param>
/// <param name="FileBytes">The file's size up to its last page, in bytes; it never shrinks.</param>
/// <param name="FreeBytes">The part of it that is listed as free, in bytes.</param>
public readonly record struct LmdbUsage(long QuotaBytes, long FileBytes, long FreeBytes)
{
    /// <summary>The bytes in use.</summary>
    public long UsedBytes => FileBytes - FreeBytes;

    /// <summary>The bytes that can still be used.</summary>
    public long AvailableBytes => Math.Max(0, QuotaBytes - UsedBytes);
}
