// Why this file exists: the one place that says what an event does to the state (format-spec/state.md); commits, replay, rebuild and the deep
// verifier all come through here. Invariants: same base and events, same mutations, header and digest; nothing is written; digest and
// header always describe base plus mutations.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Fold;

/// <summary>Folds events into mutations over a base. Not thread-safe.</summary>
internal sealed class StateFold
{
    private readonly IndexKeys _oldKeys = new();
    private readonly IndexKeys _newKeys = new();
    private readonly byte[] _key = new byte[Tables.MaxKeyLengthBytes];
    private IStateBase _base;

    internal StateFold(IStateBase stateBase, StateHeader header, StateDigest digest)
    {
        _base = stateBase;
        Header.CopyFrom(header);
        Digest.CopyFrom(digest);
    }

    /// <summary>What changed since the base, or since the frozen changes when there are some.</summary>
    internal MutationSet Mutations { get; private set; } = new();

    /// <summary>Changes that are on their way into the state: older than <see cref="Mutations"/>, newer than the base, altered by nobody.</summary>
    internal MutationSet Frozen { get; private set; } = new();

    /// <summary>Bytes that all changes over the base take.</summary>
    internal long ArenaBytes => (long)Mutations.ArenaBytes + Frozen.ArenaBytes;

    /// <summary>The header of base plus mutations.</summary>
    internal StateHeader Header { get; } = new();

    /// <summary>The digest of base plus mutations.</summary>
    internal StateDigest Digest { get; } = new();

    /// <summary>Starts over on a base that holds everything folded so far.</summary>
    internal void Rebase(IStateBase stateBase)
    {
        _base = stateBase;
        Mutations.Clear();
    }

    /// <summary>Sets the changes so far apart; what is folded from here on goes over them. There must be no frozen ones.</summary>
    internal void Freeze() => (Mutations, Frozen) = (Frozen, Mutations);

    /// <summary>Goes on over a base that holds the frozen changes.</summary>
    internal void Thaw(IStateBase stateBase)
    {
        _base = stateBase;
        Frozen.Clear();
    }

    /// <summary>Forgets what was folded since the header and digest were saved; frozen changes stay.</summary>
    internal void Revert(StateHeader header, StateDigest digest)
    {
        Mutations.Clear();
        Header.CopyFrom(header);
        Digest.CopyFrom(digest);
    }

    /// <summary>Finds a record as it stands after everything folded so far.</summary>
    internal bool TryGetRecord(RecordKind kind, scoped ReadOnlySpan<byte> id, out RecordEnvelope record)
    {
        Span<byte> key = _key.AsSpan(0, Tables.RecordKey((byte)kind, id, _key));
        return TryGetRecord(key, out record);
    }

    /// <summary>Folds one event that was not erased.</summary>
    internal void Apply(EventView item)
    {
        CountLane(item);
        if (item.Action == EventAction.None)
        {
            return;
        }

        Span<byte> key = _key.AsSpan(0, Tables.RecordKey((byte)item.SubjectKind, item.SubjectId, _key));
        bool exists = TryGetRecord(key, out RecordEnvelope old);
        if (exists)
        {
            DeriveKeys(_oldKeys, key, old);
            CountKind(old.Kind, old.IsTombstone, -1);
        }

        if (item.Action == EventAction.Purge)
        {
            if (exists)
            {
                Purge(key, old.Surrogate);
            }

            return;
        }

        PutRecord(item, key, exists, exists ? old.Surrogate : item.Sequence);
    }

    /// <summary>Folds the frame that held the events: its place, the chain, the tree.</summary>
    internal void EndFrame(in FrameHeader frame, in Hash256 frameHash, long address, uint entryLengthBytes, long nextPosition)
    {
        Span<byte> key = stackalloc byte[8];
        Tables.NumberKey(frame.FirstSequence, key);
        FrameEntry entry = new(frame.FrameNumber, address, entryLengthBytes, (uint)frame.EventCount, frame.CommitId, frame.CommitTimeMicros);
        Span<byte> value = Mutations.Put((byte)StateTable.Frames, key, FrameEntry.EncodedLengthBytes);
        entry.Encode(key, value);
        Digest.Add(StateTable.Frames, key, value);
        Header.LogPosition = nextPosition;
        Header.LastSequence = frame.FirstSequence + (ulong)frame.EventCount - 1;
        Header.LastCommitId = frame.CommitId;
        Header.WriterEpoch = frame.WriterEpoch;
        Header.CommitTimeMicros = frame.CommitTimeMicros;
        Header.ChainHead = frameHash;
        Header.Frontier.AppendFrame(in frameHash);
    }

    private void PutRecord(EventView item, Span<byte> key, bool exists, ulong surrogate)
    {
        bool isTombstone = item.Action == EventAction.Tombstone;
        if (exists)
        {
            RemoveRecordSums(key);
        }

        Span<byte> value = Mutations.Put((byte)StateTable.Records, key, RecordEnvelope.LengthBytes + item.Image.Length);
        RecordEnvelope.Write(key, isTombstone, item.IsBootCritical, item.Sequence, surrogate, item.Image, value);
        Digest.Add(StateTable.Records, key, value);
        if (item.IsBootCritical && !isTombstone)
        {
            Header.BootCritical = Header.BootCritical.With(key, value);
        }

        CountKind(item.SubjectKind, isTombstone, 1);
        if (!exists)
        {
            PutSurrogate(key, surrogate);
        }

        // The image was validated as a body when its event was read, so this cannot fail for bytes that reached the fold.
        RecordBodyView body = default;
        _ = item.SubjectKind == RecordKind.Object && RecordBodyView.TryReadKnown(item.Image, out body, out _);
        _newKeys.Derive(item.SubjectKind, body, isTombstone, item.IsBootCritical, surrogate);
        ReplaceIndex(exists);
    }

    private void Purge(Span<byte> key, ulong surrogate)
    {
        RemoveRecordSums(key);
        Mutations.Delete((byte)StateTable.Records, key);
        Span<byte> number = stackalloc byte[8];
        Tables.NumberKey(surrogate, number);
        Remove(StateTable.Surrogates, number);
        for (int i = 0; i < _oldKeys.Count; i++)
        {
            Remove(StateTable.Index, _oldKeys[i]);
        }
    }

    private void PutSurrogate(ReadOnlySpan<byte> recordKey, ulong surrogate)
    {
        Span<byte> key = stackalloc byte[8];
        Tables.NumberKey(surrogate, key);
        Span<byte> value = Mutations.Put((byte)StateTable.Surrogates, key, recordKey.Length + Tables.CheckLengthBytes);
        recordKey.CopyTo(value);
        Tables.WriteCheck(StateTable.Surrogates, key, value);
        Digest.Add(StateTable.Surrogates, key, value);
    }

    private void ReplaceIndex(bool exists)
    {
        if (exists)
        {
            for (int i = 0; i < _oldKeys.Count; i++)
            {
                if (!_newKeys.Contains(_oldKeys[i]))
                {
                    Remove(StateTable.Index, _oldKeys[i]);
                }
            }
        }

        for (int i = 0; i < _newKeys.Count; i++)
        {
            if (!exists || !_oldKeys.Contains(_newKeys[i]))
            {
                Span<byte> value = Mutations.Put((byte)StateTable.Index, _newKeys[i], Tables.CheckLengthBytes);
                Tables.WriteCheck(StateTable.Index, _newKeys[i], value);
                Digest.Add(StateTable.Index, _newKeys[i], value);
            }
        }
    }

    private void Remove(StateTable table, ReadOnlySpan<byte> key)
    {
        RemoveDigest(table, key);
        Mutations.Delete((byte)table, key);
    }

    // A record's value leaves both sums that it is in: the table's, and that of the records that a boot reads.
    private void RemoveRecordSums(ReadOnlySpan<byte> key)
    {
        RecordEnvelope record = default;
        if (!TryGet(StateTable.Records, key, out ReadOnlySpan<byte> value) || !RecordEnvelope.TryRead(key, value, out record, out _))
        {
            State.StateFaults.ThrowEntry(StateTable.Records, key, "a record that must exist is missing or not valid");
        }

        Digest.Remove(StateTable.Records, key, value);
        if (record.IsBootCritical && !record.IsTombstone)
        {
            Header.BootCritical = Header.BootCritical.Without(key, value);
        }
    }

    private void RemoveDigest(StateTable table, ReadOnlySpan<byte> key)
    {
        if (!TryGet(table, key, out ReadOnlySpan<byte> value))
        {
            State.StateFaults.ThrowEntry(table, key, "an entry that must exist is missing");
        }

        Digest.Remove(table, key, value);
    }

    private bool TryGetRecord(scoped ReadOnlySpan<byte> key, out RecordEnvelope record)
    {
        if (!TryGet(StateTable.Records, key, out ReadOnlySpan<byte> value))
        {
            record = default;
            return false;
        }

        if (!RecordEnvelope.TryRead(key, value, out record, out FormatFault fault))
        {
            State.StateFaults.ThrowEntry(StateTable.Records, key, fault.ToString());
        }

        return true;
    }

    private bool TryGet(StateTable table, scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        if (Mutations.TryGet((byte)table, key, out bool isDelete, out value))
        {
            return !isDelete;
        }

        if (Frozen.Count > 0 && Frozen.TryGet((byte)table, key, out isDelete, out value))
        {
            return !isDelete;
        }

        return _base.TryGet(table, key, out value);
    }

    private static void DeriveKeys(IndexKeys keys, ReadOnlySpan<byte> key, RecordEnvelope record)
    {
        RecordBodyView body = default;
        if (record.Kind == RecordKind.Object && !RecordBodyView.TryReadKnown(record.Body, out body, out FormatFault fault))
        {
            State.StateFaults.ThrowEntry(StateTable.Records, key, fault.ToString());
        }

        keys.Derive(record.Kind, body, record.IsTombstone, record.IsBootCritical, record.Surrogate);
    }

    private void CountLane(EventView item)
    {
        ref LaneCount lane = ref Header.Lanes[(int)item.Lane - 1];
        lane = new LaneCount(lane.Events + 1, item.Sequence, item.OccurredAtMicros);
    }

    private void CountKind(RecordKind kind, bool isTombstone, int delta)
    {
        ref KindCount count = ref Header.Kinds[(int)kind];
        ulong change = unchecked((ulong)delta);
        count = isTombstone ? count with { Tombstones = unchecked(count.Tombstones + change) } : count with { Live = unchecked(count.Live + change) };
    }
}
