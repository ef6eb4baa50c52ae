// Why this file exists: the one write transaction, with every code checked. Invariants: used by the thread that began it only; ends exactly
// once, by commit or abort; after an operation fails inside it, it can only be aborted; a failed commit closes the environment for writing.

using System.Diagnostics.CodeAnalysis;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>
/// A write transaction. Spans that it hands out are valid until its next change or its end. Dispose without
/// <see cref="Commit"/> aborts. For the thread that began it only.
/// </summary>
public sealed unsafe class LmdbWriteTransaction : IDisposable
{
    private readonly LmdbEnvironment _environment;
    private readonly int _threadId;
    private readonly List<LmdbWriteCursor> _cursors = [];
    private nint _transaction;
    private bool _hasFailed;

    internal LmdbWriteTransaction(LmdbEnvironment environment)
    {
        _environment = environment;
        _threadId = Environment.CurrentManagedThreadId;
    }

    /// <summary>The number that the commit will have.</summary>
    public ulong TransactionId
    {
        get
        {
            ThrowIfUnusable();
            return LmdbNative.TxnId(_transaction);
        }
    }

    /// <summary>Opens a named database. The handle stays good after a commit; an abort of the transaction that first opened it takes it back.</summary>
    /// <param name="name">The name, 1 to 511 bytes of UTF-8 without NUL.</param>
    /// <param name="create">Whether to create it when it is not there.</param>
    /// <returns>The handle.</returns>
    /// <exception cref="StateStoreException">It is not there and was not to be created, or liblmdb refuses.</exception>
    public LmdbDatabase OpenDatabase(string name, bool create)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ThrowIfUnusable();
        if (name.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A database name holds no NUL.", nameof(name));
        }

        int code = LmdbNative.DbiOpen(_transaction, name, create ? LmdbNative.DbCreate : 0, out uint handle);
        if (code == LmdbErrors.NotFound)
        {
            throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The state has no table '{name}'.", _environment.DirectoryPath, "Verify the store; the state can be rebuilt from the log.");
        }

        CheckFatal(code, "mdb_dbi_open");
        return new LmdbDatabase(handle, name);
    }

    /// <summary>Reads through the transaction, its own changes included.</summary>
    /// <param name="database">The database.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, valid until the next change or the end; empty when not found.</param>
    /// <returns>Whether the key is there.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public bool TryGet(LmdbDatabase database, ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        ThrowIfNotOpen();
        if (key.IsEmpty)
        {
            value = default;
            return false;
        }

        fixed (byte* keyBytes = key)
        {
            MdbValue nativeKey = new() { Size = (nuint)key.Length, Data = keyBytes };
            int code = LmdbNative.Get(_transaction, database.Handle, in nativeKey, out MdbValue found);
            if (code == LmdbErrors.NotFound)
            {
                value = default;
                return false;
            }

            CheckFatal(code, "mdb_get");
            value = Span(found);
            return true;
        }
    }

    /// <summary>Stores a value, replacing one that is there.</summary>
    /// <param name="database">The database.</param>
    /// <param name="key">The key, 1 to 511 bytes.</param>
    /// <param name="value">The value.</param>
    /// <param name="append">Promises that the key is above all others: faster and denser; a broken promise is an error.</param>
    /// <exception cref="ArgumentException">The key is empty or too long.</exception>
    /// <exception cref="StateStoreException">The disk or the map is full, the key is not above the others, or liblmdb refuses.</exception>
    public void Put(LmdbDatabase database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool append = false)
    {
        ThrowIfNotOpen();
        ThrowIfNoKey(key);
        fixed (byte* keyBytes = key)
        fixed (byte* valueBytes = value)
        {
            MdbValue nativeKey = new() { Size = (nuint)key.Length, Data = keyBytes };
            MdbValue nativeValue = new() { Size = (nuint)value.Length, Data = valueBytes };
            CheckFatal(LmdbNative.Put(_transaction, database.Handle, in nativeKey, ref nativeValue, append ? LmdbNative.PutAppend : 0), "mdb_put");
        }
    }

    /// <summary>Makes room for a value and lets the caller fill it in place.</summary>
    /// <param name="database">The database.</param>
    /// <param name="key">The key, 1 to 511 bytes.</param>
    /// <param name="lengthBytes">The value's length, in bytes.</param>
    /// <param name="append">As for <see cref="Put"/>.</param>
    /// <returns>The value's bytes, to be filled before the next call on this transaction; what they held before is undefined.</returns>
    /// <exception cref="StateStoreException">As for <see cref="Put"/>.</exception>
    public Span<byte> Reserve(LmdbDatabase database, ReadOnlySpan<byte> key, int lengthBytes, bool append = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ThrowIfNotOpen();
        ThrowIfNoKey(key);
        fixed (byte* keyBytes = key)
        {
            MdbValue nativeKey = new() { Size = (nuint)key.Length, Data = keyBytes };
            MdbValue nativeValue = new() { Size = (nuint)lengthBytes, Data = null };
            uint flags = LmdbNative.PutReserve | (append ? LmdbNative.PutAppend : 0);
            CheckFatal(LmdbNative.Put(_transaction, database.Handle, in nativeKey, ref nativeValue, flags), "mdb_put");
            return new Span<byte>(nativeValue.Data, lengthBytes);
        }
    }

    /// <summary>Deletes a key.</summary>
    /// <param name="database">The database.</param>
    /// <param name="key">The key.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public bool Delete(LmdbDatabase database, ReadOnlySpan<byte> key)
    {
        ThrowIfNotOpen();
        if (key.IsEmpty)
        {
            return false;
        }

        fixed (byte* keyBytes = key)
        {
            MdbValue nativeKey = new() { Size = (nuint)key.Length, Data = keyBytes };
            int code = LmdbNative.Delete(_transaction, database.Handle, in nativeKey, 0);
            if (code == LmdbErrors.NotFound)
            {
                return false;
            }

            CheckFatal(code, "mdb_del");
            return true;
        }
    }

    /// <summary>Removes every entry of a database and keeps it open.</summary>
    /// <param name="database">The database. Every page of it must have been checked.</param>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public void Clear(LmdbDatabase database)
    {
        ThrowIfUnusable();
        CheckFatal(LmdbNative.Drop(_transaction, database.Handle, 0), "mdb_drop");
    }

    /// <summary>Opens a cursor for a run of puts in key order. It ends with the transaction at the latest.</summary>
    /// <param name="database">The database.</param>
    /// <returns>The cursor.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public LmdbWriteCursor OpenCursor(LmdbDatabase database)
    {
        ThrowIfUnusable();
        CheckFatal(LmdbNative.CursorOpen(_transaction, database.Handle, out nint cursor), "mdb_cursor_open");
        LmdbWriteCursor opened = new(this, cursor);
        _cursors.Add(opened);
        return opened;
    }

    /// <summary>The counts of a database, this transaction's changes included.</summary>
    /// <param name="database">The database.</param>
    /// <returns>The counts.</returns>
    /// <exception cref="StateStoreException">liblmdb refuses.</exception>
    public LmdbDatabaseStat GetStat(LmdbDatabase database)
    {
        ThrowIfUnusable();
        CheckFatal(LmdbNative.Stat(_transaction, database.Handle, out MdbStat stat), "mdb_stat");
        return new LmdbDatabaseStat((int)stat.PageSize, (int)stat.Depth, stat.BranchPages, stat.LeafPages, stat.OverflowPages, stat.Entries);
    }

    /// <summary>
    /// Commits. Any error is fatal: the change did not happen as far as anyone can tell, and the environment takes no more writes until it
    /// is opened again.
    /// </summary>
    /// <exception cref="StateStoreException">The commit failed.</exception>
    /// <exception cref="InvalidOperationException">An operation in this transaction failed before; it can only be aborted.</exception>
    public void Commit()
    {
        ThrowIfUnusable();
        if (_hasFailed)
        {
            throw new InvalidOperationException("An operation in this transaction failed; it can only be aborted.");
        }

        nint transaction = Take();
        int code = LmdbNative.TxnCommit(transaction);
        _environment.EndWriter();
        if (code != LmdbErrors.Success)
        {
            throw _environment.Fail(code, "mdb_txn_commit", "The commit is not in the state, and the environment takes no more writes until it is opened again.");
        }
    }

    /// <summary>Aborts unless the transaction has ended.</summary>
    public void Dispose()
    {
        if (_transaction == 0)
        {
            return;
        }

        _environment.ThrowIfForked();
        ThrowIfOtherThread();
        LmdbNative.TxnAbort(Take());
        _environment.EndWriter();
    }

    /// <summary>Takes over the native transaction.</summary>
    internal void Start(nint transaction) => _transaction = transaction;

    /// <summary>Forgets a cursor that its owner closed.</summary>
    internal void Forget(LmdbWriteCursor cursor) => _cursors.Remove(cursor);

    /// <summary>Throws unless the transaction is open and used by its thread.</summary>
    internal void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_transaction == 0, this);
        _environment.ThrowIfForked();
        ThrowIfOtherThread();
    }

    /// <summary>Throws unless the transaction is open and used by its thread. What is done to single keys does not ask the kernel who the process is: a child that forked off meanwhile is stopped at the commit.</summary>
    internal void ThrowIfNotOpen()
    {
        ObjectDisposedException.ThrowIf(_transaction == 0, this);
        ThrowIfOtherThread();
    }

    /// <summary>Throws for a key that LMDB cannot store.</summary>
    internal static void ThrowIfNoKey(ReadOnlySpan<byte> key)
    {
        if (key.Length is 0 or > LmdbLayout.MaxKeyBytes)
        {
            ThrowKeyLength(key.Length, nameof(key));
        }
    }

    /// <summary>Checks a code and remembers that the transaction is lost when it is bad.</summary>
    internal void CheckFatal(int code, string operation)
    {
        if (code != LmdbErrors.Success)
        {
            Fail(code, operation);
        }
    }

    private static ReadOnlySpan<byte> Span(MdbValue value)
    {
        if (value.Size > int.MaxValue)
        {
            ThrowTooLong();
        }

        return new ReadOnlySpan<byte>(value.Data, (int)value.Size);
    }

    [DoesNotReturn]
    private static void ThrowKeyLength(int length, string parameter) =>
        throw new ArgumentException($"A key has 1 to {LmdbLayout.MaxKeyBytes} bytes, not {length}.", parameter);

    [DoesNotReturn]
    private static void ThrowTooLong() =>
        throw new StateStoreException(StateStoreErrorCode.StateDamaged, "A value in the state is longer than any that the store writes.");

    [DoesNotReturn]
    private void Fail(int code, string operation)
    {
        // liblmdb may have left the transaction half changed.
        _hasFailed = true;
        LmdbErrors.Throw(code, operation, _environment.DirectoryPath);
    }

    // Ending the native transaction frees its cursors, so they must forget theirs first.
    private nint Take()
    {
        foreach (LmdbWriteCursor cursor in _cursors)
        {
            cursor.Detach();
        }

        _cursors.Clear();
        nint transaction = _transaction;
        _transaction = 0;
        return transaction;
    }

    private void ThrowIfOtherThread()
    {
        if (Environment.CurrentManagedThreadId != _threadId)
        {
            throw new InvalidOperationException("A write transaction belongs to the thread that began it.");
        }
    }
}

/// <summary>A handle of a named database, good in every transaction of its environment.</summary>
/// <param name="Handle">liblmdb's number for it.</param>
/// <param name="Name">Its name.</param>
public readonly record struct LmdbDatabase(uint Handle, string Name);

/// <summary>The counts of one database.</summary>
/// <param name="PageSizeBytes">The page size, in bytes.</param>
/// <param name="Depth">Pages from root to leaf.</param>
/// <param name="BranchPages">Its branch pages.</param>
/// <param name="LeafPages">Its leaf pages.</param>
/// <param name="OverflowPages">Its overflow pages.</param>
/// <param name="Entries">Its entries.</param>
public readonly record struct LmdbDatabaseStat(int PageSizeBytes, int Depth, ulong BranchPages, ulong LeafPages, ulong OverflowPages, ulong Entries);
