// Why this file exists: the log's files as one address space. Invariants: reading never creates; a missing, short or long file is an exact
// error; a file with unsynced writes is never closed; the first failed write or sync latches all later writes and syncs; a descriptor is
// closed only when nobody uses it.

using System.Diagnostics.CodeAnalysis;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Events;

/// <summary>
/// The segment files of one store. Reads may come from any thread; writes, slot writes and syncs come from the single writer,
/// and segments may be created beside all of them.
/// </summary>
public sealed class SegmentFiles : IDisposable
{
    /// <summary>How many files stay open unless told otherwise.</summary>
    public const int DefaultMaxOpenFiles = 64;

    private const int ZeroStepBytes = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly FileOps _ops;
    private readonly SegmentCreator? _creator;
    private readonly int _maxOpenFiles;
    private readonly Dictionary<int, OpenSegment> _open = [];
    private readonly SortedSet<int> _segments = [];
    private readonly List<int> _dirty = [];
    private long _uses;
    private bool _disposed;

    private SegmentFiles(FileOps ops, string directory, int segmentBits, SegmentHeaderSource? header, int maxOpenFiles)
    {
        _ops = ops;
        Directory = directory;
        SegmentBits = segmentBits;
        _maxOpenFiles = maxOpenFiles;
        _creator = header is null ? null : new SegmentCreator(ops, directory, segmentBits, header);
    }

    /// <summary>The directory of the files.</summary>
    public string Directory { get; }

    /// <summary>Segment data size as a power of two.</summary>
    public int SegmentBits { get; }

    /// <summary>Segment data size in bytes.</summary>
    public long SegmentBytes => 1L << SegmentBits;

    /// <summary>Whether this object may write.</summary>
    public bool IsWritable => _creator is not null;

    /// <summary>The first failed write or sync; null while there was none.</summary>
    public StateStoreException? Fault { get; private set; }

    /// <summary>Number of segment files.</summary>
    public int SegmentCount
    {
        get
        {
            lock (_lock)
            {
                return _segments.Count;
            }
        }
    }

    /// <summary>Lowest segment number, -1 when there is none.</summary>
    public int FirstSegment
    {
        get
        {
            lock (_lock)
            {
                return _segments.Count == 0 ? -1 : _segments.Min;
            }
        }
    }

    /// <summary>One more than the highest segment number, 0 when there is none.</summary>
    public int EndSegment
    {
        get
        {
            lock (_lock)
            {
                return _segments.Count == 0 ? 0 : _segments.Max + 1;
            }
        }
    }

    /// <summary>Opens the files of a directory for reading.</summary>
    /// <param name="ops">The system-call seam.</param>
    /// <param name="directory">The directory.</param>
    /// <param name="segmentBits">Segment data size as a power of two, 17 to 30.</param>
    /// <param name="maxOpenFiles">How many files stay open at most, beside those in use.</param>
    /// <returns>The files.</returns>
    /// <exception cref="StateStoreException">The directory cannot be listed.</exception>
    public static SegmentFiles OpenForReading(FileOps ops, string directory, int segmentBits, int maxOpenFiles = DefaultMaxOpenFiles)
        => Open(ops, directory, segmentBits, null, maxOpenFiles);

    /// <summary>Opens the files of a directory for reading and writing. The caller holds the store's lock.</summary>
    /// <param name="ops">The system-call seam.</param>
    /// <param name="directory">The directory.</param>
    /// <param name="segmentBits">Segment data size as a power of two, 17 to 30.</param>
    /// <param name="header">Fills the header of a segment that is created.</param>
    /// <param name="maxOpenFiles">How many files stay open at most, beside those in use.</param>
    /// <returns>The files.</returns>
    /// <exception cref="StateStoreException">The directory cannot be listed or synced.</exception>
    public static SegmentFiles OpenForWriting(FileOps ops, string directory, int segmentBits, SegmentHeaderSource header, int maxOpenFiles = DefaultMaxOpenFiles)
    {
        ArgumentNullException.ThrowIfNull(header);
        SegmentFiles files = Open(ops, directory, segmentBits, header, maxOpenFiles);

        // A writer that was killed may have renamed a segment without syncing the directory. Data acknowledged in a file
        // whose name can still vanish would be lost with it.
        StoreDirectory.Sync(ops, directory);
        return files;
    }

    /// <summary>Whether a segment's file is there.</summary>
    /// <param name="segment">The segment number.</param>
    /// <returns>Whether it was there at open or was created since.</returns>
    public bool Contains(int segment)
    {
        lock (_lock)
        {
            return _segments.Contains(segment);
        }
    }

    /// <summary>The segment that contains an address.</summary>
    /// <param name="address">A log address.</param>
    /// <returns>The segment number.</returns>
    public int SegmentOf(long address)
    {
        long segment = address >> SegmentBits;
        ArgumentOutOfRangeException.ThrowIfNegative(address);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(segment, int.MaxValue, nameof(address));
        return (int)segment;
    }

    /// <summary>Fills a buffer from the log, across segments where needed.</summary>
    /// <param name="address">Log address of the first byte.</param>
    /// <param name="buffer">What to fill.</param>
    /// <exception cref="StateStoreException">A file is missing, has the wrong length, or cannot be read.</exception>
    public void ReadExactly(long address, Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            int segment = SegmentOf(address);
            long offset = address & (SegmentBytes - 1);
            int step = (int)Math.Min(buffer.Length, SegmentBytes - offset);
            ReadFile(segment, buffer[..step], SegmentLayout.PrologueBytes + offset);
            buffer = buffer[step..];
            address += step;
        }
    }

    /// <summary>Writes to the log, across segments where needed.</summary>
    /// <param name="address">Log address of the first byte.</param>
    /// <param name="buffer">The bytes.</param>
    /// <exception cref="StateStoreException">A file is missing or a write failed, now or earlier.</exception>
    public void Write(long address, ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            int segment = SegmentOf(address);
            long offset = address & (SegmentBytes - 1);
            int step = (int)Math.Min(buffer.Length, SegmentBytes - offset);
            WriteFile(segment, buffer[..step], SegmentLayout.PrologueBytes + offset);
            buffer = buffer[step..];
            address += step;
        }
    }

    /// <summary>Writes zeroes to the log, in bounded steps, across segments where needed.</summary>
    /// <param name="address">Log address of the first byte.</param>
    /// <param name="lengthBytes">How many.</param>
    /// <exception cref="StateStoreException">A file is missing or a write failed, now or earlier.</exception>
    public void WriteZeroes(long address, long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        byte[] zeroes = new byte[(int)Math.Min(lengthBytes, ZeroStepBytes)];
        while (lengthBytes > 0)
        {
            int step = (int)Math.Min(lengthBytes, zeroes.Length);
            Write(address, zeroes.AsSpan(0, step));
            address += step;
            lengthBytes -= step;
        }
    }

    /// <summary>Reads a segment's header block.</summary>
    /// <param name="segment">The segment number.</param>
    /// <param name="header">4,096 bytes.</param>
    /// <exception cref="StateStoreException">The file is missing, has the wrong length, or cannot be read.</exception>
    public void ReadHeader(int segment, Span<byte> header)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(header.Length, SegmentLayout.HeaderBytes, nameof(header));
        ReadFile(segment, header, 0);
    }

    /// <summary>Reads a tail slot.</summary>
    /// <param name="segment">The segment number.</param>
    /// <param name="slotIndex">0 or 1.</param>
    /// <param name="slot">8,192 bytes.</param>
    /// <exception cref="StateStoreException">The file is missing, has the wrong length, or cannot be read.</exception>
    public void ReadSlot(int segment, int slotIndex, Span<byte> slot)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(slot.Length, SegmentLayout.SlotBytes, nameof(slot));
        ReadFile(segment, slot, SegmentLayout.SlotOffset(slotIndex));
    }

    /// <summary>Writes a tail slot. It is durable after the next sync of this segment.</summary>
    /// <param name="segment">The segment number.</param>
    /// <param name="slotIndex">0 or 1.</param>
    /// <param name="slot">8,192 bytes.</param>
    /// <exception cref="StateStoreException">The file is missing or a write failed, now or earlier.</exception>
    public void WriteSlot(int segment, int slotIndex, ReadOnlySpan<byte> slot)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(slot.Length, SegmentLayout.SlotBytes, nameof(slot));
        WriteFile(segment, slot, SegmentLayout.SlotOffset(slotIndex));
    }

    /// <summary>Makes what was written to one segment durable, in one fdatasync; without unsynced writes it does nothing.</summary>
    /// <param name="segment">The segment number.</param>
    /// <exception cref="StateStoreException">A write or sync failed, now or earlier. A failed sync is never repeated.</exception>
    public void Sync(int segment)
    {
        ThrowIfLatched();
        int index = _dirty.IndexOf(segment);
        if (index < 0)
        {
            return;
        }

        OpenSegment open = Acquire(segment);
        try
        {
            open.File.Sync();
        }
        catch (StateStoreException fault)
        {
            Fault = fault;
            throw;
        }
        finally
        {
            Release(open);
        }

        lock (_lock)
        {
            _dirty.RemoveAt(index);
            open.IsDirty = false;
        }
    }

    /// <summary>Makes everything written so far durable: one fdatasync for each touched segment, lowest first.</summary>
    /// <exception cref="StateStoreException">A write or sync failed, now or earlier. A failed sync is never repeated.</exception>
    public void SyncDirty()
    {
        ThrowIfLatched();
        while (_dirty.Count > 0)
        {
            Sync(_dirty[0]);
        }
    }

    /// <summary>Opens a segment's file now, so that a later write need not.</summary>
    /// <param name="segment">The segment number.</param>
    /// <exception cref="StateStoreException">The file is missing, has the wrong length, or cannot be opened.</exception>
    public void OpenFile(int segment) => Release(Acquire(segment));

    /// <summary>Creates a segment: complete, durable and named, or not at all. May run beside writes and reads, but not beside itself.</summary>
    /// <param name="segment">The segment number; the one behind the last one, or any when there is none.</param>
    /// <param name="cancellation">Gives up between steps of at most 1 MiB.</param>
    /// <exception cref="StateStoreException">It could not be created; <see cref="StateStoreErrorCode.DiskFull"/> may be tried again.</exception>
    public void CreateSegment(int segment, CancellationToken cancellation = default)
    {
        ThrowIfReadOnly();
        ArgumentOutOfRangeException.ThrowIfNegative(segment);
        _creator.Create(segment, cancellation);
        lock (_lock)
        {
            _segments.Add(segment);
        }
    }

    /// <summary>Whether a file has a segment's final name, although the segment may not count as there.</summary>
    internal bool IsNamed(int segment) => _ops.Exists(Path.Combine(Directory, SegmentLayout.FileName(segment)));

    /// <summary>Closes every file. Unsynced writes stay as durable as they are.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (OpenSegment open in _open.Values)
            {
                open.IsEvicted = true;
                if (open.Users == 0)
                {
                    open.File.Dispose();
                }
            }

            _open.Clear();
        }
    }

    private static SegmentFiles Open(FileOps ops, string directory, int segmentBits, SegmentHeaderSource? header, int maxOpenFiles)
    {
        ArgumentNullException.ThrowIfNull(ops);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentOutOfRangeException.ThrowIfLessThan(segmentBits, SegmentLayout.MinSegmentBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(segmentBits, SegmentLayout.MaxSegmentBits);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxOpenFiles);
        SegmentFiles files = new(ops, directory, segmentBits, header, maxOpenFiles);
        foreach (DirectoryEntry entry in StoreDirectory.List(ops, directory))
        {
            if (SegmentLayout.TryParseFileName(entry.Name, out int segment))
            {
                files._segments.Add(segment);
            }
        }

        return files;
    }

    private void ReadFile(int segment, Span<byte> buffer, long offset)
    {
        OpenSegment open = Acquire(segment);
        try
        {
            open.File.ReadExactly(buffer, offset);
        }
        finally
        {
            Release(open);
        }
    }

    private void WriteFile(int segment, ReadOnlySpan<byte> buffer, long offset)
    {
        ThrowIfReadOnly();
        ThrowIfLatched();
        OpenSegment open = Acquire(segment);
        try
        {
            MarkDirty(open);
            open.File.Write(buffer, offset);
        }
        catch (StateStoreException fault)
        {
            Fault = fault;
            throw;
        }
        finally
        {
            Release(open);
        }
    }

    private void MarkDirty(OpenSegment open)
    {
        if (open.IsDirty)
        {
            return;
        }

        lock (_lock)
        {
            int index = _dirty.BinarySearch(open.Segment);
            _dirty.Insert(~index, open.Segment);
            open.IsDirty = true;
        }
    }

    private OpenSegment Acquire(int segment)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_open.TryGetValue(segment, out OpenSegment? open))
            {
                open = new OpenSegment(segment, OpenStoreFile(segment));
                _open.Add(segment, open);
                EvictOne(segment);
            }

            open.Users++;
            open.LastUse = ++_uses;
            return open;
        }
    }

    private void Release(OpenSegment open)
    {
        lock (_lock)
        {
            if (--open.Users == 0 && open.IsEvicted)
            {
                open.File.Dispose();
            }
        }
    }

    private void EvictOne(int except)
    {
        if (_open.Count <= _maxOpenFiles)
        {
            return;
        }

        OpenSegment? oldest = null;
        foreach (OpenSegment open in _open.Values)
        {
            // A file with unsynced writes stays open: a descriptor opened later may miss the error of its write-back.
            if (open.Segment != except && open.Users == 0 && !open.IsDirty && (oldest is null || open.LastUse < oldest.LastUse))
            {
                oldest = open;
            }
        }

        if (oldest is not null)
        {
            _open.Remove(oldest.Segment);
            oldest.File.Dispose();
        }
    }

    private StoreFile OpenStoreFile(int segment)
    {
        string path = Path.Combine(Directory, SegmentLayout.FileName(segment));
        OpenOptions options = (IsWritable ? OpenOptions.ReadWrite : OpenOptions.Read) | OpenOptions.NoFollow;
        int result = StoreFile.TryOpen(_ops, path, options, out StoreFile? file);
        if (result == -Errno.ENOENT)
        {
            throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"Log segment {segment} is missing.", path, "Verify the store; repair can restore a segment from parity or a backup.");
        }

        if (result < 0)
        {
            FileErrors.Throw(result, "open", path);
        }

        try
        {
            FileStatus status = file!.GetStatus();
            long expectedBytes = SegmentLayout.PrologueBytes + SegmentBytes;
            if (status.Kind != FileKind.File || status.SizeBytes != expectedBytes)
            {
                throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"Log segment {segment} has {status.SizeBytes} bytes instead of {expectedBytes}.", path, "Verify the store; repair can restore a segment from parity or a backup.");
            }
        }
        catch
        {
            file!.Dispose();
            throw;
        }

        return file;
    }

    [MemberNotNull(nameof(_creator))]
    private void ThrowIfReadOnly()
    {
        if (_creator is null)
        {
            throw new InvalidOperationException("These segment files are open for reading only.");
        }
    }

    private void ThrowIfLatched()
    {
        if (Fault is { } first)
        {
            throw new StateStoreException(StateStoreErrorCode.Latched, "An earlier write or sync of the log failed.", first.Place, "Close the store and open it again; recovery decides what is durable.", innerException: first);
        }
    }

    private sealed class OpenSegment(int segment, StoreFile file)
    {
        public int Segment { get; } = segment;

        public StoreFile File { get; } = file;

        public int Users { get; set; }

        public long LastUse { get; set; }

        public bool IsDirty { get; set; }

        public bool IsEvicted { get; set; }
    }
}
