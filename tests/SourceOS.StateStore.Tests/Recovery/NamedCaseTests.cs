// Why this file exists: each named case of format-spec/recovery.md as a store on disk, opened. Invariants: what opens holds every acknowledged commit;
// what is refused is refused by its name, says what is missing, stays readable and is not changed by a byte.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class NamedCaseTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    private string Live => Path.Combine(_directory.Root, "live");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Clean_a_store_that_was_closed_is_as_it_was_left()
    {
        await (await MakeAsync(5)).DisposeAsync();
        using StateStore store = StateStore.Open(_directory.StorePath, LiveStore.Options());
        Assert.Equal(RecoveryCase.Clean, store.Recovery!.Case);
        Assert.False(store.Recovery.StateRebuilt);
        Assert.Equal(0UL, store.Recovery.FramesFolded);
        LiveStore.AssertHolds(store, 5);
    }

    [Fact]
    public async Task Crash_a_store_that_was_left_open_has_every_commit()
    {
        await MakeLiveAsync(5);
        AssertOpens(RecoveryCase.Crash, 5);
        AssertOpens(RecoveryCase.Clean, 5);
    }

    [Fact]
    public async Task Crash_a_state_that_lags_behind_is_replayed()
    {
        await using (StateStore store = await MakeAsync(3))
        {
            StoreCopy.CopyLive(_directory.StorePath, Live);
            await LiveStore.CommitAsync(store, 3, 4);
            CopyLog(_directory.StorePath, Live);
        }

        RecoveryReport report = AssertOpens(RecoveryCase.Crash, 7);
        Assert.Equal(4UL, report.FramesFolded);
        Assert.False(report.StateRebuilt);
    }

    [Fact]
    public async Task Torn_tail_bytes_behind_the_end_are_quarantined_and_cut()
    {
        await MakeLiveAsync(5);
        long end = LiveStore.End(Live);
        byte[] torn = LiveStore.Noise(7001);
        torn[^1] = 7;
        LiveStore.Write(Live, end, torn);
        RecoveryReport report = AssertOpens(RecoveryCase.TornTail, 5);
        Assert.Equal(torn, File.ReadAllBytes(report.QuarantineFile!));
        Assert.False(LiveStore.Data(Live, 0).AsSpan((int)end).ContainsAnyExcept((byte)0));
        Assert.True(File.Exists(report.QuarantineFile + ".json"));
        AssertOpens(RecoveryCase.Clean, 5);
    }

    [Fact]
    public async Task Torn_tail_a_commit_without_its_last_frame_is_cut_whole()
    {
        await using (StateStore store = await MakeAsync(2))
        {
            CommitBatch batch = new();
            for (int i = 0; i < 8; i++)
            {
                batch.Put(RecordKind.Object, $"big:{i}", RoundTripTests.ObjectBody("note", Convert.ToHexString(LiveStore.Noise(12_000, i))));
            }

            StoreCopy.CopyLive(_directory.StorePath, Path.Combine(_directory.Root, "before"));
            Assert.True((await store.OpenSession(LiveStore.Identity).CommitAsync(batch)).IsCommitted);
            StoreCopy.CopyLive(_directory.StorePath, Live);
        }

        // The last frame of the commit stands in the second segment; without it the others are nothing.
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        Directory.Move(Path.Combine(_directory.Root, "before", "state"), Path.Combine(Live, "state"));
        LiveStore.Write(Live, 0, new byte[60_000], segment: 1);
        AssertOpens(RecoveryCase.TornTail, 2);
    }

    [Fact]
    public async Task Healed_from_slot_the_last_block_of_an_acknowledged_group_that_nothing_has_confirmed()
    {
        await MakeLiveAsync(5);
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        long end = LiveStore.End(Live);
        TailSlot newest = LiveStore.Slots(Live)[0];
        Assert.Equal(end, newest.Tail);
        Assert.True(newest.DurableBefore < newest.Tail);
        LiveStore.Write(Live, newest.BlockAddress, LiveStore.Noise(4096));
        RecoveryReport report = AssertOpens(RecoveryCase.HealedFromSlot, 5);
        Assert.True(report.QuarantinedBytes > 0);
        AssertOpens(RecoveryCase.Clean, 5);
    }

    [Fact]
    public async Task Healed_from_slot_a_block_below_the_durable_position()
    {
        await using (StateStore store = await MakeAsync(5, confirmAfterIdleMs: 1))
        {
            await WaitAsync(() => LiveStore.Slots(_directory.StorePath)[0] is var slot && slot.DurableBefore == slot.Tail);
            StoreCopy.CopyLive(_directory.StorePath, Live);
        }

        LiveStore.Write(Live, LiveStore.Slots(Live)[0].BlockAddress, new byte[4096]);
        AssertOpens(RecoveryCase.HealedFromSlot, 5);
    }

    [Fact]
    public async Task Lost_tail_zeroes_below_the_durable_position_are_refused()
    {
        await MakeLiveAsync(60);
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        TailSlot newest = LiveStore.Slots(Live)[0];
        int from = FrameStarts()[20];
        LiveStore.Write(Live, from, new byte[newest.Tail - from]);
        StateStoreException refusal = AssertRefuses(StateStoreErrorCode.LogRolledBack);
        Assert.Contains("Sequences from 21 on are missing", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damage_bad_bytes_below_the_durable_position_are_refused_and_nothing_is_truncated()
    {
        await MakeLiveAsync(60);
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        LiveStore.Write(Live, FrameStarts()[30] + 300, [0xEE]);
        StateStoreException refusal = AssertRefuses(StateStoreErrorCode.LogDamaged);
        Assert.Contains("Sequences from 31 on are missing", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damage_that_a_copy_cannot_heal_alone_leaves_the_copy_where_it_is()
    {
        await MakeLiveAsync(60);
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        LiveStore.Write(Live, FrameStarts()[30] + 300, [0xEE]);
        LiveStore.Write(Live, LiveStore.Slots(Live)[0].BlockAddress, LiveStore.Noise(4096));
        AssertRefuses(StateStoreErrorCode.LogDamaged);
    }

    [Fact]
    public async Task Rolled_back_log_an_older_log_under_a_newer_state_is_refused_and_readable()
    {
        string older = Path.Combine(_directory.Root, "older");
        await using (StateStore store = await MakeAsync(3))
        {
            StoreCopy.CopyLive(_directory.StorePath, older);
            await LiveStore.CommitAsync(store, 3, 4);
            StoreCopy.CopyLive(_directory.StorePath, Live);
        }

        CopyLog(older, Live);
        AssertRefuses(StateStoreErrorCode.LogRolledBack);
        using StateStore reader = StateStore.OpenRead(Live, LiveStore.Options());
        using ReadSnapshot snapshot = reader.OpenSnapshot();
        Assert.Equal(7, snapshot.Range(RecordKind.Object).ToList().Count);
    }

    [Fact]
    public async Task Forked_log_a_state_of_another_history_is_refused_for_review()
    {
        string other = Path.Combine(_directory.Root, "other");
        await using (StateStore store = await MakeAsync(3))
        {
            StoreCopy.CopyLive(_directory.StorePath, other);
            await LiveStore.CommitAsync(store, 3, 2);
            StoreCopy.CopyLive(_directory.StorePath, Live);
        }

        await using (StateStore fork = StateStore.Open(other, LiveStore.Options()))
        {
            await LiveStore.CommitAsync(fork, 100, 4);
        }

        CopyLog(other, Live);
        AssertRefuses(StateStoreErrorCode.ReviewRequired);
    }

    [Fact]
    public async Task Lost_tail_a_store_without_any_segment_is_never_an_empty_store()
    {
        await MakeLiveAsync(3);
        Directory.Delete(Path.Combine(Live, "state"), recursive: true);
        File.Delete(LiveStore.Segment(Live, 0));
        AssertRefuses(StateStoreErrorCode.LogRolledBack);
    }

    [Fact]
    public async Task A_torn_commit_over_many_segments_does_not_hide_the_slots_below_them()
    {
        await using (StateStore store = await MakeAsync(3))
        {
            StoreCopy.CopyLive(_directory.StorePath, Live);
            await LiveStore.CommitAsync(store, 3, 30, titleLength: 40_000);
            foreach (string file in Directory.EnumerateFiles(Path.Combine(_directory.StorePath, "events"), "*.log"))
            {
                string target = Path.Combine(Live, "events", Path.GetFileName(file));
                if (!File.Exists(target))
                {
                    byte[] empty = new byte[new FileInfo(file).Length];
                    File.ReadAllBytes(file).AsSpan(0, 4096).CopyTo(empty);
                    File.WriteAllBytes(target, empty);
                }
            }
        }

        Assert.True(Directory.GetFiles(Path.Combine(Live, "events")).Length > 6);
        AssertOpens(RecoveryCase.Crash, 3);
        AssertOpens(RecoveryCase.Clean, 3);
    }

    private async Task<StateStore> MakeAsync(int commits, int confirmAfterIdleMs = 10_000)
    {
        StateStore store = StateStore.Create(_directory.StorePath, LiveStore.Options(confirmAfterIdleMs));
        await LiveStore.CommitAsync(store, 0, commits);
        return store;
    }

    private async Task MakeLiveAsync(int commits)
    {
        await using StateStore store = await MakeAsync(commits);
        StoreCopy.CopyLive(_directory.StorePath, Live);
    }

    private RecoveryReport AssertOpens(RecoveryCase wanted, int commits)
    {
        using StateStore store = StateStore.Open(Live, LiveStore.Options());
        Assert.Equal(wanted, store.Recovery!.Case);
        LiveStore.AssertHolds(store, commits);
        return store.Recovery;
    }

    private StateStoreException AssertRefuses(StateStoreErrorCode wanted)
    {
        string before = LiveStore.Fingerprint(Live);
        StateStoreException refusal = Assert.Throws<StateStoreException>(() => StateStore.Open(Live, LiveStore.Options()).Dispose());
        Assert.Equal(wanted, refusal.Code);
        Assert.Equal(before, LiveStore.Fingerprint(Live));

        // A refusal is not a state that wears off.
        Assert.Equal(wanted, Assert.Throws<StateStoreException>(() => StateStore.Open(Live, LiveStore.Options()).Dispose()).Code);
        return refusal;
    }

    private static void CopyLog(string from, string to)
    {
        string events = Path.Combine(to, "events");
        Directory.Delete(events, recursive: true);
        Directory.CreateDirectory(events);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(from, "events")))
        {
            File.Copy(file, Path.Combine(events, Path.GetFileName(file)));
        }
    }

    // Addresses of the frames of the first segment, found by their magic.
    private List<int> FrameStarts()
    {
        byte[] data = LiveStore.Data(Live, 0);
        List<int> starts = [];
        for (int at = 64; at < data.Length - 4; at += 4)
        {
            if (data.AsSpan(at + 4, 4).SequenceEqual("SSFR"u8))
            {
                starts.Add(at);
            }
        }

        return starts;
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        using CancellationTokenSource bound = new(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            await Task.Delay(5, bound.Token);
        }
    }
}
