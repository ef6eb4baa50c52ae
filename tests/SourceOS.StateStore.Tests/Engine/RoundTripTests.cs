// Why this file exists: the plain life of a store: create, commit, read, close, open again.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class RoundTripTests
{
    private static readonly SessionIdentity s_me = new("actor:test", "device:test", "profile:test", "workspace:test");

    internal static StateStoreOptions SmallOptions() => new() { LogPageBits = 16, SegmentBits = 17, ReserveBytes = 0 };

    internal static byte[] ObjectBody(string type, string title, string path = "", string state = "active") =>
        new RecordBodyBuilder().SetText(ObjectSlots.ObjectType, type).SetText(ObjectSlots.ProfileId, "profile:test").SetText(ObjectSlots.WorkspaceId, "workspace:test")
            .SetText(ObjectSlots.State, state).SetText(25, title).SetText(ObjectSlots.Path, path).Build();

    [Fact]
    public async Task A_commit_is_visible_in_the_next_snapshot_and_after_reopening()
    {
        using TestDirectory directory = new();
        ulong sequence;
        await using (StateStore store = StateStore.Create(directory.StorePath, SmallOptions()))
        {
            StateSession session = store.OpenSession(s_me);
            CommitReceipt receipt = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "note:1", ObjectBody("note", "hello")));
            Assert.Equal(CommitStatus.Committed, receipt.Status);
            Assert.Equal(CommitStage.Visible, receipt.Stage);
            sequence = receipt.LastSequence;
            using ReadSnapshot snapshot = store.OpenSnapshot();
            Assert.True(snapshot.TryGet(RecordKind.Object, "note:1"u8, out RecordView view));
            Assert.Equal(sequence, view.Sequence);
            Assert.True(view.Body.TryGetText(25, out ReadOnlySpan<byte> title));
            Assert.Equal("hello", Encoding.UTF8.GetString(title));
            StoredEvent item = snapshot.ReadEvent(sequence)!;
            Assert.Equal("sync.object.created", item.Type);
            Assert.Equal("actor:test", item.ActorId);
        }

        await using StateStore again = StateStore.Open(directory.StorePath, SmallOptions());
        Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
        using ReadSnapshot later = again.OpenSnapshot();
        Assert.Equal(sequence, later.Sequence);
        Assert.Equal("hello", later.Get(RecordKind.Object, "note:1")!.Text("title"));
    }

    [Fact]
    public async Task Many_commits_over_several_segments_survive_reopening_and_lists_agree()
    {
        using TestDirectory directory = new();
        const int count = 400;
        await using (StateStore store = StateStore.Create(directory.StorePath, SmallOptions()))
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; i < count; i++)
            {
                CommitReceipt receipt = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i:D5}", ObjectBody(i % 2 == 0 ? "note" : "task", new string('x', 800), $"dir/{i:D5}")));
                Assert.True(receipt.IsCommitted);
            }

            CommitReceipt deleted = await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "note:00007"));
            Assert.Equal(CommitStatus.Committed, deleted.Status);
        }

        await using StateStore again = StateStore.Open(directory.StorePath, SmallOptions());
        using ReadSnapshot snapshot = again.OpenSnapshot();
        Assert.Equal(count - 1, snapshot.Range(RecordKind.Object).ToList().Count);
        Assert.Equal(count, snapshot.Range(RecordKind.Object, includeTombstones: true).ToList().Count);
        Assert.Equal(count / 2, snapshot.ByIndex(IndexQuery.ProfileAndType("profile:test", "note")).ToList().Count);
        Assert.Equal(99, snapshot.ByIndex(IndexQuery.WorkspacePath("workspace:test", "dir/000")).ToList().Count);
        Assert.Single(snapshot.ByIndex(IndexQuery.State("deleted"), includeTombstones: true).ToList());
        Assert.Equal(["sync.object.deleted", "sync.object.created"], snapshot.History(RecordKind.Object, "note:00007").Select(item => item.Type));
        Assert.False(snapshot.GetAsOf(RecordKind.Object, "note:00007", 10)!.IsTombstone);
        StateStoreStatus status = snapshot.GetStatus();
        Assert.Equal((ulong)count - 1, status.LiveCount(RecordKind.Object));
    }

    [Fact]
    public async Task A_deleted_state_is_rebuilt_with_equal_digests()
    {
        using TestDirectory directory = new();
        StateStoreStatus before;
        await using (StateStore store = StateStore.Create(directory.StorePath, SmallOptions()))
        {
            StateSession session = store.OpenSession(s_me);
            for (int i = 0; i < 100; i++)
            {
                await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i % 30}", ObjectBody("note", $"title {i}", $"p/{i}")));
            }

            before = store.GetStatus();
        }

        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        await using StateStore again = StateStore.Open(directory.StorePath, SmallOptions());
        Assert.True(again.Recovery!.StateRebuilt);
        StateStoreStatus after = again.GetStatus();
        Assert.Equal(before.LogRoot, after.LogRoot);
        Assert.Equal(before.Sequence, after.Sequence);
        using ReadSnapshot snapshot = again.OpenSnapshot();
        Assert.Equal(30, snapshot.Range(RecordKind.Object).ToList().Count);
    }

    [Fact]
    public async Task An_expected_sequence_that_does_not_hold_is_a_conflict_and_changes_nothing()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, SmallOptions());
        StateSession session = store.OpenSession(s_me);
        CommitReceipt first = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", ObjectBody("note", "1"), new ChangeOptions { ExpectedSequence = 0 }));
        CommitReceipt second = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", ObjectBody("note", "2"), new ChangeOptions { ExpectedSequence = 0 }));
        Assert.Equal(CommitStatus.Conflict, second.Status);
        Assert.Equal(first.LastSequence, second.Refusal!.ActualSequence);
        Assert.Equal(1UL, store.VisibleSequence);
    }

    [Fact]
    public async Task A_subscriber_sees_every_event_once_in_order_while_commits_go_on()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, SmallOptions());
        StateSession session = store.OpenSession(s_me);
        const int count = 200;
        using CancellationTokenSource bound = new(TimeSpan.FromSeconds(60));
        Task<List<ulong>> reader = Task.Run(async () =>
        {
            List<ulong> seen = [];
            await foreach (StoredEvent item in store.SubscribeAsync(1, bound.Token))
            {
                seen.Add(item.Sequence);
                if (seen.Count == count)
                {
                    break;
                }
            }

            return seen;
        });
        for (int i = 0; i < count; i++)
        {
            await session.CommitAsync(new CommitBatch().Append("app.tick"));
        }

        Assert.Equal(Enumerable.Range(1, count).Select(i => (ulong)i), await reader);
    }
}
