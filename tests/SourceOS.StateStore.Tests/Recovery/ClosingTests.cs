// Why this file exists: closing a store while callers still commit must end every one of them, with a receipt or with a reason, and itself. Invariants:
// everything here is bounded; a hang fails.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class ClosingTests
{
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Callers_that_wait_for_room_are_turned_away_when_the_store_closes()
    {
        for (int round = 0; round < 20; round++)
        {
            using TestDirectory directory = new();
            StateStoreOptions options = LiveStore.Options();
            options.QueueCapacity = 1;
            StateStore store = StateStore.Create(directory.StorePath, options);
            StateSession session = store.OpenSession(LiveStore.Identity);
            Task<bool>[] callers = [.. Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
            {
                while (true)
                {
                    try
                    {
                        await session.CommitAsync(new CommitBatch().Append("app.tick"));
                    }
                    catch (StateStoreException exception)
                    {
                        return exception.Code == StateStoreErrorCode.Closed;
                    }
                }
            }))];
            await Task.Delay(round);
            await store.DisposeAsync().AsTask().WaitAsync(s_bound);
            Assert.All(await Task.WhenAll(callers).WaitAsync(s_bound), Assert.True);
        }
    }

    [Fact]
    public async Task Closing_beside_a_commit_that_is_refused_ends()
    {
        for (int round = 0; round < 100; round++)
        {
            using TestDirectory directory = new();
            StateStoreOptions options = LiveStore.Options(confirmAfterIdleMs: 1);
            SlowGate gate = new();
            options.Gates.Add(gate);
            StateStore store = StateStore.Create(directory.StorePath, options);
            Task<CommitReceipt> refused = store.OpenSession(LiveStore.Identity).CommitAsync(new CommitBatch().Append("app.tick")).AsTask();

            // The group is being gathered while the store closes, so that the wake-up of the close is found by the gathering.
            await gate.Entered.WaitAsync(s_bound);
            Task closing = store.DisposeAsync().AsTask();
            await Task.Delay(1);
            gate.Leave();
            await closing.WaitAsync(s_bound);
            Assert.Equal(CommitStatus.Denied, (await refused.WaitAsync(s_bound)).Status);
        }
    }

    [Fact]
    public async Task Snapshots_are_never_refused_because_the_writer_went_on()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, LiveStore.Options());
        using CancellationTokenSource end = new(TimeSpan.FromSeconds(2));
        Task[] readers = [.. Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(() => ReadUntil(store, end.Token), TaskCreationOptions.LongRunning))];
        StateSession session = store.OpenSession(LiveStore.Identity);
        for (int i = 0; !end.IsCancellationRequested; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i % 10}", RoundTripTests.ObjectBody("note", $"{i}")));
        }

        await Task.WhenAll(readers).WaitAsync(s_bound);
    }

    private static void ReadUntil(StateStore store, CancellationToken end)
    {
        ulong last = 0;
        while (!end.IsCancellationRequested)
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            Assert.True(snapshot.Sequence >= last, "a later snapshot shows less");
            last = snapshot.Sequence;
            Assert.Equal(Math.Min(last, 10), (ulong)snapshot.Range(RecordKind.Object).ToList().Count);
        }
    }

    private sealed class SlowGate : ICommitGate
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _leaves;

        internal Task Entered => _entered.Task;

        public GateDecision Evaluate(ProposedCommit commit, IStateView state)
        {
            _entered.TrySetResult();
            SpinWait.SpinUntil(() => _leaves, s_bound);
            return GateDecision.Deny(new CommitRefusal("test.gate", "No.", "None."));
        }

        internal void Leave() => _leaves = true;
    }
}
