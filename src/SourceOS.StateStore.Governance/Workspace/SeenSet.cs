// Why this file exists: at the end of a run the adapter must know which known objects it did not meet, without holding a name
// for each. A record's surrogate is a small number that never changes while the record exists, so one bit for each is enough.
// Invariants: a bit is set once and never cleared; of several threads that mark the same number exactly one is told that it was first.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>A set of surrogates. Thread-safe.</summary>
internal sealed class SeenSet
{
    private const int ChunkBits = 16;
    private const int WordsInChunk = (1 << ChunkBits) / 64;

    private readonly ConcurrentDictionary<ulong, long[]> _chunks = new();

    /// <summary>Adds a number.</summary>
    /// <param name="surrogate">The number.</param>
    /// <returns>Whether it was not there before.</returns>
    public bool TryMark(ulong surrogate)
    {
        long[] chunk = _chunks.GetOrAdd(surrogate >> ChunkBits, static _ => new long[WordsInChunk]);
        long bit = 1L << (int)(surrogate & 63);
        return (Interlocked.Or(ref chunk[WordOf(surrogate)], bit) & bit) == 0;
    }

    /// <summary>Whether a number was added.</summary>
    /// <param name="surrogate">The number.</param>
    public bool Contains(ulong surrogate) =>
        _chunks.TryGetValue(surrogate >> ChunkBits, out long[]? chunk) && (Volatile.Read(ref chunk[WordOf(surrogate)]) & (1L << (int)(surrogate & 63))) != 0;

    private static int WordOf(ulong surrogate) => (int)(surrogate >> 6) & (WordsInChunk - 1);
}
