// Why this file exists: the state as the writer holds it: liblmdb for writing, our page reader over its own map for reading. Invariants: liblmdb
// touches no page that was not checked since open; the published roots are always those of a committed transaction; only the writer
// thread calls Apply and Publish.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>An open state database.</summary>
internal sealed class StateEnvironment : IDisposable
{
    private const int MinPageBytes = 4096;
    private readonly LmdbEnvironment _environment;
    private readonly MappedFile _map;
    private readonly CheckedPages _checkedPages;
    private readonly LmdbPathChecker<MappedPages> _paths;
    private readonly LmdbDatabase[] _tables = new LmdbDatabase[Tables.Count + 1];
    private readonly byte[] _digestBuffer = new byte[StateDigest.EncodedLengthBytes];
    private readonly byte[] _headerBuffer = new byte[StateHeader.MaxEncodedLengthBytes];
    private readonly FreePageTracker _freePages = new();
    private readonly long _quotaBytes;
    private volatile StateRoots _published;

    private StateEnvironment(LmdbEnvironment environment, MappedFile map, CheckedPages checkedPages, StateRoots published, long quotaBytes)
    {
        _environment = environment;
        _map = map;
        _checkedPages = checkedPages;
        _published = published;
        _quotaBytes = quotaBytes;
        _paths = new LmdbPathChecker<MappedPages>(checkedPages);
    }

    /// <summary>The newest committed snapshot.</summary>
    internal StateRoots Published => _published;

    /// <summary>Bytes of the database file that the newest snapshot owns.</summary>
    internal long LengthBytes => (long)(_published.Meta.LastPage + 1) * _published.Meta.PageSizeBytes;

    /// <summary>Opens an existing environment. The caller has proven it where proof is needed.</summary>
    internal static StateEnvironment Open(string directory, FileOps files, long quotaBytes)
    {
        string dataPath = Path.Combine(directory, LmdbEnvironment.DataFileName);
        MappedFile map = MappedFile.Open(dataPath);
        try
        {
            CheckedPages checkedPages = new((ulong)(quotaBytes / MinPageBytes));
            if (!StateRoots.TryLoad(map, null, checkedPages, out StateRoots? roots, out LmdbFault fault))
            {
                StateFaults.ThrowRoots(dataPath, fault);
            }

            fault = CheckBeforeOpening(map, roots!, checkedPages);
            if (fault.IsFault)
            {
                StateFaults.ThrowRoots(dataPath, fault);
            }

            // The writer must not grow the file to where our own map does not reach.
            LmdbEnvironment environment = LmdbEnvironment.Open(directory, Options(map.ReservedBytes), files);
            return new StateEnvironment(environment, map, checkedPages, roots!, quotaBytes).OpenTables();
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Checks what liblmdb reads without asking as soon as it opens a file: both metas, the free list, the roots of the tables.</summary>
    internal static LmdbFault CheckBeforeOpening(MappedFile map, StateRoots roots, CheckedPages checkedPages)
    {
        LmdbFault fault = map.ReadMetas().CheckAtRest();
        if (fault.IsFault)
        {
            return fault;
        }

        LmdbPathChecker<MappedPages> paths = new(checkedPages);
        paths.Begin(map.Snapshot(roots.Meta), roots.Meta, roots.Free);
        fault = paths.CheckFreeList();
        return fault.IsFault ? fault : paths.CheckNamedRoots();
    }

    /// <summary>How every environment of a store is opened: no syncs of its own, because the state is proven, not trusted.</summary>
    internal static LmdbOptions Options(long mapSizeBytes = LmdbOptions.DefaultMapSizeBytes) => new() { NoSync = true, NoMetaSync = true, MapSizeBytes = mapSizeBytes };

    /// <summary>Pins the newest snapshot.</summary>
    internal LmdbReadPin Pin(out StateRoots roots)
    {
        LmdbReadPin pin = _environment.Pin();
        StateRoots published = _published;
        if (published.TransactionId == pin.TransactionId)
        {
            roots = published;
            return pin;
        }

        // The writer committed between its commit and its publication: the pin's own meta tells.
        pin.Dispose();
        return PinnedRoots.Take(_environment, _map, _checkedPages, out roots);
    }

    /// <summary>Puts a group's mutations, the header and the digest into a new write transaction. The caller commits or disposes it.</summary>
    /// <exception cref="StateStoreException">The quota or the device is full (nothing is changed), or a page that liblmdb would touch is damaged.</exception>
    internal LmdbWriteTransaction Apply(MutationSet mutations, StateHeader header, StateDigest digest)
    {
        ThrowIfOverQuota(mutations.ArenaBytes);
        StateRoots roots = _published;
        _paths.Begin(_map.Snapshot(roots.Meta), roots.Meta, roots.Free);
        LmdbWriteTransaction transaction = _environment.BeginWrite();
        try
        {
            mutations.Sort();
            for (int i = 0; i < mutations.Count; i++)
            {
                mutations.GetSorted(i, out byte code, out ReadOnlySpan<byte> key, out bool isDelete, out ReadOnlySpan<byte> value);
                ApplyOne(transaction, roots, (StateTable)code, key, isDelete, value);
            }

            digest.Encode(_digestBuffer);
            ApplyOne(transaction, roots, StateTable.Meta, Tables.DigestKey, isDelete: false, _digestBuffer);
            int length = header.Encode(_headerBuffer);
            ApplyOne(transaction, roots, StateTable.Meta, Tables.HeaderKey, isDelete: false, _headerBuffer.AsSpan(0, length));
            return transaction;
        }
        catch
        {
            transaction.Dispose();
            throw;
        }
    }

    /// <summary>Makes the just committed transaction the one that new snapshots see.</summary>
    internal void Publish()
    {
        if (!StateRoots.TryLoad(_map, null, _checkedPages, out StateRoots? roots, out LmdbFault fault, _freePages))
        {
            StateFaults.ThrowRoots(_map.FilePath, fault);
        }

        _published = roots!;
    }

    /// <summary>Makes the state durable as it is.</summary>
    internal void Sync() => _environment.Sync();

    /// <summary>Frees reader slots of processes that died.</summary>
    internal int ReaderCheck() => _environment.ReaderCheck();

    /// <summary>Closes liblmdb's side; snapshots that are open keep their pages and the map until <see cref="Dispose"/>.</summary>
    internal void CloseEnvironment() => _environment.Dispose();

    /// <summary>Closes everything. Nothing may read from it any more.</summary>
    public void Dispose()
    {
        _environment.Dispose();
        _map.Dispose();
    }

    private StateEnvironment OpenTables()
    {
        try
        {
            using LmdbWriteTransaction transaction = _environment.BeginWrite();
            for (int code = 1; code <= Tables.Count; code++)
            {
                _tables[code] = transaction.OpenDatabase(System.Text.Encoding.ASCII.GetString(Tables.Name((StateTable)code)), create: false);
            }

            transaction.Commit();
            return this;
        }
        catch
        {
            _environment.Dispose();
            throw;
        }
    }

    private void ApplyOne(LmdbWriteTransaction transaction, StateRoots roots, StateTable table, ReadOnlySpan<byte> key, bool isDelete, ReadOnlySpan<byte> value)
    {
        LmdbFault fault = isDelete ? _paths.CheckDelete(in roots[table], key) : _paths.CheckPut(in roots[table], key);
        if (fault.IsFault)
        {
            StateFaults.ThrowPage(table, fault);
        }

        if (isDelete)
        {
            transaction.Delete(_tables[(int)table], key);
        }
        else
        {
            transaction.Put(_tables[(int)table], key, value);
        }
    }

    /// <summary>Fails when a group would take the state over its quota; a commit asks before anything is promised.</summary>
    // A put can touch a path of pages in its table and as many in the free list; four times the bytes plus that is far above what a group can need.
    internal void ThrowIfOverQuota(long changesBytes)
    {
        long worst = LengthBytes + (4L * changesBytes) + (128L * MinPageBytes);
        if (worst > _quotaBytes)
        {
            throw new StateStoreException(
                StateStoreErrorCode.DiskFull,
                $"The state holds {LengthBytes} bytes and its quota is {_quotaBytes}.",
                _map.FilePath,
                "Raise StateStoreOptions.StateQuotaBytes, or delete and purge records.",
                isRetryable: true);
        }
    }
}
