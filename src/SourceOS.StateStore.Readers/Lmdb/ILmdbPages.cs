// Why this file exists: the tree readers work over a map and over positional reads; as a struct constraint this costs no virtual call.
// Invariants: an implementation never hands out bytes beyond the file, and answers trouble with a code instead of an exception.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Where pages come from. Implemented by structs only, so that readers specialise for each.</summary>
public interface ILmdbPages
{
    /// <summary>The page size, in bytes.</summary>
    int PageSizeBytes { get; }

    /// <summary>The whole pages that can be read.</summary>
    ulong PageCount { get; }

    /// <summary>
    /// Gives the bytes of consecutive pages in one piece. The bytes stay as they are until the next call on the same source when
    /// it reads by position, and as long as the snapshot and its map live when it is mapped.
    /// </summary>
    /// <param name="firstPage">The first page.</param>
    /// <param name="pageCount">How many, at least 1.</param>
    /// <param name="bytes">The bytes; empty when the answer is a fault.</param>
    /// <returns><see cref="LmdbFaultCode.None"/>, or why there are no bytes.</returns>
    LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes);
}
