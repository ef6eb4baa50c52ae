// Why this file exists: point lookups in one snapshot, from a database record to a value, with no allocation and no copy.
// Invariants: never throws on hostile bytes, never leaves the page source, takes at most one step per level; every page on the path is
// structurally checked before it is followed, once per process when a CheckedPages is given.

using System.Runtime.CompilerServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>
/// Reads one snapshot of an LMDB file. As safe for several threads as its page source is. The caller keeps the snapshot's pages from
/// being reused (a pinned read transaction, or the re-check that format-spec/lmdb-layout.md describes).
/// </summary>
/// <typeparam name="TPages">Where pages come from.</typeparam>
public readonly struct LmdbReader<TPages>
    where TPages : struct, ILmdbPages
{
    private readonly TPages _pages;
    private readonly FreePageSet? _free;

    /// <summary>Creates a reader over a snapshot.</summary>
    /// <param name="pages">Where pages come from.</param>
    /// <param name="lastPage">The snapshot's last page, from its meta.</param>
    /// <param name="checkedPages">Remembers checked pages across readers of this file; null checks every page on every use.</param>
    /// <param name="free">The snapshot's free pages, so that an older copy of a page is a fault and no answer; null where something else finds that out.</param>
    public LmdbReader(TPages pages, ulong lastPage, CheckedPages? checkedPages = null, FreePageSet? free = null)
    {
        _pages = pages;
        _free = free;
        LastPage = lastPage;
        CheckedPages = checkedPages;
    }

    /// <summary>The snapshot's last page.</summary>
    public ulong LastPage { get; }

    /// <summary>The memory of checked pages, if there is one.</summary>
    public CheckedPages? CheckedPages { get; }

    /// <summary>The same snapshot, read with another memory of checked pages.</summary>
    /// <param name="memory">The memory; null for none: each page is checked whenever it is met.</param>
    /// <returns>The reader.</returns>
    public LmdbReader<TPages> With(CheckedPages? memory) => new(_pages, LastPage, memory, _free);

    /// <summary>The same snapshot, read with its free pages in mind.</summary>
    /// <param name="free">The snapshot's free pages.</param>
    /// <returns>The reader.</returns>
    public LmdbReader<TPages> With(FreePageSet free) => new(_pages, LastPage, CheckedPages, free);

    /// <summary>The page size, in bytes.</summary>
    public int PageSizeBytes => _pages.PageSizeBytes;

    /// <summary>Where pages come from.</summary>
    internal TPages Pages => _pages;

    /// <summary>Finds the record of a named database.</summary>
    /// <param name="main">The main database.</param>
    /// <param name="name">The database's name, as bytes.</param>
    /// <param name="record">Its record; meaningful only when found.</param>
    /// <param name="fault">What is wrong when the answer is a fault.</param>
    /// <returns>Found, not found, or fault.</returns>
    public LmdbReadStatus TryGetDatabase(in LmdbDatabaseRecord main, ReadOnlySpan<byte> name, out LmdbDatabaseRecord record, out LmdbFault fault)
    {
        record = default;
        LmdbReadStatus status = FindNode(in main, name, out LmdbLeafNode node, out ulong page, out fault);
        if (status != LmdbReadStatus.Found)
        {
            return status;
        }

        if (!node.IsDatabase)
        {
            return Fail(out fault, LmdbFaultCode.NodeFlags, page, node.Offset);
        }

        if (!LmdbDatabaseRecord.TryParse(node.InPage, LastPage, out record))
        {
            return Fail(out fault, LmdbFaultCode.DatabaseRecord, page, node.Offset);
        }

        return record.IsPlain ? LmdbReadStatus.Found : Fail(out fault, LmdbFaultCode.DatabaseFlags, page, node.Offset);
    }

    /// <summary>Finds a value.</summary>
    /// <param name="database">The database.</param>
    /// <param name="key">The key; an empty or overlong one is never found.</param>
    /// <param name="value">The value's bytes, valid as <see cref="ILmdbPages.Read"/> says; empty unless found.</param>
    /// <param name="fault">What is wrong when the answer is a fault.</param>
    /// <returns>Found, not found, or fault.</returns>
    public LmdbReadStatus TryGet(in LmdbDatabaseRecord database, scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value, out LmdbFault fault)
    {
        LmdbReadStatus status = FindNode(in database, key, out LmdbLeafNode node, out ulong page, out fault);
        if (status != LmdbReadStatus.Found)
        {
            value = default;
            return status;
        }

        return TryValue(node, page, out value, out fault) ? LmdbReadStatus.Found : LmdbReadStatus.Fault;
    }

    /// <summary>Opens a branch page, checking it unless that was done before.</summary>
    internal LmdbFault OpenBranch(ulong page, out LmdbPageView view)
    {
        LmdbFaultCode code = ReadPage(page, out ReadOnlySpan<byte> bytes);
        if (code != LmdbFaultCode.None)
        {
            view = default;
            return new LmdbFault(code, page, 0);
        }

        if (CheckedPages is not null && CheckedPages.Contains(page))
        {
            return LmdbPageView.Open(bytes, page, LmdbLayout.BranchPage, out view);
        }

        LmdbFault fault = LmdbPageCheck.Branch(bytes, page, LastPage, out view);
        Remember(page, fault);
        return fault;
    }

    /// <summary>Opens a leaf page, checking it unless that was done before.</summary>
    internal LmdbFault OpenLeaf(ulong page, out LmdbPageView view)
    {
        LmdbFaultCode code = ReadPage(page, out ReadOnlySpan<byte> bytes);
        if (code != LmdbFaultCode.None)
        {
            view = default;
            return new LmdbFault(code, page, 0);
        }

        if (CheckedPages is not null && CheckedPages.Contains(page))
        {
            return LmdbPageView.Open(bytes, page, LmdbLayout.LeafPage, out view);
        }

        LmdbFault fault = LmdbPageCheck.Leaf(bytes, page, LastPage, out view);
        Remember(page, fault);
        return fault;
    }

    /// <summary>Opens a leaf page again that this walk has checked, after other pages were read.</summary>
    internal LmdbFault ReopenLeaf(ulong page, out LmdbPageView view)
    {
        LmdbFaultCode code = ReadPage(page, out ReadOnlySpan<byte> bytes);
        if (code != LmdbFaultCode.None)
        {
            view = default;
            return new LmdbFault(code, page, 0);
        }

        return LmdbPageView.Open(bytes, page, LmdbLayout.LeafPage, out view);
    }

    /// <summary>Reads and checks the header of a leaf node's overflow run.</summary>
    /// <param name="node">A node that has one.</param>
    /// <param name="runPages">The pages the run owns.</param>
    /// <returns>What is wrong, if anything.</returns>
    internal LmdbFault OpenOverflow(LmdbLeafNode node, out ulong runPages)
    {
        ulong first = node.OverflowPage;
        runPages = 0;
        LmdbFaultCode code = ReadPage(first, out ReadOnlySpan<byte> bytes);
        return code != LmdbFaultCode.None
            ? new LmdbFault(code, first, 0)
            : LmdbPageCheck.Overflow(bytes, first, LmdbLayout.OverflowPages(node.ValueBytes, PageSizeBytes), LastPage, out runPages);
    }

    /// <summary>The value of a plain leaf node.</summary>
    internal bool TryValue(LmdbLeafNode node, ulong page, out ReadOnlySpan<byte> value, out LmdbFault fault)
    {
        fault = default;
        if (node.Flags == 0)
        {
            value = node.InPage;
            return true;
        }

        value = default;
        if (node.Flags != LmdbLayout.NodeIsBig)
        {
            fault = new LmdbFault(LmdbFaultCode.NodeFlags, page, node.Offset);
            return false;
        }

        return TryOverflow(node, out value, out fault);
    }

    private bool TryOverflow(LmdbLeafNode node, out ReadOnlySpan<byte> value, out LmdbFault fault)
    {
        ulong first = node.OverflowPage;
        uint length = node.ValueBytes;
        value = default;
        fault = OpenOverflow(node, out _);
        if (fault.IsFault)
        {
            return false;
        }

        LmdbFaultCode code = _pages.Read(first, LmdbLayout.OverflowPages(length, PageSizeBytes), out ReadOnlySpan<byte> run);
        if (code != LmdbFaultCode.None)
        {
            fault = new LmdbFault(code, first, 0);
            return false;
        }

        if ((uint)(run.Length - LmdbLayout.PageHeaderBytes) < length)
        {
            fault = new LmdbFault(LmdbFaultCode.OverflowRun, first, LmdbLayout.OverflowPageCount);
            return false;
        }

        value = run.Slice(LmdbLayout.PageHeaderBytes, (int)length);
        return true;
    }

    private LmdbReadStatus FindNode(in LmdbDatabaseRecord database, scoped ReadOnlySpan<byte> key, out LmdbLeafNode node, out ulong page, out LmdbFault fault)
    {
        node = default;
        page = database.Root;
        fault = default;
        if (database.IsEmpty)
        {
            return LmdbReadStatus.NotFound;
        }

        if (!database.IsPlain || database.Depth is 0 or > LmdbLayout.MaxDepth)
        {
            return Fail(out fault, LmdbFaultCode.DatabaseFlags, page, 0);
        }

        for (int level = 1; level < database.Depth; level++)
        {
            fault = OpenBranch(page, out LmdbPageView branch);
            if (fault.IsFault || !TryDescend(branch, key, ref page, out fault))
            {
                return LmdbReadStatus.Fault;
            }
        }

        fault = OpenLeaf(page, out LmdbPageView leaf);
        if (fault.IsFault)
        {
            return LmdbReadStatus.Fault;
        }

        LmdbFaultCode code = leaf.Search(key, 0, out int index, out bool isExact);
        if (code == LmdbFaultCode.None && isExact)
        {
            code = leaf.TryLeafNode(index, out node);
        }

        if (code != LmdbFaultCode.None)
        {
            return Fail(out fault, code, page, LmdbLayout.PageHeaderBytes + (2 * index));
        }

        return isExact ? LmdbReadStatus.Found : LmdbReadStatus.NotFound;
    }

    /// <summary>Follows a branch towards a key.</summary>
    private static bool TryDescend(LmdbPageView branch, scoped ReadOnlySpan<byte> key, ref ulong page, out LmdbFault fault)
    {
        LmdbFaultCode code = branch.Search(key, 1, out int index, out bool isExact);
        if (code == LmdbFaultCode.None)
        {
            // The search starts at 1, so the node before an inexact place exists.
            index = isExact ? index : index - 1;
            if (branch.TryChild(index, out ulong child))
            {
                page = child;
                fault = default;
                return true;
            }

            code = LmdbFaultCode.NodeOffset;
        }

        fault = new LmdbFault(code, page, LmdbLayout.PageHeaderBytes + (2 * index));
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private LmdbFaultCode ReadPage(ulong page, out ReadOnlySpan<byte> bytes)
    {
        if (page < LmdbLayout.FirstTreePage || page > LastPage)
        {
            bytes = default;
            return LmdbFaultCode.PageOutOfRange;
        }

        if (_free is not null && _free.Contains(page))
        {
            bytes = default;
            return LmdbFaultCode.PageUsedAndFree;
        }

        return _pages.Read(page, 1, out bytes);
    }

    private void Remember(ulong page, LmdbFault fault)
    {
        if (!fault.IsFault)
        {
            CheckedPages?.Add(page);
        }
    }

    private static LmdbReadStatus Fail(out LmdbFault fault, LmdbFaultCode code, ulong page, int offset)
    {
        fault = new LmdbFault(code, page, offset);
        return LmdbReadStatus.Fault;
    }
}
