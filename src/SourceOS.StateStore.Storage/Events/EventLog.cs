// Why this file exists: the event log as its single writer sees it: reserve, append, flush. Invariants: an entry lands where it was predicted
// or the log latches; the first fault latches for good; a full disk shows at Reserve, before anything was appended, and does not latch;
// nothing waits or spins; Flush writes on the calling thread but never syncs, the caller syncs once for pages and slot together.

using System.Diagnostics.CodeAnalysis;

namespace SourceOS.StateStore.Storage.Events;

/// <summary>An entry that writes itself into the log's memory.</summary>
public interface IEventLogEntry
{
    /// <summary>Its length in bytes, at least 1.</summary>
    int LengthBytes { get; }

    /// <summary>Writes every byte of it.</summary>
    /// <param name="destination">Exactly <see cref="LengthBytes"/> bytes, zero before.</param>
    void Write(Span<byte> destination);
}

/// <summary>Gives bytes of the log that a scanner has verified.</summary>
/// <param name="address">Log address of the first byte.</param>
/// <param name="destination">What to fill.</param>
public delegate void VerifiedLogReader(long address, Span<byte> destination);

/// <summary>How an <see cref="EventLog"/> runs.</summary>
/// <param name="LogPageBits">Page size as a power of two, 16 to 26 and not above the segment's.</param>
/// <param name="MemoryPages">Pages kept in memory: a power of two, at least 2.</param>
public sealed record EventLogOptions(int LogPageBits = 22, int MemoryPages = 4);

/// <summary>The append side of the event log. One thread at a time uses it.</summary>
public sealed class EventLog : IDisposable
{
    private const int CompareChunkBytes = 64 * 1024;

    private readonly SegmentFiles _files;
    private readonly LogLayout _layout;
    private readonly FasterDevice _device;
    private readonly FasterEngine _engine;
    private readonly SegmentPreparer _preparer;
    private long _tail;
    private long _flushed;
    private long _reservedUntil;
    private bool _disposed;

    private EventLog(SegmentFiles files, EventLogOptions options, long tail)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(tail, LogLayout.FirstAddress);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.LogPageBits, files.SegmentBits, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MemoryPages, 2, nameof(options));
        if (!int.IsPow2(options.MemoryPages) || !files.IsWritable)
        {
            throw new ArgumentException("The number of pages is a power of two, and the files are open for writing.", nameof(options));
        }

        _files = files;
        _layout = new LogLayout(options.LogPageBits);
        _device = new FasterDevice(files, options.LogPageBits);
        _engine = new FasterEngine(_device, options.LogPageBits, options.MemoryPages, files.SegmentBits);
        _preparer = new SegmentPreparer(files);
        _tail = tail;
        _flushed = tail;
        _reservedUntil = tail;
    }

    /// <summary>Log address behind the last appended entry.</summary>
    public long TailAddress => _tail;

    /// <summary>Log address up to which everything was written; it is durable after the next sync of the segments.</summary>
    public long FlushedAddress => _flushed;

    /// <summary>Where entries land.</summary>
    public LogLayout Layout => _layout;

    /// <summary>The fault that latched the log; null while there was none.</summary>
    public StateStoreException? Fault { get; private set; }

    /// <summary>The last failure to make the next segment beside the writer; null when there is none to report. It shows at <see cref="Reserve(long)"/> when it matters.</summary>
    public StateStoreException? PrepareFault => _preparer.Fault;

    /// <summary>Log address of the block that holds the flushed tail.</summary>
    public long TailBlockAddress => LogLayout.BlockStart(_flushed);

    /// <summary>The 4,096 bytes of the block that holds the flushed tail; zero from the tail on. Valid until the next append or flush.</summary>
    public ReadOnlySpan<byte> TailBlock => _device.TailBlock;

    /// <summary>Starts a log that holds nothing.</summary>
    /// <param name="files">The segment files, open for writing.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="firstAddress">Where the first entry will stand: 64, or the start of a page.</param>
    /// <returns>The log.</returns>
    public static EventLog Start(SegmentFiles files, EventLogOptions options, long firstAddress = LogLayout.FirstAddress)
    {
        EventLog log = new(files, options, firstAddress);
        return log.StartFaster(firstAddress, static (address, _) => throw new ArgumentException($"A log starts at 64 or at the start of a page, not at {address}."));
    }

    /// <summary>Continues a log behind its last verified entry.</summary>
    /// <param name="files">The segment files, open for writing.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="tailAddress">Log address behind the last verified entry. Everything behind it in the tail's page is zero or will be overwritten.</param>
    /// <param name="verified">Gives the verified bytes below the tail, in its page.</param>
    /// <returns>The log.</returns>
    /// <exception cref="StateStoreException">FASTER loaded other bytes than the verified ones, or the files cannot be read.</exception>
    public static EventLog Recover(SegmentFiles files, EventLogOptions options, long tailAddress, VerifiedLogReader verified)
    {
        ArgumentNullException.ThrowIfNull(verified);
        EventLog log = new(files, options, tailAddress);
        return log.StartFaster(tailAddress, verified);
    }

    /// <summary>The exact address at which the next append of this length lands.</summary>
    /// <param name="lengthBytes">Length of the entry, 1 to <see cref="LogLayout.MaxEntryBytes"/>.</param>
    /// <returns>The log address of its length prefix.</returns>
    public long NextAddressFor(int lengthBytes)
    {
        ThrowIfLengthIsOutOfRange(lengthBytes);
        return _layout.NextEntryAddress(_tail, lengthBytes);
    }

    /// <summary>Makes sure that entries can be appended up to an address: their segments are there, whole and durable.</summary>
    /// <param name="untilAddress">Log address behind the last entry to come.</param>
    /// <exception cref="StateStoreException">No space or no descriptor (retryable; the log stays usable), or a segment cannot be made.</exception>
    public void Reserve(long untilAddress)
    {
        ThrowIfUnusable();
        if (untilAddress <= _reservedUntil)
        {
            return;
        }

        // The segment of an exact end is needed only by the next entry.
        int last = _files.SegmentOf(Math.Max(untilAddress, 1) - 1);
        for (int segment = _files.SegmentOf(_tail); segment <= last; segment++)
        {
            _preparer.Ensure(segment);

            // Running out of descriptors is told here too, where it does not latch.
            _files.OpenFile(segment);
            _reservedUntil = Math.Max(_reservedUntil, (segment + 1L) << _files.SegmentBits);
        }
    }

    /// <summary>Makes sure that entries of these lengths can be appended one after the other.</summary>
    /// <param name="lengthsBytes">Their lengths.</param>
    /// <exception cref="StateStoreException">No space (retryable; the log stays usable), or a segment cannot be made.</exception>
    public void Reserve(ReadOnlySpan<int> lengthsBytes)
    {
        long tail = _tail;
        foreach (int lengthBytes in lengthsBytes)
        {
            ThrowIfLengthIsOutOfRange(lengthBytes);
            tail = LogLayout.TailAfter(_layout.NextEntryAddress(tail, lengthBytes), lengthBytes);
        }

        Reserve(tail);
    }

    /// <summary>Appends one entry, encoded straight into the log's memory. It is neither written nor durable yet.</summary>
    /// <typeparam name="TEntry">A struct, so that nothing is boxed.</typeparam>
    /// <param name="entry">The entry.</param>
    /// <param name="address">The log address of its length prefix.</param>
    /// <returns>False, and nothing has changed, when its space was not reserved.</returns>
    /// <exception cref="StateStoreException">The log latches: a page could not be written, or an earlier fault stands.</exception>
    public bool TryAppend<TEntry>(in TEntry entry, out long address)
        where TEntry : IEventLogEntry
    {
        ThrowIfUnusable();
        int lengthBytes = entry.LengthBytes;
        ThrowIfLengthIsOutOfRange(lengthBytes);
        long expected = _layout.NextEntryAddress(_tail, lengthBytes);
        long newTail = LogLayout.TailAfter(expected, lengthBytes);
        if (newTail > _reservedUntil)
        {
            address = 0;
            return false;
        }

        long landed = Enqueue(in entry, lengthBytes);
        if (landed != expected)
        {
            Latch(new StateStoreException(StateStoreErrorCode.LogDamaged, $"The page allocator placed an entry at {landed} instead of {expected}.", $"log address {expected}", "Nothing was acknowledged. Close the store and open it again."));
        }

        _tail = newTail;
        address = expected;
        return true;
    }

    /// <summary>Writes every appended entry to its segment. Durable they are after <see cref="SegmentFiles.SyncDirty"/>.</summary>
    /// <exception cref="StateStoreException">A write failed; the log latches.</exception>
    public void Flush()
    {
        ThrowIfUnusable();
        if (_flushed == _tail)
        {
            return;
        }

        // FASTER wrote the pages that are full; the present one is written from FASTER's memory, without asking it.
        if (!_device.TryWriteUntil(_tail))
        {
            Latch(_device.Fault!);
        }

        _flushed = _tail;
        PrepareAhead();
    }

    /// <summary>Closes the log. Entries that were not flushed are gone.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _preparer.Dispose();
            _engine.Dispose();
            _device.Dispose();
        }
    }

    private EventLog StartFaster(long tail, VerifiedLogReader verified)
    {
        try
        {
            int blockBytes = (int)(tail - LogLayout.BlockStart(tail));
            byte[] block = new byte[blockBytes];
            if (tail != LogLayout.FirstAddress)
            {
                if (tail != _layout.PageStart(tail))
                {
                    verified(LogLayout.BlockStart(tail), block);
                }

                _engine.Recover(tail);
            }

            _device.StartAt(tail, block);
            CompareLoadedPage(tail, verified);
            ThrowIfFasterStandsElsewhere(tail);
            return this;
        }
        catch (Exception exception)
        {
            Dispose();
            if (_device.Fault is { } fault && fault != exception)
            {
                throw fault;
            }

            throw;
        }
    }

    private void ThrowIfFasterStandsElsewhere(long tail)
    {
        if (_engine.TailAddress != tail)
        {
            throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"FASTER continues at {_engine.TailAddress} instead of {tail}.", $"log address {tail}");
        }
    }

    // FASTER writes its memory back over the tail's block, so what it loaded must be what was verified.
    private void CompareLoadedPage(long tail, VerifiedLogReader verified)
    {
        long pageStart = _layout.PageStart(tail);
        if (tail == pageStart || tail == LogLayout.FirstAddress)
        {
            return;
        }

        ReadOnlySpan<byte> loaded = _device.LoadedPage(out long address);
        if (address != pageStart || loaded.Length < tail - pageStart)
        {
            throw new StateStoreException(StateStoreErrorCode.LogDamaged, "FASTER did not load the page that holds the log's end.", $"log address {pageStart}");
        }

        byte[] chunk = new byte[CompareChunkBytes];
        for (int done = 0; done < tail - pageStart;)
        {
            int step = (int)Math.Min(chunk.Length, tail - pageStart - done);
            verified(pageStart + done, chunk.AsSpan(0, step));
            int same = loaded.Slice(done, step).CommonPrefixLength(chunk.AsSpan(0, step));
            if (same != step)
            {
                throw new StateStoreException(StateStoreErrorCode.LogDamaged, "The log's last page reads differently than it was verified.", $"log address {pageStart + done + same}", "The medium or the memory is not stable; check the hardware, then open the store again.");
            }

            done += step;
        }
    }

    private long Enqueue<TEntry>(in TEntry entry, int lengthBytes)
        where TEntry : IEventLogEntry
    {
        bool enqueued;
        long address;
        Exception? cause;
        try
        {
            enqueued = _engine.TryEnqueue(in entry, lengthBytes, out address, out nint memory, out cause);
            if (enqueued)
            {
                _device.NotePage(address, memory);
            }
        }
        catch (Exception exception)
        {
            (enqueued, address, cause) = (false, _tail, exception);
        }

        LatchDeviceFault();
        if (!enqueued || cause is not null)
        {
            // Full pages are written inside the call, so that no page is free without a fault of the device cannot happen, and waiting would not help.
            Latch(new StateStoreException(StateStoreErrorCode.InputOutput, "An entry could not be encoded into the log's memory.", $"log address {address}", "Nothing was acknowledged. Close the store and open it again.", innerException: cause));
        }

        return address;
    }

    private void PrepareAhead()
    {
        long offset = _tail & (_files.SegmentBytes - 1);
        if (offset > _files.SegmentBytes / 2)
        {
            _preparer.Request(_files.SegmentOf(_tail) + 1);
        }
    }

    private void LatchDeviceFault()
    {
        if (_device.Fault is { } fault)
        {
            Latch(fault);
        }
    }

    [DoesNotReturn]
    private void Latch(StateStoreException fault)
    {
        Fault ??= fault;
        throw fault;
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Fault is { } first)
        {
            throw new StateStoreException(StateStoreErrorCode.Latched, "An earlier fault closed the log for writing.", first.Place, "Close the store and open it again; recovery decides what is durable.", innerException: first);
        }
    }

    private void ThrowIfLengthIsOutOfRange(int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, _layout.MaxEntryBytes);
    }
}
