// Why this file exists: owns one open LMDB environment: its flags, its one writer, its pinned readers, its end.
// Invariants: never used in another process than the one that opened it; at most one open per file and process; one write transaction at
// a time; the native environment is closed only when no transaction is left, because closing unmaps what they read; after a failed
// commit nothing is written any more.

using System.Runtime.InteropServices;
using System.Threading;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>
/// An open LMDB environment. Check the file with the readers first: liblmdb crashes on damaged pages. Safe for several threads, except
/// that a write transaction belongs to the thread that began it.
/// </summary>
public sealed class LmdbEnvironment : IDisposable
{
    private const int OutOfMemory = 12;
    private const int InvalidArgument = 22;
    private const long SmallestMapSizeBytes = 4L << 30;

    /// <summary>The data file's name in an environment's directory.</summary>
    public const string DataFileName = "data.mdb";

    /// <summary>The lock file's name in an environment's directory. No one may open it by other means while the environment is open.</summary>
    public const string LockFileName = "lock.mdb";

    private readonly Lock _gate = new();
    private readonly Stack<PinnedReader> _idlePins = new();
    private readonly (ulong Device, ulong Inode) _identity;
    private nint _handle;
    private int _activePins;
    private LmdbWriteTransaction? _writer;
    private bool _isClosing;
    private volatile bool _hasFailed;

    private LmdbEnvironment(nint handle, string directory, LmdbOptions options, (ulong, ulong) identity)
    {
        _handle = handle;
        DirectoryPath = directory;
        Options = options;
        _identity = identity;
        OwnerProcessId = LmdbNative.ProcessId();
    }

    /// <summary>The environment's directory.</summary>
    public string DirectoryPath { get; }

    /// <summary>The data file.</summary>
    public string DataPath => Path.Combine(DirectoryPath, DataFileName);

    /// <summary>How it was opened.</summary>
    public LmdbOptions Options { get; }

    /// <summary>Whether a commit or sync failed: nothing more is written until the environment is opened again.</summary>
    public bool HasFailed => _hasFailed;

    /// <summary>The process that opened it; tests set it to play a forked child.</summary>
    internal int OwnerProcessId { get; set; }

    /// <summary>Opens the environment in a directory, creating an empty one when the directory holds none.</summary>
    /// <param name="directory">The directory; it exists.</param>
    /// <param name="options">How to open it.</param>
    /// <param name="files">The system-call seam; null for the real one.</param>
    /// <returns>The environment.</returns>
    /// <exception cref="StateStoreException">liblmdb is missing, refuses, or this process has the file open already.</exception>
    public static LmdbEnvironment Open(string directory, LmdbOptions options, FileOps? files = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxReaders, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxDatabases, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MapSizeBytes, 1L << 16, nameof(options));
        EnsureLibrary(LmdbNative.Library);
        files ??= LinuxFileOps.Instance;
        string dataPath = Path.Combine(directory, DataFileName);

        // The file must have an identity before liblmdb opens anything; liblmdb takes an empty file for a new environment.
        StoreFile.Open(files, dataPath, OpenOptions.ReadWrite | OpenOptions.Create, options.FileMode).Dispose();
        (ulong, ulong) identity = LmdbOpenRegistry.Claim(files, dataPath);
        try
        {
            nint handle = OpenNative(directory, options);
            return new LmdbEnvironment(handle, directory, options, identity);
        }
        catch
        {
            LmdbOpenRegistry.Release(identity);
            throw;
        }
    }

    /// <summary>Begins the one write transaction. It belongs to this thread until it is committed or disposed.</summary>
    /// <returns>The transaction.</returns>
    /// <exception cref="StateStoreException">An earlier commit failed, or liblmdb refuses.</exception>
    /// <exception cref="InvalidOperationException">Another write transaction of this process is open.</exception>
    public LmdbWriteTransaction BeginWrite()
    {
        ThrowIfUnusable();
        if (_hasFailed)
        {
            throw new StateStoreException(StateStoreErrorCode.Latched, "An earlier commit or sync of the state failed.", DirectoryPath, "Close the store and open it again.");
        }

        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosing, this);

            // A second begin would wait for the first on liblmdb's mutex: for ever on this thread, and without bound on another.
            if (_writer is not null)
            {
                throw new InvalidOperationException("A write transaction is open; there is one writer.");
            }

            _writer = new LmdbWriteTransaction(this);
        }

        int code = LmdbNative.TxnBegin(_handle, 0, 0, out nint transaction);
        if (code != LmdbErrors.Success)
        {
            EndWriter();
            LmdbErrors.Throw(code, "mdb_txn_begin", DirectoryPath);
        }

        _writer.Start(transaction);
        return _writer;
    }

    /// <summary>
    /// Pins the newest snapshot: its pages are not reused until the pin is disposed. Takes a reader slot; slots are pooled.
    /// Does not allocate once the pool is warm.
    /// </summary>
    /// <returns>The pin.</returns>
    /// <exception cref="StateStoreException">No reader slot is free, or liblmdb refuses.</exception>
    public LmdbReadPin Pin()
    {
        ThrowIfUnusable();
        PinnedReader? reader;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosing, this);
            _activePins++;
            _ = _idlePins.TryPop(out reader);
        }

        nint transaction = reader?.Transaction ?? 0;
        int code = reader is null
            ? LmdbNative.TxnBegin(_handle, 0, LmdbNative.TxnReadOnly, out transaction)
            : LmdbNative.TxnRenew(transaction);
        if (code != LmdbErrors.Success)
        {
            if (reader is not null)
            {
                LmdbNative.TxnAbort(transaction);
            }

            ReleaseSlot();
            LmdbErrors.Throw(code, reader is null ? "mdb_txn_begin" : "mdb_txn_renew", DirectoryPath);
        }

        reader ??= new PinnedReader(transaction);
        return new LmdbReadPin(this, reader, reader.Take(LmdbNative.TxnId(transaction)));
    }

    /// <summary>Makes everything committed so far durable. Needed with <see cref="LmdbOptions.NoSync"/>. Never retried: a failure is final.</summary>
    /// <exception cref="StateStoreException">The sync failed; nothing more is written through this environment.</exception>
    public void Sync()
    {
        ThrowIfUnusable();
        if (_hasFailed)
        {
            throw new StateStoreException(StateStoreErrorCode.Latched, "An earlier commit or sync of the state failed.", DirectoryPath, "Close the store and open it again.");
        }

        int code = LmdbNative.EnvSync(_handle, 1);
        if (code != LmdbErrors.Success)
        {
            throw Fail(code, "mdb_env_sync", "The state's durability is unknown and the environment takes no more writes.");
        }
    }

    /// <summary>Frees the reader slots of processes that died. Call it at open and now and then: dead readers keep pages from being reused.</summary>
    /// <returns>How many slots were freed.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public int ReaderCheck()
    {
        ThrowIfUnusable();
        LmdbErrors.Check(LmdbNative.ReaderCheck(_handle, out int dead), "mdb_reader_check", DirectoryPath);
        return dead;
    }

    /// <summary>Facts about the environment now.</summary>
    /// <returns>The facts.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public LmdbEnvironmentInfo GetInfo()
    {
        ThrowIfUnusable();
        LmdbErrors.Check(LmdbNative.EnvInfo(_handle, out MdbEnvInfo info), "mdb_env_info", DirectoryPath);
        return new LmdbEnvironmentInfo((long)info.MapSize, info.LastPage, info.LastTransaction, (int)info.MaxReaders, (int)info.UsedReaders);
    }

    /// <summary>
    /// Closes the environment. With pins still out it closes when the last of them is disposed; their pages stay mapped until then.
    /// </summary>
    /// <exception cref="InvalidOperationException">A write transaction is open.</exception>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isClosing)
            {
                return;
            }

            if (_writer is not null)
            {
                throw new InvalidOperationException("A write transaction is open; commit or dispose it before the environment.");
            }

            _isClosing = true;
            if (_activePins == 0)
            {
                CloseNative();
            }
        }
    }

    /// <summary>Loads the library or says which package has it.</summary>
    internal static void EnsureLibrary(string name)
    {
        // The handle is kept for the life of the process, as the bindings do too.
        if (!NativeLibrary.TryLoad(name, out _))
        {
            LmdbErrors.ThrowLibraryMissing();
        }
    }

    /// <summary>Records that the environment can no longer be trusted with writes.</summary>
    internal StateStoreException Fail(int code, string operation, string consequence)
    {
        _hasFailed = true;
        return LmdbErrors.Create(code, operation, DirectoryPath, consequence);
    }

    /// <summary>Lets the next writer begin.</summary>
    internal void EndWriter()
    {
        lock (_gate)
        {
            _writer = null;
        }
    }

    /// <summary>Takes a pin back into the pool.</summary>
    internal void Release(PinnedReader reader)
    {
        if (LmdbNative.ProcessId() != OwnerProcessId)
        {
            // A forked child shares the lock table with its parent and must not touch the parent's slot.
            return;
        }

        LmdbNative.TxnReset(reader.Transaction);
        lock (_gate)
        {
            _idlePins.Push(reader);
            EndPin();
        }
    }

    /// <summary>Throws when the environment is closed or belongs to another process.</summary>
    internal void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_isClosing, this);
        ThrowIfForked();
    }

    /// <summary>Throws in a process that did not open the environment.</summary>
    internal void ThrowIfForked()
    {
        if (LmdbNative.ProcessId() != OwnerProcessId)
        {
            throw new InvalidOperationException("An LMDB environment cannot be used across fork; open the store in this process.");
        }
    }

    // Addresses cost nothing, and a process may be allowed fewer of them than a map that never has to grow takes: then a smaller one does.
    private static nint OpenNative(string directory, LmdbOptions options)
    {
        long mapSizeBytes = options.MapSizeBytes;
        while (true)
        {
            int code = TryOpenNative(directory, options, mapSizeBytes, out nint handle);
            if (code is not (OutOfMemory or InvalidArgument) || mapSizeBytes <= SmallestMapSizeBytes)
            {
                LmdbErrors.Check(code, "mdb_env_open", directory);
                return handle;
            }

            mapSizeBytes = Math.Max(SmallestMapSizeBytes, mapSizeBytes / 16);
        }
    }

    private static int TryOpenNative(string directory, LmdbOptions options, long mapSizeBytes, out nint handle)
    {
        uint flags = LmdbNative.EnvNoTls
            | (options.NoSync ? LmdbNative.EnvNoSync : 0)
            | (options.NoMetaSync ? LmdbNative.EnvNoMetaSync : 0)
            | (options.NoReadahead ? LmdbNative.EnvNoReadahead : 0);
        LmdbErrors.Check(LmdbNative.EnvCreate(out handle), "mdb_env_create", directory);
        int code = -1;
        try
        {
            LmdbErrors.Check(LmdbNative.EnvSetMapSize(handle, (nuint)mapSizeBytes), "mdb_env_set_mapsize", directory);
            LmdbErrors.Check(LmdbNative.EnvSetMaxReaders(handle, (uint)options.MaxReaders), "mdb_env_set_maxreaders", directory);
            LmdbErrors.Check(LmdbNative.EnvSetMaxDatabases(handle, (uint)options.MaxDatabases), "mdb_env_set_maxdbs", directory);
            code = LmdbNative.EnvOpen(handle, directory, flags, (uint)options.FileMode);
            return code;
        }
        finally
        {
            // lmdb.h asks for this also after a failed open.
            if (code != 0)
            {
                LmdbNative.EnvClose(handle);
            }
        }
    }

    private void ReleaseSlot()
    {
        lock (_gate)
        {
            EndPin();
        }
    }

    // Called with the gate held.
    private void EndPin()
    {
        _activePins--;
        if (_isClosing && _activePins == 0)
        {
            CloseNative();
        }
    }

    // Called with the gate held, with no transaction in use.
    private void CloseNative()
    {
        nint handle = _handle;
        _handle = 0;
        if (handle == 0)
        {
            return;
        }

        if (LmdbNative.ProcessId() == OwnerProcessId)
        {
            while (_idlePins.TryPop(out PinnedReader? reader))
            {
                LmdbNative.TxnAbort(reader.Transaction);
            }

            LmdbNative.EnvClose(handle);
        }

        LmdbOpenRegistry.Release(_identity);
    }
}

/// <summary>Facts about an environment.</summary>
/// <param name="MapSizeBytes">The map's size, in bytes.</param>
/// <param name="LastPage">The last page of the newest snapshot.</param>
/// <param name="LastTransactionId">The newest committed transaction.</param>
/// <param name="MaxReaders">The reader slots there are.</param>
/// <param name="UsedReaders">The most reader slots that were used at once, pooled ones included.</param>
public readonly record struct LmdbEnvironmentInfo(long MapSizeBytes, ulong LastPage, ulong LastTransactionId, int MaxReaders, int UsedReaders);
