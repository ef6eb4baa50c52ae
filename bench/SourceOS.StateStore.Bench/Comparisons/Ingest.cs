// Why this file exists: many objects a commit: what bringing a tree of files under control costs, and how far that is from the bare tables.

using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Commits of many new objects beside SQLite and LMDB.</summary>
public static class Ingest
{
    /// <summary>Runs it.</summary>
    public static async Task<ComparisonResult> RunAsync(BenchContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int size = context.Scale.IngestBatch;
        ChangeOrder storeOrder = new(0, inserts: true);
        await using SubjectStore store = SubjectStore.Create(context.NewPath("store"));
        ChangeOrder sqliteOrder = new(0, inserts: true);
        using SqlitePeer sqlite = new(context.NewPath("sqlite.db"));
        ChangeOrder syncedOrder = new(0, inserts: true);
        using LmdbPeer synced = new(context.NewPath("lmdb"), new LmdbPeerOptions(IsSynced: true, HasEvents: true));
        ChangeOrder bareOrder = new(0, inserts: true);
        using LmdbPeer bare = new(context.NewPath("lmdb"), new LmdbPeerOptions(IsSynced: false, HasEvents: false));

        Contestant[] contestants =
        [
            new WorkContestant("store", Role.Subject, async (operations, timer) =>
            {
                for (int i = 0; i < operations; i++)
                {
                    SampleObject[] changes = storeOrder.Next(size);
                    timer.Begin();
                    CommitReceipt receipt = await store.CommitAsync(changes);
                    timer.End(size);
                    SubjectStore.Require(receipt);
                }
            }),
            WorkContestant.Of("SQLite, WAL, synchronous=FULL", Role.Peer, (operations, timer) => Repeat(operations, size, timer, sqliteOrder, changes => () => sqlite.Commit(changes))),
            WorkContestant.Of("LMDB, synced, events in a table", Role.Peer, (operations, timer) => Repeat(operations, size, timer, syncedOrder, changes => Commit(synced, changes))),
            WorkContestant.Of("LMDB, unsynced, the same puts, no events", Role.Floor, (operations, timer) => Repeat(operations, size, timer, bareOrder, changes => Commit(bare, changes))),
        ];
        ComparisonResult result = await PairedRun.RunAsync($"Ingest, {size:N0} objects a commit", "one object with five index entries and its event", context.Scale.Ingest, contestants);
        Agreement.Require(storeOrder, store);
        Agreement.Require(sqliteOrder, sqlite);
        Agreement.Require(syncedOrder, synced);
        Agreement.Require(bareOrder, bare);
        return result;
    }

    private static Action Commit(LmdbPeer lmdb, SampleObject[] changes)
    {
        PreparedEntries prepared = lmdb.Prepare(changes);
        return () => lmdb.Commit(prepared);
    }

    private static void Repeat(int operations, int size, OpTimer timer, ChangeOrder order, Func<SampleObject[], Action> prepare)
    {
        for (int i = 0; i < operations; i++)
        {
            Action commit = prepare(order.Next(size));
            timer.Begin();
            commit();
            timer.End(size);
        }
    }
}
