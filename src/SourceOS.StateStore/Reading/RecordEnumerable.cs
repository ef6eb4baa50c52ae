// Why this file exists: lists without allocation: a range of one kind's records, or the answers of an index. Invariants: every record and every
// index entry is verified when it is met; an index entry that its record does not have is damage; keys must rise.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore;

/// <summary>A list of records, read as it is enumerated. Valid while its snapshot is.</summary>
public readonly struct RecordEnumerable : IEquatable<RecordEnumerable>
{
    private readonly ReadSnapshot _snapshot;
    private readonly RecordKind _kind;
    private readonly byte[]? _afterId;
    private readonly bool _includeTombstones;
    private readonly IndexQuery? _query;

    internal RecordEnumerable(ReadSnapshot snapshot, RecordKind kind, byte[]? afterId, bool includeTombstones, IndexQuery? query)
    {
        _snapshot = snapshot;
        _kind = kind;
        _afterId = afterId;
        _includeTombstones = includeTombstones;
        _query = query;
    }

    /// <summary>Starts reading.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(_snapshot, _kind, _afterId, _includeTombstones, _query);

    /// <summary>Copies the list.</summary>
    /// <param name="limit">Most records to copy.</param>
    /// <returns>The copies.</returns>
    public List<StoredRecord> ToList(int limit = int.MaxValue)
    {
        List<StoredRecord> list = [];
        foreach (RecordView record in this)
        {
            if (list.Count == limit)
            {
                break;
            }

            list.Add(record.ToStored());
        }

        return list;
    }

    /// <inheritdoc/>
    public bool Equals(RecordEnumerable other) =>
        ReferenceEquals(_snapshot, other._snapshot) && _kind == other._kind && ReferenceEquals(_query, other._query)
        && _includeTombstones == other._includeTombstones && _afterId.AsSpan().SequenceEqual(other._afterId);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is RecordEnumerable other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_snapshot, _kind, _query);

    /// <summary>Whether two values stand for the same list.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when they do.</returns>
    public static bool operator ==(RecordEnumerable left, RecordEnumerable right) => left.Equals(right);

    /// <summary>Whether two values stand for different lists.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>True when they do.</returns>
    public static bool operator !=(RecordEnumerable left, RecordEnumerable right) => !left.Equals(right);

    /// <summary>Reads the list.</summary>
    public ref struct Enumerator
    {
        private readonly ReadSnapshot _snapshot;
        private readonly StateView _view;
        private readonly RecordKind _kind;
        private readonly byte[]? _afterId;
        private readonly bool _includeTombstones;
        private readonly IndexQuery? _query;
        private readonly IndexKeys? _keys;
        private LmdbCursor<MappedPages> _cursor;
        private bool _isStarted;

        internal Enumerator(ReadSnapshot snapshot, RecordKind kind, byte[]? afterId, bool includeTombstones, IndexQuery? query)
        {
            _snapshot = snapshot;
            _view = snapshot.View;
            _kind = kind;
            _afterId = afterId;
            _includeTombstones = includeTombstones;
            _query = query;
            _keys = query is null ? null : new IndexKeys();
            StateTable table = query is null ? StateTable.Records : StateTable.Index;
            _cursor = new LmdbCursor<MappedPages>(_view.Roots.Reader, in _view.Roots[table]);
            Current = default;
        }

        /// <summary>The record.</summary>
        public RecordView Current { get; private set; }

        /// <summary>Goes on.</summary>
        /// <returns>False at the end.</returns>
        /// <exception cref="StateStoreException">The state is damaged, or the snapshot expired.</exception>
        public bool MoveNext()
        {
            _snapshot.ThrowIfUnusable();
            return _query is null ? MoveRange() : MoveIndex();
        }

        private bool MoveRange()
        {
            while (Step(StateTable.Records))
            {
                if (_cursor.Key.Length < 2 || _cursor.Key[0] != (byte)_kind)
                {
                    // The entry that ends the list is believed like any other: verified.
                    AbsenceCheck.Verify(StateTable.Records, _cursor.Key, _cursor.Value);
                    return false;
                }

                if (!RecordEnvelope.TryRead(_cursor.Key, _cursor.Value, out RecordEnvelope envelope, out FormatFault fault))
                {
                    StateFaults.ThrowEntry(StateTable.Records, _cursor.Key, fault.ToString());
                }

                if (_includeTombstones || !envelope.IsTombstone)
                {
                    Current = RecordReading.ToView(_kind, _cursor.Key[1..], envelope, _snapshot);
                    return true;
                }
            }

            return false;
        }

        private bool MoveIndex()
        {
            while (Step(StateTable.Index))
            {
                if (!_cursor.Key.StartsWith(_query!.Prefix))
                {
                    AbsenceCheck.Verify(StateTable.Index, _cursor.Key, _cursor.Value);
                    return false;
                }

                if (_cursor.Key.Length < 9 || !Tables.TryVerifyCheck(StateTable.Index, _cursor.Key, _cursor.Value, out _))
                {
                    StateFaults.ThrowEntry(StateTable.Index, _cursor.Key, "its check does not hold");
                }

                if (TryResolve(_cursor.Key))
                {
                    return true;
                }
            }

            return false;
        }

        private bool TryResolve(ReadOnlySpan<byte> indexKey)
        {
            ReadOnlySpan<byte> surrogate = indexKey[^8..];
            if (!_view.TryGetChecked(StateTable.Surrogates, surrogate, out ReadOnlySpan<byte> recordKey) || !_view.TryGetRecord(recordKey, out RecordEnvelope envelope))
            {
                StateFaults.ThrowEntry(StateTable.Index, indexKey, "it names a record that does not exist");
                return false;
            }

            RecordView record = RecordReading.ToView((RecordKind)recordKey[0], recordKey[1..], envelope, _snapshot);
            RecordBodyView body = record.Body;
            _keys!.Derive(body, record.IsTombstone, record.Surrogate);
            if (!_keys.Contains(indexKey))
            {
                StateFaults.ThrowEntry(StateTable.Index, indexKey, "the record it names does not have it");
            }

            if ((!_includeTombstones && record.IsTombstone) || !_query!.Matches(body))
            {
                return false;
            }

            Current = record;
            return true;
        }

        private bool Step(StateTable table)
        {
            Span<byte> previous = stackalloc byte[Tables.MaxKeyLengthBytes];
            int previousLength = 0;
            LmdbReadStatus status;
            if (_isStarted)
            {
                previousLength = Math.Min(_cursor.Key.Length, previous.Length);
                _cursor.Key[..previousLength].CopyTo(previous);
                status = _cursor.Next();
            }
            else
            {
                _isStarted = true;
                status = table == StateTable.Records ? StartRange() : StartIndex();
            }

            _view.ThrowIfMoved();
            if (status == LmdbReadStatus.Fault)
            {
                StateFaults.ThrowPage(table, _cursor.Fault);
            }

            if (status == LmdbReadStatus.Found && previousLength > 0 && _cursor.Key.SequenceCompareTo(previous[..previousLength]) <= 0)
            {
                StateFaults.ThrowEntry(table, _cursor.Key, "keys do not rise");
            }

            return status == LmdbReadStatus.Found;
        }

        private LmdbReadStatus StartRange()
        {
            Span<byte> start = stackalloc byte[Tables.MaxKeyLengthBytes];
            if (_afterId is null)
            {
                start[0] = (byte)_kind;
                _view.ConfirmStart(StateTable.Records, start[..1]);
                return _cursor.Seek(start[..1]);
            }

            Span<byte> key = start[..Tables.RecordKey((byte)_kind, _afterId, start)];
            _view.ConfirmStart(StateTable.Records, key);
            LmdbReadStatus status = _cursor.Seek(key);
            return status == LmdbReadStatus.Found && _cursor.Key.SequenceEqual(key) ? _cursor.Next() : status;
        }

        private LmdbReadStatus StartIndex()
        {
            _view.ConfirmStart(StateTable.Index, _query!.Prefix);
            return _cursor.Seek(_query.Prefix);
        }
    }
}
