// Why this file exists: what a snapshot promises: it holds still, it refuses to be used after its end, and closing the store under it kills nobody.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class SnapshotTests
{
    private static readonly SessionIdentity s_me = new("actor:test");

    [Fact]
    public async Task A_snapshot_shows_the_same_while_commits_go_on()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        StateSession session = store.OpenSession(s_me);
        await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", RoundTripTests.ObjectBody("note", "first")));
        using ReadSnapshot snapshot = store.OpenSnapshot();
        for (int i = 0; i < 50; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", RoundTripTests.ObjectBody("note", $"later {i}")));
        }

        Assert.Equal("first", snapshot.Get(RecordKind.Object, "a")!.Text("title"));
        Assert.Equal(1UL, snapshot.Sequence);
        using ReadSnapshot now = store.OpenSnapshot();
        Assert.Equal("later 49", now.Get(RecordKind.Object, "a")!.Text("title"));
    }

    [Fact]
    public async Task A_view_refuses_to_be_read_after_its_snapshot_was_disposed()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        await store.OpenSession(s_me).CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", RoundTripTests.ObjectBody("note", "x")));
        ReadUseAfterDispose(store);
    }

    [Fact]
    public async Task A_snapshot_outlives_the_store_it_came_from()
    {
        using TestDirectory directory = new();
        StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        await store.OpenSession(s_me).CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", RoundTripTests.ObjectBody("note", "still here")));
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            await store.DisposeAsync();
            Assert.Equal("still here", snapshot.Get(RecordKind.Object, "a")!.Text("title"));
            Assert.Throws<StateStoreException>(store.OpenSnapshot);
        }

        await using StateStore again = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
        Assert.Equal(1UL, again.VisibleSequence);
    }

    [Fact]
    public async Task A_reader_beside_a_live_writer_follows_it_and_changes_nothing()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        StateSession session = store.OpenSession(s_me);
        await using StateStore reader = StateStore.OpenRead(directory.StorePath);
        for (int i = 0; i < 20; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "a", RoundTripTests.ObjectBody("note", $"title {i}")));
            using ReadSnapshot snapshot = reader.OpenSnapshot();
            Assert.Equal($"title {i}", snapshot.Get(RecordKind.Object, "a")!.Text("title"));
        }

        Assert.False(reader.CanWrite);
        Assert.Throws<InvalidOperationException>(() => reader.OpenSession(s_me));
    }

    private static void ReadUseAfterDispose(StateStore store)
    {
        ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.True(snapshot.TryGet(RecordKind.Object, "a"u8, out RecordView view));
        snapshot.Dispose();
        bool refused = false;
        try
        {
            _ = view.BodyBytes.Length;
        }
        catch (ObjectDisposedException)
        {
            refused = true;
        }

        Assert.True(refused);
        Assert.Throws<ObjectDisposedException>(() => snapshot.Get(RecordKind.Object, "a"));
    }
}
