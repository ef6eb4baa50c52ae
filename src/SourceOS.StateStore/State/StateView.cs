// Why this file exists: verified reads of one snapshot. Invariants: what comes back was checked against its key; damage is an exception with
// its place, never a wrong answer; nothing is allocated on the way to a record.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Reads entries of one snapshot's tables.</summary>
internal sealed class StateView(StateRoots roots, UnpinnedGuard? guard = null, AbsenceMemory? memory = null) : IStateBase
{
    internal StateRoots Roots { get; } = roots;

    /// <inheritdoc/>
    public bool TryGet(StateTable table, scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        LmdbReadStatus status = Roots.Reader.TryGet(in Roots[table], key, out value, out LmdbFault fault);
        if (status == LmdbReadStatus.NotFound)
        {
            ConfirmAbsent(table, key);
        }

        if (guard is not null)
        {
            // Unpinned pages can be reused at any moment: the answer is copied, then believed only if nothing moved meanwhile.
            value = value.ToArray();
            guard.ThrowIfMoved();
        }

        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(table, fault);
        }

        return status == LmdbReadStatus.Found;
    }

    /// <summary>Finds a record and verifies it.</summary>
    internal bool TryGetRecord(scoped ReadOnlySpan<byte> key, out RecordEnvelope record)
    {
        if (!TryGet(StateTable.Records, key, out ReadOnlySpan<byte> value))
        {
            record = default;
            return false;
        }

        if (!RecordEnvelope.TryRead(key, value, out record, out FormatFault fault))
        {
            StateFaults.ThrowEntry(StateTable.Records, key, fault.ToString());
        }

        return true;
    }

    /// <summary>Finds an entry of a table whose values end with a check, and verifies it.</summary>
    internal bool TryGetChecked(StateTable table, scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> content)
    {
        if (!TryGet(table, key, out ReadOnlySpan<byte> value))
        {
            content = default;
            return false;
        }

        if (!Tables.TryVerifyCheck(table, key, value, out content))
        {
            StateFaults.ThrowEntry(table, key, "its check does not hold");
        }

        return true;
    }

    /// <summary>Verifies what stands around the start of a list, so that nothing that belongs to it was missed.</summary>
    internal void ConfirmStart(StateTable table, scoped ReadOnlySpan<byte> key) => Confirm(table, key, mayBeThere: true);

    private void ConfirmAbsent(StateTable table, scoped ReadOnlySpan<byte> key)
    {
        if (memory?.Contains(table, key) != true)
        {
            Confirm(table, key, mayBeThere: false);
            memory?.Add(table, key);
        }
    }

    private void Confirm(StateTable table, scoped ReadOnlySpan<byte> key, bool mayBeThere)
    {
        try
        {
            AbsenceCheck.Confirm(Roots, table, key, mayBeThere, memory?.Pages);
        }
        catch (StateStoreException) when (guard is not null)
        {
            // What looked like damage may have been a page in use again.
            guard.ThrowIfMoved();
            throw;
        }
    }

    /// <summary>For cursors over unpinned pages: throws when what they show may be mixed.</summary>
    internal void ThrowIfMoved() => guard?.ThrowIfMoved();

    /// <summary>Reads the header.</summary>
    internal void ReadHeader(StateHeader header)
    {
        if (!TryGet(StateTable.Meta, Tables.HeaderKey, out ReadOnlySpan<byte> value))
        {
            StateFaults.ThrowEntry(StateTable.Meta, Tables.HeaderKey, "the header is missing");
        }

        if (!header.TryDecode(value, out FormatFault fault))
        {
            StateFaults.ThrowEntry(StateTable.Meta, Tables.HeaderKey, fault.ToString());
        }
    }

    /// <summary>Reads the digest.</summary>
    internal void ReadDigest(StateDigest digest)
    {
        if (!TryGet(StateTable.Meta, Tables.DigestKey, out ReadOnlySpan<byte> value))
        {
            StateFaults.ThrowEntry(StateTable.Meta, Tables.DigestKey, "the digest is missing");
        }

        if (!digest.TryDecode(value, out FormatFault fault))
        {
            StateFaults.ThrowEntry(StateTable.Meta, Tables.DigestKey, fault.ToString());
        }
    }

    /// <summary>Finds where the frame stands that holds a sequence.</summary>
    internal bool TryFindFrame(ulong sequence, out ulong firstSequence, out FrameEntry entry)
    {
        Span<byte> wanted = stackalloc byte[8];
        Tables.NumberKey(sequence, wanted);
        LmdbCursor<MappedPages> cursor = new(Roots.Reader, in Roots[StateTable.Frames]);
        LmdbReadStatus status = cursor.Seek(wanted);
        if (status == LmdbReadStatus.NotFound)
        {
            status = cursor.SeekLast();
        }
        else if (status == LmdbReadStatus.Found && !cursor.Key.SequenceEqual(wanted))
        {
            status = cursor.Prev();
        }

        firstSequence = 0;
        entry = default;
        ThrowIfMoved();
        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(StateTable.Frames, cursor.Fault);
        }

        if (status != LmdbReadStatus.Found)
        {
            ConfirmAbsent(StateTable.Frames, wanted);
            return false;
        }

        if (!Tables.TryReadNumberKey(cursor.Key, out firstSequence) || !FrameEntry.TryDecode(cursor.Key, cursor.Value, out entry))
        {
            StateFaults.ThrowEntry(StateTable.Frames, cursor.Key, "its check does not hold");
        }

        if (sequence >= firstSequence + entry.EventCount && sequence <= Roots.Header.LastSequence)
        {
            StateFaults.ThrowEntry(StateTable.Frames, wanted, "the frames that the state knows leave it out");
        }

        return sequence < firstSequence + entry.EventCount;
    }
}
