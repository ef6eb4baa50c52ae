// Why this file exists: ordered walks over one database of a snapshot, with no allocation.
// Invariants: the path is page numbers and indexes, never bytes, so a page source may reuse its buffers between steps; a walk cannot
// enter more leaves, in either direction, than the snapshot has pages; a fault leaves the cursor without a position.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// A position in a database. A mutable struct: keep it in one place and pass it by reference. Key and value are read at each step
/// and valid as <see cref="ILmdbPages.Read"/> says. Not safe for several threads.
/// </summary>
/// <typeparam name="TPages">Where pages come from.</typeparam>
public ref struct LmdbCursor<TPages>
    where TPages : struct, ILmdbPages
{
    private readonly LmdbReader<TPages> _reader;
    private readonly LmdbDatabaseRecord _database;
    private Path _path;
    private int _depth;
    private long _leavesFromStart;

    /// <summary>Creates a cursor without a position.</summary>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="database">The database to walk: a plain one, or the free-page database (which cannot be sought by key).</param>
    public LmdbCursor(LmdbReader<TPages> reader, in LmdbDatabaseRecord database)
    {
        _reader = reader;
        _database = database;
    }

    /// <summary>What is wrong, after a step that answered with a fault.</summary>
    public LmdbFault Fault { get; private set; }

    /// <summary>The current key; empty without a position.</summary>
    public ReadOnlySpan<byte> Key { get; private set; }

    /// <summary>
    /// The current value; empty without a position. For an entry that names a database (<see cref="IsDatabase"/>) it is that
    /// database's record.
    /// </summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Whether the current entry names a database.</summary>
    public bool IsDatabase { get; private set; }

    /// <summary>The leaf page of the current entry.</summary>
    public ulong Page { get; private set; }

    /// <summary>The page that the current value stands on: the first page of its overflow run, or the leaf.</summary>
    public ulong ValuePage { get; private set; }

    /// <summary>Goes to the first entry.</summary>
    /// <returns>Found, not found in an empty database, or fault.</returns>
    public LmdbReadStatus SeekFirst() => SeekEdge(isLast: false);

    /// <summary>Goes to the last entry.</summary>
    /// <returns>Found, not found in an empty database, or fault.</returns>
    public LmdbReadStatus SeekLast() => SeekEdge(isLast: true);

    /// <summary>Goes to the first entry whose key is not below the given one.</summary>
    /// <param name="key">The key; an empty one goes to the first entry.</param>
    /// <returns>Found, not found when all keys are below, or fault.</returns>
    public LmdbReadStatus Seek(scoped ReadOnlySpan<byte> key)
    {
        LmdbReadStatus status = Start(needsKeyOrder: true, out ulong page);
        if (status != LmdbReadStatus.Found)
        {
            return status;
        }

        for (int level = 0; level < _database.Depth - 1; level++)
        {
            LmdbFault fault = _reader.OpenBranch(page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return Fail(fault);
            }

            LmdbFaultCode code = branch.Search(key, 1, out int at, out bool isExact);
            at = isExact || code != LmdbFaultCode.None ? at : at - 1;
            Push(level, page, at);
            if (code != LmdbFaultCode.None || !branch.TryChild(at, out page))
            {
                return FailNode(level, LmdbFaultCode.NodeOffset);
            }
        }

        int leafLevel = _database.Depth - 1;
        LmdbFault leafFault = _reader.OpenLeaf(page, out LmdbPageView leaf);
        if (leafFault.IsFault)
        {
            return Fail(leafFault);
        }

        leafFault = CheckPlace(ref leaf, page, leafLevel);
        if (leafFault.IsFault)
        {
            return Fail(leafFault);
        }

        LmdbFaultCode leafCode = leaf.Search(key, 0, out int index, out _);
        Push(leafLevel, page, index);
        if (leafCode != LmdbFaultCode.None)
        {
            return FailNode(leafLevel, leafCode);
        }

        return index < leaf.KeyCount ? Load(leaf) : Advance(step: 1);
    }

    /// <summary>Goes to the next entry.</summary>
    /// <returns>Found, not found after the last entry (the cursor then has no position), or fault.</returns>
    public LmdbReadStatus Next() => Step(1);

    /// <summary>Goes to the previous entry.</summary>
    /// <returns>Found, not found before the first entry (the cursor then has no position), or fault.</returns>
    public LmdbReadStatus Prev() => Step(-1);

    private LmdbReadStatus SeekEdge(bool isLast)
    {
        LmdbReadStatus status = Start(needsKeyOrder: false, out ulong page);
        return status != LmdbReadStatus.Found ? status : Descend(0, page, isLast);
    }

    private LmdbReadStatus Start(bool needsKeyOrder, out ulong page)
    {
        Clear();
        Fault = default;
        _leavesFromStart = 0;
        page = _database.Root;
        if (_database.IsEmpty)
        {
            return LmdbReadStatus.NotFound;
        }

        bool canRead = _database.IsPlain || (!needsKeyOrder && _database.IsIntegerKeyed);
        return canRead && _database.Depth is >= 1 and <= LmdbLayout.MaxDepth
            ? LmdbReadStatus.Found
            : Fail(new LmdbFault(LmdbFaultCode.DatabaseFlags, page, 0));
    }

    private LmdbReadStatus Step(int step)
    {
        if (_depth == 0)
        {
            return LmdbReadStatus.NotFound;
        }

        ref PathStep top = ref _path[_depth - 1];
        LmdbFault fault = _reader.OpenLeaf(top.Page, out LmdbPageView leaf);
        if (fault.IsFault)
        {
            return Fail(fault);
        }

        int index = top.Index + step;
        if ((uint)index < (uint)leaf.KeyCount)
        {
            top.Index = index;
            return Load(leaf);
        }

        return Advance(step);
    }

    // Climbs until a branch has a neighbour on the wanted side, then goes down along its near edge.
    private LmdbReadStatus Advance(int step)
    {
        _leavesFromStart += step;
        if ((ulong)Math.Abs(_leavesFromStart) > _reader.LastPage)
        {
            return Fail(new LmdbFault(LmdbFaultCode.Cycle, _database.Root, 0));
        }

        for (int level = _depth - 2; level >= 0; level--)
        {
            ref PathStep at = ref _path[level];
            LmdbFault fault = _reader.OpenBranch(at.Page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return Fail(fault);
            }

            int index = at.Index + step;
            if ((uint)index >= (uint)branch.KeyCount)
            {
                continue;
            }

            at.Index = index;
            if (!branch.TryChild(index, out ulong child))
            {
                return FailNode(level, LmdbFaultCode.NodeOffset);
            }

            return Descend(level + 1, child, isLast: step < 0);
        }

        Clear();
        return LmdbReadStatus.NotFound;
    }

    private LmdbReadStatus Descend(int level, ulong page, bool isLast)
    {
        for (; level < _database.Depth - 1; level++)
        {
            LmdbFault fault = _reader.OpenBranch(page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return Fail(fault);
            }

            int index = isLast ? branch.KeyCount - 1 : 0;
            Push(level, page, index);
            if (!branch.TryChild(index, out page))
            {
                return FailNode(level, LmdbFaultCode.NodeOffset);
            }
        }

        LmdbFault leafFault = _reader.OpenLeaf(page, out LmdbPageView leaf);
        if (!leafFault.IsFault)
        {
            leafFault = CheckPlace(ref leaf, page, level);
        }

        if (leafFault.IsFault)
        {
            return Fail(leafFault);
        }

        Push(level, page, isLast ? leaf.KeyCount - 1 : 0);
        return Load(leaf);
    }

    // A flipped page pointer can lead to a sound leaf of another place, and a list would jump there: what a leaf holds must lie between the separators around it. The free-page
    // database is left out: its keys are numbers, and it is checked as a whole.
    private LmdbFault CheckPlace(ref LmdbPageView leaf, ulong page, int leafLevel)
    {
        if (!_database.IsPlain || leafLevel == 0 || leaf.KeyCount == 0)
        {
            return default;
        }

        // The keys are copied, because looking at branches may take a leaf's bytes away from a source that reads by position.
        Span<byte> keys = stackalloc byte[2 * LmdbLayout.MaxKeyBytes];
        if (!leaf.TryKey(0, out ReadOnlySpan<byte> key) || !key.TryCopyTo(keys[..LmdbLayout.MaxKeyBytes]))
        {
            return new LmdbFault(LmdbFaultCode.NodeOffset, page, 0);
        }

        ReadOnlySpan<byte> first = keys[..key.Length];
        if (!leaf.TryKey(leaf.KeyCount - 1, out key) || !key.TryCopyTo(keys[LmdbLayout.MaxKeyBytes..]))
        {
            return new LmdbFault(LmdbFaultCode.NodeOffset, page, 0);
        }

        ReadOnlySpan<byte> last = keys.Slice(LmdbLayout.MaxKeyBytes, key.Length);
        LmdbFault fault = CheckBetween(first, last, page, leafLevel);
        return fault.IsFault ? fault : _reader.ReopenLeaf(page, out leaf);
    }

    // The nearest separators on either side; where a branch has none on a side, the branch above it has.
    private readonly LmdbFault CheckBetween(ReadOnlySpan<byte> first, ReadOnlySpan<byte> last, ulong page, int leafLevel)
    {
        bool hasLower = false, hasUpper = false;
        for (int level = leafLevel - 1; level >= 0 && !(hasLower && hasUpper); level--)
        {
            PathStep at = _path[level];
            LmdbFault fault = _reader.OpenBranch(at.Page, out LmdbPageView branch);
            if (fault.IsFault)
            {
                return fault;
            }

            if (!hasLower && at.Index > 0)
            {
                hasLower = true;
                if (!branch.TryKey(at.Index, out ReadOnlySpan<byte> lower) || first.SequenceCompareTo(lower) < 0)
                {
                    return new LmdbFault(LmdbFaultCode.KeyOrder, page, 0);
                }
            }

            if (!hasUpper && at.Index + 1 < branch.KeyCount)
            {
                hasUpper = true;
                if (!branch.TryKey(at.Index + 1, out ReadOnlySpan<byte> upper) || last.SequenceCompareTo(upper) >= 0)
                {
                    return new LmdbFault(LmdbFaultCode.KeyOrder, page, 0);
                }
            }
        }

        return default;
    }

    private LmdbReadStatus Load(LmdbPageView leaf)
    {
        PathStep top = _path[_depth - 1];
        LmdbFaultCode code = leaf.TryLeafNode(top.Index, out LmdbLeafNode node);
        if (code != LmdbFaultCode.None)
        {
            return FailNode(_depth - 1, code);
        }

        // A page source that reads by position never evicts the page it handed out last, so the key outlives the read of the run.
        IsDatabase = node.IsDatabase;
        Key = node.Key;
        Page = top.Page;
        ValuePage = node.IsBig ? node.OverflowPage : top.Page;
        if (IsDatabase)
        {
            Value = node.InPage;
            return LmdbReadStatus.Found;
        }

        if (!_reader.TryValue(node, top.Page, out ReadOnlySpan<byte> value, out LmdbFault fault))
        {
            return Fail(fault);
        }

        Value = value;
        return LmdbReadStatus.Found;
    }

    private void Push(int level, ulong page, int index)
    {
        ref PathStep at = ref _path[level];
        at.Page = page;
        at.Index = index;
        _depth = level + 1;
    }

    private void Clear()
    {
        _depth = 0;
        Key = default;
        Value = default;
        IsDatabase = false;
        Page = 0;
        ValuePage = 0;
    }

    private LmdbReadStatus FailNode(int level, LmdbFaultCode code)
    {
        PathStep at = _path[level];
        return Fail(new LmdbFault(code, at.Page, LmdbLayout.PageHeaderBytes + (2 * at.Index)));
    }

    private LmdbReadStatus Fail(LmdbFault fault)
    {
        Clear();
        Fault = fault;
        return LmdbReadStatus.Fault;
    }

    private struct PathStep
    {
        internal ulong Page;
        internal int Index;
    }

    [InlineArray(LmdbLayout.MaxDepth)]
    private struct Path
    {
        private PathStep _first;
    }
}
