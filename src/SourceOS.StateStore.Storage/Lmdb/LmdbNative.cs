// Why this file exists: the only place that names liblmdb. Invariants: signatures follow lmdb.h of 0.9; every caller checks the code it
// gets back; nothing here is called on a file that has not been checked, because liblmdb crashes on damaged pages.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>A counted run of bytes as liblmdb passes them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MdbValue
{
    internal nuint Size;
    internal void* Data;
}

/// <summary>Statistics of one database, as liblmdb lays them out.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MdbStat
{
    internal uint PageSize;
    internal uint Depth;
    internal nuint BranchPages;
    internal nuint LeafPages;
    internal nuint OverflowPages;
    internal nuint Entries;
}

/// <summary>Facts about an environment, as liblmdb lays them out.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MdbEnvInfo
{
    internal nint MapAddress;
    internal nuint MapSize;
    internal nuint LastPage;
    internal nuint LastTransaction;
    internal uint MaxReaders;
    internal uint UsedReaders;
}

/// <summary>The functions of liblmdb that the store uses.</summary>
internal static unsafe partial class LmdbNative
{
    /// <summary>The library's file name, version included, as Debian ships it.</summary>
    internal const string Library = "liblmdb.so.0";

    internal const uint EnvNoSync = 0x10000;
    internal const uint EnvNoMetaSync = 0x40000;
    internal const uint EnvNoTls = 0x200000;
    internal const uint EnvNoReadahead = 0x800000;

    internal const uint TxnReadOnly = 0x20000;

    internal const uint DbCreate = 0x40000;

    internal const uint PutReserve = 0x10000;
    internal const uint PutAppend = 0x20000;

    [LibraryImport(Library, EntryPoint = "mdb_version")]
    internal static partial byte* Version(out int major, out int minor, out int patch);

    [LibraryImport(Library, EntryPoint = "mdb_strerror")]
    internal static partial byte* ErrorText(int code);

    [LibraryImport(Library, EntryPoint = "mdb_env_create")]
    internal static partial int EnvCreate(out nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_env_open", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int EnvOpen(nint environment, string path, uint flags, uint mode);

    [LibraryImport(Library, EntryPoint = "mdb_env_close")]
    internal static partial void EnvClose(nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_mapsize")]
    internal static partial int EnvSetMapSize(nint environment, nuint size);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_maxreaders")]
    internal static partial int EnvSetMaxReaders(nint environment, uint readers);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_maxdbs")]
    internal static partial int EnvSetMaxDatabases(nint environment, uint databases);

    [LibraryImport(Library, EntryPoint = "mdb_env_sync")]
    internal static partial int EnvSync(nint environment, int force);

    [LibraryImport(Library, EntryPoint = "mdb_env_info")]
    internal static partial int EnvInfo(nint environment, out MdbEnvInfo info);

    [LibraryImport(Library, EntryPoint = "mdb_env_get_maxkeysize")]
    internal static partial int EnvMaxKeySize(nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_reader_check")]
    internal static partial int ReaderCheck(nint environment, out int dead);

    [LibraryImport(Library, EntryPoint = "mdb_txn_begin")]
    internal static partial int TxnBegin(nint environment, nint parent, uint flags, out nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_id")]
    internal static partial nuint TxnId(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_commit")]
    internal static partial int TxnCommit(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_abort")]
    internal static partial void TxnAbort(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_reset")]
    internal static partial void TxnReset(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_renew")]
    internal static partial int TxnRenew(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_dbi_open", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int DbiOpen(nint transaction, string name, uint flags, out uint database);

    [LibraryImport(Library, EntryPoint = "mdb_stat")]
    internal static partial int Stat(nint transaction, uint database, out MdbStat stat);

    [LibraryImport(Library, EntryPoint = "mdb_drop")]
    internal static partial int Drop(nint transaction, uint database, int delete);

    [LibraryImport(Library, EntryPoint = "mdb_get")]
    internal static partial int Get(nint transaction, uint database, in MdbValue key, out MdbValue value);

    [LibraryImport(Library, EntryPoint = "mdb_put")]
    internal static partial int Put(nint transaction, uint database, in MdbValue key, ref MdbValue value, uint flags);

    [LibraryImport(Library, EntryPoint = "mdb_del")]
    internal static partial int Delete(nint transaction, uint database, in MdbValue key, nint data);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_open")]
    internal static partial int CursorOpen(nint transaction, uint database, out nint cursor);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_close")]
    internal static partial void CursorClose(nint cursor);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_put")]
    internal static partial int CursorPut(nint cursor, in MdbValue key, ref MdbValue value, uint flags);

    // Runs for a few nanoseconds and never blocks.
    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "getpid")]
    internal static partial int ProcessId();
}
