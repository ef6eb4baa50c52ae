// Why this file exists: bytes of the log by address, wherever their segment's file is. Invariants: at most maxOpenSegments files are
// open beyond those that reads in flight hold; a file is closed only when nobody reads it; a missing file is asked for again at
// each read, because a writer may make it meanwhile.

namespace SourceOS.StateStore.Readers.Log;

/// <summary>Reads ranges of a log across its segment files. Thread-safe.</summary>
public sealed class LogReader : IDisposable
{
    private readonly StoreFiles _files;
    private readonly int _maxOpenSegments;
    private readonly Lock _gate = new();
    private readonly List<OpenSegment> _open = [];
    private bool _disposed;

    /// <summary>Creates a reader. No file is opened yet.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="geometry">The log's geometry.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="maxOpenSegments">How many files stay open between reads, 1 to 1024.</param>
    public LogReader(StoreLayout layout, LogGeometry geometry, StoreFiles? files = null, int maxOpenSegments = 16)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxOpenSegments, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxOpenSegments, 1024);
        if (!LogGeometry.IsValid(geometry.PageBits, geometry.SegmentBits))
        {
            throw new ArgumentException("The geometry is not set.", nameof(geometry));
        }

        Layout = layout;
        Geometry = geometry;
        _files = files ?? StoreFiles.Native;
        _maxOpenSegments = maxOpenSegments;
    }

    /// <summary>The store's paths.</summary>
    public StoreLayout Layout { get; }

    /// <summary>The log's geometry.</summary>
    public LogGeometry Geometry { get; }

    /// <summary>Fills the destination with the bytes from an address on.</summary>
    /// <param name="address">A log address.</param>
    /// <param name="destination">What to fill; it may cross segments.</param>
    /// <param name="readBytes">How many bytes at the destination's start are valid.</param>
    /// <returns><see cref="ReadStatus.Ok"/> only when the destination is full; <see cref="ReadStatus.NotFound"/> when a segment's
    /// file is missing, <see cref="ReadStatus.EndOfFile"/> when it is too short.</returns>
    public ReadStatus ReadExactly(long address, Span<byte> destination, out int readBytes)
    {
        readBytes = 0;
        if (address < 0 || address > LogGeometry.MaxAddress - destination.Length)
        {
            return ReadStatus.OutOfRange;
        }

        while (readBytes < destination.Length)
        {
            long at = address + readBytes;
            int length = (int)Math.Min(destination.Length - readBytes, Geometry.SegmentEnd(at) - at);
            ReadStatus status = ReadInSegment(at, destination.Slice(readBytes, length), out int count);
            readBytes += count;
            if (status != ReadStatus.Ok)
            {
                return status;
            }
        }

        return ReadStatus.Ok;
    }

    /// <summary>Closes every file that no read uses, so that the next read sees files that took the names of others.</summary>
    public void CloseIdle()
    {
        lock (_gate)
        {
            foreach (OpenSegment segment in _open)
            {
                segment.IsRetired = true;
                CloseIfUnused(segment);
            }

            _open.Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
        }

        CloseIdle();
    }

    private static void CloseIfUnused(OpenSegment segment)
    {
        if (segment.Readers == 0 && segment.IsRetired)
        {
            segment.File.Dispose();
        }
    }

    private ReadStatus ReadInSegment(long address, Span<byte> destination, out int readBytes)
    {
        readBytes = 0;
        ReadStatus status = Acquire(Geometry.SegmentOf(address), out OpenSegment? segment);
        if (segment is null)
        {
            return status;
        }

        try
        {
            return segment.File.Read(Geometry.FileOffsetOf(address), destination, out readBytes);
        }
        finally
        {
            lock (_gate)
            {
                segment.Readers--;
                CloseIfUnused(segment);
            }
        }
    }

    // The list is ordered from the least to the most recently used; it is short, so a linear search is the fastest one.
    private ReadStatus Acquire(int number, out OpenSegment? segment)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            int index = _open.Count - 1;
            while (index >= 0 && _open[index].Number != number)
            {
                index--;
            }

            if (index >= 0)
            {
                segment = _open[index];
                if (index != _open.Count - 1)
                {
                    _open.RemoveAt(index);
                    _open.Add(segment);
                }

                segment.Readers++;
                return ReadStatus.Ok;
            }

            ReadStatus status = _files.Open(Layout.SegmentPath(number), out PositionalFile? file);
            if (status != ReadStatus.Ok || file is null)
            {
                segment = null;
                return status == ReadStatus.Ok ? ReadStatus.InputOutput : status;
            }

            if (_open.Count == _maxOpenSegments)
            {
                OpenSegment oldest = _open[0];
                _open.RemoveAt(0);
                oldest.IsRetired = true;
                CloseIfUnused(oldest);
            }

            segment = new OpenSegment(number, file) { Readers = 1 };
            _open.Add(segment);
            return ReadStatus.Ok;
        }
    }

    private sealed class OpenSegment(int number, PositionalFile file)
    {
        public int Number { get; } = number;

        public PositionalFile File { get; } = file;

        public int Readers { get; set; }

        public bool IsRetired { get; set; }
    }
}
