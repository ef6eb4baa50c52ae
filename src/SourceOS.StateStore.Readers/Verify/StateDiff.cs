// Why this file exists: when the sums of derived tables do not match, someone wants to know which entries are wrong. Invariants: runs only
// then; looks up each entry from both sides; reports each missing and each extra entry once, as far as findings are kept.

using System.Buffers.Binary;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Lookups in one snapshot of a state, for one thread.</summary>
internal sealed class StateReader
{
    private readonly LmdbReader<StatePages> _reader;
    private readonly LmdbDatabaseRecord _main;

    public StateReader(StatePageSource source, in LmdbMeta meta)
    {
        _reader = new LmdbReader<StatePages>(new StatePages(source), meta.LastPage);
        _main = meta.Main;
    }

    public bool TryOpen(StateTable table, out LmdbDatabaseRecord database) =>
        _reader.TryGetDatabase(in _main, Tables.Name(table), out database, out _) == LmdbReadStatus.Found;

    public bool TryGet(in LmdbDatabaseRecord database, ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value) =>
        _reader.TryGet(in database, key, out value, out _) == LmdbReadStatus.Found;

    public LmdbCursor<StatePages> Cursor(in LmdbDatabaseRecord database) => new(_reader, in database);
}

/// <summary>Names the entries that index and surrogates have too many or too few.</summary>
internal sealed class StateDiff(FindingCollector findings, string file, CancellationToken cancellation)
{
    private const int MaxNamed = 1000;

    private readonly IndexKeys _keys = new();
    private readonly byte[] _key = new byte[Tables.MaxKeyLengthBytes];
    private readonly byte[] _recordKey = new byte[Tables.MaxKeyLengthBytes];
    private readonly byte[] _number = new byte[8];
    private readonly byte[] _check = new byte[Tables.CheckLengthBytes];
    private int _keyCount;
    private long _named;

    /// <summary>Reports what differs.</summary>
    /// <param name="reader">The snapshot; its cursors and lookups take turns on one page source, so keys are copied before lookups.</param>
    /// <param name="sums">Sums over its entries.</param>
    public void Explain(StateReader reader, StateSums sums)
    {
        if (!reader.TryOpen(StateTable.Records, out LmdbDatabaseRecord records)
            || !reader.TryOpen(StateTable.Index, out LmdbDatabaseRecord index)
            || !reader.TryOpen(StateTable.Surrogates, out LmdbDatabaseRecord surrogates))
        {
            return;
        }

        FindMissing(reader, in records, in index, in surrogates);
        FindExtra(reader, in records, in index, in surrogates);
        foreach (StateTable table in new[] { StateTable.Index, StateTable.Surrogates })
        {
            if (_named == 0 && !sums.Actual.TableEquals(sums.Expected, table))
            {
                findings.Add(
                    FindingKinds.TableDigest,
                    new FindingPlace { File = file, Table = Encoding.ASCII.GetString(Tables.Name(table)) },
                    $"The table has {sums.Actual.Count(table)} entries; {sums.Expected.Count(table)} follow from the records.");
            }
        }
    }

    private void FindMissing(StateReader reader, in LmdbDatabaseRecord records, in LmdbDatabaseRecord index, in LmdbDatabaseRecord surrogates)
    {
        LmdbCursor<StatePages> cursor = reader.Cursor(in records);
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found && _named < MaxNamed; status = cursor.Next())
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> key = CopyKey(cursor.Key);
            if (!Derive(key, cursor.Value, out ulong surrogate))
            {
                continue;
            }

            Tables.NumberKey(surrogate, _number);
            if (!reader.TryGet(in surrogates, _number, out ReadOnlySpan<byte> value)
                || value.Length != key.Length + Tables.CheckLengthBytes
                || !value[..key.Length].SequenceEqual(key))
            {
                Name(FindingKinds.EntryMissing, "surrogates", StateVisitor.RecordName(key), $"The record's surrogate {surrogate} does not lead back to it.");
            }

            for (int i = 0; i < _keyCount; i++)
            {
                Tables.WriteCheck(StateTable.Index, _keys[i], _check);
                if (!reader.TryGet(in index, _keys[i], out value) || !value.SequenceEqual(_check))
                {
                    Name(FindingKinds.EntryMissing, "index", StateVisitor.RecordName(key), $"The record's entry in index {_keys[i][0]} is missing.");
                }
            }
        }
    }

    private void FindExtra(StateReader reader, in LmdbDatabaseRecord records, in LmdbDatabaseRecord index, in LmdbDatabaseRecord surrogates)
    {
        LmdbCursor<StatePages> cursor = reader.Cursor(in surrogates);
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found && _named < MaxNamed; status = cursor.Next())
        {
            cancellation.ThrowIfCancellationRequested();
            bool isNumber = Tables.TryReadNumberKey(cursor.Key, out ulong number);
            ReadOnlySpan<byte> recordKey = CopyKey(cursor.Value[..Math.Max(0, cursor.Value.Length - Tables.CheckLengthBytes)]);
            bool follows = isNumber && reader.TryGet(in records, recordKey, out ReadOnlySpan<byte> value) && Derive(recordKey, value, out ulong surrogate) && surrogate == number;
            if (!follows)
            {
                Name(FindingKinds.EntryExtra, "surrogates", StateVisitor.RecordName(recordKey), $"No record has the surrogate {number} that stands for it.");
            }
        }

        cursor = reader.Cursor(in index);
        for (LmdbReadStatus status = cursor.SeekFirst(); status == LmdbReadStatus.Found && _named < MaxNamed; status = cursor.Next())
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> indexKey = CopyKey(cursor.Key);
            if (!FollowsFromRecord(reader, in records, in surrogates, indexKey))
            {
                Name(FindingKinds.EntryExtra, "index", StateVisitor.Hex(indexKey), "The entry follows from no record.");
            }
        }
    }

    private bool FollowsFromRecord(StateReader reader, in LmdbDatabaseRecord records, in LmdbDatabaseRecord surrogates, ReadOnlySpan<byte> indexKey)
    {
        if (indexKey.Length < 9
            || !reader.TryGet(in surrogates, indexKey[^8..], out ReadOnlySpan<byte> value)
            || value.Length <= Tables.CheckLengthBytes
            || value.Length > Tables.MaxKeyLengthBytes)
        {
            return false;
        }

        Span<byte> recordKey = _recordKey.AsSpan(0, value.Length - Tables.CheckLengthBytes);
        value[..recordKey.Length].CopyTo(recordKey);
        return reader.TryGet(in records, recordKey, out value)
            && Derive(recordKey, value, out ulong surrogate)
            && surrogate == BinaryPrimitives.ReadUInt64BigEndian(indexKey[^8..])
            && _keyCount > 0
            && _keys.Contains(indexKey);
    }

    // Fills the index keys of a record; false when the record itself is not sound, which has a finding of its own.
    private bool Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, out ulong surrogate)
    {
        surrogate = 0;
        if (!RecordEnvelope.TryRead(key, value, out RecordEnvelope envelope, out _)
            || !RecordBodyView.TryRead(envelope.Body, out RecordBodyView body, out _))
        {
            return false;
        }

        surrogate = envelope.Surrogate;
        _keys.Derive(envelope.Kind, body, envelope.IsTombstone, envelope.IsBootCritical, surrogate);
        _keyCount = _keys.Count;
        return true;
    }

    private ReadOnlySpan<byte> CopyKey(ReadOnlySpan<byte> key)
    {
        int length = Math.Min(key.Length, _key.Length);
        key[..length].CopyTo(_key);
        return _key.AsSpan(0, length);
    }

    private void Name(FindingKind kind, string table, string record, string message)
    {
        _named++;
        findings.Add(kind, new FindingPlace { File = file, Table = table, Record = record }, message);
    }
}
