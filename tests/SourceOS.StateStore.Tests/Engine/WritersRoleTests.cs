// Why this file exists: the writer is a role that callers take for themselves, and the state follows the log on another thread (docs/decisions/0033-the-writers-role.md). What must hold whoever has the role:
// one order, nothing lost, nothing twice, expected sequences judged on everything before, visible means visible, and a close that waits for all of it.

using System.Collections.Concurrent;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Tests;

public sealed class WritersRoleTests
{
    private static readonly SessionIdentity s_me = new("actor:test", "device:test", "profile:test", "workspace:test");

    [Fact]
    public void A_commit_on_the_callers_thread_is_visible_and_survives_reopening()
    {
        using TestDirectory directory = new();
        using (StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; i < 50; i++)
            {
                CommitReceipt receipt = session.Commit(Put("note:1", $"version {i}"));
                Assert.Equal(CommitStage.Visible, receipt.Stage);
                Assert.Equal((ulong)i + 1, receipt.LastSequence);
                using ReadSnapshot snapshot = store.OpenSnapshot();
                Assert.Equal(receipt.LastSequence, snapshot.Get(RecordKind.Object, "note:1")!.Sequence);
            }
        }

        using StateStore again = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
        Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
        using ReadSnapshot later = again.OpenSnapshot();
        Assert.Equal("version 49", later.Get(RecordKind.Object, "note:1")!.Text("title"));
    }

    [Fact]
    public void Durable_commits_in_a_row_see_each_other_although_the_state_follows_later()
    {
        using TestDirectory directory = new();
        using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        StateSession session = store.OpenSession(s_me);
        ulong last = 0;
        for (int i = 0; i < 300; i++)
        {
            // Each names the sequence that the one before left, which the state may not have yet.
            CommitReceipt receipt = session.Commit(Put("note:1", $"version {i}", expected: last), CommitWait.Durable);
            Assert.Equal(CommitStatus.Committed, receipt.Status);
            Assert.Equal(CommitStage.Durable, receipt.Stage);
            last = receipt.LastSequence;
            CommitReceipt stale = session.Commit(Put("note:1", "never", expected: last + 1000), CommitWait.Durable);
            Assert.Equal(CommitStatus.Conflict, stale.Status);
        }

        // One that waits to be visible brings everything before it into view.
        CommitReceipt visible = session.Commit(Put("note:2", "behind all of them"));
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Equal(visible.LastSequence, snapshot.Sequence);
        Assert.Equal(last, snapshot.Get(RecordKind.Object, "note:1")!.Sequence);
    }

    [Fact]
    public async Task Callers_on_their_own_threads_and_tasks_have_one_order_and_lose_nothing()
    {
        using TestDirectory directory = new();
        const int Callers = 8, Each = 60;
        ConcurrentBag<(ulong First, ulong Last, string Id, string Title)> done = [];
        await using (StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            StateSession session = store.OpenSession(s_me);
            async Task Run(int caller)
            {
                for (int i = 0; i < Each; i++)
                {
                    string id = $"note:{caller % 3}", title = $"{caller}/{i}";
                    CommitWait wait = i % 3 == 0 ? CommitWait.Durable : CommitWait.Visible;
                    CommitReceipt receipt = caller % 2 == 0 ? session.Commit(Put(id, title), wait) : await session.CommitAsync(Put(id, title), wait);
                    Assert.True(receipt.IsCommitted);
                    if (wait == CommitWait.Visible)
                    {
                        using ReadSnapshot snapshot = store.OpenSnapshot();
                        Assert.True(snapshot.Sequence >= receipt.LastSequence, $"Sequence {receipt.LastSequence} was called visible and a new snapshot ends at {snapshot.Sequence}.");
                    }

                    done.Add((receipt.FirstSequence, receipt.LastSequence, id, title));
                }
            }

            await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => Run(caller))));
        }

        await using StateStore again = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
        Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
        using ReadSnapshot all = again.OpenSnapshot();
        Assert.Equal(Enumerable.Range(1, Callers * Each).Select(i => (ulong)i), done.Select(one => one.First).Order());
        foreach (IGrouping<string, (ulong First, ulong Last, string Id, string Title)> group in done.GroupBy(one => one.Id))
        {
            Assert.Equal(group.MaxBy(one => one.Last).Title, all.Get(RecordKind.Object, group.Key)!.Text("title"));
            Assert.Equal(group.Select(one => one.Last).OrderDescending(), all.History(RecordKind.Object, group.Key).Select(item => item.Sequence));
        }

        Assert.Equal(VerificationVerdict.Clean, StoreVerifier.Run(directory.StorePath).Verdict);
    }

    [Fact]
    public async Task A_close_waits_for_callers_that_are_in_and_turns_later_ones_away()
    {
        for (int round = 0; round < 10; round++)
        {
            using TestDirectory directory = new();
            StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
            StateSession session = store.OpenSession(s_me);
            int acknowledged = 0;
            Task[] callers = [.. Enumerable.Range(0, 4).Select(caller => Task.Run(() =>
            {
                try
                {
                    for (int i = 0; ; i++)
                    {
                        CommitReceipt receipt = session.Commit(Put($"note:{caller}:{i}", "x"), i % 2 == 0 ? CommitWait.Durable : CommitWait.Visible);
                        Assert.True(receipt.IsCommitted);
                        Interlocked.Increment(ref acknowledged);
                    }
                }
                catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.Closed)
                {
                    return;
                }
            }))];
            while (Volatile.Read(ref acknowledged) < 20 + round && !callers.Any(caller => caller.IsCompleted))
            {
                await Task.Yield();
            }

            await store.DisposeAsync();
            await Task.WhenAll(callers);
            await using StateStore again = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
            Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
            using ReadSnapshot snapshot = again.OpenSnapshot();
            Assert.Equal(acknowledged, snapshot.Range(RecordKind.Object).ToList().Count);
        }
    }

    [Fact]
    public void A_gate_that_commits_is_told_that_it_may_not()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = RoundTripTests.SmallOptions();
        MeddlingGate gate = new();
        options.Gates.Add(gate);
        using StateStore store = StateStore.Create(directory.StorePath, options);
        StateSession session = store.OpenSession(s_me);
        gate.Session = session;
        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => session.Commit(Put("note:1", "x")));
        Assert.Contains("gate", refused.Message, StringComparison.Ordinal);
        gate.Session = null;
        Assert.True(session.Commit(Put("note:1", "x")).IsCommitted);
    }

    [Fact]
    public void A_group_that_cannot_get_into_the_state_is_durable_and_latches_the_store()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = RoundTripTests.SmallOptions();
        ulong last;
        using (StateStore store = StateStore.Create(directory.StorePath, options))
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; i < 40; i++)
            {
                session.Commit(Put($"note:{i}", "x"));
            }
        }

        using (StateStore store = StateStore.Open(directory.StorePath, options))
        {
            StateSession session = store.OpenSession(s_me);
            TreePages.Spoil(directory.StorePath);
            CommitReceipt? receipt = null;
            StateStoreException? fault = null;
            last = 0;
            try
            {
                for (int i = 0; i < 40; i++)
                {
                    receipt = session.Commit(Put($"new:{i}", "y"), CommitWait.Durable);
                    last = receipt.LastSequence;
                }
            }
            catch (StateStoreException exception)
            {
                fault = exception;
            }

            Assert.NotNull(fault);
            Assert.Throws<StateStoreException>(() => session.Commit(Put("new:later", "y")));
        }

        // Whatever was acknowledged is in the log, and the next open makes the state from it.
        options.RebuildStateAtOpen = true;
        options.ProveStateUpToBytes = long.MaxValue;
        using StateStore again = StateStore.Open(directory.StorePath, options);
        using ReadSnapshot snapshot = again.OpenSnapshot();
        Assert.True(snapshot.Sequence >= last);
        Assert.True(snapshot.Range(RecordKind.Object).ToList().Count >= 40);
    }

    private static CommitBatch Put(string id, string title, ulong? expected = null) =>
        new CommitBatch().Put(RecordKind.Object, id, RoundTripTests.ObjectBody("note", title), new ChangeOptions { ExpectedSequence = expected });

    private sealed class MeddlingGate : ICommitGate
    {
        internal StateSession? Session { get; set; }

        public GateDecision Evaluate(ProposedCommit commit, IStateView state)
        {
            Session?.Commit(Put("note:2", "from inside"));
            return GateDecision.Allow;
        }
    }

    /// <summary>The tree pages of a store's state file, ruined under a running store.</summary>
    private static class TreePages
    {
        internal static void Spoil(string storePath)
        {
            string path = Directory.GetFiles(Path.Combine(storePath, "state"), "data.mdb", SearchOption.AllDirectories).Single();
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            byte[] ruin = new byte[4096];
            Array.Fill(ruin, (byte)0xFF);
            for (long offset = 2 * 4096; offset < RandomAccess.GetLength(file); offset += 4096)
            {
                RandomAccess.Write(file, ruin, offset);
            }
        }
    }
}
