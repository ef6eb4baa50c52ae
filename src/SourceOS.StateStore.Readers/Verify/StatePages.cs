// Why this file exists: a verification reads a whole LMDB file, mostly in runs of neighbours, through the seam that lets tests inject
// errors. Invariants: reads by position only; memory is bounded by the read-ahead, the kept pages and one overflow run; a page handed out
// stays as it is while one other page and one overflow run are read (a leaf's key is used after its value was fetched); an error ahead
// of the page asked for is not reported for that page.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Pages of a data file for one worker. One thread at a time.</summary>
internal readonly record struct StatePages(StatePageSource Source) : ILmdbPages
{
    public int PageSizeBytes => Source.PageSizeBytes;

    public ulong PageCount => Source.PageCount;

    public LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes) => Source.Read(firstPage, pageCount, out bytes);
}

/// <summary>Reads pages ahead when they are asked for in order, and keeps some of those that are not.</summary>
internal sealed class StatePageSource
{
    private const int MaxReadAheadBytes = 1 << 20;
    private const int KeptPages = 64;
    private const int MaxRunBytes = 64 * 1024 * 1024;

    private readonly PositionalFile _file;
    private byte[] _window;
    private byte[] _otherWindow;
    private readonly byte[] _kept;
    private readonly ulong[] _keptNumbers = new ulong[KeptPages];
    private readonly int _keptPages;
    private byte[] _run = [];
    private ulong _windowFirst;
    private int _windowPages;
    private int _readAheadPages = 1;
    private int _hand;
    private int _lastPlace = -1;

    public StatePageSource(PositionalFile file, int pageSizeBytes, long lengthBytes)
    {
        _file = file;
        PageSizeBytes = pageSizeBytes;
        PageCount = (ulong)lengthBytes / (ulong)pageSizeBytes;
        int windowBytes = (int)Math.Clamp(lengthBytes / pageSizeBytes * pageSizeBytes, pageSizeBytes, Math.Max(MaxReadAheadBytes, pageSizeBytes));
        _window = GC.AllocateUninitializedArray<byte>(windowBytes);
        _otherWindow = GC.AllocateUninitializedArray<byte>(windowBytes);
        _keptPages = (int)Math.Clamp(lengthBytes / pageSizeBytes, 2, KeptPages);
        _kept = GC.AllocateUninitializedArray<byte>(_keptPages * pageSizeBytes);
        Array.Fill(_keptNumbers, ulong.MaxValue);
    }

    public int PageSizeBytes { get; }

    public ulong PageCount { get; }

    public LmdbFaultCode Read(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (firstPage >= PageCount || pageCount > PageCount - firstPage || pageCount == 0)
        {
            return LmdbFaultCode.PageBeyondFile;
        }

        return pageCount == 1 ? ReadPage(firstPage, out bytes) : ReadRun(firstPage, pageCount, out bytes);
    }

    private LmdbFaultCode ReadPage(ulong page, out ReadOnlySpan<byte> bytes)
    {
        if (page - _windowFirst < (ulong)_windowPages)
        {
            bytes = _window.AsSpan((int)(page - _windowFirst) * PageSizeBytes, PageSizeBytes);
            return LmdbFaultCode.None;
        }

        // Neighbours in number are neighbours on the medium; anything else is a branch page or a jump and goes to the kept pages.
        if (page == _windowFirst + (ulong)_windowPages)
        {
            _readAheadPages = Math.Min(_readAheadPages * 2, _window.Length / PageSizeBytes);
            return FillWindow(page, out bytes);
        }

        int place = _keptNumbers.AsSpan(0, _keptPages).IndexOf(page);
        if (place < 0)
        {
            // The one handed out last is passed over, so that it outlives this read.
            _hand = (_hand + 1) % _keptPages;
            _hand = _hand == _lastPlace ? (_hand + 1) % _keptPages : _hand;
            place = _hand;
            _keptNumbers[place] = ulong.MaxValue;
            LmdbFaultCode code = Fill(page, _kept.AsSpan(place * PageSizeBytes, PageSizeBytes));
            if (code != LmdbFaultCode.None)
            {
                bytes = default;
                return code;
            }

            _keptNumbers[place] = page;
            StartWindowBehind(page);
        }

        _lastPlace = place;
        bytes = _kept.AsSpan(place * PageSizeBytes, PageSizeBytes);
        return LmdbFaultCode.None;
    }

    // The window is empty and begins behind the page, so that asking for the next page starts reading ahead.
    private void StartWindowBehind(ulong page)
    {
        if (_windowPages == 0 || page + 1 != _windowFirst)
        {
            _readAheadPages = Math.Max(1, _readAheadPages / 2);
            _windowFirst = page + 1;
            _windowPages = 0;
        }
    }

    private LmdbFaultCode FillWindow(ulong page, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        (_window, _otherWindow) = (_otherWindow, _window);
        int pages = (int)Math.Min((ulong)_readAheadPages, PageCount - page);
        ReadStatus status = _file.Read((long)page * PageSizeBytes, _window.AsSpan(0, pages * PageSizeBytes), out int read);
        _windowFirst = page;
        _windowPages = read / PageSizeBytes;
        if (_windowPages == 0)
        {
            _readAheadPages = 1;
            return status == ReadStatus.EndOfFile ? LmdbFaultCode.PageBeyondFile : LmdbFaultCode.InputOutput;
        }

        bytes = _window.AsSpan(0, PageSizeBytes);
        return LmdbFaultCode.None;
    }

    private LmdbFaultCode ReadRun(ulong firstPage, ulong pageCount, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        ulong lengthBytes = pageCount * (ulong)PageSizeBytes;
        if (pageCount > MaxRunBytes || lengthBytes > MaxRunBytes)
        {
            return LmdbFaultCode.ValueTooLong;
        }

        if (_run.Length < (int)lengthBytes)
        {
            _run = GC.AllocateUninitializedArray<byte>((int)lengthBytes);
        }

        LmdbFaultCode code = Fill(firstPage, _run.AsSpan(0, (int)lengthBytes));
        if (code == LmdbFaultCode.None)
        {
            bytes = _run.AsSpan(0, (int)lengthBytes);
        }

        return code;
    }

    private LmdbFaultCode Fill(ulong page, Span<byte> target) => _file.Read((long)page * PageSizeBytes, target, out _) switch
    {
        ReadStatus.Ok => LmdbFaultCode.None,
        ReadStatus.EndOfFile => LmdbFaultCode.PageBeyondFile,
        _ => LmdbFaultCode.InputOutput,
    };
}
