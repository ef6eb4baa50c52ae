// Why this file exists: a sound snapshot owns each of its pages exactly once; this is where owners sign.
// Invariants: memory grows with the pages that were signed, two bits each in chunks, never with what a hostile number claims; signing is
// atomic, so that several walkers can share a ledger.

using System.Numerics;
using System.Threading;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Which pages are used and which are listed as free.</summary>
internal sealed class LmdbPageLedger
{
    // LMDB may leave pages at the end unwritten when a transaction took and gave them back. This many are believed; more are a finding.
    internal const ulong MaxUnwrittenTailPages = 1UL << 20;

    // Sparse files can claim any length; no store comes near this one (1 PiB of 4 KiB pages).
    private const ulong MaxPages = 1UL << 38;
    private const int ChunkShift = 18;
    private const int ChunkWords = 1 << (ChunkShift - 6);

    private readonly ulong[]?[] _used;
    private readonly ulong[]?[] _free;

    internal LmdbPageLedger(ulong filePages, ulong lastPage)
    {
        PageLimit = Math.Min(Math.Min(lastPage + 1, MaxPages), filePages + MaxUnwrittenTailPages);
        int chunks = (int)((PageLimit >> ChunkShift) + 1);
        _used = new ulong[]?[chunks];
        _free = new ulong[]?[chunks];
    }

    private enum Wanted
    {
        Conflict = 1,
        Lost = 2,
        Accounted = 3,
    }

    /// <summary>The first page number that the ledger cannot hold.</summary>
    internal ulong PageLimit { get; }

    /// <summary>Signs a page as used.</summary>
    /// <returns>False when it was signed before. A page that the ledger cannot hold counts as signed before.</returns>
    internal bool TryUse(ulong page) => TrySet(_used, page);

    /// <summary>Lists a page as free.</summary>
    /// <returns>False when it was listed before. A page that the ledger cannot hold counts as listed before.</returns>
    internal bool TryFree(ulong page) => TrySet(_free, page);

    internal bool IsUsed(ulong page) => page < PageLimit && (Word(_used, page >> 6) & (1UL << (int)(page & 63))) != 0;

    internal ulong CountUsed() => Count(_used, _used);

    internal ulong CountFree() => Count(_free, _free);

    /// <summary>Pages that are used or free, each counted once.</summary>
    internal ulong CountAccounted() => Count(_used, _free);

    /// <summary>The next page at or after a number that is both used and free; <see cref="PageLimit"/> when there is none.</summary>
    internal ulong NextConflict(ulong from) => Next(from, Wanted.Conflict);

    /// <summary>The next page at or after a number that is neither used nor free; <see cref="PageLimit"/> when there is none.</summary>
    internal ulong NextLost(ulong from) => Next(from, Wanted.Lost);

    /// <summary>The next page at or after a number that is used or free; <see cref="PageLimit"/> when there is none.</summary>
    internal ulong NextAccounted(ulong from) => Next(from, Wanted.Accounted);

    private static ulong Word(ulong[]?[] bits, ulong word) =>
        bits[word >> (ChunkShift - 6)] is ulong[] chunk ? chunk[word & (ChunkWords - 1)] : 0;

    private static ulong Count(ulong[]?[] first, ulong[]?[] second)
    {
        ulong count = 0;
        for (int i = 0; i < first.Length; i++)
        {
            ulong[]? a = first[i];
            ulong[]? b = second[i];
            for (int word = 0; (a is not null || b is not null) && word < ChunkWords; word++)
            {
                count += (ulong)BitOperations.PopCount((a is null ? 0 : a[word]) | (b is null ? 0 : b[word]));
            }
        }

        return count;
    }

    private ulong Next(ulong from, Wanted wanted)
    {
        ulong words = (PageLimit + 63) >> 6;
        for (ulong word = from >> 6; word < words; word++)
        {
            ulong chunk = word >> (ChunkShift - 6);
            if (_used[chunk] is null && _free[chunk] is null && wanted != Wanted.Lost)
            {
                word |= ChunkWords - 1;
                continue;
            }

            ulong used = Word(_used, word);
            ulong free = Word(_free, word);
            ulong bits = wanted switch
            {
                Wanted.Conflict => used & free,
                Wanted.Lost => ~(used | free),
                _ => used | free,
            };
            if (word == from >> 6)
            {
                bits &= ulong.MaxValue << (int)(from & 63);
            }

            if (bits != 0)
            {
                return Math.Min((word << 6) + (ulong)BitOperations.TrailingZeroCount(bits), PageLimit);
            }
        }

        return PageLimit;
    }

    private bool TrySet(ulong[]?[] bits, ulong page)
    {
        if (page >= PageLimit)
        {
            return false;
        }

        ref ulong[]? place = ref bits[page >> ChunkShift];
        ulong[]? chunk = Volatile.Read(ref place);
        if (chunk is null)
        {
            ulong[] fresh = new ulong[ChunkWords];
            chunk = Interlocked.CompareExchange(ref place, fresh, null) ?? fresh;
        }

        ulong bit = 1UL << (int)(page & 63);
        return (Interlocked.Or(ref chunk[(page >> 6) & (ChunkWords - 1)], bit) & bit) == 0;
    }
}
