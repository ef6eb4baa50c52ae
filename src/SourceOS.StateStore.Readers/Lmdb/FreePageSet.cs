// Why this file exists: LMDB's pages carry no checksum and no transaction number, so one flipped bit in a page pointer can lead to an older copy of the very page that was meant: sound in itself, with
// the right keys, and out of date. Every older copy is a page that the snapshot lists as free, so a page that is reached and listed is a fault. Invariants: holds what a snapshot's own free-page list
// says of the pages that its file has; immutable once it is handed out; a question costs two loads and allocates nothing; memory is bounded by the length of the file.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>The pages that one snapshot lists as free. Immutable and thread-safe. Made by <see cref="FreePageTracker"/>.</summary>
public sealed class FreePageSet
{
    private const int ChunkShift = 12;
    private const int ChunkWords = (1 << ChunkShift) / 64;

    // Chunks are shared between the sets of successive snapshots; one that a set changes is its own copy first.
    private readonly ulong[]?[] _chunks;
    private readonly FreePageSet? _shared;

    /// <summary>Begins a set: with no pages, or with those of the set before.</summary>
    /// <param name="pageCount">The pages that the file has; others are never asked for, because they cannot be read.</param>
    /// <param name="before">The set to begin with, or null.</param>
    internal FreePageSet(ulong pageCount, FreePageSet? before)
    {
        _chunks = new ulong[]?[checked((int)((pageCount + (1 << ChunkShift) - 1) >> ChunkShift))];
        before?._chunks.AsSpan(0, Math.Min(before._chunks.Length, _chunks.Length)).CopyTo(_chunks);
        _shared = before;
        Count = before?.Count ?? 0;
    }

    private FreePageSet(FreePageSet sealedFrom)
    {
        _chunks = sealedFrom._chunks;
        Count = sealedFrom.Count;
    }

    /// <summary>How many of the file's pages are free.</summary>
    public int Count { get; private set; }

    internal int ChunkCount => _chunks.Length;

    /// <summary>Reads the free-page list of a snapshot.</summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="meta">The snapshot's meta.</param>
    /// <param name="free">The set; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    public static LmdbFault TryRead<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta, out FreePageSet free)
        where TPages : struct, ILmdbPages
    {
        FreePageSet set = new(reader.Pages.PageCount, before: null);
        free = set;
        LmdbDatabaseRecord database = meta.Free;
        LmdbCursor<TPages> cursor = new(reader, in database);
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            if (!LmdbFreeRecord.TryParse(cursor.Key, cursor.Value, in meta, out LmdbFreeRecord record))
            {
                return new LmdbFault(LmdbFaultCode.FreeList, cursor.Page, 0);
            }

            for (int i = 0; i < record.Count; i++)
            {
                set.Add(record[i]);
            }
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }

    /// <summary>Whether a page is listed as free.</summary>
    /// <param name="page">The page; any value is fine.</param>
    /// <returns>True when it is.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(ulong page)
    {
        ulong chunk = page >> ChunkShift;
        return chunk < (ulong)_chunks.Length && _chunks[chunk] is ulong[] bits && (bits[(int)(page >> 6) & (ChunkWords - 1)] & (1UL << (int)(page & 63))) != 0;
    }

    /// <summary>Lists a page. Only while the set is being made.</summary>
    internal void Add(ulong page)
    {
        if (page >> ChunkShift < (ulong)_chunks.Length && !Contains(page))
        {
            Own(page) |= 1UL << (int)(page & 63);
            Count++;
        }
    }

    /// <summary>Takes a page off the list. Only while the set is being made.</summary>
    internal void Remove(ulong page)
    {
        if (Contains(page))
        {
            Own(page) &= ~(1UL << (int)(page & 63));
            Count--;
        }
    }

    /// <summary>The finished set, which keeps nothing of the one before alive but the chunks that both have.</summary>
    internal FreePageSet Finish() => new(this);

    private ref ulong Own(ulong page)
    {
        int chunk = (int)(page >> ChunkShift);
        ulong[]? bits = _chunks[chunk];
        if (bits is null)
        {
            bits = _chunks[chunk] = new ulong[ChunkWords];
        }
        else if (_shared is not null && chunk < _shared._chunks.Length && ReferenceEquals(bits, _shared._chunks[chunk]))
        {
            bits = _chunks[chunk] = (ulong[])bits.Clone();
        }

        return ref bits[(int)(page >> 6) & (ChunkWords - 1)];
    }
}
