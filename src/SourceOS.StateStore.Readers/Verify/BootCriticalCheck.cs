// Why this file exists: the quick level reads the records that a boot leans on, and no others (format-spec/state.md, index 6). Invariants: cost grows with the records that carry the mark and with the depth of the trees, never with the store; a record is
// believed by its own hash, and the set of them by the sum that the header states, so that one that is gone, or is an older one, shows as well.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Reads and proves the records that carry the mark for boot, in one snapshot.</summary>
internal sealed class BootCriticalCheck(StateReader reader, StateHeader header, FindingCollector findings, FindingPlace place, CancellationToken cancellation)
{
    private readonly byte[] _indexKey = new byte[IndexKeys.BootCriticalKeyLengthBytes];
    private readonly byte[] _recordKey = new byte[Tables.MaxKeyLengthBytes];
    private BootCriticalCount _seen;
    private bool _isDamaged;

    /// <summary>Reads them.</summary>
    /// <returns>How many were read and are sound.</returns>
    public long Run()
    {
        if (!reader.TryOpen(StateTable.Index, out LmdbDatabaseRecord index)
            || !reader.TryOpen(StateTable.Surrogates, out LmdbDatabaseRecord surrogates)
            || !reader.TryOpen(StateTable.Records, out LmdbDatabaseRecord records))
        {
            // A table that is missing has a finding of its own.
            return 0;
        }

        ReadOnlySpan<byte> prefix = [(byte)ObjectIndex.BootCritical];
        LmdbCursor<StatePages> cursor = reader.Cursor(in index);
        LmdbReadStatus status = cursor.Seek(prefix);
        ulong entries = 0;
        for (; status == LmdbReadStatus.Found && cursor.Key.StartsWith(prefix); status = cursor.Next())
        {
            cancellation.ThrowIfCancellationRequested();
            if (++entries > header.BootCritical.Records)
            {
                Find("index", "", $"The index holds more than the {header.BootCritical.Records} records that a boot reads.");
                return (long)_seen.Records;
            }

            // Lookups take turns with the cursor on one page source, so its key is copied first.
            if (cursor.Key.Length != _indexKey.Length || !Tables.TryVerifyCheck(StateTable.Index, cursor.Key, cursor.Value, out _))
            {
                Find("index", StateVisitor.Hex(cursor.Key), "The entry of a record that a boot reads contradicts its check.");
                continue;
            }

            cursor.Key.CopyTo(_indexKey);
            CheckRecord(in surrogates, in records);
        }

        if (status == LmdbReadStatus.Fault)
        {
            Find("index", "", $"The entries of records that a boot reads cannot be followed: {cursor.Fault.Code}.");
        }
        else if (!_isDamaged && _seen != header.BootCritical)
        {
            Find("records", "", $"The header counts {header.BootCritical.Records} records that a boot reads; there are {_seen.Records}{(_seen.Records == header.BootCritical.Records ? ", not all of them the newest" : "")}.");
        }

        return (long)_seen.Records;
    }

    private void CheckRecord(in LmdbDatabaseRecord surrogates, in LmdbDatabaseRecord records)
    {
        ReadOnlySpan<byte> number = _indexKey.AsSpan(1);
        if (!reader.TryGet(in surrogates, number, out ReadOnlySpan<byte> value)
            || !Tables.TryVerifyCheck(StateTable.Surrogates, number, value, out ReadOnlySpan<byte> found)
            || found.Length is < 2 or > 1 + FormatLimits.MaxIdentifierLengthBytes)
        {
            Find("surrogates", StateVisitor.Hex(number), "The surrogate of a record that a boot reads does not lead to it.");
            return;
        }

        Span<byte> key = _recordKey.AsSpan(0, found.Length);
        found.CopyTo(key);
        if (!reader.TryGet(in records, key, out value))
        {
            Find("records", StateVisitor.RecordName(key), "A record that a boot reads cannot be reached.");
        }
        else if (!RecordEnvelope.TryRead(key, value, out RecordEnvelope record, out FormatFault fault))
        {
            Find("records", StateVisitor.RecordName(key), $"A record that a boot reads is damaged: {FormatFault.Describe(fault.Code)}.");
        }
        else if (!record.IsBootCritical || record.IsTombstone || record.Surrogate != BinaryPrimitives.ReadUInt64BigEndian(number))
        {
            Find("records", StateVisitor.RecordName(key), "A record that the index names as one that a boot reads is not one.");
        }
        else if (!RecordBodyView.TryRead(record.Body, out _, out fault))
        {
            Find("records", StateVisitor.RecordName(key), $"The body of a record that a boot reads is not well-formed: {FormatFault.Describe(fault.Code)}.");
        }
        else
        {
            _seen = _seen.With(key, value);
        }
    }

    private void Find(string table, string record, string message)
    {
        _isDamaged = true;
        findings.Add(FindingKinds.BootCritical, place with { Table = table, Record = record }, message);
    }
}
