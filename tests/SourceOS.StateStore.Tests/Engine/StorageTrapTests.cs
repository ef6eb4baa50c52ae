// Why this file exists: traps of FASTER and LMDB whose answer is in the engine and not in the layer below it (docs/reliability.md lists all of them with their tests). Invariants: each test
// fails when its answer is taken out.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class StorageTrapTests
{
    [Fact]
    public async Task Two_writers_are_one_too_many_and_each_opening_has_an_epoch_of_its_own()
    {
        using TestDirectory directory = new();
        for (int opening = 1; opening <= 3; opening++)
        {
            await using StateStore store = opening == 1 ? StateStore.Create(directory.StorePath, LiveStore.Options()) : StateStore.Open(directory.StorePath, LiveStore.Options());
            string before = LiveStore.Fingerprint(directory.StorePath);
            StateStoreException refused = Assert.Throws<StateStoreException>(() => StateStore.Open(directory.StorePath, LiveStore.Options()).Dispose());
            Assert.Equal(StateStoreErrorCode.Locked, refused.Code);
            Assert.True(refused.IsRetryable);
            Assert.Contains($"process {Environment.ProcessId}", refused.Message, StringComparison.Ordinal);
            Assert.Equal(before, LiveStore.Fingerprint(directory.StorePath));
            await LiveStore.CommitAsync(store, opening - 1, 1);
        }

        List<ulong> epochs = Epochs(LiveStore.Data(directory.StorePath, 0));
        Assert.Equal([epochs[0], epochs[0] + 1, epochs[0] + 2], epochs);
    }

    [Fact]
    public async Task A_snapshot_that_nobody_gave_back_keeps_pages_for_a_bounded_time_only()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = LiveStore.Options();
        options.SnapshotMaxAgeMs = 100;
        await using StateStore store = StateStore.Create(directory.StorePath, options);
        await LiveStore.CommitAsync(store, 0, 1);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.NotNull(snapshot.Get(RecordKind.Object, "note:0"));
        StateStoreException? refused = null;
        Assert.True(SpinWait.SpinUntil(() => (refused = Record.Exception(() => snapshot.Get(RecordKind.Object, "note:0")) as StateStoreException) is not null, TimeSpan.FromSeconds(30)));
        Assert.Equal(StateStoreErrorCode.SnapshotExpired, refused!.Code);
        using ReadSnapshot next = store.OpenSnapshot();
        Assert.NotNull(next.Get(RecordKind.Object, "note:0"));
    }

    private static List<ulong> Epochs(byte[] data)
    {
        List<ulong> epochs = [];
        for (int at = 64; at < data.Length - 4 - FrameHeader.LengthBytes; at += 4)
        {
            if (data.AsSpan(at + 4, 4).SequenceEqual("SSFR"u8) && FrameHeader.TryDecode(data.AsSpan(at + 4, FrameHeader.LengthBytes), out FrameHeader header, out _))
            {
                epochs.Add(header.WriterEpoch);
            }
        }

        return epochs;
    }
}
