// Why this file exists: a lone commit with its allocations, beside the raw system calls that it makes and beside SQLite with the same promise. Ratios between them hold within one run only; the comparison program pairs them round by round.

using BenchmarkDotNet.Attributes;
using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>Commits of one changed object and its event.</summary>
public class CommitBenchmarks : IDisposable
{
    private BenchContext? _context;
    private SubjectStore? _store;
    private SqlitePeer? _sqlite;
    private WriteReplay? _floor;
    private ChangeOrder _storeOrder = new(1, inserts: false);
    private ChangeOrder _sqliteOrder = new(1, inserts: false);

    /// <summary>Loads the store and SQLite with the same objects, and records what a commit writes.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _context = new BenchContext(Scale.Short, null);
        int objects = _context.Scale.Preloaded;
        _storeOrder = new ChangeOrder(objects, inserts: false);
        _store = SubjectStore.Create(_context.NewPath("store"));
        _store.LoadAsync(_storeOrder.Preload()).GetAwaiter().GetResult();
        _sqliteOrder = new ChangeOrder(objects, inserts: false);
        _sqlite = new SqlitePeer(_context.NewPath("sqlite.db"));
        foreach (SampleObject[] batch in _sqliteOrder.Preload().Chunk(SubjectStore.LoadBatch))
        {
            _sqlite.Commit(batch);
        }

        _floor = new WriteReplay(_context.NewPath("floor"), LoneCommit.TraceAsync(_context, inserts: false).GetAwaiter().GetResult());
    }

    /// <summary>Removes all of it.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _floor?.Dispose();
        _sqlite?.Dispose();
        _store?.Store.Dispose();
        _context?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The floor: the pwrites and the fdatasync of such a commit, and nothing else.</summary>
    [Benchmark(Baseline = true)]
    public void Floor_raw_system_calls() => _floor!.Commit();

    /// <summary>The store, until it is on the medium.</summary>
    [Benchmark]
    public async Task<ulong> Store_durable() => (await _store!.CommitAsync(_storeOrder.Next(), CommitWait.Durable)).LastSequence;

    /// <summary>The store, until every read shows it.</summary>
    [Benchmark]
    public async Task<ulong> Store_visible() => (await _store!.CommitAsync(_storeOrder.Next(), CommitWait.Visible)).LastSequence;

    /// <summary>SQLite, WAL, synchronous=FULL.</summary>
    [Benchmark]
    public void Sqlite_full() => _sqlite!.Commit([_sqliteOrder.Next()]);
}
