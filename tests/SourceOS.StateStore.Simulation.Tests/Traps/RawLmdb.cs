// Why this file exists: liblmdb as it comes, with nothing of the store around it, so that its traps can be shown. Invariants: used by the self-test of the harness alone; the functions' own return codes are answers, everything else they do is what is looked for.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Makes and reads files of liblmdb.</summary>
internal static partial class RawLmdb
{
    internal const int Keys = 300;
    private const string Library = "liblmdb.so.0";
    private const uint ReadOnly = 0x20000;
    private const uint NoLock = 0x400000;
    private const uint Mode = 0b110_100_100;

    internal static byte[] KeyOf(int number) => [.. BitConverter.GetBytes((uint)number * 2654435761), .. "key"u8];

    internal static byte[] ValueOf(int number)
    {
        byte[] value = new byte[number % 40 == 0 ? 5000 : 20 + (number % 90)];
        new Random(number).NextBytes(value);
        return value;
    }

    /// <summary>Makes a file of a few hundred pairs.</summary>
    internal static void Make(string directory)
    {
        Directory.CreateDirectory(directory);
        nint environment = Open(directory, 0);
        Check(TxnBegin(environment, 0, 0, out nint transaction));
        Check(DbiOpen(transaction, 0, 0, out uint database));
        for (int i = 0; i < Keys; i++)
        {
            Check(WithPair(KeyOf(i), ValueOf(i), (key, value) => Put(transaction, database, in key, in value, 0)));
        }

        Check(TxnCommit(transaction));
        EnvClose(environment);
    }

    /// <summary>Reads every pair: "right", "wrong" when a value differs or a key is not found, or "error" when liblmdb said so itself.</summary>
    internal static string Read(string directory)
    {
        nint environment = 0;
        nint transaction = 0;
        try
        {
            environment = Open(directory, ReadOnly | NoLock);
            Check(TxnBegin(environment, 0, ReadOnly, out transaction));
            Check(DbiOpen(transaction, 0, 0, out uint database));
            for (int i = 0; i < Keys; i++)
            {
                byte[] wanted = ValueOf(i);
                int code = WithPair(KeyOf(i), [], (key, _) => Get(transaction, database, in key, out Value found) is int failed and not 0 ? failed : Same(found, wanted) ? 0 : 1);
                if (code is 1 or -30798)
                {
                    // Either other bytes, or MDB_NOTFOUND for a key that is there: both are lies.
                    return "wrong";
                }

                Check(code);
            }

            return "right";
        }
        catch (InvalidOperationException)
        {
            return "error";
        }
        finally
        {
            if (transaction != 0)
            {
                TxnAbort(transaction);
            }

            if (environment != 0)
            {
                EnvClose(environment);
            }
        }
    }

    private static nint Open(string directory, uint flags)
    {
        Check(EnvCreate(out nint environment));
        Check(EnvSetMapSize(environment, 16 << 20));
        int code = EnvOpen(environment, directory, flags, Mode);
        if (code != 0)
        {
            EnvClose(environment);
            Check(code);
        }

        return environment;
    }

    private static void Check(int code)
    {
        if (code != 0)
        {
            throw new InvalidOperationException($"liblmdb answers {code}.");
        }
    }

    private static unsafe bool Same(Value found, byte[] wanted) => found.Length == (nuint)wanted.Length && new ReadOnlySpan<byte>((void*)found.Data, wanted.Length).SequenceEqual(wanted);

    private static unsafe int WithPair(byte[] key, byte[] value, Func<Value, Value, int> use)
    {
        fixed (byte* first = key, second = value)
        {
            return use(new Value { Length = (nuint)key.Length, Data = (nint)first }, new Value { Length = (nuint)value.Length, Data = (nint)second });
        }
    }

    [LibraryImport(Library, EntryPoint = "mdb_env_create")]
    private static partial int EnvCreate(out nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_env_open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int EnvOpen(nint environment, string path, uint flags, uint mode);

    [LibraryImport(Library, EntryPoint = "mdb_env_close")]
    private static partial void EnvClose(nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_mapsize")]
    private static partial int EnvSetMapSize(nint environment, nuint size);

    [LibraryImport(Library, EntryPoint = "mdb_txn_begin")]
    private static partial int TxnBegin(nint environment, nint parent, uint flags, out nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_commit")]
    private static partial int TxnCommit(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_abort")]
    private static partial void TxnAbort(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_dbi_open")]
    private static partial int DbiOpen(nint transaction, nint name, uint flags, out uint database);

    [LibraryImport(Library, EntryPoint = "mdb_get")]
    private static partial int Get(nint transaction, uint database, in Value key, out Value value);

    [LibraryImport(Library, EntryPoint = "mdb_put")]
    private static partial int Put(nint transaction, uint database, in Value key, in Value value, uint flags);

    [StructLayout(LayoutKind.Sequential)]
    internal struct Value
    {
        public nuint Length;
        public nint Data;
    }
}
