// Why this file exists: writes and reads the erasure journal's file (format-spec/erasure.md). Invariants: a journal has its name only when it is whole and synced; nothing of one is
// believed before its seal was checked over the whole file; memory is bounded by the longest frame.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Erasure;

/// <summary>Writes a journal. Not thread-safe.</summary>
internal sealed class JournalWriter : IDisposable
{
    private const int CopyBytes = 1 << 20;
    private readonly FileOps _ops;
    private readonly StoreLayout _layout;
    private readonly StoreFile _file;
    private long _length = ErasureJournalHead.HeadLengthBytes;
    private ulong _frames;
    private ulong _events;
    private byte[] _buffer = new byte[64 << 10];

    internal JournalWriter(FileOps ops, StoreLayout layout)
    {
        _ops = ops;
        _layout = layout;
        StoreDirectory.RemoveFile(ops, Unfinished(layout));
        _file = StoreFile.Open(ops, Unfinished(layout), OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow);
    }

    internal static string Unfinished(StoreLayout layout) => layout.ErasureJournalPath + StoreLayout.UnfinishedSuffix;

    /// <summary>Adds a frame as it shall be.</summary>
    internal void Add(long address, ReadOnlySpan<byte> frame, int erased)
    {
        ErasureJournalEntry entry = new(address, frame.Length);
        if (_buffer.Length < entry.LengthBytes)
        {
            _buffer = new byte[entry.LengthBytes];
        }

        Span<byte> bytes = _buffer.AsSpan(0, entry.LengthBytes);
        bytes.Clear();
        entry.EncodeHead(frame, bytes);
        frame.CopyTo(bytes[ErasureJournalEntry.HeadLengthBytes..]);
        _file.Write(bytes, _length);
        _length += bytes.Length;
        _frames++;
        _events += (ulong)erased;
    }

    /// <summary>Seals the journal and gives it its name; durable when it returns.</summary>
    internal void Complete(StoreId storeId)
    {
        ErasureJournalHead head = new(storeId, _frames, _events, _length + ErasureJournalHead.SealLengthBytes);
        Span<byte> bytes = stackalloc byte[ErasureJournalHead.HeadLengthBytes];
        head.Encode(bytes);
        _file.Write(bytes, 0);
        byte[] buffer = new byte[(int)Math.Min(CopyBytes, _length)];
        Sha256Hasher hasher = Sha256Hasher.Create();
        for (long at = 0; at < _length; at += buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, _length - at));
            _file.ReadExactly(part, at);
            hasher.Append(part);
        }

        _file.Write(hasher.Finish().Bytes, _length);
        _file.SyncAll();
        _file.Dispose();
        StoreDirectory.Rename(_ops, Unfinished(_layout), _layout.ErasureJournalPath);
        StoreDirectory.Sync(_ops, _layout.StorePath);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}

/// <summary>Reads a journal. Not thread-safe.</summary>
internal sealed class JournalReader : IDisposable
{
    private const int ChunkBytes = 1 << 20;
    private readonly StoreFile _file;
    private readonly StoreId _storeId;
    private byte[] _buffer = new byte[64 << 10];

    private JournalReader(StoreFile file, StoreId storeId)
    {
        _file = file;
        _storeId = storeId;
    }

    internal ErasureJournalHead Head { get; private set; }

    /// <summary>Opens the journal of a store and checks it as a whole.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="layout">The store.</param>
    /// <param name="storeId">Its id.</param>
    /// <param name="flaw">Why the journal is worth nothing; empty when it is sound, or there is none.</param>
    /// <returns>The reader; null when there is none or it is worth nothing.</returns>
    internal static JournalReader? TryOpen(FileOps ops, StoreLayout layout, StoreId storeId, out string flaw)
    {
        flaw = "";
        if (!ops.Exists(layout.ErasureJournalPath))
        {
            return null;
        }

        JournalReader reader = new(StoreFile.Open(ops, layout.ErasureJournalPath, OpenOptions.Read | OpenOptions.NoFollow), storeId);
        try
        {
            flaw = reader.Check();
        }
        catch
        {
            reader.Dispose();
            throw;
        }

        if (flaw.Length == 0)
        {
            return reader;
        }

        reader.Dispose();
        return null;
    }

    /// <summary>Hands out each frame, lowest address first.</summary>
    /// <param name="take">Takes the address of an entry and its frame, which is valid during the call.</param>
    /// <exception cref="StateStoreException">InputOutput when the journal is not what it was when it was opened; what was handed out by then was sound.</exception>
    internal void ForEach(Action<long, ReadOnlyMemory<byte>> take)
    {
        string flaw = Walk(take);
        if (flaw.Length > 0)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The erasure's journal changed while it was read: {flaw}.", _file.Path, "Check the device, and open the store again.", isRetryable: true);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private string Check()
    {
        FileStatus status = _file.GetStatus();
        byte[] chunk = new byte[ChunkBytes];
        int read = status.Kind == FileKind.File ? _file.ReadUpTo(chunk.AsSpan(0, ErasureJournalHead.HeadLengthBytes), 0) : 0;
        if (!ErasureJournalHead.TryDecode(chunk.AsSpan(0, read), out ErasureJournalHead head, out FormatFault fault))
        {
            return $"its head is not valid: {fault}";
        }

        if (head.StoreId != _storeId || head.LengthBytes != status.SizeBytes)
        {
            return head.StoreId != _storeId ? "it belongs to another store" : "it has another length than its head states";
        }

        Sha256Hasher hasher = Sha256Hasher.Create();
        long sealAt = head.LengthBytes - ErasureJournalHead.SealLengthBytes;
        for (long at = 0; at < sealAt; at += chunk.Length)
        {
            Span<byte> part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, sealAt - at));
            _file.ReadExactly(part, at);
            hasher.Append(part);
        }

        Span<byte> stated = stackalloc byte[ErasureJournalHead.SealLengthBytes];
        _file.ReadExactly(stated, sealAt);
        if (!hasher.Finish().Bytes.SequenceEqual(stated))
        {
            return "its seal does not fit its bytes";
        }

        Head = head;
        return Walk(static (_, _) => { });
    }

    // Every entry is checked on each walk: between two of them the medium may have lost a bit.
    private string Walk(Action<long, ReadOnlyMemory<byte>> take)
    {
        long at = ErasureJournalHead.HeadLengthBytes;
        long end = Head.LengthBytes - ErasureJournalHead.SealLengthBytes;
        long last = 0;
        for (ulong i = 0; i < Head.Frames; i++)
        {
            int room = (int)Math.Min(ErasureJournalEntry.HeadLengthBytes, end - at);
            _file.ReadExactly(_buffer.AsSpan(0, room), at);
            if (!ErasureJournalEntry.TryDecodeHead(_buffer.AsSpan(0, room), out ErasureJournalEntry entry, out FormatFault fault) || entry.LengthBytes > end - at || entry.Address <= last)
            {
                return $"the entry at offset {at} is not valid: {fault}";
            }

            if (_buffer.Length < entry.LengthBytes)
            {
                _buffer = new byte[entry.LengthBytes];
            }

            _file.ReadExactly(_buffer.AsSpan(0, entry.LengthBytes), at);
            if (!entry.TryReadFrame(_buffer, _storeId, out _, out fault))
            {
                return $"the frame at offset {at} is not valid: {fault}";
            }

            take(entry.Address, new ReadOnlyMemory<byte>(_buffer, ErasureJournalEntry.HeadLengthBytes, entry.FrameLengthBytes));
            at += entry.LengthBytes;
            last = entry.Address;
        }

        return at == end ? "" : "bytes follow its last entry";
    }
}
