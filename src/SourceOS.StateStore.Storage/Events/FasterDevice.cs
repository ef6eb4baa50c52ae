// Why this file exists: FASTER writes and reads its pages through this device, which keeps FASTER away from files. Invariants: completion is
// inline, on the calling thread; nothing is created, truncated, removed or synced here; no exception reaches FASTER; the first failure is kept and
// every later write fails; a write continues exactly where the last ended, takes the acknowledged bytes of its first block along unchanged, and comes from
// the page's one place in memory, or it is refused before it touches a file.

using System.Runtime.CompilerServices;
using FASTER.core;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Events;

internal sealed unsafe class FasterDevice : StorageDeviceBase
{
    private const uint UnknownError = 0xFFFF;

    private readonly SegmentFiles _files;
    private readonly byte[] _lastBlock = new byte[LogLayout.BlockBytes];
    private readonly long _pageBytes;
    private long _position;
    private long _page = -1;
    private nint _pageMemory;
    private int _loadedBytes;

    public FasterDevice(SegmentFiles files, int logPageBits)
        : base(System.IO.Path.Combine(files.Directory, "segment"), LogLayout.BlockBytes, Devices.CAPACITY_UNSPECIFIED)
    {
        _files = files;
        _pageBytes = 1L << logPageBits;
    }

    /// <summary>The first failure; null while there was none.</summary>
    public StateStoreException? Fault { get; private set; }

    /// <summary>The block that holds the confirmed tail, zero behind it; all zero when the tail is a block's start.</summary>
    public ReadOnlySpan<byte> TailBlock => _lastBlock;

    /// <summary>Declares everything below an address written, and the block that holds it.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="block">The bytes from the start of the tail's block to the tail.</param>
    public void StartAt(long tail, ReadOnlySpan<byte> block)
    {
        _position = tail;
        _lastBlock.AsSpan().Clear();
        block.CopyTo(_lastBlock);
    }

    /// <summary>Tells where FASTER keeps the page that holds an address. Pages stay where they are while they hold the log's end.</summary>
    /// <param name="address">A log address.</param>
    /// <param name="memory">Where its byte is.</param>
    public void NotePage(long address, nint memory)
    {
        long page = address & -_pageBytes;
        nint pageMemory = memory - (nint)(address - page);
        if (page != _page)
        {
            (_page, _pageMemory) = (page, pageMemory);
        }
        else if (pageMemory != _pageMemory)
        {
            Fail(OutOfOrder("The page allocator moved a page that holds the log's end.", address));
        }
    }

    /// <summary>The page that FASTER loaded, as it is in memory now.</summary>
    /// <param name="address">Log address of its first byte; -1 when nothing was loaded.</param>
    /// <returns>The bytes; empty when nothing was loaded.</returns>
    public ReadOnlySpan<byte> LoadedPage(out long address)
    {
        address = _page;
        return new ReadOnlySpan<byte>((void*)_pageMemory, _loadedBytes);
    }

    /// <summary>Writes everything up to a tail in the present page, which FASTER itself would write only when it is full.</summary>
    /// <param name="tail">The tail; everything below the present page was written by FASTER.</param>
    /// <returns>Whether it was written; if not, <see cref="Fault"/> says why.</returns>
    public bool TryWriteUntil(long tail)
    {
        long start = LogLayout.BlockStart(_position);
        long end = LogLayout.BlockStart(tail + LogLayout.BlockBytes - 1);
        if (start < _page || end > _page + _pageBytes)
        {
            Fail(OutOfOrder($"The page allocator has not written its full pages; the log stands at {_position}.", tail));
            return false;
        }

        if (Write(new ReadOnlySpan<byte>((void*)(_pageMemory + (nint)(start - _page)), (int)(end - start)), start) != 0)
        {
            return false;
        }

        _position = tail;
        if ((tail & (LogLayout.BlockBytes - 1)) == 0)
        {
            _lastBlock.AsSpan().Clear();
        }

        return true;
    }

    public override void WriteAsync(IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        uint error = WriteFullPage(sourceAddress, ((long)segmentId << _files.SegmentBits) + (long)destinationAddress, checked((int)numBytesToWrite));
        callback(error, error == 0 ? numBytesToWrite : 0, context);
    }

    public override void ReadAsync(int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
    {
        uint error = Read(segmentId, (long)sourceAddress, destinationAddress, checked((int)readLength));
        callback(error, error == 0 ? readLength : 0, context);
    }

    /// <summary>Removes nothing: the engine decides what happens to segments.</summary>
    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) => callback(result);

    /// <summary>Removes nothing.</summary>
    public override void RemoveSegment(int segment)
    {
    }

    /// <summary>Truncates nothing.</summary>
    public override void TruncateUntilAddress(long toAddress)
    {
    }

    /// <summary>Truncates nothing.</summary>
    public override void TruncateUntilAddressAsync(long toAddress, AsyncCallback callback, IAsyncResult result) => callback(result);

    public override long GetFileSize(int segment) => _files.Contains(segment) ? _files.SegmentBytes : 0;

    /// <summary>The files belong to the owner of <see cref="SegmentFiles"/>.</summary>
    public override void Dispose()
    {
    }

    // FASTER writes a page when it is full. What was written of it before is not written again.
    private uint WriteFullPage(nint source, long address, int length)
    {
        long from = LogLayout.BlockStart(_position);
        if (address > from || address < _page || source - (nint)(address - _page) != _pageMemory)
        {
            return Fail(OutOfOrder($"The page allocator writes at {address}, but the log stands at {_position}.", address));
        }

        long end = address + length;
        return end <= _position ? 0 : Write(new ReadOnlySpan<byte>((void*)(source + (nint)(from - address)), (int)(end - from)), from);
    }

    private uint Write(ReadOnlySpan<byte> blocks, long address)
    {
        if (Fault is not null)
        {
            return UnknownError;
        }

        int acknowledged = (int)(_position - address);
        if (!blocks[..acknowledged].SequenceEqual(_lastBlock.AsSpan(0, acknowledged)))
        {
            return Fail(OutOfOrder("The page allocator was about to change bytes that are acknowledged.", address));
        }

        try
        {
            _files.Write(address, blocks);
        }
        catch (Exception exception)
        {
            return Fail(exception as StateStoreException ?? Unexpected(exception, address));
        }

        blocks[^LogLayout.BlockBytes..].CopyTo(_lastBlock);
        _position = address + blocks.Length;
        return 0;
    }

    private uint Read(int segment, long offset, nint destination, int length)
    {
        long address = ((long)segment << _files.SegmentBits) + offset;
        try
        {
            _files.ReadExactly(address, new Span<byte>((void*)destination, length));
            (_page, _pageMemory, _loadedBytes) = (address, destination, length);
            return 0;
        }
        catch (Exception exception)
        {
            return Fail(exception as StateStoreException ?? Unexpected(exception, address));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private uint Fail(StateStoreException fault)
    {
        Fault ??= fault;
        return UnknownError;
    }

    private static StateStoreException OutOfOrder(string message, long address)
        => new(StateStoreErrorCode.LogDamaged, message, $"log address {address}", "Nothing was written. Close the store and open it again.");

    private static StateStoreException Unexpected(Exception exception, long address)
        => new(StateStoreErrorCode.InputOutput, "The log device failed.", $"log address {address}", "Close the store and open it again.", innerException: exception);
}
