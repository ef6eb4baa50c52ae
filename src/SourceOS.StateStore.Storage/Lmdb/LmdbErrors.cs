// Why this file exists: one translation from liblmdb's codes to the store's exception. Invariants: every code has a name in the message;
// a full disk or map is told apart from damage; no code is dropped.

using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>liblmdb's return codes as exceptions.</summary>
internal static class LmdbErrors
{
    internal const int Success = 0;
    internal const int KeyExists = -30799;
    internal const int NotFound = -30798;
    internal const int PageNotFound = -30797;
    internal const int Corrupted = -30796;
    internal const int Panic = -30795;
    internal const int VersionMismatch = -30794;
    internal const int Invalid = -30793;
    internal const int MapFull = -30792;
    internal const int DatabasesFull = -30791;
    internal const int ReadersFull = -30790;
    internal const int TransactionFull = -30788;
    internal const int CursorFull = -30787;
    internal const int PageFull = -30786;
    internal const int MapResized = -30785;
    internal const int Incompatible = -30784;
    internal const int BadReaderSlot = -30783;
    internal const int BadTransaction = -30782;
    internal const int BadValueSize = -30781;
    internal const int BadDatabase = -30780;

    /// <summary>Passes a zero code and throws for any other.</summary>
    /// <param name="code">What liblmdb answered.</param>
    /// <param name="operation">The function that answered, as in lmdb.h.</param>
    /// <param name="path">The environment.</param>
    internal static void Check(int code, string operation, string path)
    {
        if (code != Success)
        {
            Throw(code, operation, path);
        }
    }

    /// <summary>Throws the exception for a code.</summary>
    [DoesNotReturn]
    internal static void Throw(int code, string operation, string path) => throw Create(code, operation, path, "");

    /// <summary>Makes the exception for a code.</summary>
    /// <param name="code">What liblmdb answered.</param>
    /// <param name="operation">The function that answered.</param>
    /// <param name="path">The environment.</param>
    /// <param name="consequence">A sentence put before the advice; may be empty.</param>
    /// <returns>The exception.</returns>
    internal static StateStoreException Create(int code, string operation, string path, string consequence)
    {
        (StateStoreErrorCode kind, string advice, bool isRetryable) = code switch
        {
            MapFull or Errno.ENOSPC or Errno.EDQUOT => (StateStoreErrorCode.DiskFull, "Free space or raise the quota.", true),
            Errno.EACCES or Errno.EPERM or Errno.EROFS => (StateStoreErrorCode.AccessDenied, "Run as a user who may write the store, on a writable file system.", false),
            VersionMismatch => (StateStoreErrorCode.UnsupportedFormat, "The file was written by another version of LMDB.", false),
            Corrupted or PageNotFound or Invalid or PageFull or CursorFull or Incompatible or BadDatabase =>
                (StateStoreErrorCode.StateDamaged, "Verify the store; the state can be rebuilt from the log.", false),
            Panic => (StateStoreErrorCode.Latched, "Close the store and open it again.", false),
            BadValueSize => (StateStoreErrorCode.InvalidInput, "Keys have 1 to 511 bytes, values less than 4 GiB.", false),
            ReadersFull => (StateStoreErrorCode.InputOutput, "Too many snapshots are open; give some back.", true),
            _ => (StateStoreErrorCode.InputOutput, "", false),
        };
        string next = consequence.Length == 0 ? advice : advice.Length == 0 ? consequence : consequence + " " + advice;
        return new StateStoreException(kind, $"{operation} failed: {Describe(code)}.", path, next, isRetryable);
    }

    /// <summary>Throws because the library is not there.</summary>
    [DoesNotReturn]
    internal static void ThrowLibraryMissing() => throw new StateStoreException(
        StateStoreErrorCode.NativeLibraryMissing,
        $"The LMDB library {LmdbNative.Library} cannot be loaded.",
        next: "Install the Debian package liblmdb0.");

    private static string Describe(int code)
    {
        if (code > 0)
        {
            return Errno.Describe(code);
        }

        string name = code switch
        {
            KeyExists => "MDB_KEYEXIST",
            NotFound => "MDB_NOTFOUND",
            PageNotFound => "MDB_PAGE_NOTFOUND",
            Corrupted => "MDB_CORRUPTED",
            Panic => "MDB_PANIC",
            VersionMismatch => "MDB_VERSION_MISMATCH",
            Invalid => "MDB_INVALID",
            MapFull => "MDB_MAP_FULL",
            DatabasesFull => "MDB_DBS_FULL",
            ReadersFull => "MDB_READERS_FULL",
            TransactionFull => "MDB_TXN_FULL",
            CursorFull => "MDB_CURSOR_FULL",
            PageFull => "MDB_PAGE_FULL",
            MapResized => "MDB_MAP_RESIZED",
            Incompatible => "MDB_INCOMPATIBLE",
            BadReaderSlot => "MDB_BAD_RSLOT",
            BadTransaction => "MDB_BAD_TXN",
            BadValueSize => "MDB_BAD_VALSIZE",
            BadDatabase => "MDB_BAD_DBI",
            _ => "MDB code",
        };
        return $"{name} {code}";
    }
}
