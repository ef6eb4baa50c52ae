// Why this file exists: tools and early boot read pages by position, from media that may be read-only, failing or hostile.
// Invariants: memory is bounded by the cache's capacity plus one run; a cached page is a page-aligned copy; one thread at a time.

using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// A bounded cache of pages read by position. It belongs to one snapshot: call <see cref="Refresh"/> before reading another, because
/// writers use pages again. Not safe for several threads at once. It does not own the file handle.
/// Bytes that it handed out may be overwritten by its next read but one.
/// </summary>
public sealed class LmdbPageCache : IDisposable
{
    /// <summary>The longest run of pages handed out in one piece by default, in bytes: larger than any record this store writes.</summary>
    public const int DefaultMaxRunBytes = 256 * 1024 * 1024;

    // Twice the deepest path, so that one walk from root to leaf never evicts a page of its own path.
    private const int MinCapacity = 2 * LmdbLayout.MaxDepth;

    private readonly SafeFileHandle _file;
    private readonly int _maxRunBytes;
    private readonly byte[] _pages;
    private readonly ulong[] _numbers;
    private readonly Dictionary<ulong, int> _slots;
    private readonly bool[] _isRecent;
    private byte[]? _run;
    private int _hand;
    private int _lastSlot = -1;

    /// <summary>Creates a cache over a file.</summary>
    /// <param name="file">The data file, open for reading.</param>
    /// <param name="pageSizeBytes">The page size, in bytes.</param>
    /// <param name="capacityPages">How many pages to keep; at least 64 are kept.</param>
    /// <param name="maxRunBytes">The longest run to hand out in one piece, in bytes.</param>
    public LmdbPageCache(SafeFileHandle file, int pageSizeBytes, int capacityPages = 256, int maxRunBytes = DefaultMaxRunBytes)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRunBytes);
        if (pageSizeBytes < 0 || !LmdbLayout.IsPageSize((uint)pageSizeBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(pageSizeBytes), pageSizeBytes, "The page size must be one that LMDB writes.");
        }

        int capacity = Math.Clamp(capacityPages, MinCapacity, int.MaxValue / 2 / pageSizeBytes);
        _file = file;
        _maxRunBytes = maxRunBytes;
        PageSizeBytes = pageSizeBytes;
        _pages = GC.AllocateUninitializedArray<byte>(capacity * pageSizeBytes);
        _numbers = new ulong[capacity];
        _isRecent = new bool[capacity];
        _slots = new Dictionary<ulong, int>(capacity);
        Array.Fill(_numbers, ulong.MaxValue);
        Refresh();
    }

    /// <summary>The page size, in bytes.</summary>
    public int PageSizeBytes { get; }

    /// <summary>The whole pages that the file had when it was last looked at.</summary>
    public ulong PageCount { get; private set; }

    /// <summary>The length of the file when it was last looked at, in bytes; -1 when it cannot be told.</summary>
    public long FileLengthBytes { get; private set; }

    /// <summary>Looks at the file's length again and forgets every cached page.</summary>
    public void Refresh()
    {
        FileLengthBytes = PositionalRead.Length(_file);
        PageCount = FileLengthBytes < 0 ? 0 : (ulong)FileLengthBytes / (ulong)PageSizeBytes;
        _slots.Clear();
        Array.Fill(_numbers, ulong.MaxValue);
        Array.Clear(_isRecent);
    }

    /// <summary>Gives consecutive pages in one piece; see <see cref="ILmdbPages.Read"/>.</summary>
    /// <param name="firstPage">The first page.</param>
    /// <param name="pageCount">How many.</param>
    /// <param name="bytes">The bytes; empty when the answer is a fault.</param>
    /// <returns><see cref="LmdbFaultCode.None"/>, or why there are no bytes.</returns>
    public LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (firstPage >= PageCount || pageCount > PageCount - firstPage)
        {
            return LmdbFaultCode.PageBeyondFile;
        }

        if (pageCount == 1)
        {
            return ReadPage(firstPage, out bytes);
        }

        ulong length = pageCount * (ulong)PageSizeBytes;
        return length > (ulong)_maxRunBytes ? LmdbFaultCode.ValueTooLong : ReadRun(firstPage, (int)length, out bytes);
    }

    /// <summary>Gives back the pooled memory.</summary>
    public void Dispose()
    {
        if (_run is not null)
        {
            ArrayPool<byte>.Shared.Return(_run);
            _run = null;
        }
    }

    private LmdbFaultCode ReadPage(ulong page, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (_slots.TryGetValue(page, out int slot))
        {
            _lastSlot = slot;
            _isRecent[slot] = true;
            bytes = _pages.AsSpan(slot * PageSizeBytes, PageSizeBytes);
            return LmdbFaultCode.None;
        }

        slot = Evict();
        Span<byte> target = _pages.AsSpan(slot * PageSizeBytes, PageSizeBytes);
        LmdbFaultCode code = Fill(page, target);
        if (code != LmdbFaultCode.None)
        {
            return code;
        }

        _lastSlot = slot;
        _numbers[slot] = page;
        _slots[page] = slot;
        _isRecent[slot] = true;
        bytes = target;
        return LmdbFaultCode.None;
    }

    private LmdbFaultCode ReadRun(ulong firstPage, int lengthBytes, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (_run is null || _run.Length < lengthBytes)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(lengthBytes);
            if (_run is not null)
            {
                ArrayPool<byte>.Shared.Return(_run);
            }

            _run = larger;
        }

        LmdbFaultCode code = Fill(firstPage, _run.AsSpan(0, lengthBytes));
        if (code == LmdbFaultCode.None)
        {
            bytes = _run.AsSpan(0, lengthBytes);
        }

        return code;
    }

    private LmdbFaultCode Fill(ulong page, Span<byte> target)
    {
        int have = PositionalRead.Fill(_file, target, checked((long)(page * (ulong)PageSizeBytes)));
        if (have < 0)
        {
            return LmdbFaultCode.InputOutput;
        }

        return have == target.Length ? LmdbFaultCode.None : LmdbFaultCode.PageBeyondFile;
    }

    // A clock: a page used since the hand last passed gets one more round. The page handed out last is never evicted, so that a
    // leaf's key stays while its overflow run is read.
    private int Evict()
    {
        while (true)
        {
            int slot = _hand;
            _hand = _hand + 1 == _numbers.Length ? 0 : _hand + 1;
            if (_isRecent[slot] || slot == _lastSlot)
            {
                _isRecent[slot] = false;
                continue;
            }

            if (_numbers[slot] != ulong.MaxValue)
            {
                _slots.Remove(_numbers[slot]);
                _numbers[slot] = ulong.MaxValue;
            }

            return slot;
        }
    }
}
