// Why this file exists: a scan asks for a few bytes at a time, the medium likes long reads; this buffer stands between them. Invariants:
// what it hands out is exactly the log's bytes at that address as they were when read; its buffer never grows beyond what a frame
// can need; an error far ahead of what was asked for is not reported before it is reached.

using System.Numerics;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>A sliding window over the log. One thread at a time.</summary>
internal sealed class LogWindow
{
    private readonly LogReader _reader;
    private readonly int _readAheadBytes;
    private byte[] _buffer = [];
    private long _start;
    private int _count;

    public LogWindow(LogReader reader, int readAheadBytes)
    {
        _reader = reader;
        _readAheadBytes = readAheadBytes;
    }

    /// <summary>Bytes read from files so far.</summary>
    public long ReadBytes { get; private set; }

    /// <summary>Forgets what was read, so that the next request reads again.</summary>
    public void Clear() => _count = 0;

    /// <summary>Gives bytes of the log, valid until the next call.</summary>
    /// <param name="address">Where they start.</param>
    /// <param name="lengthBytes">How many.</param>
    /// <param name="limit">Nothing from this address on is read ahead.</param>
    /// <param name="bytes">The bytes; when the status is not ok, those of them that could be read.</param>
    public ReadStatus Get(long address, int lengthBytes, long limit, out ReadOnlySpan<byte> bytes)
    {
        if (address >= _start && address + lengthBytes <= _start + _count)
        {
            bytes = _buffer.AsSpan((int)(address - _start), lengthBytes);
            return ReadStatus.Ok;
        }

        ReadStatus status = Slide(address, lengthBytes, limit);
        bytes = _buffer.AsSpan(0, Math.Min(lengthBytes, _count));
        return bytes.Length == lengthBytes ? ReadStatus.Ok : status;
    }

    private ReadStatus Slide(long address, int lengthBytes, long limit)
    {
        long end = _start + _count;
        int kept = address >= _start && address < end ? (int)(end - address) : 0;
        byte[] source = _buffer;
        int wanted = (int)Math.Max(lengthBytes, Math.Min(_readAheadBytes, limit - address));
        if (_buffer.Length < wanted)
        {
            _buffer = GC.AllocateUninitializedArray<byte>((int)BitOperations.RoundUpToPowerOf2((uint)wanted));
        }

        source.AsSpan(_count - kept, kept).CopyTo(_buffer);
        _start = address;
        _count = kept;
        ReadStatus status = Fill(wanted);
        if (status != ReadStatus.Ok && _count < lengthBytes)
        {
            // A medium may refuse a long read for one bad block in it; ask for no more than is needed before believing it.
            status = Fill(lengthBytes);
        }

        return status;
    }

    private ReadStatus Fill(int untilBytes)
    {
        ReadStatus status = _reader.ReadExactly(_start + _count, _buffer.AsSpan(_count, untilBytes - _count), out int read);
        _count += read;
        ReadBytes += read;
        return status;
    }
}
