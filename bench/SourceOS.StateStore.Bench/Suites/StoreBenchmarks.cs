// Why this file exists: the store's own operations with their allocations; what they are worth is in the comparisons.

using BenchmarkDotNet.Attributes;
using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>Reads and commits of a store with 10,000 objects.</summary>
public class StoreBenchmarks : IDisposable
{
    private const int Objects = 10_000;
    private BenchContext? _context;
    private SubjectStore? _store;
    private ChangeOrder _order = new(Objects, inserts: false);
    private byte[][] _ids = [];
    private ReadSnapshot? _snapshot;
    private int _next;

    private SubjectStore Store => _store ?? throw new InvalidOperationException("The suite was not set up.");

    /// <summary>Loads the store.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _context = new BenchContext(Scale.Short, null);
        _store = SubjectStore.Create(_context.NewPath("store"));
        _order = new ChangeOrder(Objects, inserts: false);
        _store.LoadAsync(_order.Preload()).GetAwaiter().GetResult();
        _ids = [.. _order.Preload().Select(item => item.IdUtf8)];
    }

    /// <summary>A snapshot of bounded age for each iteration.</summary>
    [IterationSetup(Targets = [nameof(Point_read), nameof(List_100)])]
    public void OpenSnapshot() => _snapshot = Store.Store.OpenSnapshot();

    /// <summary>Gives it back.</summary>
    [IterationCleanup(Targets = [nameof(Point_read), nameof(List_100)])]
    public void CloseSnapshot() => _snapshot?.Dispose();

    /// <summary>Removes the store.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _store?.Store.Dispose();
        _context?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>One record, verified, in place.</summary>
    [Benchmark(OperationsPerInvoke = 1000)]
    public int Point_read()
    {
        int bytes = 0;
        for (int i = 0; i < 1000; i++)
        {
            _ = _snapshot!.TryGet(RecordKind.Object, _ids[(_next++ * 7919 & 0x7FFFFFFF) % Objects], out RecordView record);
            bytes += record.BodyBytes.Length;
        }

        return bytes;
    }

    /// <summary>100 records by the path index.</summary>
    [Benchmark]
    public int List_100()
    {
        int rows = 0;
        foreach (RecordView record in _snapshot!.ByIndex(IndexQuery.WorkspacePath("workspace:0", SampleObject.Directory(_next++ % (Objects / 400)))))
        {
            rows += record.IsTombstone ? 0 : 1;
        }

        return rows;
    }

    /// <summary>A snapshot opened and given back.</summary>
    [Benchmark]
    public ulong Snapshot()
    {
        using ReadSnapshot snapshot = Store.Store.OpenSnapshot();
        return snapshot.Sequence;
    }

    /// <summary>The store at a glance.</summary>
    [Benchmark]
    public ulong Status() => Store.Store.GetStatus().Sequence;

    /// <summary>A durable and visible commit of one changed object. The sample itself takes about 2 KB of what is allocated.</summary>
    [Benchmark]
    public async Task<ulong> Commit() => (await Store.CommitAsync(_order.Next(), CommitWait.Visible)).LastSequence;
}
