// Why this file exists: a page that was found sound once since the file was opened need not be checked again on every read.
// Invariants: a set bit means that this process checked the page; bits are only ever set one by one and cleared all together.

using System.Runtime.CompilerServices;
using System.Threading;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// Remembers which pages were checked, one bit a page, in chunks that exist only where bits are set. Safe for several threads.
/// It speeds checks up and replaces none that memory safety needs.
/// </summary>
public sealed class CheckedPages
{
    private const int ChunkShift = 15;
    private const int ChunkPages = 1 << ChunkShift;

    private readonly ulong[]?[] _chunks;

    /// <summary>Creates an empty memory.</summary>
    /// <param name="maxPages">The most pages that the file can ever have: its quota divided by the page size.</param>
    public CheckedPages(ulong maxPages)
    {
        ArgumentOutOfRangeException.ThrowIfZero(maxPages);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxPages, 1UL << 36);
        MaxPages = maxPages;
        _chunks = new ulong[]?[(int)((maxPages + ChunkPages - 1) >> ChunkShift)];
    }

    /// <summary>The most pages that can be remembered; others are simply checked each time.</summary>
    public ulong MaxPages { get; }

    /// <summary>Whether a page was checked.</summary>
    /// <param name="page">The page number; any value is fine.</param>
    /// <returns>True when it was.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(ulong page)
    {
        if (page >= MaxPages)
        {
            return false;
        }

        ulong[]? chunk = Volatile.Read(ref _chunks[(int)(page >> ChunkShift)]);
        return chunk is not null && (chunk[(int)(page & (ChunkPages - 1)) >> 6] & (1UL << (int)(page & 63))) != 0;
    }

    /// <summary>Remembers a page as checked.</summary>
    /// <param name="page">The page number; one beyond <see cref="MaxPages"/> is ignored.</param>
    public void Add(ulong page)
    {
        if (page >= MaxPages)
        {
            return;
        }

        ref ulong[]? place = ref _chunks[(int)(page >> ChunkShift)];
        ulong[]? chunk = Volatile.Read(ref place);
        if (chunk is null)
        {
            ulong[] fresh = new ulong[ChunkPages / 64];
            chunk = Interlocked.CompareExchange(ref place, fresh, null) ?? fresh;
        }

        Interlocked.Or(ref chunk[(int)(page & (ChunkPages - 1)) >> 6], 1UL << (int)(page & 63));
    }

    /// <summary>Forgets everything. Readers at work at the same time stay safe and check again.</summary>
    public void Clear()
    {
        for (int i = 0; i < _chunks.Length; i++)
        {
            Volatile.Write(ref _chunks[i], null);
        }
    }
}
