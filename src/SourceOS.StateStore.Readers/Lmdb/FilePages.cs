// Why this file exists: gives the positional page cache the struct shape that the tree readers specialise on.
// Invariants: it adds nothing to the cache's behaviour.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Pages read by position through a bounded cache. One thread at a time.</summary>
/// <param name="Cache">The cache; not null.</param>
public readonly record struct FilePages(LmdbPageCache Cache) : ILmdbPages
{
    /// <inheritdoc/>
    public int PageSizeBytes => Cache.PageSizeBytes;

    /// <inheritdoc/>
    public ulong PageCount => Cache.PageCount;

    /// <inheritdoc/>
    public LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes) => Cache.Read(firstPage, pageCount, out bytes);
}
