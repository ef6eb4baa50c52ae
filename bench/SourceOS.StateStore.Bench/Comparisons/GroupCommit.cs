// Why this file exists: many callers at once, each waiting for its own commit: what sharing one sync is worth.

using System.Threading.Channels;
using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Commits of many callers beside SQLite, plain and with a queue around it that groups too.</summary>
public static class GroupCommit
{
    private const int MostInGroup = 256;

    /// <summary>Runs it.</summary>
    public static async Task<ComparisonResult> RunAsync(BenchContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int callers = context.Scale.Callers;
        ChangeOrder storeOrder = new(context.Scale.Preloaded, inserts: false);
        await using SubjectStore store = SubjectStore.Create(context.NewPath("store"));
        await store.LoadAsync(storeOrder.Preload());
        ChangeOrder plainOrder = new(context.Scale.Preloaded, inserts: false);
        using SqlitePeer plain = Load(context, plainOrder);
        ChangeOrder groupedOrder = new(context.Scale.Preloaded, inserts: false);
        using SqlitePeer grouped = Load(context, groupedOrder);
        await using SqliteQueue queue = new(grouped);
        using SemaphoreSlim turn = new(1, 1);

        Contestant[] contestants =
        [
            new WorkContestant($"store", Role.Subject, (operations, timer) => FromManyAsync(callers, operations, timer, storeOrder, async change => SubjectStore.Require(await store.CommitAsync(change, CommitWait.Visible)))),
            new WorkContestant("SQLite, FULL, callers take turns", Role.Peer, (operations, timer) => FromManyAsync(callers, operations, timer, plainOrder, async change =>
            {
                await turn.WaitAsync();
                plain.Commit([change]);
                turn.Release();
            })),
            new WorkContestant("SQLite, FULL, grouped by a queue in front of it", Role.Peer, (operations, timer) => FromManyAsync(callers, operations, timer, groupedOrder, queue.CommitAsync)),
        ];
        ComparisonResult result = await PairedRun.RunAsync($"Commits of {callers} callers", $"one commit of one object and its event, {callers} callers at once", context.Scale.Group, contestants);
        Agreement.Require(storeOrder, store);
        Agreement.Require(plainOrder, plain);
        Agreement.Require(groupedOrder, grouped);
        return result;
    }

    private static SqlitePeer Load(BenchContext context, ChangeOrder order)
    {
        SqlitePeer sqlite = new(context.NewPath("sqlite.db"));
        foreach (SampleObject[] batch in order.Preload().Chunk(SubjectStore.LoadBatch))
        {
            sqlite.Commit(batch);
        }

        return sqlite;
    }

    // The changes of one round name different objects, so that the order among callers does not matter.
    private static async ValueTask FromManyAsync(int callers, int operations, OpTimer timer, ChangeOrder order, Func<SampleObject, Task> commit)
    {
        SampleObject[][] work = [.. Enumerable.Range(0, callers).Select(_ => order.Next(operations))];
        timer.Begin();
        await Task.WhenAll(work.Select(changes => Task.Run(async () =>
        {
            foreach (SampleObject change in changes)
            {
                await commit(change);
            }
        })));
        timer.End((long)callers * operations);
    }

    /// <summary>What a careful user of SQLite would write: one thread that puts waiting changes into one transaction.</summary>
    private sealed class SqliteQueue : IAsyncDisposable
    {
        private readonly Channel<(SampleObject Change, TaskCompletionSource Done)> _channel = Channel.CreateUnbounded<(SampleObject, TaskCompletionSource)>();
        private readonly Task _writer;

        internal SqliteQueue(SqlitePeer sqlite) => _writer = Task.Factory.StartNew(() => Run(sqlite), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        public async ValueTask DisposeAsync()
        {
            _channel.Writer.Complete();
            await _writer;
        }

        internal Task CommitAsync(SampleObject change)
        {
            TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _ = _channel.Writer.TryWrite((change, done));
            return done.Task;
        }

        private void Run(SqlitePeer sqlite)
        {
            List<SampleObject> changes = [];
            List<TaskCompletionSource> waiting = [];
            while (_channel.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
            {
                while (changes.Count < MostInGroup && _channel.Reader.TryRead(out (SampleObject Change, TaskCompletionSource Done) item))
                {
                    changes.Add(item.Change);
                    waiting.Add(item.Done);
                }

                sqlite.Commit(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(changes));
                waiting.ForEach(done => done.SetResult());
                changes.Clear();
                waiting.Clear();
            }
        }
    }
}
