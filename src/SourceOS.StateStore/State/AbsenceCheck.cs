// Why this file exists: LMDB's pages carry no checksum, so a flipped key can hide an entry from a search: the entry's own check is never asked. A "not
// there", and the ends of a list, are therefore believed only after the entries around the place were verified. Invariants: every entry of the leaf
// that the search ended in is verified and in order, and so is the next one on either side; a doubt is a fault, never a "not found".

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Confirms that a key is in no entry where it would have to stand.</summary>
/// <remarks>
/// Why this is enough: a flipped key stays in its slot, so it stands in the leaf that a search for it enters, and fails its check there. A flipped separator
/// leads a search to a leaf beside or beyond the right one; then the entry behind that leaf is not above the key, or the one before it not below. What is
/// left is a page pointer that leads to an older copy of the right page: such a page is listed as free, and the reader takes none that is (<see cref="FreePageSet"/>).
/// </remarks>
internal static class AbsenceCheck
{
    /// <summary>Checks the surroundings of a key.</summary>
    /// <param name="roots">The snapshot.</param>
    /// <param name="table">The table.</param>
    /// <param name="key">The key; at most <see cref="Tables.MaxKeyLengthBytes"/> bytes.</param>
    /// <param name="mayBeThere">Whether an entry with this very key is right, as it is for the start of a list.</param>
    /// <param name="memory">Pages that a confirmation a moment ago checked, by a writer that confirms many; null to check each.</param>
    /// <exception cref="StateStoreException">StateDamaged when something around the place is not as it was written.</exception>
    internal static void Confirm(StateRoots roots, StateTable table, scoped ReadOnlySpan<byte> key, bool mayBeThere, CheckedPages? memory = null)
    {
        // Pages that were checked before may have changed since; here each is checked again, once for each group of commits when a writer asks.
        LmdbReader<MappedPages> reader = roots.Reader.With(memory);
        LmdbCursor<MappedPages> cursor = new(reader, in roots[table]);
        LmdbReadStatus status = cursor.Seek(key);
        ThrowIfFault(table, status, in cursor);
        if (status == LmdbReadStatus.Found)
        {
            int order = cursor.Key.SequenceCompareTo(key);
            if (order < 0 || (order == 0 && !mayBeThere))
            {
                StateFaults.ThrowEntry(table, key, "a search did not find it, but it is there");
            }

            Walk(table, ref cursor, isForward: true);
            status = cursor.Seek(key);
            ThrowIfFault(table, status, in cursor);
            status = status == LmdbReadStatus.Found ? cursor.Prev() : cursor.SeekLast();
        }
        else
        {
            status = cursor.SeekLast();
        }

        ThrowIfFault(table, status, in cursor);
        if (status == LmdbReadStatus.Found)
        {
            if (cursor.Key.SequenceCompareTo(key) >= 0)
            {
                StateFaults.ThrowEntry(table, cursor.Key, "it stands before a key that it is not below");
            }

            Walk(table, ref cursor, isForward: false);
        }
    }

    /// <summary>Verifies an entry by the check that its table's values carry.</summary>
    internal static void Verify(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        bool isSound = table == StateTable.Meta
            ? key.SequenceEqual(Tables.HeaderKey) || key.SequenceEqual(Tables.DigestKey)
            : Tables.EntryHolds(table, key, value);
        if (!isSound)
        {
            StateFaults.ThrowEntry(table, key, "its check does not hold");
        }
    }

    // From an entry to the end of its leaf and one entry beyond, in one direction.
    private static void Walk(StateTable table, ref LmdbCursor<MappedPages> cursor, bool isForward)
    {
        Span<byte> before = stackalloc byte[LmdbLayout.MaxKeyBytes];
        ulong page = cursor.Page;
        while (true)
        {
            Verify(table, cursor.Key, cursor.Value);
            bool isBeyond = cursor.Page != page;
            int length = cursor.Key.Length;
            cursor.Key.CopyTo(before);
            LmdbReadStatus status = isBeyond ? LmdbReadStatus.NotFound : isForward ? cursor.Next() : cursor.Prev();
            ThrowIfFault(table, status, in cursor);
            if (status != LmdbReadStatus.Found)
            {
                return;
            }

            int order = cursor.Key.SequenceCompareTo(before[..length]);
            if (isForward ? order <= 0 : order >= 0)
            {
                StateFaults.ThrowEntry(table, cursor.Key, "keys do not rise");
            }
        }
    }

    private static void ThrowIfFault(StateTable table, LmdbReadStatus status, in LmdbCursor<MappedPages> cursor)
    {
        if (status == LmdbReadStatus.Fault)
        {
            StateFaults.ThrowPage(table, cursor.Fault);
        }
    }
}
