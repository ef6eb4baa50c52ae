// Why this file exists: one committed snapshot of the state as our own page reader sees it: the roots of all tables at one transaction.
// Invariants: immutable; valid as long as something keeps its pages from being reused (a pin, or being the writer's own base).

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>The tables of one transaction.</summary>
internal sealed class StateRoots
{
    private readonly LmdbDatabaseRecord[] _tables;
    private volatile StateHeader? _header;

    private StateRoots(in LmdbMeta meta, LmdbReader<MappedPages> reader, FreePageSet free, LmdbDatabaseRecord[] tables)
    {
        Meta = meta;
        Reader = reader;
        Free = free;
        _tables = tables;
    }

    internal LmdbMeta Meta { get; }

    internal ulong TransactionId => Meta.TransactionId;

    internal LmdbReader<MappedPages> Reader { get; }

    /// <summary>The pages that this snapshot lists as free; the reader takes none of them for a page of a table.</summary>
    internal FreePageSet Free { get; }

    /// <summary>The header, decoded once for all snapshots of this transaction. First asked for while the snapshot is held.</summary>
    internal StateHeader Header
    {
        get
        {
            if (_header is null)
            {
                StateHeader header = new();
                new StateView(this).ReadHeader(header);
                _header = header;
            }

            return _header;
        }
    }

    internal ref readonly LmdbDatabaseRecord this[StateTable table] => ref _tables[(int)table];

    /// <summary>Loads the snapshot of one transaction, or of the newest.</summary>
    /// <param name="map">The mapped file.</param>
    /// <param name="transactionId">The transaction of a pin, or null for the newest. A fault of a pin's meta can mean that it is just being replaced: pin again.</param>
    /// <param name="checkedPages">Pages that need no second structural check.</param>
    /// <param name="roots">The snapshot when it was loaded.</param>
    /// <param name="fault">Why it was not.</param>
    /// <param name="tracker">The writer's knowledge of the free pages before, or null to read the whole list.</param>
    /// <returns>Whether it was loaded.</returns>
    internal static bool TryLoad(MappedFile map, ulong? transactionId, CheckedPages? checkedPages, out StateRoots? roots, out LmdbFault fault, FreePageTracker? tracker = null)
    {
        roots = null;
        LmdbMeta meta;
        fault = transactionId is ulong pinned ? map.ReadPinned(pinned, out meta) : map.ReadMetas().TryNewest(out meta);
        if (fault.IsFault)
        {
            return false;
        }

        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage, checkedPages);
        FreePageSet free;
        fault = tracker is null ? FreePageSet.TryRead(reader, in meta, out free) : tracker.TryAdvance(reader, in meta, out free);
        if (fault.IsFault)
        {
            return false;
        }

        reader = reader.With(free);
        LmdbDatabaseRecord[] tables = new LmdbDatabaseRecord[Tables.Count + 1];
        for (int code = 1; code <= Tables.Count; code++)
        {
            LmdbDatabaseRecord main = meta.Main;
            LmdbReadStatus status = reader.TryGetDatabase(in main, Tables.Name((StateTable)code), out tables[code], out fault);
            if (status != LmdbReadStatus.Found)
            {
                if (!fault.IsFault)
                {
                    fault = new LmdbFault(LmdbFaultCode.DatabaseRecord, meta.Main.Root, 0);
                }

                return false;
            }
        }

        roots = new StateRoots(in meta, reader, free, tables);
        return true;
    }
}
