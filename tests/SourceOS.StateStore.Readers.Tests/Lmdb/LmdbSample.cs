// Why this file exists: the tests of this room need real LMDB files, a model to compare with, and both page sources over one file.
// Invariants: everything is removed on dispose; the model changes only when the transaction commits.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

/// <summary>A real LMDB environment with a model of its content.</summary>
internal sealed class LmdbSample : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    internal LmdbSample(params string[] databases)
    {
        Environment = LmdbEnvironment.Open(_directory.Path, new LmdbOptions { NoSync = true, MapSizeBytes = 1L << 32 });
        using LmdbWriteTransaction transaction = Environment.BeginWrite();
        foreach (string name in databases)
        {
            Handles[name] = transaction.OpenDatabase(name, create: true);
            Model[name] = new SortedDictionary<byte[], byte[]>(ByteOrder.Instance);
        }

        transaction.Commit();
    }

    internal LmdbEnvironment Environment { get; }

    internal Dictionary<string, LmdbDatabase> Handles { get; } = [];

    internal Dictionary<string, SortedDictionary<byte[], byte[]>> Model { get; } = [];

    internal string DataPath => Environment.DataPath;

    internal static byte[] Key(int number, int length = 8)
    {
        byte[] key = new byte[Math.Max(4, length)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(key, number);
        return key;
    }

    internal static byte[] Value(int seed, int length)
    {
        byte[] value = new byte[length];
        new Random(seed).NextBytes(value);
        return value;
    }

    /// <summary>Commits changes: a null value deletes.</summary>
    internal void Apply(IEnumerable<(string Database, byte[] Key, byte[]? Value)> changes)
    {
        using LmdbWriteTransaction transaction = Environment.BeginWrite();
        foreach ((string database, byte[] key, byte[]? value) in changes)
        {
            if (value is null)
            {
                Assert.Equal(Model[database].Remove(key), transaction.Delete(Handles[database], key));
            }
            else
            {
                transaction.Put(Handles[database], key, value);
                Model[database][key] = value;
            }
        }

        transaction.Commit();
    }

    /// <summary>A file with several databases, a tree of depth 3, overflow values and a free-page list: about 140 KiB.</summary>
    internal static LmdbSample Varied()
    {
        LmdbSample sample = new("records", "index", "small", "empty");
        Random random = new(7);
        sample.Apply(Enumerable.Range(0, 80).Select(i => ("index", Key(random.Next(100_000), 460), (byte[]?)Value(i, 8))));
        sample.Apply(Enumerable.Range(0, 40).Select(i => ("records", Key(i, 12), (byte[]?)Value(i, i % 20 == 0 ? 3000 + (i * 20) : 120))));
        sample.Apply([("small", Key(1), [])]);
        sample.Apply(sample.Model["index"].Keys.Take(25).ToArray().Select(key => ("index", key, (byte[]?)null)));
        sample.Apply([("records", Key(20, 12), Value(99, 9000))]);
        return sample;
    }

    internal byte[] ReadFile() => File.ReadAllBytes(DataPath);

    public void Dispose()
    {
        Environment.Dispose();
        _directory.Dispose();
    }
}

/// <summary>LMDB's order of keys: bytes, then length.</summary>
internal sealed class ByteOrder : IComparer<byte[]>
{
    internal static ByteOrder Instance { get; } = new();

    public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
}

/// <summary>Opens one file through positional reads.</summary>
internal sealed class FileView : IDisposable
{
    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _handle;

    internal FileView(string path)
    {
        _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Assert.True(LmdbMetaPair.TryRead(_handle, out LmdbMetaPair metas));
        Metas = metas;
        MetaFault = metas.TryNewest(out LmdbMeta meta);
        Meta = meta;
        Cache = new LmdbPageCache(_handle, MetaFault.IsFault ? 4096 : meta.PageSizeBytes);
    }

    internal LmdbMetaPair Metas { get; }

    internal LmdbMeta Meta { get; }

    internal LmdbFault MetaFault { get; }

    internal LmdbPageCache Cache { get; }

    internal LmdbReader<FilePages> Reader => new(new FilePages(Cache), Meta.LastPage);

    internal LmdbWalkReport Walk(ILmdbVisitor? visitor = null, CheckedPages? checkedPages = null) => LmdbWalker.Walk(
        () => new FilePages(Cache),
        Meta,
        new LmdbWalkOptions { FileLengthBytes = Cache.FileLengthBytes, MetasAtRest = Metas, Visitor = visitor, CheckedPages = checkedPages });

    public void Dispose()
    {
        Cache.Dispose();
        _handle.Dispose();
    }
}
