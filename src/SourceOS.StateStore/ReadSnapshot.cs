// Why this file exists: a consistent view of the store at one sequence. Invariants: nothing it shows changes while it is open; every record it
// hands out was verified; it gives its pin back exactly once; past its bounded age it refuses further reads, so that a forgotten snapshot
// does not make the state grow for ever.

using System.Runtime.CompilerServices;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.State;

namespace SourceOS.StateStore;

/// <summary>The store at one sequence. Reading from several threads at once is allowed for records, not for events; dispose it soon.</summary>
public sealed class ReadSnapshot : IDisposable
{
    private readonly SnapshotSource _source;
    private readonly long _openedAt = Environment.TickCount64;
    private IDisposable? _pin;
    private EventReader? _events;

    internal ReadSnapshot(SnapshotSource source, IDisposable pin, StateView view)
    {
        _source = source;
        _pin = pin;
        View = view;
    }

    /// <summary>The last sequence it shows; 0 for an empty store.</summary>
    public ulong Sequence => Header.LastSequence;

    internal StateView View { get; }

    internal StateHeader Header => View.Roots.Header;

    internal Superblock Superblock => _source.Superblock;

    /// <summary>Finds a record in place, without copying or allocating.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="utf8Id">Its identifier as UTF-8.</param>
    /// <param name="record">The record, valid until the snapshot is disposed.</param>
    /// <returns>Whether it exists; a tombstone exists.</returns>
    /// <exception cref="StateStoreException">StateDamaged when what stands there does not verify; SnapshotExpired past its age.</exception>
    [SkipLocalsInit]
    public bool TryGet(RecordKind kind, ReadOnlySpan<byte> utf8Id, out RecordView record)
    {
        ThrowIfUnusable();
        if (utf8Id.Length is 0 or > FormatLimits.MaxIdentifierLengthBytes)
        {
            record = default;
            return false;
        }

        Span<byte> key = stackalloc byte[1 + FormatLimits.MaxIdentifierLengthBytes];
        key = key[..Tables.RecordKey((byte)kind, utf8Id, key)];
        if (!View.TryGetRecord(key, out RecordEnvelope envelope))
        {
            record = default;
            return false;
        }

        record = RecordReading.ToView(kind, utf8Id, envelope, this);
        return true;
    }

    /// <summary>Finds a record and copies it.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <returns>The record, a tombstone included, or null.</returns>
    /// <exception cref="StateStoreException">As <see cref="TryGet"/>.</exception>
    public StoredRecord? Get(RecordKind kind, string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return TryGet(kind, Encoding.UTF8.GetBytes(id), out RecordView record) ? record.ToStored() : null;
    }

    /// <summary>Lists a kind's records in identifier order.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="afterId">Start behind this identifier; null for the first.</param>
    /// <param name="includeTombstones">Whether deleted records are listed too.</param>
    /// <returns>The list, read as it is enumerated.</returns>
    public RecordEnumerable Range(RecordKind kind, string? afterId = null, bool includeTombstones = false)
    {
        ThrowIfUnusable();
        byte[]? after = string.IsNullOrEmpty(afterId) ? null : Commit.CommitIds.Check(afterId);
        return new RecordEnumerable(this, kind, after, includeTombstones, null);
    }

    /// <summary>Lists objects by an index.</summary>
    /// <param name="query">The question.</param>
    /// <param name="includeTombstones">Whether deleted objects are listed too; only the state index has them.</param>
    /// <returns>The list, read as it is enumerated, in index order.</returns>
    public RecordEnumerable ByIndex(IndexQuery query, bool includeTombstones = false)
    {
        ArgumentNullException.ThrowIfNull(query);
        ThrowIfUnusable();
        return new RecordEnumerable(this, RecordKind.Object, null, includeTombstones, query);
    }

    /// <summary>Reads an event from the log.</summary>
    /// <param name="sequence">Its sequence.</param>
    /// <returns>The event, or null when the snapshot does not reach that far.</returns>
    /// <exception cref="StateStoreException">LogDamaged when its frame does not verify.</exception>
    public StoredEvent? ReadEvent(ulong sequence)
    {
        ThrowIfUnusable();
        return sequence > Sequence ? null : (_events ??= _source.OpenEvents()).Read(View, sequence);
    }

    /// <summary>Reads events in order.</summary>
    /// <param name="fromSequence">The first.</param>
    /// <param name="toSequence">The last; cut to what the snapshot shows.</param>
    /// <returns>The events, read as they are enumerated.</returns>
    public IEnumerable<StoredEvent> ReadEvents(ulong fromSequence, ulong toSequence = ulong.MaxValue)
    {
        ulong last = Math.Min(toSequence, Sequence);
        for (ulong sequence = Math.Max(_source.Superblock.BaseSequence, fromSequence); sequence <= last; sequence++)
        {
            if (ReadEvent(sequence) is StoredEvent item)
            {
                yield return item;
            }
        }
    }

    /// <summary>Reads the events that changed a record, newest first.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <returns>The events; empty when the record does not exist. Ends before an erased event.</returns>
    public IEnumerable<StoredEvent> History(RecordKind kind, string id)
    {
        ulong sequence = Get(kind, id)?.Sequence ?? 0;
        while (sequence != 0 && ReadEvent(sequence) is StoredEvent item)
        {
            yield return item;
            if (item.PreviousSequence >= sequence)
            {
                throw new StateStoreException(StateStoreErrorCode.LogDamaged, $"Event {sequence} names {item.PreviousSequence} as the one before it.", $"sequence {sequence}", "Run `statestore verify`.");
            }

            sequence = item.PreviousSequence;
        }
    }

    /// <summary>Finds a record as it was at an earlier sequence.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="sequence">The sequence; not above <see cref="Sequence"/>.</param>
    /// <returns>The record then, or null when it did not exist. A record purged since, or erased then, cannot be found.</returns>
    public StoredRecord? GetAsOf(RecordKind kind, string id, ulong sequence)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sequence, Sequence);
        StoredRecord? current = Get(kind, id);
        if (current is null || current.Sequence <= sequence)
        {
            return current;
        }

        foreach (StoredEvent item in History(kind, id))
        {
            if (item.Sequence <= sequence)
            {
                return item.IsErased ? null : new StoredRecord(kind, id, item.Sequence, current.Surrogate, item.Action == EventAction.Tombstone, item.IsBootCritical, item.Image);
            }
        }

        return null;
    }

    /// <summary>The store at a glance, from the state's header alone.</summary>
    /// <returns>The status as of this snapshot.</returns>
    public StateStoreStatus GetStatus()
    {
        ThrowIfUnusable();
        return _source.Describe(View);
    }

    /// <summary>Gives the snapshot back. Views and lists taken from it must not be used afterwards.</summary>
    public void Dispose()
    {
        IDisposable? pin = Interlocked.Exchange(ref _pin, null);
        if (pin is not null)
        {
            _events?.Dispose();
            pin.Dispose();
        }
    }

    internal EventReader OpenEvents() => _source.OpenEvents();

    internal Readers.Log.LogReader OpenLog() => _source.OpenLog();

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_pin is null, this);

    internal void ThrowIfUnusable()
    {
        ThrowIfDisposed();
        if (Environment.TickCount64 - _openedAt > _source.MaxAgeMs)
        {
            throw new StateStoreException(
                StateStoreErrorCode.SnapshotExpired,
                $"The snapshot at sequence {Sequence} is older than {_source.MaxAgeMs} ms.",
                next: "Open a new one; keep snapshots short, or raise StateStoreOptions.SnapshotMaxAgeMs.",
                isRetryable: true);
        }
    }
}
