// Why this file exists: one caller, one object and its event a commit, each commit on the medium before the next: what a quiet device feels.

using System.Diagnostics;
using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Lone durable commits beside their own writes, SQLite and LMDB.</summary>
public static class LoneCommit
{
    /// <summary>Runs it.</summary>
    /// <param name="context">The surroundings.</param>
    /// <param name="inserts">New objects instead of changed ones.</param>
    public static async Task<ComparisonResult> RunAsync(BenchContext context, bool inserts)
    {
        ArgumentNullException.ThrowIfNull(context);
        int preloaded = context.Scale.Preloaded;
        await using StoreCommits durable = await StoreCommits.CreateAsync(context, "store, durable", CommitWait.Durable, inserts, isAsync: false);
        await using StoreCommits visible = await StoreCommits.CreateAsync(context, "store, visible", CommitWait.Visible, inserts, isAsync: false);
        await using StoreCommits handed = await StoreCommits.CreateAsync(context, "store, visible, through the writer's thread", CommitWait.Visible, inserts, isAsync: true);
        IReadOnlyList<IReadOnlyList<TracedCall>> trace = await TraceAsync(context, inserts);
        using WriteReplay replay = new(context.NewPath("floor"), trace);
        using WriteReplay paced = new(context.NewPath("floor"), trace);
        ChangeOrder sqliteOrder = new(preloaded, inserts);
        using SqlitePeer sqlite = new(context.NewPath("sqlite.db"));
        foreach (SampleObject[] batch in sqliteOrder.Preload().Chunk(SubjectStore.LoadBatch))
        {
            sqlite.Commit(batch);
        }

        ChangeOrder lmdbOrder = new(preloaded, inserts);
        using LmdbPeer lmdb = new(context.NewPath("lmdb"), new LmdbPeerOptions(IsSynced: true, HasEvents: true));
        lmdb.Load(lmdbOrder.Preload());

        Contestant[] contestants =
        [
            durable,
            visible,
            handed,
            WorkContestant.Of("the same pwrites and fdatasync", Role.Floor, (operations, timer) => Repeat(operations, timer, static () => 0, _ => replay.Commit())),
            WorkContestant.Of("the same, each after 250 us of other work", Role.Floor, (operations, timer) => Repeat(operations, timer, Pause, _ => paced.Commit())),
            WorkContestant.Of("SQLite, WAL, synchronous=FULL", Role.Peer, (operations, timer) => Repeat(operations, timer, sqliteOrder.Next, change => sqlite.Commit([change]))),
            WorkContestant.Of("LMDB, synced, events in a table", Role.Peer, (operations, timer) => Repeat(operations, timer, () => lmdb.Prepare([lmdbOrder.Next()]), lmdb.Commit)),
        ];
        string name = inserts ? "Lone commit, a new object" : "Lone commit, a changed object";
        ComparisonResult result = await PairedRun.RunAsync(name, "one commit of one object and its event", context.Scale.Lone, contestants);
        Agreement.Require(durable.Order, durable.Store);
        Agreement.Require(visible.Order, visible.Store);
        Agreement.Require(handed.Order, handed.Store);
        Agreement.Require(sqliteOrder, sqlite);
        Agreement.Require(lmdbOrder, lmdb);
        Agreement.RequireEqual("events", sqlite.EventCount(), lmdb.EventCount());
        Agreement.RequireEqual("events", sqlite.EventCount(), (long)durable.Store.Store.VisibleSequence);
        return result.WithNote(Describe(trace));
    }

    // A device that was just busy answers sooner than one that was left alone for as long as anybody's other work takes; no store can sync back to back as the first floor does.
    private static int Pause()
    {
        long until = Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 4000);
        while (Stopwatch.GetTimestamp() < until)
        {
            Thread.SpinWait(10);
        }

        return 0;
    }

    private static void Repeat<T>(int operations, OpTimer timer, Func<T> prepare, Action<T> work)
    {
        for (int i = 0; i < operations; i++)
        {
            T prepared = prepare();
            timer.Begin();
            work(prepared);
            timer.End(1);
        }
    }

    /// <summary>The writes and syncs that the store makes for such commits.</summary>
    internal static async Task<IReadOnlyList<IReadOnlyList<TracedCall>>> TraceAsync(BenchContext context, bool inserts)
    {
        WriteTrace files = new();
        ChangeOrder order = new(context.Scale.Preloaded, inserts);
        await using SubjectStore store = SubjectStore.Create(context.NewPath("traced"), files);
        await store.LoadAsync(order.Preload());
        for (int i = 0; i < context.Scale.Lone.Operations + 2; i++)
        {
            // The confirmation of the load is not part of a commit.
            files.IsRecording = i > 1;
            SubjectStore.Require(await store.CommitAsync(order.Next(), CommitWait.Visible));
        }

        files.IsRecording = false;
        return files.Commits();
    }

    private static string Describe(IReadOnlyList<IReadOnlyList<TracedCall>> trace)
    {
        double writes = trace.Average(calls => calls.Count(call => !call.IsSync));
        double bytes = trace.Average(calls => calls.Sum(call => call.LengthBytes));
        return $"A commit makes {writes:F2} pwrites of {bytes:N0} bytes together and one fdatasync; LMDB's own unsynced writes are not in the floor.";
    }

    private sealed class StoreCommits(string name, CommitWait wait, bool isAsync, ChangeOrder order, SubjectStore store) : Contestant(name, Role.Subject)
    {
        internal ChangeOrder Order { get; } = order;

        internal SubjectStore Store { get; } = store;

        internal static async Task<StoreCommits> CreateAsync(BenchContext context, string name, CommitWait wait, bool inserts, bool isAsync)
        {
            ChangeOrder order = new(context.Scale.Preloaded, inserts);
            SubjectStore store = SubjectStore.Create(context.NewPath("store"));
            await store.LoadAsync(order.Preload());
            return new StoreCommits(name, wait, isAsync, order, store);
        }

        public override async ValueTask RunAsync(int operations, OpTimer timer)
        {
            for (int i = 0; i < operations; i++)
            {
                SampleObject change = Order.Next();
                timer.Begin();
                CommitReceipt receipt = isAsync ? await Store.CommitAsync(change, wait) : Store.Commit(change, wait);
                timer.End(1);
                SubjectStore.Require(receipt);

                // The next commit must not pay for what this one still has to do.
                SpinWait spin = default;
                while (Store.Store.VisibleSequence < receipt.LastSequence)
                {
                    spin.SpinOnce();
                }
            }
        }

        public override async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await base.DisposeAsync();
        }
    }
}
