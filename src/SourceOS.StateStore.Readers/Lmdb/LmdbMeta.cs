// Why this file exists: a snapshot starts at one of two meta pages; this parses one of them without trusting any byte.
// Invariants: a meta that parsed has a usable page size, both root records are self-consistent, and its transaction belongs to its slot.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>One meta record: the start of one snapshot.</summary>
/// <param name="Slot">The meta page it stands on, 0 or 1.</param>
/// <param name="PageSizeBytes">The page size, in bytes.</param>
/// <param name="MapSizeBytes">The size of the writer's map when it was written, in bytes.</param>
/// <param name="Free">The free-page database.</param>
/// <param name="Main">The main database, whose entries name the others.</param>
/// <param name="LastPage">The last page number in use; the file may end earlier when the last pages are free.</param>
/// <param name="TransactionId">The transaction that wrote it; 0 in a file that no transaction has changed.</param>
public readonly record struct LmdbMeta(
    int Slot,
    int PageSizeBytes,
    ulong MapSizeBytes,
    LmdbDatabaseRecord Free,
    LmdbDatabaseRecord Main,
    ulong LastPage,
    ulong TransactionId)
{
    // A page number takes 48 bits in a branch node, so no snapshot can be longer.
    private const ulong LastAddressablePage = (1UL << 48) - 1;

    /// <summary>Parses one meta page. Never throws.</summary>
    /// <param name="page">The page's bytes from its start, at least <see cref="LmdbLayout.MetaBytes"/> of them.</param>
    /// <param name="slot">The page's number, 0 or 1.</param>
    /// <param name="meta">The record; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    public static LmdbFault Parse(ReadOnlySpan<byte> page, int slot, out LmdbMeta meta)
    {
        meta = default;
        ulong number = (ulong)slot;
        if (page.Length < LmdbLayout.MetaBytes)
        {
            return new LmdbFault(LmdbFaultCode.MetaTruncated, number, page.Length);
        }

        LmdbFault fault = CheckStamp(page, number, out uint pageSize);
        if (fault.IsFault)
        {
            return fault;
        }

        ulong mapSize = BinaryPrimitives.ReadUInt64LittleEndian(page[LmdbLayout.MetaMapSize..]);
        ulong lastPage = BinaryPrimitives.ReadUInt64LittleEndian(page[LmdbLayout.MetaLastPage..]);
        ulong transaction = BinaryPrimitives.ReadUInt64LittleEndian(page[LmdbLayout.MetaTransaction..]);
        if (lastPage < LmdbLayout.FirstTreePage - 1 || lastPage > LastAddressablePage || mapSize / pageSize <= lastPage)
        {
            return new LmdbFault(LmdbFaultCode.MetaExtent, number, LmdbLayout.MetaLastPage);
        }

        // Transaction N writes slot N mod 2; only a file without any transaction has 0 in both.
        if (transaction != 0 && (transaction & 1) != number)
        {
            return new LmdbFault(LmdbFaultCode.MetaTransaction, number, LmdbLayout.MetaTransaction);
        }

        if (!LmdbDatabaseRecord.TryParse(page[LmdbLayout.MetaFreeDb..], lastPage, out LmdbDatabaseRecord free))
        {
            return new LmdbFault(LmdbFaultCode.DatabaseRecord, number, LmdbLayout.MetaFreeDb);
        }

        if (!LmdbDatabaseRecord.TryParse(page[LmdbLayout.MetaMainDb..], lastPage, out LmdbDatabaseRecord main))
        {
            return new LmdbFault(LmdbFaultCode.DatabaseRecord, number, LmdbLayout.MetaMainDb);
        }

        if (!free.IsIntegerKeyed || !main.IsPlain)
        {
            return new LmdbFault(LmdbFaultCode.DatabaseFlags, number, free.IsIntegerKeyed ? LmdbLayout.MetaMainDb + LmdbLayout.DbFlags : LmdbLayout.MetaFreeDb + LmdbLayout.DbFlags);
        }

        meta = new LmdbMeta(slot, (int)pageSize, mapSize, free, main, lastPage, transaction);
        return default;
    }

    private static LmdbFault CheckStamp(ReadOnlySpan<byte> page, ulong number, out uint pageSize)
    {
        pageSize = BinaryPrimitives.ReadUInt32LittleEndian(page[(LmdbLayout.MetaFreeDb + LmdbLayout.DbPad)..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(page) != number
            || BinaryPrimitives.ReadUInt16LittleEndian(page[LmdbLayout.PageFlags..]) != LmdbLayout.MetaPage)
        {
            return new LmdbFault(LmdbFaultCode.MetaHeader, number, 0);
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(page[LmdbLayout.MetaMagic..]) != LmdbLayout.Magic)
        {
            return new LmdbFault(LmdbFaultCode.MetaMagic, number, LmdbLayout.MetaMagic);
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(page[LmdbLayout.MetaVersion..]) != LmdbLayout.Version)
        {
            return new LmdbFault(LmdbFaultCode.MetaVersion, number, LmdbLayout.MetaVersion);
        }

        return LmdbLayout.IsPageSize(pageSize)
            ? default
            : new LmdbFault(LmdbFaultCode.MetaPageSize, number, LmdbLayout.MetaFreeDb + LmdbLayout.DbPad);
    }
}
