// Why this file exists: LOCK tells a power loss from a kill; what it says decides whether a large state is believed. Invariants: a state larger than the
// bound of the options is proven after a power loss, also when an open in between failed, and when the store is a copy.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class LockNoteTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    private string Live => Path.Combine(_directory.Root, "live");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task After_a_kill_a_large_state_is_believed()
    {
        await MakeLiveAsync();
        Assert.False(Open().StateProven);
    }

    [Fact]
    public async Task After_a_power_loss_the_state_is_proven_whatever_its_size()
    {
        await MakeLiveAsync();
        StoreCopy.ChangeBoot(Live);
        Assert.True(Open().StateProven);
    }

    [Fact]
    public async Task An_open_that_fails_half_way_does_not_hide_the_power_loss_from_the_next()
    {
        await MakeLiveAsync();
        StoreCopy.ChangeBoot(Live);
        FaultingFileOps faulty = new(LinuxFileOps.Instance);
        faulty.Fail(FileCallKinds.FDataSync, Errno.EIO, "segment-*");
        StateStoreOptions options = LiveStore.Options(proveUpToBytes: 0);
        options.Files = faulty;
        Assert.Equal(StateStoreErrorCode.InputOutput, Assert.Throws<StateStoreException>(() => StateStore.Open(Live, options)).Code);
        Assert.True(Open().StateProven);
        Assert.False(Open().StateProven);
    }

    [Fact]
    public async Task A_copy_of_an_open_store_is_proven()
    {
        await MakeLiveAsync();
        string copy = Path.Combine(_directory.Root, "copy");
        StoreCopy.CopyLive(Live, copy);
        File.WriteAllBytes(Path.Combine(copy, "LOCK"), File.ReadAllBytes(Path.Combine(Live, "LOCK")));
        using StateStore store = StateStore.Open(copy, LiveStore.Options(proveUpToBytes: 0));
        Assert.True(store.Recovery!.StateProven);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"pid\":\"x\",\"bootId\":7}")]
    public async Task An_unreadable_lock_means_that_the_state_is_proven(string content)
    {
        await MakeLiveAsync();
        File.WriteAllText(Path.Combine(Live, "LOCK"), content);
        Assert.True(Open().StateProven);
    }

    [Fact]
    public async Task A_missing_lock_means_that_the_state_is_proven()
    {
        await MakeLiveAsync();
        File.Delete(Path.Combine(Live, "LOCK"));
        Assert.True(Open().StateProven);
    }

    private async Task MakeLiveAsync()
    {
        await using StateStore store = StateStore.Create(_directory.StorePath, LiveStore.Options());
        await LiveStore.CommitAsync(store, 0, 3);
        StoreCopy.CopyLive(_directory.StorePath, Live);
    }

    private RecoveryReport Open()
    {
        using StateStore store = StateStore.Open(Live, LiveStore.Options(proveUpToBytes: 0));
        LiveStore.AssertHolds(store, 3);
        return store.Recovery!;
    }
}
