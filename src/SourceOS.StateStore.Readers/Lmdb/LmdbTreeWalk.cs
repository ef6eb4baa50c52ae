// Why this file exists: walks one tree, or one subtree of it, page by page, and checks what holds between pages: key order, the ranges that
// branches promise, one owner for each page.
// Invariants: a page is entered once over all trees, so the walk ends; the stack is as deep as the record says, at most 32; keys are copied
// out of pages before other pages are read.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Receives the leaf entries of one tree. The node's bytes are valid until other pages are read.</summary>
internal interface ILmdbEntrySink<TPages>
    where TPages : struct, ILmdbPages
{
    void Entry(LmdbTreeWalk<TPages> walk, LmdbLeafNode node, ulong page);
}

/// <summary>A walk over one tree or subtree.</summary>
internal sealed class LmdbTreeWalk<TPages>
    where TPages : struct, ILmdbPages
{
    private readonly LmdbReader<TPages> _reader;
    private readonly LmdbWalkShared _shared;
    private readonly ILmdbEntrySink<TPages> _sink;
    private readonly LmdbDatabaseRecord _record;
    private readonly Frame[] _frames;
    private readonly byte[] _previous = new byte[LmdbLayout.MaxKeyBytes];
    private int _previousLength = -1;

    internal LmdbTreeWalk(LmdbReader<TPages> reader, LmdbWalkShared shared, string database, in LmdbDatabaseRecord record, ILmdbEntrySink<TPages> sink)
    {
        _reader = reader;
        _shared = shared;
        _sink = sink;
        _record = record;
        Database = database;
        _frames = new Frame[Math.Clamp((int)record.Depth, 1, LmdbLayout.MaxDepth)];
        for (int i = 0; i < _frames.Length; i++)
        {
            _frames[i] = new Frame();
        }
    }

    internal string Database { get; }

    internal LmdbReader<TPages> Reader => _reader;

    internal LmdbWalkShared Shared => _shared;

    internal ulong BranchPages { get; private set; }

    internal ulong LeafPages { get; private set; }

    internal ulong OverflowPages { get; private set; }

    internal ulong Entries { get; private set; }

    /// <summary>Whether every page of the walk was entered and read, so that the counts mean something.</summary>
    internal bool IsComplete { get; private set; } = true;

    private bool IsIntegerKeyed => _record.IsIntegerKeyed;

    /// <summary>Walks from the root.</summary>
    internal void WalkAll() => WalkFrom(0, _record.Root, default);

    /// <summary>Walks one subtree.</summary>
    /// <param name="level">The level of its top page; the root is level 0.</param>
    /// <param name="page">Its top page.</param>
    /// <param name="bounds">The range of its keys.</param>
    internal void WalkFrom(int level, ulong page, LmdbKeyBounds bounds)
    {
        _frames[level].Bounds = bounds;
        if (!Enter(level, page))
        {
            return;
        }

        int top = level;
        while (top >= level)
        {
            _shared.Cancellation.ThrowIfCancellationRequested();
            Frame frame = _frames[top];
            if (top == _record.Depth - 1 || frame.Next == frame.Children.Count)
            {
                top--;
                continue;
            }

            int child = frame.Next++;
            _frames[top + 1].Bounds = frame.ChildBounds(child);
            if (Enter(top + 1, frame.Children[child]))
            {
                top++;
            }
        }
    }

    /// <summary>Enters one page, without going below it.</summary>
    /// <returns>Whether it is sound and was not entered before.</returns>
    internal bool Enter(int level, ulong page)
    {
        if (!_shared.Ledger.TryUse(page))
        {
            IsComplete = false;
            bool isBeyond = page >= _shared.Ledger.PageLimit;
            Report(isBeyond ? LmdbFaultCode.PageBeyondFile : LmdbFaultCode.PageUsedTwice, page, 0, isBeyond ? "The page lies beyond the file." : "The page is part of two trees, or twice of one.");
            return false;
        }

        _shared.Progress.Add(1);
        bool isLeaf = level == _record.Depth - 1;
        LmdbFault fault = isLeaf ? _reader.OpenLeaf(page, out LmdbPageView view) : _reader.OpenBranch(page, out view);
        if (fault.IsFault)
        {
            IsComplete = false;
            Report(fault.Code, fault.Page, fault.Offset, "The page is not sound, so nothing below it was read.");
            return false;
        }

        _shared.CheckedPages?.Add(page);
        if (isLeaf)
        {
            LeafPages++;
            WalkLeaf(view, page, _frames[level].Bounds);
        }
        else
        {
            BranchPages++;
            ReadBranch(view, page, _frames[level]);
        }

        return true;
    }

    /// <summary>The children of the branch entered last at a level, with the ranges of their keys.</summary>
    internal IEnumerable<(ulong Page, LmdbKeyBounds Bounds)> ChildrenOf(int level)
    {
        Frame frame = _frames[level];
        for (int i = 0; i < frame.Children.Count; i++)
        {
            yield return (frame.Children[i], frame.ChildBounds(i));
        }
    }

    /// <summary>Signs an overflow run's pages.</summary>
    /// <returns>Whether the run is sound and no page of it was signed before.</returns>
    internal bool ClaimOverflow(LmdbLeafNode node)
    {
        LmdbFault fault = _reader.OpenOverflow(node, out ulong runPages);
        if (fault.IsFault)
        {
            IsComplete = false;
            Report(fault.Code, fault.Page, fault.Offset, "The overflow run is not sound.");
            return false;
        }

        // The header lies in the file, but the run's claim may not; pages beyond the ledger stop the loop.
        for (ulong page = node.OverflowPage; page < node.OverflowPage + runPages; page++)
        {
            if (!_shared.Ledger.TryUse(page))
            {
                IsComplete = false;
                bool isBeyond = page >= _shared.Ledger.PageLimit;
                Report(isBeyond ? LmdbFaultCode.PageBeyondFile : LmdbFaultCode.PageUsedTwice, page, 0, "A page of an overflow run belongs to something else too, or lies beyond the file.");
                return false;
            }
        }

        _shared.Progress.Add((long)runPages);
        OverflowPages += runPages;
        return true;
    }

    /// <summary>Reports a finding of this tree.</summary>
    internal void Report(LmdbFaultCode code, ulong page, int offset, string text) => _shared.Findings.Add(code, page, offset, Database, text);

    /// <summary>Adds the counts of a subtree that was walked apart.</summary>
    internal void Merge(LmdbTreeWalk<TPages> part)
    {
        BranchPages += part.BranchPages;
        LeafPages += part.LeafPages;
        OverflowPages += part.OverflowPages;
        Entries += part.Entries;
        IsComplete &= part.IsComplete;
    }

    private void ReadBranch(LmdbPageView view, ulong page, Frame frame)
    {
        frame.Reset();
        for (int i = 0; i < view.KeyCount; i++)
        {
            if (!view.TryKey(i, out ReadOnlySpan<byte> key) || !view.TryChild(i, out ulong child))
            {
                IsComplete = false;
                Report(LmdbFaultCode.NodeOffset, page, LmdbLayout.PageHeaderBytes + (2 * i), "A node leaves its page.");
                return;
            }

            frame.Add(child, i == 0 ? default : key);
            if (i > 0)
            {
                CheckSeparator(page, i, frame);
            }
        }
    }

    private void CheckSeparator(ulong page, int index, Frame frame)
    {
        byte[] separator = frame.Separators[index];
        int slot = LmdbLayout.PageHeaderBytes + (2 * index);
        if (IsIntegerKeyed && separator.Length != 8)
        {
            Report(LmdbFaultCode.KeySize, page, slot, "A key of the free-page database does not have 8 bytes.");
        }
        else if (index > 1 && Compare(frame.Separators[index - 1], separator) >= 0)
        {
            Report(LmdbFaultCode.KeyOrder, page, slot, "Keys of a branch page do not ascend.");
        }
        else if (!IsInside(separator, frame.Bounds))
        {
            Report(LmdbFaultCode.KeyRange, page, slot, "A key of a branch page lies outside the range that the pages above it give.");
        }
    }

    private void WalkLeaf(LmdbPageView view, ulong page, LmdbKeyBounds bounds)
    {
        _previousLength = -1;
        for (int i = 0; i < view.KeyCount; i++)
        {
            int slot = LmdbLayout.PageHeaderBytes + (2 * i);
            LmdbFaultCode code = view.TryLeafNode(i, out LmdbLeafNode node);
            if (code != LmdbFaultCode.None)
            {
                IsComplete = false;
                Report(code, page, slot, "A node leaves its page.");
                return;
            }

            CheckLeafKey(node.Key, page, slot, bounds);
            Entries++;

            // The sink may read other pages, which a page source that reads by position may put where this page was.
            _sink.Entry(this, node, page);
            if (node.IsBig && i + 1 < view.KeyCount && _reader.ReopenLeaf(page, out view).IsFault)
            {
                IsComplete = false;
                Report(LmdbFaultCode.InputOutput, page, 0, "The page could be read once but not again.");
                return;
            }
        }
    }

    private void CheckLeafKey(ReadOnlySpan<byte> key, ulong page, int slot, LmdbKeyBounds bounds)
    {
        if (IsIntegerKeyed && key.Length != 8)
        {
            Report(LmdbFaultCode.KeySize, page, slot, "A key of the free-page database does not have 8 bytes.");
            return;
        }

        if (_previousLength >= 0 && Compare(_previous.AsSpan(0, _previousLength), key) >= 0)
        {
            Report(LmdbFaultCode.KeyOrder, page, slot, "Keys of a leaf page do not ascend.");
        }
        else if (!IsInside(key, bounds))
        {
            Report(LmdbFaultCode.KeyRange, page, slot, "A key lies outside the range that the branch pages give.");
        }

        int length = Math.Min(key.Length, _previous.Length);
        key[..length].CopyTo(_previous);
        _previousLength = length;
    }

    private bool IsInside(ReadOnlySpan<byte> key, LmdbKeyBounds bounds) =>
        (bounds.Low is null || Compare(key, bounds.Low) >= 0) && (bounds.High is null || Compare(key, bounds.High) < 0);

    private int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) =>
        IsIntegerKeyed && left.Length == 8 && right.Length == 8
            ? BinaryPrimitives.ReadUInt64LittleEndian(left).CompareTo(BinaryPrimitives.ReadUInt64LittleEndian(right))
            : left.SequenceCompareTo(right);

    /// <summary>One branch page of the path: its children and the keys between them.</summary>
    private sealed class Frame
    {
        internal List<ulong> Children { get; } = [];

        internal List<byte[]> Separators { get; } = [];

        internal LmdbKeyBounds Bounds { get; set; }

        internal int Next { get; set; }

        internal void Reset()
        {
            Children.Clear();
            Separators.Clear();
            Next = 0;
        }

        internal void Add(ulong child, ReadOnlySpan<byte> separator)
        {
            Children.Add(child);
            Separators.Add(separator.ToArray());
        }

        internal LmdbKeyBounds ChildBounds(int index) => new(
            index == 0 ? Bounds.Low : Separators[index],
            index + 1 < Separators.Count ? Separators[index + 1] : Bounds.High);
    }
}

/// <summary>The range of keys below a page: not below Low, below High; null for no bound.</summary>
internal readonly record struct LmdbKeyBounds(byte[]? Low, byte[]? High);
