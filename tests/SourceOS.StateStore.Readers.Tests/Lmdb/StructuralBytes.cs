// Why this file exists: the damage tests need to know which bytes of a sound file carry structure, by a walk of their own that shares no code
// with the readers.
// Invariants: marks only bytes of which any flipped bit makes the file unsound; leaves out values, keys, gaps, free pages and unused fields.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

/// <summary>Which bytes of a sound sample file are structure.</summary>
internal static class StructuralBytes
{
    private const int PageSize = 4096;

    internal static bool[] Of(byte[] file, LmdbMeta meta)
    {
        bool[] marks = new bool[file.Length];
        for (int slot = 0; slot < 2; slot++)
        {
            // Page number, flags; stamp and version; both records; last page; transaction. Not: pad, bounds, map address and size. The older
            // meta is not walked, so only what proves it to be a meta of the transaction before is structure there.
            int start = slot * PageSize;
            Mark(marks, start, 0, 8);
            Mark(marks, start, 10, 2);
            Mark(marks, start, 16, 8);
            Mark(marks, start, 144, 8);
            Mark(marks, start, 40, 4);
            if (slot == meta.Slot)
            {
                Mark(marks, start, 40, 104);
            }
        }

        Tree(file, marks, meta.Free, isFree: true);
        Tree(file, marks, meta.Main, isFree: false);
        return marks;
    }

    private static void Tree(byte[] file, bool[] marks, LmdbDatabaseRecord record, bool isFree)
    {
        if (!record.IsEmpty)
        {
            Page(file, marks, (int)record.Root, isFree);
        }
    }

    private static void Page(byte[] file, bool[] marks, int page, bool isFree)
    {
        int start = page * PageSize;
        Span<byte> bytes = file.AsSpan(start, PageSize);
        Mark(marks, start, 0, 8);
        Mark(marks, start, 10, 6);
        bool isLeaf = U16(bytes, 10) == 2;
        int keys = (U16(bytes, 12) - 16) / 2;
        for (int i = 0; i < keys; i++)
        {
            int node = U16(bytes, 16 + (2 * i));
            Mark(marks, start, 16 + (2 * i), 2);
            if (!isLeaf)
            {
                Mark(marks, start, node, 8);
                Page(file, marks, (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes[node..]), isFree);
                continue;
            }

            LeafNode(file, marks, start, node, isFree);
        }
    }

    private static void LeafNode(byte[] file, bool[] marks, int start, int node, bool isFree)
    {
        Span<byte> bytes = file.AsSpan(start, PageSize);
        int flags = U16(bytes, node + 4);
        int value = node + 8 + U16(bytes, node + 6);

        // Of a value in an overflow run, a few bits of the length may change without changing the pages it needs.
        Mark(marks, start, flags == 1 ? node + 4 : node, flags == 1 ? 4 : 8);
        if (flags == 1)
        {
            Mark(marks, start, value, 8);
            int run = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes[value..]) * PageSize;
            Mark(marks, run, 0, 8);
            Mark(marks, run, 10, 6);
        }
        else if (flags == 2)
        {
            Mark(marks, start, value, 48);
            ulong root = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(value + 40)..]);
            if (root != ulong.MaxValue)
            {
                Page(file, marks, (int)root, isFree: false);
            }
        }
        else if (isFree)
        {
            // Count and numbers; not the room behind them that a record may have.
            Mark(marks, start, value, 8 + (8 * (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes[value..])));
        }
    }

    private static int U16(Span<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static void Mark(bool[] marks, int start, int offset, int length) => marks.AsSpan(start + offset, length).Fill(true);
}
