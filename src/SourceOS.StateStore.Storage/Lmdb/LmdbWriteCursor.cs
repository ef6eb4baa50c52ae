// Why this file exists: a run of puts in key order keeps its place in the tree instead of searching from the root each time.
// Invariants: closed exactly once, by its owner or by the end of its transaction, which frees the native cursor itself.

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>A cursor of a write transaction, for puts in key order. For the transaction's thread only.</summary>
public sealed unsafe class LmdbWriteCursor : IDisposable
{
    private readonly LmdbWriteTransaction _transaction;
    private nint _cursor;

    internal LmdbWriteCursor(LmdbWriteTransaction transaction, nint cursor)
    {
        _transaction = transaction;
        _cursor = cursor;
    }

    /// <summary>Stores a value.</summary>
    /// <param name="key">The key, 1 to 511 bytes.</param>
    /// <param name="value">The value.</param>
    /// <param name="append">Promises that the key is above all others.</param>
    /// <exception cref="StateStoreException">As for <see cref="LmdbWriteTransaction.Put"/>.</exception>
    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool append = false)
    {
        ObjectDisposedException.ThrowIf(_cursor == 0, this);
        _transaction.ThrowIfUnusable();
        LmdbWriteTransaction.ThrowIfNoKey(key);
        fixed (byte* keyBytes = key)
        fixed (byte* valueBytes = value)
        {
            MdbValue nativeKey = new() { Size = (nuint)key.Length, Data = keyBytes };
            MdbValue nativeValue = new() { Size = (nuint)value.Length, Data = valueBytes };
            _transaction.CheckFatal(LmdbNative.CursorPut(_cursor, in nativeKey, ref nativeValue, append ? LmdbNative.PutAppend : 0), "mdb_cursor_put");
        }
    }

    /// <summary>Closes the cursor unless its transaction has ended.</summary>
    public void Dispose()
    {
        if (_cursor != 0)
        {
            _transaction.ThrowIfUnusable();
            LmdbNative.CursorClose(_cursor);
            _cursor = 0;
            _transaction.Forget(this);
        }
    }

    /// <summary>Forgets the native cursor, which its transaction frees.</summary>
    internal void Detach() => _cursor = 0;
}
