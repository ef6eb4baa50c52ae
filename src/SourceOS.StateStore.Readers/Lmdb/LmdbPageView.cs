// Why this file exists: decodes one branch or leaf page; every node access is checked against the page, also on pages that were checked
// before, because the bytes under a map may change between the check and the use.
// Invariants: each field is read once into a local; no access leaves the page; nothing throws.

using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>A branch or leaf page being read.</summary>
internal readonly ref struct LmdbPageView
{
    private readonly ref byte _start;
    private readonly int _length;

    private LmdbPageView(ref byte start, int length, int keyCount, int upper)
    {
        _start = ref start;
        _length = length;
        KeyCount = keyCount;
        Upper = upper;
    }

    /// <summary>The number of keys; at least 1.</summary>
    internal int KeyCount { get; }

    /// <summary>Where the node area starts, in bytes from the start of the page.</summary>
    internal int Upper { get; }

    /// <summary>The bytes of the page.</summary>
    internal ReadOnlySpan<byte> Bytes => MemoryMarshal.CreateReadOnlySpan(ref _start, _length);

    /// <summary>Opens a page: header, kind and bounds.</summary>
    /// <param name="bytes">The page.</param>
    /// <param name="page">The number it was reached by.</param>
    /// <param name="kind">The kind it must be: branch or leaf.</param>
    /// <param name="view">The view; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    internal static LmdbFault Open(ReadOnlySpan<byte> bytes, ulong page, int kind, out LmdbPageView view)
    {
        view = default;
        if (bytes.Length < LmdbLayout.MinPageSizeBytes)
        {
            return new LmdbFault(LmdbFaultCode.PageBeyondFile, page, 0);
        }

        ref byte start = ref MemoryMarshal.GetReference(bytes);
        ulong header = ReadU64(ref start, LmdbLayout.PagePad);
        if (ReadU64(ref start, LmdbLayout.PageNumber) != page)
        {
            return new LmdbFault(LmdbFaultCode.PageNumber, page, LmdbLayout.PageNumber);
        }

        if ((ushort)(header >> 16) != kind)
        {
            return new LmdbFault(LmdbFaultCode.PageKind, page, LmdbLayout.PageFlags);
        }

        int lower = (ushort)(header >> 32);
        int upper = (ushort)(header >> 48);
        int keyCount = (lower - LmdbLayout.PageHeaderBytes) >> 1;
        if ((lower & 1) != 0 || (upper & 1) != 0 || lower > upper || upper > bytes.Length || keyCount < (kind == LmdbLayout.BranchPage ? 2 : 1))
        {
            return new LmdbFault(LmdbFaultCode.PageBounds, page, LmdbLayout.PageLower);
        }

        view = new LmdbPageView(ref start, bytes.Length, keyCount, upper);
        return default;
    }

    /// <summary>The offset of a node, unchecked beyond alignment and the room for a node header.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryNode(int index, out int offset)
    {
        Debug.Assert((uint)index < (uint)KeyCount, "The index must be below the key count, which the page's bounds cap.");
        offset = ReadU16(ref _start, LmdbLayout.PageHeaderBytes + (2 * index));
        return offset <= _length - LmdbLayout.NodeHeaderBytes && (offset & 1) == 0;
    }

    /// <summary>The key of a node.</summary>
    /// <param name="index">The node's index, below <see cref="KeyCount"/>.</param>
    /// <param name="key">The key.</param>
    /// <returns>False when the node leaves the page.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryKey(int index, out ReadOnlySpan<byte> key)
    {
        if (TryNode(index, out int offset))
        {
            int keySize = ReadU16(ref _start, offset + LmdbLayout.NodeKeySize);
            if (offset + LmdbLayout.NodeHeaderBytes + keySize <= _length)
            {
                key = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _start, offset + LmdbLayout.NodeHeaderBytes), keySize);
                return true;
            }
        }

        key = default;
        return false;
    }

    /// <summary>The child page of a branch node.</summary>
    /// <param name="index">The node's index, below <see cref="KeyCount"/>.</param>
    /// <param name="child">The page number: any 48-bit number.</param>
    /// <returns>False when the node leaves the page.</returns>
    internal bool TryChild(int index, out ulong child)
    {
        if (TryNode(index, out int offset))
        {
            // 48 bits: the sizes' place for the low 32, the flags' place for the high 16.
            child = ReadU64(ref _start, offset) & 0xFFFF_FFFF_FFFF;
            return true;
        }

        child = 0;
        return false;
    }

    /// <summary>A leaf node: key, value or overflow page, and flags.</summary>
    /// <param name="index">The node's index, below <see cref="KeyCount"/>.</param>
    /// <param name="node">The node.</param>
    /// <returns><see cref="LmdbFaultCode.None"/>, or why it cannot be read.</returns>
    internal LmdbFaultCode TryLeafNode(int index, out LmdbLeafNode node)
    {
        node = default;
        if (!TryNode(index, out int offset))
        {
            return LmdbFaultCode.NodeOffset;
        }

        ulong header = ReadU64(ref _start, offset);
        uint valueSize = (uint)header;
        int flags = (ushort)(header >> 32);
        int keySize = (ushort)(header >> 48);
        int keyStart = offset + LmdbLayout.NodeHeaderBytes;
        int valueStart = keyStart + keySize;
        if (valueStart > _length)
        {
            return LmdbFaultCode.KeySize;
        }

        bool isBig = (flags & LmdbLayout.NodeIsBig) != 0;
        uint inPage = isBig ? 8 : valueSize;
        if (inPage > (uint)(_length - valueStart))
        {
            return LmdbFaultCode.ValueSize;
        }

        ReadOnlySpan<byte> key = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _start, keyStart), keySize);
        ReadOnlySpan<byte> value = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _start, valueStart), (int)inPage);
        node = new LmdbLeafNode(key, value, valueSize, isBig ? BinaryPrimitives.ReadUInt64LittleEndian(value) : 0, flags, offset);
        return LmdbFaultCode.None;
    }

    /// <summary>
    /// Finds the first node whose key is not below the one sought. Ends after at most 17 comparisons whatever the order of the keys is.
    /// </summary>
    /// <param name="key">The key sought.</param>
    /// <param name="first">The first node to look at: 1 in a branch, whose first key means nothing.</param>
    /// <param name="index">The node's index; <see cref="KeyCount"/> when all keys are below.</param>
    /// <param name="isExact">Whether its key equals the one sought.</param>
    /// <returns><see cref="LmdbFaultCode.None"/>, or <see cref="LmdbFaultCode.NodeOffset"/> when a node leaves the page; index then names it.</returns>
    internal LmdbFaultCode Search(scoped ReadOnlySpan<byte> key, int first, out int index, out bool isExact)
    {
        int low = first;
        int high = KeyCount - 1;
        isExact = false;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            if (!TryKey(middle, out ReadOnlySpan<byte> found))
            {
                index = middle;
                return LmdbFaultCode.NodeOffset;
            }

            int order = key.SequenceCompareTo(found);
            if (order == 0)
            {
                index = middle;
                isExact = true;
                return LmdbFaultCode.None;
            }

            if (order > 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        index = low;
        return LmdbFaultCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong ReadU64(ref byte start, int offset)
    {
        ulong value = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ReadU16(ref byte start, int offset)
    {
        ushort value = Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref start, offset));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }
}

/// <summary>One entry of a leaf page, its parts inside the page.</summary>
internal readonly ref struct LmdbLeafNode
{
    internal LmdbLeafNode(ReadOnlySpan<byte> key, ReadOnlySpan<byte> inPage, uint valueBytes, ulong overflowPage, int flags, int offset)
    {
        Key = key;
        InPage = inPage;
        ValueBytes = valueBytes;
        OverflowPage = overflowPage;
        Flags = flags;
        Offset = offset;
    }

    /// <summary>The key.</summary>
    internal ReadOnlySpan<byte> Key { get; }

    /// <summary>The value, or the 8 bytes that name its overflow run.</summary>
    internal ReadOnlySpan<byte> InPage { get; }

    /// <summary>The length of the value, in bytes.</summary>
    internal uint ValueBytes { get; }

    /// <summary>The first page of the overflow run when <see cref="IsBig"/>.</summary>
    internal ulong OverflowPage { get; }

    /// <summary>The node's flags.</summary>
    internal int Flags { get; }

    /// <summary>The node's offset in its page, in bytes.</summary>
    internal int Offset { get; }

    /// <summary>Whether the value lies in an overflow run.</summary>
    internal bool IsBig => (Flags & LmdbLayout.NodeIsBig) != 0;

    /// <summary>Whether the value is the record of a named database.</summary>
    internal bool IsDatabase => Flags == LmdbLayout.NodeIsDatabase;
}
