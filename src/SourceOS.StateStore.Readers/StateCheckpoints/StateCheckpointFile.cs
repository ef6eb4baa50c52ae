// Why this file exists: reads a checkpoint of the state and proves it on the way (format-spec/checkpoints.md): nothing is handed out of a block that does not hold, and only the end says that all of it is there. Invariants: memory is
// one block and what it decodes to, whatever the file says; ends on any bytes; nothing throws because of them; what was handed out counts for nothing until Finish says that it is proven.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.StateCheckpoints;

/// <summary>Hears the entries of a checkpoint, in the order of tables and keys.</summary>
public interface IStateCheckpointVisitor
{
    /// <summary>An entry whose own check holds.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="key">Its key; valid during the call.</param>
    /// <param name="value">Its value; valid during the call.</param>
    void Visit(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value);
}

/// <summary>A checkpoint that is being read. One thread at a time.</summary>
public sealed class StateCheckpointFile : IDisposable
{
    private readonly PositionalFile _file;
    private readonly StateDigest _stored = new();
    private readonly StateDigest _computed = new();
    private readonly byte[] _head;
    private readonly byte[] _lastKey = new byte[Tables.MaxKeyLengthBytes];
    private byte[] _storedBytes = new byte[StateCheckpointBlock.TargetLengthBytes];
    private byte[] _raw = new byte[StateCheckpointBlock.TargetLengthBytes * 2];
    private Sha256Hasher _hasher = Sha256Hasher.Create();
    private int _lastKeyLength;
    private StateTable _lastTable;
    private long _at;
    private long _blocks;
    private long _entries;
    private BootCriticalCount _bootCritical;

    private StateCheckpointFile(PositionalFile file, byte[] head, StateCheckpointHeader header, long lengthBytes)
    {
        _file = file;
        _head = head;
        Header = header;
        LengthBytes = lengthBytes;
    }

    /// <summary>Its header.</summary>
    public StateCheckpointHeader Header { get; }

    /// <summary>The state's digest, as the checkpoint states it.</summary>
    public StateDigest Digest => _stored;

    /// <summary>Length of the file when it was opened.</summary>
    public long LengthBytes { get; }

    /// <summary>Where the last frame that it folds stands; known once it was read. Null when it folds none.</summary>
    public FrameEntry? LastFrame { get; private set; }

    /// <summary>Log address of the first frame in the page that its position lies in, as far as it was read; the position when there is none.</summary>
    public long FirstFrameInPage { get; private set; }

    /// <summary>What is wrong; none while nothing was found.</summary>
    public FormatFault Fault { get; private set; }

    /// <summary>Opens a checkpoint and checks its header and digest.</summary>
    /// <param name="path">The file.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="file">The file; null when it cannot be read or is not valid.</param>
    /// <param name="fault">What is wrong with its bytes, with its offset in the file.</param>
    /// <returns>How reading went; <see cref="ReadStatus.NotFound"/> when there is none.</returns>
    public static ReadStatus Open(string path, in StoreId storeId, StoreFiles files, out StateCheckpointFile? file, out FormatFault fault)
    {
        ArgumentNullException.ThrowIfNull(files);
        file = null;
        fault = FormatFault.None;
        ReadStatus status = files.Open(path, out PositionalFile? opened);
        if (status != ReadStatus.Ok || opened is null)
        {
            return status == ReadStatus.Ok ? ReadStatus.InputOutput : status;
        }

        status = TryRead(opened, storeId, out file, out fault);
        if (file is null)
        {
            opened.Dispose();
        }

        return status;
    }

    /// <summary>Reads everything and proves it.</summary>
    /// <param name="visitor">Hears each entry; null for none.</param>
    /// <param name="pageBits">Log page size as a power of two, for <see cref="FirstFrameInPage"/>.</param>
    /// <param name="cancellation">Ends it between blocks.</param>
    /// <returns>How reading went; it is proven when this is <see cref="ReadStatus.Ok"/> and <see cref="Fault"/> is none.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ReadStatus Run(IStateCheckpointVisitor? visitor, int pageBits, CancellationToken cancellation = default)
    {
        Start(pageBits);
        long pageStart = (Header.State.LogPosition - 1) >> pageBits << pageBits;
        Span<byte> head = stackalloc byte[StateCheckpointTrailer.LengthBytes];
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadStatus status = _file.Read(_at, head[..StateCheckpointBlock.LengthBytes], out _);
            if (status != ReadStatus.Ok)
            {
                return Stop(status);
            }

            if (StateCheckpointTrailer.IsTrailer(head))
            {
                status = _file.Read(_at, head, out _);
                return status == ReadStatus.Ok ? Finish(head) : Stop(status);
            }

            if (!StateCheckpointBlock.TryDecode(head[..StateCheckpointBlock.LengthBytes], out StateCheckpointBlock block, out FormatFault fault))
            {
                return Fail(fault.At(_at));
            }

            status = ReadBlock(in block);
            if (status != ReadStatus.Ok || Fault.IsFault)
            {
                return Fault.IsFault ? ReadStatus.Ok : Stop(status);
            }

            if (!ReadEntries(in block, visitor, pageStart))
            {
                return ReadStatus.Ok;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static ReadStatus TryRead(PositionalFile opened, in StoreId storeId, out StateCheckpointFile? file, out FormatFault fault)
    {
        file = null;
        fault = FormatFault.None;
        ReadStatus status = opened.GetLength(out long length);
        byte[] head = new byte[StateCheckpointHeader.LengthBytes + StateDigest.EncodedLengthBytes];
        status = status == ReadStatus.Ok ? opened.Read(0, head, out _) : status;
        if (status != ReadStatus.Ok)
        {
            fault = status == ReadStatus.EndOfFile ? new FormatFault(FaultCode.Truncated, length) : FormatFault.None;
            return fault.IsFault ? ReadStatus.Ok : status;
        }

        if (!StateCheckpointHeader.TryDecode(head.AsSpan(0, StateCheckpointHeader.LengthBytes), out StateCheckpointHeader? header, out fault))
        {
            return ReadStatus.Ok;
        }

        if (header!.State.StoreId != storeId)
        {
            fault = new FormatFault(FaultCode.WrongStore, 16);
            return ReadStatus.Ok;
        }

        StateCheckpointFile made = new(opened, head, header, length);
        if (!made._stored.TryDecode(head.AsSpan(StateCheckpointHeader.LengthBytes), out fault))
        {
            fault = fault.At(StateCheckpointHeader.LengthBytes);
            return ReadStatus.Ok;
        }

        file = made;
        return ReadStatus.Ok;
    }

    private void Start(int pageBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageBits, FormatLimits.MinPageBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageBits, FormatLimits.MaxPageBits);
        _computed.Clear();
        _hasher = Sha256Hasher.Create();
        _hasher.Append(_head);
        _at = _head.Length;
        _blocks = 0;
        _entries = 0;
        _bootCritical = default;
        _lastTable = 0;
        _lastKeyLength = 0;
        LastFrame = null;
        FirstFrameInPage = Header.State.LogPosition;
        Fault = FormatFault.None;
    }

    private ReadStatus ReadBlock(in StateCheckpointBlock block)
    {
        int length = StateCheckpointBlock.LengthBytes + block.StoredLengthBytes;
        Grow(ref _storedBytes, length + StateCheckpointBlock.CheckLengthBytes);
        Span<byte> stored = _storedBytes.AsSpan(0, length + StateCheckpointBlock.CheckLengthBytes);
        ReadStatus status = _file.Read(_at, stored, out _);
        if (status != ReadStatus.Ok)
        {
            return status;
        }

        // The head is read twice; what counts is the one that the check covers.
        if (!StateCheckpointBlock.TryDecode(stored[..StateCheckpointBlock.LengthBytes], out StateCheckpointBlock again, out FormatFault fault) || again != block)
        {
            Fault = fault.IsFault ? fault.At(_at) : new FormatFault(FaultCode.RuleBroken, _at);
            return ReadStatus.Ok;
        }

        if (Checksum.Read128(stored[length..]) != StateCheckpointBlock.Check(Header.State.StoreId, Header.State.LastSequence, _blocks, stored[..length]))
        {
            Fault = new FormatFault(FaultCode.ChecksumMismatch, _at);
            return ReadStatus.Ok;
        }

        Grow(ref _raw, block.RawLengthBytes);
        Span<byte> raw = _raw.AsSpan(0, block.RawLengthBytes);
        ReadOnlySpan<byte> bytes = stored[StateCheckpointBlock.LengthBytes..length];
        if (!block.IsCompressed)
        {
            bytes.CopyTo(raw);
        }
        else if (!Lz4.TryDecompress(bytes, raw))
        {
            Fault = new FormatFault(FaultCode.LengthMismatch, _at);
            return ReadStatus.Ok;
        }

        _hasher.Append(stored);
        _at += stored.Length;
        _blocks++;
        return ReadStatus.Ok;
    }

    private bool ReadEntries(in StateCheckpointBlock block, IStateCheckpointVisitor? visitor, long pageStart)
    {
        ReadOnlySpan<byte> left = _raw.AsSpan(0, block.RawLengthBytes);
        for (int i = 0; i < block.EntryCount; i++)
        {
            if (!TryTake(ref left, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value) || !IsInOrder(block.Table, key) || !Holds(block.Table, key, value, pageStart))
            {
                Fault = new FormatFault(FaultCode.RuleBroken, _at);
                return false;
            }

            _computed.Add(block.Table, key, value);
            _entries++;
            visitor?.Visit(block.Table, key, value);
        }

        if (!left.IsEmpty)
        {
            Fault = new FormatFault(FaultCode.TrailingBytes, _at);
        }

        return left.IsEmpty;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> left, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        key = value = default;
        if (left.Length < StateCheckpointBlock.EntryHeadLengthBytes)
        {
            return false;
        }

        int keyLength = System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(left);
        uint valueLength = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(left[2..]);
        left = left[StateCheckpointBlock.EntryHeadLengthBytes..];
        if (keyLength is 0 or > Tables.MaxKeyLengthBytes || valueLength > StateCheckpointBlock.MaxValueLengthBytes || (uint)left.Length < (uint)keyLength + valueLength)
        {
            return false;
        }

        key = left[..keyLength];
        value = left.Slice(keyLength, (int)valueLength);
        left = left[(keyLength + (int)valueLength)..];
        return true;
    }

    private bool IsInOrder(StateTable table, ReadOnlySpan<byte> key)
    {
        bool isNext = table > _lastTable || (table == _lastTable && key.SequenceCompareTo(_lastKey.AsSpan(0, _lastKeyLength)) > 0);
        _lastTable = table;
        key.CopyTo(_lastKey);
        _lastKeyLength = key.Length;
        return isNext;
    }

    private bool Holds(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, long pageStart)
    {
        if (table == StateTable.Records)
        {
            bool isRecord = RecordEnvelope.TryRead(key, value, out RecordEnvelope record, out _);
            _bootCritical = isRecord && record.IsBootCritical && !record.IsTombstone ? _bootCritical.With(key, value) : _bootCritical;
            return isRecord;
        }

        if (table != StateTable.Frames)
        {
            return Tables.EntryHolds(table, key, value);
        }

        if (!FrameEntry.TryDecode(key, value, out FrameEntry frame))
        {
            return false;
        }

        if (frame.Address >= pageStart && FirstFrameInPage == Header.State.LogPosition)
        {
            FirstFrameInPage = frame.Address;
        }

        LastFrame = frame;
        return true;
    }

    private ReadStatus Finish(ReadOnlySpan<byte> bytes)
    {
        if (!StateCheckpointTrailer.TryDecode(bytes, out StateCheckpointTrailer trailer, out FormatFault fault))
        {
            return Fail(fault.At(_at));
        }

        _hasher.Append(bytes[..StateCheckpointTrailer.HashedLengthBytes]);
        if (trailer.Hash != _hasher.Finish())
        {
            return Fail(new FormatFault(FaultCode.ChecksumMismatch, _at + StateCheckpointTrailer.HashedLengthBytes));
        }

        if (trailer.Blocks != _blocks || trailer.Entries != _entries)
        {
            return Fail(new FormatFault(FaultCode.CountMismatch, _at));
        }

        long end = _at + StateCheckpointTrailer.LengthBytes;
        if (trailer.FileLengthBytes != end || LengthBytes != end)
        {
            return Fail(new FormatFault(LengthBytes > end ? FaultCode.TrailingBytes : FaultCode.LengthMismatch, end));
        }

        if (!_computed.ContentEquals(_stored) || _bootCritical != Header.State.BootCritical)
        {
            return Fail(new FormatFault(FaultCode.CountMismatch, StateCheckpointHeader.LengthBytes));
        }

        // A position stands for frames only: without any, there is no last frame, and with some, the last one is the one before the next number.
        bool fits = LastFrame is { } last ? last.FrameNumber + 1 == Header.State.FrameCount && last.CommitId == Header.State.LastCommitId : Header.State.LastCommitId == 0;
        return fits ? ReadStatus.Ok : Fail(new FormatFault(FaultCode.RuleBroken, 0));
    }

    private ReadStatus Stop(ReadStatus status) =>
        status == ReadStatus.EndOfFile ? Fail(new FormatFault(FaultCode.Truncated, LengthBytes)) : status;

    private ReadStatus Fail(FormatFault fault)
    {
        Fault = fault;
        return ReadStatus.Ok;
    }

    private static void Grow(ref byte[] buffer, int length)
    {
        if (buffer.Length < length)
        {
            buffer = new byte[Math.Max(length, buffer.Length * 2)];
        }
    }
}
