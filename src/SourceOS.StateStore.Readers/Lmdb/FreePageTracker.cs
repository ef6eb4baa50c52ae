// Why this file exists: a state that bulk work has been through lists many thousands of free pages, and reading the whole list after every commit made a lone commit pay for all of them. A writer
// knows the list before, and copy-on-write tells what is new: a record whose value stands on the same page as in the transaction just before is the same record. Invariants: follows one transaction after
// another and reads the whole list again when one was left out; what it answers equals what a full reading answers; one thread.

using System.Buffers;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Keeps the set of free pages from one transaction to the next. For the writer's thread.</summary>
public sealed class FreePageTracker
{
    private readonly Dictionary<ulong, Listing> _records = [];
    private readonly List<Listing> _fresh = [];
    private readonly List<ulong> _gone = [];
    private FreePageSet? _set;
    private ulong _transactionId;

    /// <summary>Reads what changed in the free-page list since the last call.</summary>
    /// <typeparam name="TPages">Where pages come from.</typeparam>
    /// <param name="reader">The snapshot's reader.</param>
    /// <param name="meta">The snapshot's meta; of the transaction behind that of the last call, or everything is read.</param>
    /// <param name="free">The pages that the snapshot lists as free; meaningful only when the answer is no fault.</param>
    /// <returns>What is wrong, if anything; the next call reads everything then.</returns>
    public LmdbFault TryAdvance<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta, out FreePageSet free)
        where TPages : struct, ILmdbPages
    {
        if (_set is not null && meta.TransactionId == _transactionId)
        {
            free = _set;
            return default;
        }

        if (_set is null || meta.TransactionId != _transactionId + 1)
        {
            Forget();
        }

        LmdbFault fault = Walk(reader, in meta);
        if (fault.IsFault)
        {
            Forget();
            free = new FreePageSet(0, before: null);
            return fault;
        }

        FreePageSet next = new(reader.Pages.PageCount, _set);
        TakeOff(next, meta.TransactionId);
        Take(next);
        if (_set is not null && next.ChunkCount > _set.ChunkCount)
        {
            // The file has grown over pages that were listed already and could not be read then.
            TakeAll(next);
        }

        _set = free = next.Finish();
        _transactionId = meta.TransactionId;
        return default;
    }

    // Marks the records that are the same, and keeps copies of those that are not.
    private LmdbFault Walk<TPages>(LmdbReader<TPages> reader, in LmdbMeta meta)
        where TPages : struct, ILmdbPages
    {
        _fresh.Clear();
        LmdbDatabaseRecord database = meta.Free;
        LmdbCursor<TPages> cursor = new(reader, in database);
        LmdbReadStatus status = cursor.SeekFirst();
        for (; status == LmdbReadStatus.Found; status = cursor.Next())
        {
            ulong key = cursor.Key.Length == sizeof(ulong) ? System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(cursor.Key) : 0;
            if (_records.TryGetValue(key, out Listing known) && known.ValuePage == cursor.ValuePage && known.ValueBytes == cursor.Value.Length)
            {
                _records[key] = known with { SeenAt = meta.TransactionId };
                continue;
            }

            if (!LmdbFreeRecord.TryParse(cursor.Key, cursor.Value, in meta, out LmdbFreeRecord record))
            {
                return new LmdbFault(LmdbFaultCode.FreeList, cursor.Page, 0);
            }

            ulong[] pages = ArrayPool<ulong>.Shared.Rent(record.Count);
            for (int i = 0; i < record.Count; i++)
            {
                pages[i] = record[i];
            }

            _fresh.Add(new Listing(key, cursor.ValuePage, cursor.Value.Length, pages, record.Count, meta.TransactionId));
        }

        return status == LmdbReadStatus.Fault ? cursor.Fault : default;
    }

    // First everything that is listed no more, because a page may have moved from one record to another.
    private void TakeOff(FreePageSet next, ulong now)
    {
        foreach (Listing fresh in _fresh)
        {
            if (_records.Remove(fresh.Key, out Listing old))
            {
                RemoveMissing(next, old, fresh);
                ArrayPool<ulong>.Shared.Return(old.Pages);
            }
        }

        _gone.Clear();
        foreach ((ulong key, Listing listing) in _records)
        {
            if (listing.SeenAt != now)
            {
                _gone.Add(key);
            }
        }

        foreach (ulong key in _gone)
        {
            Listing listing = _records[key];
            _records.Remove(key);
            for (int i = 0; i < listing.Count; i++)
            {
                next.Remove(listing.Pages[i]);
            }

            ArrayPool<ulong>.Shared.Return(listing.Pages);
        }
    }

    private void Take(FreePageSet next)
    {
        foreach (Listing fresh in _fresh)
        {
            _records[fresh.Key] = fresh;
            Add(next, fresh);
        }
    }

    private void TakeAll(FreePageSet next)
    {
        foreach (Listing listing in _records.Values)
        {
            Add(next, listing);
        }
    }

    private static void Add(FreePageSet next, in Listing listing)
    {
        for (int i = 0; i < listing.Count; i++)
        {
            next.Add(listing.Pages[i]);
        }
    }

    // Both lists descend, so one walk over them finds what only the old one has.
    private static void RemoveMissing(FreePageSet next, in Listing old, in Listing fresh)
    {
        int at = 0;
        for (int i = 0; i < old.Count; i++)
        {
            while (at < fresh.Count && fresh.Pages[at] > old.Pages[i])
            {
                at++;
            }

            if (at == fresh.Count || fresh.Pages[at] != old.Pages[i])
            {
                next.Remove(old.Pages[i]);
            }
        }
    }

    private void Forget()
    {
        foreach (Listing listing in _records.Values)
        {
            ArrayPool<ulong>.Shared.Return(listing.Pages);
        }

        _records.Clear();
        _set = null;
    }

    private readonly record struct Listing(ulong Key, ulong ValuePage, int ValueBytes, ulong[] Pages, int Count, ulong SeenAt);
}
