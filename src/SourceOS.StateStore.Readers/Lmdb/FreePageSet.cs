// Why this file exists: LMDB's pages carry no checksum and no transaction number, so one flipped bit in a page pointer can lead to an older copy of the very page that was meant: sound in itself, with
// the right keys, and out of date. Every older copy is a page that the snapshot lists as free, so a page that is reached and listed is a fault. Invariants: built once from a snapshot's own
// free-page list; immutable then; a question costs one probe and allocates nothing.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>The pages that one snapshot lists as free. Immutable and thread-safe.</summary>
public sealed class FreePageSet
{
    private const int SmallestBits = 5;

    // Page 0 is a meta and never free, so zero means that a place is empty.
    private ulong[] _places = new ulong[1 << SmallestBits];
    private int _shift = 64 - SmallestBits;

    private FreePageSet()
    {
    }

    /// <summary>How many pages are free.</summary>
    public int Count { get; private set; }

    /// <summary>Reads the free-page list of a snapshot.</summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="meta">The snapshot's meta.</param>
    /// <param name="free">The set; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    public static LmdbFault TryRead<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta, out FreePageSet free)
        where TPages : struct, ILmdbPages
    {
        free = new FreePageSet();
        LmdbDatabaseRecord database = meta.Free;
        LmdbCursor<TPages> cursor = new(reader, in database);
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            if (!LmdbFreeRecord.TryParse(cursor.Key, cursor.Value, in meta, out LmdbFreeRecord record))
            {
                return new LmdbFault(LmdbFaultCode.FreeList, cursor.Page, 0);
            }

            free.Reserve(record.Count);
            for (int i = 0; i < record.Count; i++)
            {
                free.Add(record[i]);
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
        ulong[] places = _places;
        for (int at = Place(page); ; at = (at + 1) & (places.Length - 1))
        {
            ulong found = places[at];
            if (found == page || found == 0)
            {
                return found != 0;
            }
        }
    }

    private int Place(ulong page) => (int)((page * 0x9E37_79B9_7F4A_7C15UL) >> _shift);

    // At most half of the places are taken, so that every search meets an empty one soon.
    private void Reserve(int more)
    {
        if ((Count + more) * 2L <= _places.Length)
        {
            return;
        }

        int bits = 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(Count + more) * 2);
        ulong[] old = _places;
        _places = new ulong[1 << bits];
        _shift = 64 - bits;
        Count = 0;
        foreach (ulong page in old)
        {
            if (page != 0)
            {
                Add(page);
            }
        }
    }

    private void Add(ulong page)
    {
        int at = Place(page);
        while (_places[at] != 0)
        {
            if (_places[at] == page)
            {
                return;
            }

            at = (at + 1) & (_places.Length - 1);
        }

        _places[at] = page;
        Count++;
    }
}
