// Why this file exists: the root of a tree is a 48-byte record, in a meta page or in a node of the main database.
// Invariants: parsing checks everything that the record alone can show; a record that parsed has root and depth that agree.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>The record of one database: where its tree starts and how large it says it is.</summary>
/// <param name="Pad">The page size in the free-page database's record, else unused.</param>
/// <param name="Flags">The database's flags as stored.</param>
/// <param name="Depth">Pages from root to leaf, 0 to 32; 0 when empty.</param>
/// <param name="BranchPages">The branch pages it states.</param>
/// <param name="LeafPages">The leaf pages it states.</param>
/// <param name="OverflowPages">The overflow pages it states.</param>
/// <param name="Entries">The entries it states.</param>
/// <param name="Root">The root page, or <see cref="LmdbLayout.NoRoot"/> when empty.</param>
public readonly record struct LmdbDatabaseRecord(
    uint Pad,
    ushort Flags,
    ushort Depth,
    ulong BranchPages,
    ulong LeafPages,
    ulong OverflowPages,
    ulong Entries,
    ulong Root)
{
    /// <summary>Whether the tree has no pages.</summary>
    public bool IsEmpty => Root == LmdbLayout.NoRoot;

    /// <summary>Whether keys are plain byte strings, one value each: the only databases that this store writes.</summary>
    public bool IsPlain => Flags == 0 && Pad == 0;

    /// <summary>Whether this can be the free-page database: 8-byte integer keys, one value each, the page size in the pad.</summary>
    internal bool IsIntegerKeyed => Flags == LmdbLayout.DbIntegerKey;

    /// <summary>Parses a record and checks what it shows by itself. Never throws.</summary>
    /// <param name="bytes">At least 48 bytes.</param>
    /// <param name="lastPage">The last page of the snapshot; every page count and the root must fit.</param>
    /// <param name="record">The record; meaningful only when the answer is true.</param>
    /// <returns>False when the bytes are too few or contradict themselves.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, ulong lastPage, out LmdbDatabaseRecord record)
    {
        record = default;
        if (bytes.Length < LmdbLayout.DatabaseRecordBytes)
        {
            return false;
        }

        record = new LmdbDatabaseRecord(
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[LmdbLayout.DbPad..]),
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[LmdbLayout.DbFlags..]),
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[LmdbLayout.DbDepth..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[LmdbLayout.DbBranchPages..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[LmdbLayout.DbLeafPages..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[LmdbLayout.DbOverflowPages..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[LmdbLayout.DbEntries..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[LmdbLayout.DbRoot..]));
        return record.IsPossible(lastPage);
    }

    private bool IsPossible(ulong lastPage)
    {
        if (IsEmpty)
        {
            return Depth == 0 && BranchPages == 0 && LeafPages == 0 && OverflowPages == 0 && Entries == 0;
        }

        return Depth is >= 1 and <= LmdbLayout.MaxDepth
            && Root >= LmdbLayout.FirstTreePage
            && Root <= lastPage
            && LeafPages >= 1
            && BranchPages <= lastPage
            && LeafPages <= lastPage
            && OverflowPages <= lastPage
            && (Depth == 1) == (BranchPages == 0);
    }
}
