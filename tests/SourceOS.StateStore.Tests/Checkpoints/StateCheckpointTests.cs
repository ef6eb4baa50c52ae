// Why this file exists: checkpoints of the state from their making to their use: made by policy, proven, the start of a rebuild, passed over when they rot or are of another history, and never in the way of a commit. Invariants: small segments, so that
// frontiers occur; what a rebuild makes is compared with what the log makes.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;
using SourceOS.StateStore.Verify;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Tests;

public sealed class StateCheckpointTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_writer_makes_checkpoints_by_policy_and_keeps_the_newest_two()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = FencedStores.Options();
        options.CheckpointEveryEvents = 40;
        await using (StateStore store = StateStore.Create(directory.StorePath, options))
        {
            await WriteAsync(store, 0, 200);
            Assert.True(SpinWait.SpinUntil(() => store.Checkpoints is { Made: >= 1, IsWorking: false }, 20_000));
            await WriteAsync(store, 200, 200);
            Assert.True(SpinWait.SpinUntil(() => store.Checkpoints is { Made: >= 2, IsWorking: false }, 20_000));
            Assert.Equal(0, store.Checkpoints!.Failures);
        }

        ulong[] kept = Sequences(directory.StorePath);
        Assert.Equal(2, kept.Length);
        Assert.True(kept[^1] > kept[0]);
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task Closing_makes_one_when_enough_happened_and_none_when_it_did_not()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = FencedStores.Options();
        options.CheckpointEveryEvents = 100;
        await using (StateStore store = StateStore.Create(directory.StorePath, options))
        {
            await WriteAsync(store, 0, 30);
        }

        Assert.Empty(Sequences(directory.StorePath));
        await using (StateStore store = StateStore.Open(directory.StorePath, options))
        {
            await WriteAsync(store, 30, 30);
        }

        Assert.Equal([60UL], Sequences(directory.StorePath));
        await StateStore.Open(directory.StorePath, options).DisposeAsync();
        Assert.Equal([60UL], Sequences(directory.StorePath));
    }

    [Fact]
    public async Task A_store_that_keeps_none_has_none()
    {
        using TestDirectory directory = new();
        StateStoreOptions options = FencedStores.Options();
        options.KeepsCheckpoints = false;
        options.CheckpointEveryEvents = 1;
        await using (StateStore store = StateStore.Create(directory.StorePath, options))
        {
            await WriteAsync(store, 0, 200);
        }

        Assert.False(Directory.Exists(Path.Combine(directory.StorePath, "checkpoints")));
    }

    [Fact]
    public async Task A_lost_state_is_rebuilt_from_the_newest_checkpoint_that_proves()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        ulong[] kept = Sequences(directory.StorePath);
        StoreLayout layout = new(directory.StorePath);

        await RebuildAsync(directory.StorePath, kept[1], records);
        FencedStores.Flip(layout.CheckpointPath(kept[1]), 5000);
        await RebuildAsync(directory.StorePath, kept[0], records);
        File.WriteAllBytes(layout.CheckpointPath(kept[0]), []);
        await RebuildAsync(directory.StorePath, null, records);
    }

    [Fact]
    public async Task A_plan_says_from_where_the_state_is_rebuilt_and_what_is_made_again()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        ulong[] kept = Sequences(directory.StorePath);
        FencedStores.Flip(new StoreLayout(directory.StorePath).CheckpointPath(kept[1]), 6000);
        Finding finding = Assert.Single(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Severity == FindingSeverity.Error);
        Assert.Equal(("checkpoint.damaged", FindingClass.Rebuildable, true), (finding.Code, finding.Class, finding.AutoRepair));
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.RebuildState, RepairAction.RemakeCheckpoints], plan.Steps.Select(static step => step.Action));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"checkpoint at sequence {kept[0]}"), plan.Steps[0].Rebuilds, StringComparison.Ordinal);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        FencedStores.AssertClean(directory.StorePath);
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        Assert.Empty(StoreRepair.Plan(directory.StorePath).Steps);
        Assert.True(Sequences(directory.StorePath)[^1] > kept[1]);
    }

    [Fact]
    public async Task Without_its_checkpoints_a_store_is_as_sound_as_before()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        Directory.Delete(Path.Combine(directory.StorePath, "checkpoints"), recursive: true);
        FencedStores.AssertClean(directory.StorePath);
        Assert.Empty(StoreRepair.Plan(directory.StorePath).Steps);
        await RebuildAsync(directory.StorePath, null, records);
    }

    [Fact]
    public async Task A_checkpoint_of_another_history_is_named_and_passed_over()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        string other = Path.Combine(directory.Root, "other");
        StoreCopy.CopyLive(directory.StorePath, other);
        await using (StateStore store = StateStore.Open(other, FencedStores.Options()))
        {
            await WriteAsync(store, 5000, 10);
            store.MakeStateCheckpoint();
        }

        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            await WriteAsync(store, 6000, 20);
        }

        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        ulong foreign = Sequences(other)[^1];
        StoreLayout layout = new(directory.StorePath);
        File.Copy(new StoreLayout(other).CheckpointPath(foreign), layout.CheckpointPath(foreign));
        Assert.Equal("checkpoint.foreign", Assert.Single(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Severity != FindingSeverity.Info).Code);
        await RebuildAsync(directory.StorePath, Sequences(directory.StorePath).Where(sequence => sequence != foreign).Max(), records);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.RemakeCheckpoints], plan.Steps.Select(static step => step.Action));
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task A_log_that_is_older_than_a_checkpoint_is_not_written_to()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        string older = Path.Combine(directory.Root, "older");
        StoreCopy.CopyLive(directory.StorePath, older);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            await WriteAsync(store, 5000, 30);
            store.MakeStateCheckpoint();
        }

        Directory.Delete(Path.Combine(directory.StorePath, "events"), recursive: true);
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        CopyFolder(Path.Combine(older, "events"), Path.Combine(directory.StorePath, "events"));
        StateStoreException refused = Assert.Throws<StateStoreException>(() => StateStore.Open(directory.StorePath, FencedStores.Options()));
        Assert.Equal(StateStoreErrorCode.LogRolledBack, refused.Code);
    }

    [Fact]
    public async Task Each_segment_that_the_log_reached_has_a_frontier_and_repair_makes_it_again()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        StoreLayout layout = new(directory.StorePath);
        Superblock superblock = SuperblockReader.Read(layout).Newest!;
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        int segments = Directory.GetFiles(layout.EventsPath, "*.log").Length;
        Assert.True(segments >= 3);
        List<StateHeader> before = [];
        for (int segment = 1; segment < segments; segment++)
        {
            Assert.Equal(ReadStatus.Ok, StateFrontierFile.Read(layout.FrontierPath(segment), superblock.StoreId, geometry, segment, StoreFiles.Native, out StateHeader? state, out _));
            before.Add(state!);
        }

        FencedStores.Flip(layout.FrontierPath(1), 200);
        File.Delete(layout.FrontierPath(2));
        Assert.Equal("checkpoint.damaged", Assert.Single(StoreVerifier.Run(directory.StorePath).Findings, static finding => finding.Severity != FindingSeverity.Info).Code);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.RemakeCheckpoints], plan.Steps.Select(static step => step.Action));
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        FencedStores.AssertClean(directory.StorePath);
        for (int segment = 1; segment < segments; segment++)
        {
            Assert.Equal(ReadStatus.Ok, StateFrontierFile.Read(layout.FrontierPath(segment), superblock.StoreId, geometry, segment, StoreFiles.Native, out StateHeader? state, out _));
            Assert.Equal((before[segment - 1].LogPosition, before[segment - 1].ChainHead, before[segment - 1].Frontier.Root()), (state!.LogPosition, state.ChainHead, state.Frontier.Root()));
        }
    }

    [Fact]
    public async Task Every_flipped_bit_of_a_checkpoint_is_noticed_and_every_cut()
    {
        using TestDirectory directory = new();
        await using (StateStore store = StateStore.Create(directory.StorePath, FencedStores.Options()))
        {
            await WriteAsync(store, 0, 12);
            store.MakeStateCheckpoint();
        }

        StoreLayout layout = new(directory.StorePath);
        Superblock superblock = SuperblockReader.Read(layout).Newest!;
        string path = layout.CheckpointPath(12);
        byte[] whole = File.ReadAllBytes(path);
        MemoryFiles files = new();
        Assert.True(Proves(files, whole));
        int every = (int)Math.Max(1, 97 / CutCalls.Scale);
        long tried = 0;
        for (long bit = 0; bit < whole.LongLength * 8; bit += every)
        {
            byte[] bad = whole;
            bad[bit / 8] ^= (byte)(1 << (int)(bit % 8));
            Assert.False(Proves(files, bad), string.Create(CultureInfo.InvariantCulture, $"bit {bit}"));
            bad[bit / 8] ^= (byte)(1 << (int)(bit % 8));
            tried++;
        }

        for (int length = 0; length < whole.Length; length += every)
        {
            Assert.False(Proves(files, whole[..length]));
            tried++;
        }

        Assert.False(Proves(files, [.. whole, 0]));
        output.WriteLine($"{tried} tried, {tried} held");

        bool Proves(MemoryFiles memory, byte[] bytes)
        {
            memory.Files[path] = bytes;
            _ = StateCheckpointFile.Open(path, superblock.StoreId, memory, out StateCheckpointFile? file, out _);
            using (file)
            {
                return file is not null && file.Run(null, superblock.PageBits) == ReadStatus.Ok && !file.Fault.IsFault;
            }
        }
    }

    [Fact]
    public async Task A_checkpoint_that_cannot_be_made_is_counted_and_commits_go_on()
    {
        using TestDirectory directory = new();
        FaultingFileOps ops = new(LinuxFileOps.Instance);
        StateStoreOptions options = FencedStores.Options();
        options.CheckpointEveryEvents = 20;
        options.Files = ops;
        await using (StateStore store = StateStore.Create(directory.StorePath, options))
        {
            ops.Fail(FileCallKinds.Rename, Errno.ENOSPC, nth: 1, times: FaultRule.Forever);
            await WriteAsync(store, 0, 100);
            Assert.True(SpinWait.SpinUntil(() => store.Checkpoints is { Failures: >= 1 }, 20_000));
            await WriteAsync(store, 100, 20);
            Assert.Null(store.Fault);
        }

        Assert.Empty(Sequences(directory.StorePath));
        Assert.Equal(120, FencedStores.Records(directory.StorePath).Count);
    }

    [Fact]
    public async Task Making_one_can_be_cut_off_at_any_call_and_nothing_is_worse()
    {
        using TestDirectory directory = await WithCheckpointsAsync();
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        List<long> steps = await CutCalls.StepsAsync(directory, every: 4, MakeAsync);
        foreach (long step in CutCalls.Chosen(steps, 10))
        {
            string copy = Path.Combine(directory.Root, string.Create(CultureInfo.InvariantCulture, $"copy-{step}"));
            StoreCopy.CopyLive(directory.StorePath, copy);
            Exception? thrown = await Record.ExceptionAsync(() => MakeAsync(copy, CutCalls.FailingFrom(step)));
            Assert.True(thrown is null or StateStoreException, thrown?.ToString());

            RepairPlan plan = StoreRepair.Plan(copy);
            Assert.False(plan.IsDestructive);
            await StoreRepair.ApplyAsync(copy, plan.PlanHash, FencedStores.Me, FencedStores.Options());
            FencedStores.AssertClean(copy);
            Assert.Equal(records, FencedStores.Records(copy));
            await using (StateStore store = StateStore.Open(copy, FencedStores.Options()))
            {
                store.MakeStateCheckpoint();
            }

            FencedStores.AssertClean(copy);
            Directory.Delete(copy, recursive: true);
        }

        static async Task MakeAsync(string path, FileOps ops)
        {
            StateStoreOptions options = FencedStores.Options();
            options.Files = ops;
            await using StateStore store = StateStore.Open(path, options);
            store.MakeStateCheckpoint();
        }
    }

    internal static async Task<TestDirectory> WithCheckpointsAsync()
    {
        TestDirectory directory = await FencedStores.MakeAsync(220);
        for (int round = 0; round < 2; round++)
        {
            await using StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options());
            store.MakeStateCheckpoint();
            await WriteAsync(store, 1000 + (round * 100), 15);
        }

        return directory;
    }

    internal static async Task WriteAsync(StateStore store, int from, int count)
    {
        StateSession session = store.OpenSession(FencedStores.Me);
        for (int i = from; i < from + count; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"more:{i:D5}", RoundTripTests.ObjectBody("note", FencedStores.Title(i))));
        }
    }

    private static async Task RebuildAsync(string path, ulong? from, Dictionary<string, string> records)
    {
        Directory.Delete(Path.Combine(path, "state"), recursive: true);
        await using (StateStore store = StateStore.Open(path, FencedStores.Options()))
        {
            Assert.True(store.Recovery!.StateRebuilt);
            Assert.Equal(from, store.Recovery.CheckpointSequence);
        }

        Assert.Equal(records, FencedStores.Records(path));
        VerificationReport deep = DeepVerifier.Run(path);
        Assert.DoesNotContain(deep.Findings, static finding => finding.Code.StartsWith("state.", StringComparison.Ordinal));
    }

    private static ulong[] Sequences(string path)
    {
        string folder = Path.Combine(path, "checkpoints");
        return !Directory.Exists(folder) ? [] : [.. Directory.GetFiles(folder).Select(Path.GetFileName).Where(static name => StoreLayout.TryParseCheckpointName(name, out _)).Select(static name =>
        {
            _ = StoreLayout.TryParseCheckpointName(name, out ulong sequence);
            return sequence;
        }).Order()];
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }
}
