// Why this file exists: copies one snapshot of the state into a checkpoint (format-spec/checkpoints.md). Invariants: reads through our own page reader, never through liblmdb; a checkpoint has its name only after all of it was synced, read back and
// proven, so that what a bad page or a bad device put into it never counts; memory is one block.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Checkpoints;

/// <summary>Makes checkpoints. One thread at a time.</summary>
internal sealed class CheckpointMaker(FileOps ops, StoreLayout layout, Superblock superblock, TimeProvider clock)
{
    private const int RestAfterBytes = 4 << 20;
    private readonly StoreFiles _files = new SeamStoreFiles(ops);
    private byte[] _raw = new byte[StateCheckpointBlock.TargetLengthBytes * 2];
    private byte[] _stored = new byte[StateCheckpointBlock.TargetLengthBytes * 2];
    private Sha256Hasher _hasher;
    private StoreFile? _file;
    private ulong _sequence;
    private long _at;
    private long _nextRest;
    private long _blocks;
    private long _entries;
    private int _rawLength;
    private int _rawEntries;

    /// <summary>Milliseconds of rest after every 4 MiB, so that work in the background leaves the device to others.</summary>
    internal int RestMs { get; init; }

    /// <summary>Free bytes that must be left on the device.</summary>
    internal long ReserveBytes { get; init; }

    /// <summary>Makes the checkpoint of a snapshot that is pinned meanwhile.</summary>
    /// <param name="view">The snapshot.</param>
    /// <param name="cancellation">Gives up between blocks.</param>
    /// <exception cref="StateStoreException">StateDamaged when the state does not prove; DiskFull, InputOutput. What was there before is left as it is.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal void Make(StateView view, CancellationToken cancellation = default)
    {
        StateHeader header = view.Roots.Header;
        ThrowIfSpaceIsLow((long)(view.Roots.Meta.LastPage + 1) * view.Roots.Meta.PageSizeBytes);
        CheckpointFolder.Create(ops, layout);
        string path = layout.CheckpointPath(header.LastSequence);
        string unfinished = path + StoreLayout.UnfinishedSuffix;
        StoreDirectory.RemoveFile(ops, unfinished);
        try
        {
            using (_file = StoreFile.Open(ops, unfinished, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow))
            {
                Write(view, header, cancellation);
                _file.SyncAll();
            }

            Prove(unfinished, cancellation);
            StoreDirectory.Rename(ops, unfinished, path);
            StoreDirectory.Sync(ops, layout.CheckpointsPath);
            CheckpointFolder.DropOld(ops, layout);
        }
        catch
        {
            // It is no part of the store; whoever makes one next removes it first.
            _ = ops.Unlink(unfinished);
            throw;
        }
        finally
        {
            _file = null;
        }
    }

    private void Write(StateView view, StateHeader header, CancellationToken cancellation)
    {
        byte[] head = new byte[StateCheckpointHeader.LengthBytes + StateDigest.EncodedLengthBytes];
        StateDigest digest = new();
        view.ReadDigest(digest);
        new StateCheckpointHeader(header, Times.MicrosOf(clock.GetUtcNow())).Encode(head.AsSpan(0, StateCheckpointHeader.LengthBytes));
        digest.Encode(head.AsSpan(StateCheckpointHeader.LengthBytes));
        _hasher = Sha256Hasher.Create();
        _sequence = header.LastSequence;
        _at = _blocks = _entries = 0;
        _nextRest = RestAfterBytes;
        Append(head);
        foreach (StateTable table in (ReadOnlySpan<StateTable>)[StateTable.Records, StateTable.Index, StateTable.Surrogates, StateTable.Frames])
        {
            WriteTable(view, table, cancellation);
        }

        byte[] trailer = new byte[StateCheckpointTrailer.LengthBytes];
        StateCheckpointTrailer end = new(_blocks, _entries, _at + StateCheckpointTrailer.LengthBytes, default);
        end.Encode(trailer);
        _hasher.Append(trailer.AsSpan(0, StateCheckpointTrailer.HashedLengthBytes));
        (end with { Hash = _hasher.Finish() }).Encode(trailer);
        _file!.Write(trailer, _at);
        _at += trailer.Length;
    }

    private void WriteTable(StateView view, StateTable table, CancellationToken cancellation)
    {
        LmdbCursor<MappedPages> cursor = new(view.Roots.Reader, view.Roots[table]);
        LmdbReadStatus status = cursor.SeekFirst();
        while (status == LmdbReadStatus.Found)
        {
            Add(cursor.Key, cursor.Value);
            if (_rawLength >= StateCheckpointBlock.TargetLengthBytes)
            {
                Flush(table, cancellation);
            }

            status = cursor.Next();
        }

        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(table, cursor.Fault);
        }

        if (_rawEntries > 0)
        {
            Flush(table, cancellation);
        }
    }

    private void Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int length = StateCheckpointBlock.EntryHeadLengthBytes + key.Length + value.Length;
        if (_raw.Length < _rawLength + length)
        {
            Array.Resize(ref _raw, Math.Max(_rawLength + length, _raw.Length * 2));
        }

        Span<byte> room = _raw.AsSpan(_rawLength, length);
        BinaryPrimitives.WriteUInt16LittleEndian(room, (ushort)key.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(room[2..], (uint)value.Length);
        key.CopyTo(room[StateCheckpointBlock.EntryHeadLengthBytes..]);
        value.CopyTo(room[(StateCheckpointBlock.EntryHeadLengthBytes + key.Length)..]);
        _rawLength += length;
        _rawEntries++;
    }

    private void Flush(StateTable table, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        const int Head = StateCheckpointBlock.LengthBytes;
        if (_stored.Length < Head + _rawLength + StateCheckpointBlock.CheckLengthBytes)
        {
            _stored = new byte[Head + _rawLength + StateCheckpointBlock.CheckLengthBytes];
        }

        // Compressed only when that saves something: its room is one byte short of what it replaces.
        bool isCompressed = Lz4.TryCompress(_raw.AsSpan(0, _rawLength), _stored.AsSpan(Head, _rawLength - 1), out int length);
        if (!isCompressed)
        {
            length = _rawLength;
            _raw.AsSpan(0, length).CopyTo(_stored.AsSpan(Head));
        }

        new StateCheckpointBlock(table, isCompressed, _rawEntries, _rawLength, length).Encode(_stored);
        Checksum.Write128(_stored.AsSpan(Head + length), StateCheckpointBlock.Check(superblock.StoreId, _sequence, _blocks, _stored.AsSpan(0, Head + length)));
        Append(_stored.AsSpan(0, Head + length + StateCheckpointBlock.CheckLengthBytes));
        _blocks++;
        _entries += _rawEntries;
        _rawLength = _rawEntries = 0;
        if (RestMs > 0 && _at >= _nextRest)
        {
            _nextRest = _at + RestAfterBytes;
            cancellation.WaitHandle.WaitOne(RestMs);
        }
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        _file!.Write(bytes, _at);
        _hasher.Append(bytes);
        _at += bytes.Length;
    }

    private void Prove(string path, CancellationToken cancellation)
    {
        ReadStatus status = StateCheckpointFile.Open(path, superblock.StoreId, _files, out StateCheckpointFile? file, out FormatFault fault);
        using (file)
        {
            status = file is null ? status : file.Run(null, superblock.PageBits, cancellation);
            fault = file?.Fault ?? fault;
        }

        if (status != ReadStatus.Ok || fault.IsFault)
        {
            throw new StateStoreException(
                fault.IsFault ? StateStoreErrorCode.StateDamaged : StateStoreErrorCode.InputOutput,
                $"A checkpoint of the state does not prove after it was written ({(fault.IsFault ? fault.ToString() : status.ToString())}).",
                path,
                "The checkpoints that were there are as they were. Run `statestore verify`.");
        }
    }

    private void ThrowIfSpaceIsLow(long stateBytes)
    {
        long needed = ReserveBytes + stateBytes;
        if (ReserveBytes > 0 && StoreDirectory.GetSpace(ops, layout.StorePath).AvailableBytes is long available && available < needed)
        {
            throw new StateStoreException(StateStoreErrorCode.DiskFull, $"The device has {available} bytes left; a checkpoint needs up to {needed}, the reserve for commits and recovery among them.", layout.CheckpointsPath, "Free space; the next checkpoint is made later.", isRetryable: true);
        }
    }
}
