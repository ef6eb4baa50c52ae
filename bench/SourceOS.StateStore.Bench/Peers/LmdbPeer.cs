// Why this file exists: the same entries in plain LMDB, through the same binding: what the tables cost without a log, hashes, a queue and digests.
// Invariants: entries have the keys and lengths that the store's have; every run is prepared and sorted beforehand, which is more than a
// caller would do, so that the peer is as fast as it can be.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Bench.Peers;

/// <summary>How a <see cref="LmdbPeer"/> works.</summary>
/// <param name="IsSynced">Whether each commit is on the medium when it returns.</param>
/// <param name="HasEvents">True: records, indexes and events with images, as someone would build it on LMDB alone. False: exactly the entries that the
/// store puts, whose events are in its log.</param>
public sealed record LmdbPeerOptions(bool IsSynced, bool HasEvents);

/// <summary>An LMDB environment with the comparison's tables.</summary>
public sealed class LmdbPeer : IDisposable
{
    private const int EventOverheadBytes = 160;
    private static readonly int s_headerBytes = new StateHeader().EncodedLengthBytes;
    private static readonly string[] s_tables = ["records", "surrogates", "index", "events", "frames", "meta"];
    private readonly LmdbEnvironment _environment;
    private readonly LmdbPeerOptions _options;
    private readonly LmdbDatabase[] _databases;
    private readonly IndexKeys _oldKeys = new();
    private readonly IndexKeys _newKeys = new();
    private readonly RecordBodyBuilder _builder = new();
    private long _sequence;

    /// <summary>Makes an environment in a new directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="options">How it works.</param>
    public LmdbPeer(string directory, LmdbPeerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        Directory.CreateDirectory(directory);
        _environment = LmdbEnvironment.Open(directory, new LmdbOptions { NoSync = !options.IsSynced, NoMetaSync = !options.IsSynced });
        using LmdbWriteTransaction transaction = _environment.BeginWrite();
        _databases = [.. s_tables.Select(name => transaction.OpenDatabase(name, create: true))];
        transaction.Commit();
    }

    private enum Table
    {
        Records,
        Surrogates,
        Index,
        Events,
        Frames,
        Meta,
    }

    /// <summary>Prepares the entries of one commit.</summary>
    public PreparedEntries Prepare(ReadOnlySpan<SampleObject> changes)
    {
        List<PreparedEntry> entries = [];
        foreach (SampleObject change in changes)
        {
            long sequence = ++_sequence;
            AddChange(entries, change, sequence);
        }

        if (!_options.HasEvents)
        {
            entries.Add(new PreparedEntry((int)Table.Frames, Number(_sequence), new byte[FrameEntry.EncodedLengthBytes]));
            entries.Add(new PreparedEntry((int)Table.Meta, Tables.DigestKey.ToArray(), new byte[StateDigest.EncodedLengthBytes]));
            entries.Add(new PreparedEntry((int)Table.Meta, Tables.HeaderKey.ToArray(), new byte[s_headerBytes]));
        }

        return new PreparedEntries([.. entries.OrderBy(entry => entry.Table).ThenBy(entry => entry.Key, KeyOrder.Instance)]);
    }

    /// <summary>Commits prepared entries.</summary>
    public void Commit(PreparedEntries prepared)
    {
        ArgumentNullException.ThrowIfNull(prepared);
        using LmdbWriteTransaction transaction = _environment.BeginWrite();
        foreach (PreparedEntry entry in prepared.Entries)
        {
            if (entry.Value is null)
            {
                transaction.Delete(_databases[entry.Table], entry.Key);
            }
            else
            {
                transaction.Put(_databases[entry.Table], entry.Key, entry.Value);
            }
        }

        transaction.Commit();
    }

    /// <summary>Commits many objects in batches.</summary>
    public void Load(IEnumerable<SampleObject> objects)
    {
        foreach (SampleObject[] batch in objects.Chunk(SubjectStore.LoadBatch))
        {
            Commit(Prepare(batch));
        }
    }

    /// <summary>Opens a transaction for a run of reads.</summary>
    public LmdbWriteTransaction BeginReads() => _environment.BeginWrite();

    /// <summary>Reads a record's length in place through liblmdb; 0 when there is none.</summary>
    public int ReadLength(LmdbWriteTransaction transaction, ReadOnlySpan<byte> id)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        Span<byte> key = stackalloc byte[1 + FormatLimits.MaxIdentifierLengthBytes];
        key = key[..Tables.RecordKey((byte)RecordKind.Object, id, key)];
        return transaction.TryGet(_databases[(int)Table.Records], key, out ReadOnlySpan<byte> value) ? value.Length : 0;
    }

    /// <summary>Reads a body.</summary>
    public byte[]? Read(ReadOnlySpan<byte> id)
    {
        using LmdbWriteTransaction transaction = _environment.BeginWrite();
        byte[] key = RecordKey(id);
        return transaction.TryGet(_databases[(int)Table.Records], key, out ReadOnlySpan<byte> value) ? value[RecordEnvelope.LengthBytes..].ToArray() : null;
    }

    /// <summary>How many records there are.</summary>
    public long ObjectCount() => Count(Table.Records);

    /// <summary>How many events there are.</summary>
    public long EventCount() => Count(Table.Events);

    /// <inheritdoc/>
    public void Dispose() => _environment.Dispose();

    private void AddChange(List<PreparedEntry> entries, SampleObject change, long sequence)
    {
        byte[] key = RecordKey(change.IdUtf8);
        byte[] value = new byte[RecordEnvelope.LengthBytes + change.Body.Length];
        RecordEnvelope.Write(key, isTombstone: false, isBootCritical: false, (ulong)sequence, (ulong)change.Index + 1, change.Body, value);
        entries.Add(new PreparedEntry((int)Table.Records, key, value));
        SampleObject? before = ChangeOrder.Before(change, _builder);
        Derive(_newKeys, change);
        if (before is null && !_options.HasEvents)
        {
            entries.Add(new PreparedEntry((int)Table.Surrogates, Number(change.Index + 1L), [.. key, .. new byte[Tables.CheckLengthBytes]]));
        }

        if (before is not null)
        {
            Derive(_oldKeys, before);
        }

        for (int i = 0; before is not null && i < _oldKeys.Count; i++)
        {
            if (!_newKeys.Contains(_oldKeys[i]))
            {
                entries.Add(new PreparedEntry((int)Table.Index, _oldKeys[i].ToArray(), null));
            }
        }

        for (int i = 0; i < _newKeys.Count; i++)
        {
            if (before is null || !_oldKeys.Contains(_newKeys[i]))
            {
                entries.Add(new PreparedEntry((int)Table.Index, _newKeys[i].ToArray(), new byte[Tables.CheckLengthBytes]));
            }
        }

        if (_options.HasEvents)
        {
            entries.Add(new PreparedEntry((int)Table.Events, Number(sequence), [.. new byte[EventOverheadBytes], .. change.Body]));
        }
    }

    private long Count(Table table)
    {
        using LmdbWriteTransaction transaction = _environment.BeginWrite();
        return (long)transaction.GetStat(_databases[(int)table]).Entries;
    }

    private static void Derive(IndexKeys keys, SampleObject item)
    {
        if (!RecordBodyView.TryRead(item.Body, out RecordBodyView body, out FormatFault fault))
        {
            throw new InvalidOperationException($"A sample body cannot be read: {fault}");
        }

        keys.Derive(body, isTombstone: false, (ulong)item.Index + 1);
    }

    private static byte[] RecordKey(ReadOnlySpan<byte> id)
    {
        byte[] key = new byte[1 + id.Length];
        _ = Tables.RecordKey((byte)RecordKind.Object, id, key);
        return key;
    }

    private static byte[] Number(long number)
    {
        byte[] key = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(key, (ulong)number);
        return key;
    }

    private sealed class KeyOrder : IComparer<byte[]>
    {
        internal static KeyOrder Instance { get; } = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}

/// <summary>An entry to put, or to delete when its value is null.</summary>
/// <param name="Table">The table's place.</param>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
public sealed record PreparedEntry(int Table, byte[] Key, byte[]? Value);

/// <summary>The entries of one commit in the order they are put.</summary>
/// <param name="Entries">The entries.</param>
public sealed record PreparedEntries(IReadOnlyList<PreparedEntry> Entries);
