// Why this file exists: a record of the free-page database lists the pages that one transaction stopped using; writers overwrite them,
// so a wrong number in it costs live data.
// Invariants: what parses has a transaction number and strictly descending page numbers inside the snapshot.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>One record of the free-page database.</summary>
public readonly ref struct LmdbFreeRecord
{
    private readonly ReadOnlySpan<byte> _numbers;

    private LmdbFreeRecord(ulong transactionId, ReadOnlySpan<byte> numbers)
    {
        TransactionId = transactionId;
        _numbers = numbers;
    }

    /// <summary>The transaction that stopped using the pages, or an earlier number under which a later one stored what was left over.</summary>
    public ulong TransactionId { get; }

    /// <summary>How many pages the record lists.</summary>
    public int Count => _numbers.Length / 8;

    /// <summary>One of the pages; they descend.</summary>
    /// <param name="index">Which, below <see cref="Count"/>.</param>
    /// <returns>The page number.</returns>
    public ulong this[int index] => BinaryPrimitives.ReadUInt64LittleEndian(_numbers.Slice(index * 8, 8));

    /// <summary>Parses a record. Never throws.</summary>
    /// <param name="key">The entry's key.</param>
    /// <param name="value">The entry's value.</param>
    /// <param name="meta">The snapshot.</param>
    /// <param name="record">The record; meaningful only when the answer is true.</param>
    /// <returns>False when it is malformed.</returns>
    public static bool TryParse(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, in LmdbMeta meta, out LmdbFreeRecord record)
    {
        record = default;
        if (key.Length != 8 || value.Length < 8 || (value.Length & 7) != 0)
        {
            return false;
        }

        ulong transaction = BinaryPrimitives.ReadUInt64LittleEndian(key);
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(value);

        // A record may have more room than it uses: its length is settled before the last pages are known.
        if (transaction == 0 || transaction > meta.TransactionId || count > (ulong)((value.Length / 8) - 1))
        {
            return false;
        }

        ReadOnlySpan<byte> numbers = value.Slice(8, (int)count * 8);
        ulong above = meta.LastPage + 1;
        for (int i = 0; i < numbers.Length; i += 8)
        {
            ulong page = BinaryPrimitives.ReadUInt64LittleEndian(numbers[i..]);
            if (page >= above || page < LmdbLayout.FirstTreePage)
            {
                return false;
            }

            above = page;
        }

        record = new LmdbFreeRecord(transaction, numbers);
        return true;
    }

    /// <summary>Counts the pages that a snapshot lists as free. Reads the whole free-page database.</summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="meta">The snapshot's meta.</param>
    /// <param name="freePages">The count; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything.</returns>
    public static LmdbFault CountPages<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta, out ulong freePages)
        where TPages : struct, ILmdbPages
    {
        freePages = 0;
        LmdbDatabaseRecord database = meta.Free;
        LmdbCursor<TPages> cursor = new(reader, in database);
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            if (!TryParse(cursor.Key, cursor.Value, in meta, out LmdbFreeRecord record))
            {
                return new LmdbFault(LmdbFaultCode.FreeList, cursor.Page, 0);
            }

            freePages += (ulong)record.Count;
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }
}
