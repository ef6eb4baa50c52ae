// Why this file exists: the structural check that a branch, leaf or overflow page must pass before anything follows it.
// Invariants: reads only the page at hand; answers the first fault with its offset; key order is not its business.

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Structural checks of single pages.</summary>
internal static class LmdbPageCheck
{
    /// <summary>Checks every node of a branch page.</summary>
    /// <param name="bytes">The page.</param>
    /// <param name="page">Its number.</param>
    /// <param name="lastPage">The last page of the snapshot.</param>
    /// <param name="view">The page, opened; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    internal static LmdbFault Branch(ReadOnlySpan<byte> bytes, ulong page, ulong lastPage, out LmdbPageView view)
    {
        LmdbFault fault = LmdbPageView.Open(bytes, page, LmdbLayout.BranchPage, out view);
        if (fault.IsFault)
        {
            return fault;
        }

        NodeTiles tiles = new(stackalloc ulong[NodeTiles.Words(bytes.Length)], bytes.Length, view.Upper);
        for (int i = 0; i < view.KeyCount; i++)
        {
            int slot = LmdbLayout.PageHeaderBytes + (2 * i);
            if (!view.TryKey(i, out ReadOnlySpan<byte> key) || !view.TryChild(i, out ulong child))
            {
                return new LmdbFault(LmdbFaultCode.NodeOffset, page, slot);
            }

            // The first key of a branch means "everything below the second" and may be empty.
            if (key.Length > LmdbLayout.MaxKeyBytes || (i > 0 && key.IsEmpty))
            {
                return new LmdbFault(LmdbFaultCode.KeySize, page, slot);
            }

            if (child < LmdbLayout.FirstTreePage || child > lastPage || child == page)
            {
                return new LmdbFault(LmdbFaultCode.ChildPage, page, slot);
            }

            if (!tiles.TryAdd(System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(bytes[slot..]), LmdbLayout.NodeHeaderBytes + key.Length))
            {
                return new LmdbFault(LmdbFaultCode.NodeOffset, page, slot);
            }
        }

        return tiles.IsFull ? default : new LmdbFault(LmdbFaultCode.NodeArea, page, LmdbLayout.PageUpper);
    }

    /// <summary>Checks every node of a leaf page.</summary>
    /// <param name="bytes">The page.</param>
    /// <param name="page">Its number.</param>
    /// <param name="lastPage">The last page of the snapshot.</param>
    /// <param name="view">The page, opened; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    internal static LmdbFault Leaf(ReadOnlySpan<byte> bytes, ulong page, ulong lastPage, out LmdbPageView view)
    {
        LmdbFault fault = LmdbPageView.Open(bytes, page, LmdbLayout.LeafPage, out view);
        if (fault.IsFault)
        {
            return fault;
        }

        NodeTiles tiles = new(stackalloc ulong[NodeTiles.Words(bytes.Length)], bytes.Length, view.Upper);
        for (int i = 0; i < view.KeyCount; i++)
        {
            int slot = LmdbLayout.PageHeaderBytes + (2 * i);
            LmdbFaultCode code = view.TryLeafNode(i, out LmdbLeafNode node);
            if (code == LmdbFaultCode.None)
            {
                code = LeafNode(node, bytes.Length, lastPage);
            }

            if (code == LmdbFaultCode.None && !tiles.TryAdd(node.Offset, LmdbLayout.NodeHeaderBytes + node.Key.Length + node.InPage.Length))
            {
                code = LmdbFaultCode.NodeOffset;
            }

            if (code != LmdbFaultCode.None)
            {
                return new LmdbFault(code, page, slot);
            }
        }

        return tiles.IsFull ? default : new LmdbFault(LmdbFaultCode.NodeArea, page, LmdbLayout.PageUpper);
    }

    /// <summary>Checks the header of an overflow run.</summary>
    /// <param name="bytes">The run's first page.</param>
    /// <param name="page">Its number.</param>
    /// <param name="neededPages">The pages that the value needs, header included.</param>
    /// <param name="lastPage">The last page of the snapshot.</param>
    /// <param name="runPages">The pages that the run owns.</param>
    /// <returns>What is wrong, if anything.</returns>
    internal static LmdbFault Overflow(ReadOnlySpan<byte> bytes, ulong page, ulong neededPages, ulong lastPage, out ulong runPages)
    {
        runPages = 0;
        if (bytes.Length < LmdbLayout.MinPageSizeBytes)
        {
            return new LmdbFault(LmdbFaultCode.PageBeyondFile, page, 0);
        }

        if (System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes) != page)
        {
            return new LmdbFault(LmdbFaultCode.PageNumber, page, LmdbLayout.PageNumber);
        }

        if (System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(bytes[LmdbLayout.PageFlags..]) != LmdbLayout.OverflowPage)
        {
            return new LmdbFault(LmdbFaultCode.PageKind, page, LmdbLayout.PageFlags);
        }

        // A value that shrank in the transaction that wrote it leaves its run longer than it needs.
        runPages = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(bytes[LmdbLayout.OverflowPageCount..]);
        return runPages < neededPages || page > lastPage || runPages > lastPage - page + 1
            ? new LmdbFault(LmdbFaultCode.OverflowRun, page, LmdbLayout.OverflowPageCount)
            : default;
    }

    private static LmdbFaultCode LeafNode(LmdbLeafNode node, int pageSizeBytes, ulong lastPage)
    {
        if (node.Key.IsEmpty || node.Key.Length > LmdbLayout.MaxKeyBytes)
        {
            return LmdbFaultCode.KeySize;
        }

        if (LmdbLayout.NodeHeaderBytes + node.Key.Length + node.InPage.Length > LmdbLayout.MaxNodeBytes(pageSizeBytes))
        {
            return LmdbFaultCode.ValueSize;
        }

        switch (node.Flags)
        {
            case 0:
                return LmdbFaultCode.None;
            case LmdbLayout.NodeIsBig:
                ulong needed = LmdbLayout.OverflowPages(node.ValueBytes, pageSizeBytes);
                return node.OverflowPage < LmdbLayout.FirstTreePage || node.OverflowPage > lastPage || needed > lastPage - node.OverflowPage + 1
                    ? LmdbFaultCode.OverflowRun
                    : LmdbFaultCode.None;
            case LmdbLayout.NodeIsDatabase:
                return node.ValueBytes == LmdbLayout.DatabaseRecordBytes ? LmdbFaultCode.None : LmdbFaultCode.DatabaseRecord;
            default:
                return LmdbFaultCode.NodeFlags;
        }
    }

    /// <summary>Checks that nodes fill the node area exactly: none overlaps another, nothing is left between them.</summary>
    private ref struct NodeTiles
    {
        private readonly Span<ulong> _covered;
        private readonly int _length;
        private readonly int _upper;
        private int _bytes;

        // One bit for two bytes: nodes start at even offsets and take an even number of bytes.
        internal NodeTiles(Span<ulong> covered, int length, int upper)
        {
            covered.Clear();
            _covered = covered;
            _length = length;
            _upper = upper;
        }

        internal readonly bool IsFull => _bytes == _length - _upper;

        internal static int Words(int length) => length / 128;

        /// <summary>Adds a node; false when it leaves the node area or covers what another covers.</summary>
        internal bool TryAdd(int offset, int length)
        {
            int even = (length + 1) & ~1;
            if (offset < _upper || offset + even > _length)
            {
                return false;
            }

            _bytes += even;
            int bit = offset >> 1;
            int end = (offset + even) >> 1;
            while (bit < end)
            {
                int count = Math.Min(64 - (bit & 63), end - bit);
                ulong mask = (count == 64 ? ulong.MaxValue : (1UL << count) - 1) << (bit & 63);
                ref ulong word = ref _covered[bit >> 6];
                if ((word & mask) != 0)
                {
                    return false;
                }

                word |= mask;
                bit += count;
            }

            return true;
        }
    }
}
