// Why this file exists: liblmdb follows page numbers and offsets without checking them, so a damaged page kills the process. Before it may
// touch a key, every page that it can touch for that key is checked here, in the snapshot that the write transaction started from.
// Invariants: what liblmdb wrote itself since the file was opened needs no check; a delete can make liblmdb read neighbours, and, after
// merges in the same transaction, neighbours of neighbours, but not further than deletes below them allow.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// Checks the pages that liblmdb will touch for a key. For the writer's thread. Repeated calls cost one bit a page.
/// </summary>
/// <typeparam name="TPages">Where pages come from.</typeparam>
public sealed class LmdbPathChecker<TPages>
    where TPages : struct, ILmdbPages
{
    private readonly CheckedPages _checkedPages;
    private readonly Dictionary<ulong, int> _deletesBelow = [];
    private LmdbReader<TPages> _reader;
    private LmdbMeta _meta;

    /// <summary>Creates a checker for one file.</summary>
    /// <param name="checkedPages">The memory of pages checked since the file was opened, shared with readers.</param>
    public LmdbPathChecker(CheckedPages checkedPages)
    {
        ArgumentNullException.ThrowIfNull(checkedPages);
        _checkedPages = checkedPages;
    }

    /// <summary>Starts a write transaction: checks refer to the snapshot that it starts from.</summary>
    /// <param name="pages">The snapshot's pages.</param>
    /// <param name="meta">The snapshot's meta.</param>
    /// <param name="free">The snapshot's free pages: liblmdb must not be led to an older copy of a page; null where that is found out otherwise.</param>
    public void Begin(TPages pages, in LmdbMeta meta, FreePageSet? free = null)
    {
        _reader = new LmdbReader<TPages>(pages, meta.LastPage, _checkedPages, free);
        _meta = meta;
        _deletesBelow.Clear();
    }

    /// <summary>
    /// Checks what liblmdb reads to get or to put a key: the path to its leaf, the overflow run of a value that is there, and the leaf before
    /// when the key may belong there after deletes of this transaction.
    /// </summary>
    /// <param name="database">The database's record in the snapshot.</param>
    /// <param name="key">The key.</param>
    /// <returns>What is wrong, if anything: liblmdb must then not touch the key.</returns>
    public LmdbFault CheckPut(in LmdbDatabaseRecord database, ReadOnlySpan<byte> key)
    {
        Path path = default;
        Path before = default;
        return database.IsEmpty ? default : CheckPath(in database, key, ref path, ref before, out _);
    }

    /// <summary>Checks what liblmdb reads to append: the path to the last leaf.</summary>
    /// <param name="database">The database's record in the snapshot.</param>
    /// <returns>What is wrong, if anything.</returns>
    public LmdbFault CheckAppend(in LmdbDatabaseRecord database)
    {
        LmdbFault fault = CheckRecord(in database);
        if (fault.IsFault || database.IsEmpty)
        {
            return fault;
        }

        Path path = default;
        return DescendEdge(ref path, 0, database.Root, database.Depth - 1, database.Depth, isLast: true);
    }

    /// <summary>
    /// Checks what liblmdb reads to delete a key: the path, the overflow run, the siblings it may merge with at each level, and the first
    /// leaf below each branch that it may merge, for this delete and the ones before it in the transaction.
    /// </summary>
    /// <param name="database">The database's record in the snapshot.</param>
    /// <param name="key">The key.</param>
    /// <returns>What is wrong, if anything.</returns>
    public LmdbFault CheckDelete(in LmdbDatabaseRecord database, ReadOnlySpan<byte> key)
    {
        if (database.IsEmpty)
        {
            return default;
        }

        Path path = default;
        Path before = default;
        LmdbFault fault = CheckPath(in database, key, ref path, ref before, out bool mayBeBefore);
        if (!fault.IsFault)
        {
            fault = CountDelete(in path, database.Depth);
        }

        return fault.IsFault || !mayBeBefore ? fault : CountDelete(in before, database.Depth);
    }

    /// <summary>Checks the whole free-page database, which every commit changes: structure, order, page numbers, no page twice.</summary>
    /// <returns>What is wrong, if anything: the file must then not be opened for writing.</returns>
    public LmdbFault CheckFreeList()
    {
        LmdbPageLedger ledger = new(_reader.Pages.PageCount, _meta.LastPage);
        LmdbDatabaseRecord free = _meta.Free;
        LmdbCursor<TPages> cursor = new(_reader, in free);
        ulong before = 0;
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            if (!LmdbFreeRecord.TryParse(cursor.Key, cursor.Value, in _meta, out LmdbFreeRecord record) || record.TransactionId <= before)
            {
                return new LmdbFault(LmdbFaultCode.FreeList, cursor.Page, 0);
            }

            before = record.TransactionId;
            for (int i = 0; i < record.Count; i++)
            {
                if (!ledger.TryFree(record[i]))
                {
                    return new LmdbFault(LmdbFaultCode.PageFreeTwice, record[i], 0);
                }
            }
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }

    /// <summary>Checks the whole main database, which every commit of a named database changes, and the root page of each named one.</summary>
    /// <returns>What is wrong, if anything: the file must then not be opened for writing.</returns>
    public LmdbFault CheckNamedRoots()
    {
        LmdbDatabaseRecord main = _meta.Main;
        LmdbCursor<TPages> cursor = new(_reader, in main);
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            if (!cursor.IsDatabase)
            {
                continue;
            }

            if (!LmdbDatabaseRecord.TryParse(cursor.Value, _meta.LastPage, out LmdbDatabaseRecord record))
            {
                return new LmdbFault(LmdbFaultCode.DatabaseRecord, cursor.Page, 0);
            }

            LmdbFault fault = CheckRecord(in record);
            if (!fault.IsFault && !record.IsEmpty)
            {
                fault = record.Depth == 1 ? _reader.OpenLeaf(record.Root, out _) : _reader.OpenBranch(record.Root, out _);
            }

            if (fault.IsFault)
            {
                return fault;
            }
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }

    /// <summary>Checks every page of a database, for work that touches all of it, such as clearing it.</summary>
    /// <param name="database">The database's record in the snapshot.</param>
    /// <returns>What is wrong, if anything.</returns>
    public LmdbFault CheckAll(in LmdbDatabaseRecord database)
    {
        LmdbCursor<TPages> cursor = new(_reader, in database);
        LmdbReadStatus status = cursor.SeekFirst();
        while (status == LmdbReadStatus.Found)
        {
            status = cursor.Next();
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }

    // Notes a delete below each page of a path and checks what is in reach of it then.
    private LmdbFault CountDelete(in Path path, int depth)
    {
        LmdbFault fault = default;
        for (int level = 1; level < depth && !fault.IsFault; level++)
        {
            ulong page = path[level].Page;
            _deletesBelow[page] = _deletesBelow.GetValueOrDefault(page) + 1;
            fault = CheckLowest(path, level, depth);
            if (!fault.IsFault)
            {
                fault = CheckNeighbours(in path, level, depth);
            }
        }

        return fault;
    }

    // A branch that is moved or merged is found by its lowest remaining key from then on. A key below that, which would have stood first in its
    // leaf, belongs to the leaf before it then, so the path to that one is checked too.
    private LmdbFault CheckPath(in LmdbDatabaseRecord database, ReadOnlySpan<byte> key, ref Path path, ref Path before, out bool mayBeBefore)
    {
        mayBeBefore = false;
        LmdbFault fault = CheckRecord(in database);
        if (fault.IsFault)
        {
            return fault;
        }

        ulong page = database.Root;
        for (int level = 0; level < database.Depth - 1; level++)
        {
            fault = _reader.OpenBranch(page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return fault;
            }

            LmdbFaultCode code = branch.Search(key, 1, out int index, out bool isExact);
            index = isExact || code != LmdbFaultCode.None ? index : index - 1;
            path[level] = new Step(page, index);
            if (code != LmdbFaultCode.None || !branch.TryChild(index, out page))
            {
                return new LmdbFault(LmdbFaultCode.NodeOffset, path[level].Page, LmdbLayout.PageHeaderBytes + (2 * index));
            }
        }

        path[database.Depth - 1] = new Step(page, 0);
        fault = _reader.OpenLeaf(page, out LmdbPageView leaf);
        if (!fault.IsFault)
        {
            fault = CheckValue(leaf, page, key, out bool wouldBeFirst);
            if (!fault.IsFault && (wouldBeFirst || _deletesBelow.ContainsKey(page)))
            {
                before = path;
                fault = MoveSideways(ref before, database.Depth - 1, database.Depth, -1, out mayBeBefore);
            }
        }

        return fault;
    }

    private LmdbFault CheckValue(LmdbPageView leaf, ulong page, ReadOnlySpan<byte> key, out bool wouldBeFirst)
    {
        LmdbFaultCode code = leaf.Search(key, 0, out int index, out bool isExact);
        wouldBeFirst = index == 0 && !isExact;
        if (code == LmdbFaultCode.None && isExact)
        {
            code = leaf.TryLeafNode(index, out LmdbLeafNode node);
            if (code == LmdbFaultCode.None && node.IsBig)
            {
                return _reader.OpenOverflow(node, out _);
            }
        }

        return code == LmdbFaultCode.None ? default : new LmdbFault(code, page, LmdbLayout.PageHeaderBytes + (2 * index));
    }

    // Merging the page with a neighbour takes at least one delete below the pages merged so far, so d deletes merge at most d + 1 pages and
    // read at most d beyond one of them. A delete that merged the last two children of a branch goes on in the level above and may move
    // another child into it, whose lowest key it then reads: one page further, except the first time, when that is the first page below the
    // branch's neighbour, which is checked with that neighbour.
    private static long Reach(long deletes) => deletes > 1 ? deletes + 1 : deletes;

    private LmdbFault CheckNeighbours(in Path path, int level, int depth)
    {
        Path left = path;
        Path right = path;
        bool hasLeft = true;
        bool hasRight = true;
        long deletes = _deletesBelow[path[level].Page];
        for (long distance = 1; distance <= Reach(deletes) && (hasLeft || hasRight); distance++)
        {
            if (hasLeft)
            {
                LmdbFault fault = CheckNeighbour(ref left, level, depth, -1, ref hasLeft, ref deletes);
                if (fault.IsFault)
                {
                    return fault;
                }
            }

            if (hasRight)
            {
                LmdbFault fault = CheckNeighbour(ref right, level, depth, 1, ref hasRight, ref deletes);
                if (fault.IsFault)
                {
                    return fault;
                }
            }
        }

        return default;
    }

    private LmdbFault CheckNeighbour(ref Path path, int level, int depth, int step, ref bool isThere, ref long deletes)
    {
        LmdbFault fault = MoveSideways(ref path, level, depth, step, out isThere);
        if (fault.IsFault || !isThere)
        {
            return fault;
        }

        deletes += _deletesBelow.GetValueOrDefault(path[level].Page);
        return CheckLowest(path, level, depth);
    }

    // Moving or merging a branch needs the lowest key below it, which lies in its first leaf.
    private LmdbFault CheckLowest(Path path, int level, int depth) =>
        level == depth - 1 ? default : DescendEdge(ref path, level, path[level].Page, depth - 1, depth, isLast: false);

    private LmdbFault MoveSideways(ref Path path, int level, int depth, int step, out bool isThere)
    {
        isThere = false;
        for (int above = level - 1; above >= 0; above--)
        {
            LmdbFault fault = _reader.OpenBranch(path[above].Page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return fault;
            }

            int index = path[above].Index + step;
            if ((uint)index >= (uint)branch.KeyCount)
            {
                continue;
            }

            path[above] = new Step(path[above].Page, index);
            if (!branch.TryChild(index, out ulong child))
            {
                return new LmdbFault(LmdbFaultCode.NodeOffset, path[above].Page, LmdbLayout.PageHeaderBytes + (2 * index));
            }

            isThere = true;
            return DescendEdge(ref path, above + 1, child, level, depth, isLast: step < 0);
        }

        return default;
    }

    // Goes down along one edge, checking each page from one level to another, both included.
    private LmdbFault DescendEdge(ref Path path, int level, ulong page, int toLevel, int depth, bool isLast)
    {
        for (; ; level++)
        {
            LmdbPageView view;
            LmdbFault fault = level == depth - 1 ? _reader.OpenLeaf(page, out view) : _reader.OpenBranch(page, out view);
            if (fault.IsFault)
            {
                return fault;
            }

            int index = isLast ? view.KeyCount - 1 : 0;
            path[level] = new Step(page, index);
            if (level == toLevel)
            {
                return default;
            }

            if (!view.TryChild(index, out page))
            {
                return new LmdbFault(LmdbFaultCode.NodeOffset, path[level].Page, LmdbLayout.PageHeaderBytes + (2 * index));
            }
        }
    }

    private static LmdbFault CheckRecord(in LmdbDatabaseRecord database) =>
        database.IsEmpty || (database.IsPlain && database.Depth is >= 1 and <= LmdbLayout.MaxDepth)
            ? default
            : new LmdbFault(LmdbFaultCode.DatabaseFlags, database.Root, 0);

    private readonly record struct Step(ulong Page, int Index);

    [InlineArray(LmdbLayout.MaxDepth)]
    private struct Path
    {
        private Step _first;
    }
}
