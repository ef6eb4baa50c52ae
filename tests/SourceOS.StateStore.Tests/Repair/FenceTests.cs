// Why this file exists: a log damaged beyond what slots can heal is fenced: every record of the sound state is kept, what is lost is named, the damaged log is set aside whole.

using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class FenceTests
{
    public static TheoryData<string> Damages => ["middle", "middle-segment", "first-segment", "last-segment", "last-truncated", "all-segments", "events", "swapped"];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_log_with_a_sound_state_is_fenced_and_every_record_is_kept(string damage)
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        Dictionary<string, string> before = FencedStores.Records(directory.StorePath);
        await DamageAsync(directory, damage);

        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.FenceLog], plan.Steps.Select(static step => step.Action));
        Assert.True(plan.IsDestructive);
        Assert.False(plan.IsBlocked);
        Assert.Equal(plan.LostEvents, plan.LostRanges.Aggregate(0UL, static (sum, range) => sum + range.Count));
        Assert.True(plan.LostEvents > 0);
        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(() => StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me));
        Assert.Equal(StateStoreErrorCode.ReviewRequired, refused.Code);
        Assert.Equal(plan.PlanHash, StoreRepair.Plan(directory.StorePath).PlanHash);

        RepairOutcome outcome = await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        Assert.Equal("repaired", outcome.Outcome);
        FencedStores.AssertClean(directory.StorePath);
        Assert.Equal(before, FencedStores.Records(directory.StorePath));
        Assert.Empty(StoreRepair.Plan(directory.StorePath).Steps);
        await AssertStoryAsync(directory.StorePath, plan, outcome);
    }

    [Fact]
    public async Task The_lost_sequences_are_those_of_the_damaged_frames_and_no_others()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 0), 32768 + 64 + 100);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([new SequenceRange(1, 1)], plan.LostRanges);
        Assert.Contains("Sequences lost: 1 (1 events)", Assert.Single(plan.HumanReview), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fence_can_be_undone_until_something_is_written_behind_it()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 1), 32768 + 4000);
        byte[][] before = Files(directory.StorePath);
        RepairPlan plan = await FenceAsync(directory.StorePath);
        QuarantineEntry entry = Assert.Single(StoreRepair.ListQuarantine(directory.StorePath));
        Assert.True(entry.CanRollBack);
        Assert.Equal(plan.HumanReview[0], entry.Reason);
        StoreRepair.Rollback(directory.StorePath, entry.Id);
        Assert.Equal(before, Files(directory.StorePath));

        Assert.Equal(plan.PlanHash, (await FenceAsync(directory.StorePath)).PlanHash);
        string id = StoreRepair.ListQuarantine(directory.StorePath).Single(static entry => entry.CanRollBack).Id;
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            await store.OpenSession(FencedStores.Me).CommitAsync(new CommitBatch().Append("app.later"));
        }

        StateStoreException refused = Assert.Throws<StateStoreException>(() => StoreRepair.Rollback(directory.StorePath, id));
        Assert.Equal(StateStoreErrorCode.ReviewRequired, refused.Code);
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task A_fenced_store_lives_on_is_rebuilt_backed_up_restored_and_fenced_again()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 1), 32768 + 4000);
        await FenceAsync(directory.StorePath);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            StateSession session = store.OpenSession(FencedStores.Me);
            for (int i = 0; i < 300; i++)
            {
                await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"later:{i}", RoundTripTests.ObjectBody("note", FencedStores.Title(i))));
            }
        }

        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.RebuildState], plan.Steps.Select(static step => step.Action));
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        FencedStores.AssertClean(directory.StorePath);

        string backup = Path.Combine(directory.Root, "backup");
        string restored = Path.Combine(directory.Root, "restored");
        await StoreBackup.CreateAsync(directory.StorePath, backup);
        await StoreBackup.RestoreAsync(backup, restored);
        Assert.Equal(records, FencedStores.Records(restored));

        FencedStores.FlipBeyondParity(Directory.GetFiles(Path.Combine(directory.StorePath, "events")).Order(StringComparer.Ordinal).First(), 32768 + 4000);
        await FenceAsync(directory.StorePath);
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        FencedStores.AssertClean(directory.StorePath);
    }

    [Fact]
    public async Task A_fenced_store_whose_superblock_is_lost_gets_its_base_back()
    {
        using TestDirectory directory = await FencedStores.MakeAsync();
        FencedStores.FlipBeyondParity(FencedStores.Segment(directory.StorePath, 1), 32768 + 4000);
        await FenceTests.FenceAsync(directory.StorePath);
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        File.Delete(Path.Combine(directory.StorePath, "STORE"));
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal(RepairAction.RebuildSuperblock, plan.Steps[0].Action);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.Equal(records, FencedStores.Records(directory.StorePath));
        FencedStores.AssertClean(directory.StorePath);
    }

    internal static async Task<RepairPlan> FenceAsync(string path)
    {
        RepairPlan plan = StoreRepair.Plan(path);
        Assert.True(plan.IsDestructive);
        await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        return plan;
    }

    private static async Task DamageAsync(TestDirectory directory, string damage)
    {
        string path = directory.StorePath;
        switch (damage)
        {
            case "middle":
                FencedStores.FlipBeyondParity(FencedStores.Segment(path, 1), 32768 + 4000);
                break;
            case "middle-segment":
                File.Delete(FencedStores.Segment(path, 1));
                break;
            case "first-segment":
                File.Delete(FencedStores.Segment(path, 0));
                break;
            case "last-segment":
                File.Delete(Directory.GetFiles(Path.Combine(path, "events")).Order(StringComparer.Ordinal).Last());
                break;
            case "last-truncated":
                using (FileStream file = File.OpenWrite(Directory.GetFiles(Path.Combine(path, "events")).Order(StringComparer.Ordinal).Last()))
                {
                    file.SetLength(32768);
                }

                break;
            case "all-segments":
                Directory.GetFiles(Path.Combine(path, "events")).ToList().ForEach(File.Delete);
                break;
            case "events":
                Directory.Delete(Path.Combine(path, "events"), recursive: true);
                break;
            default:
                string other = Path.Combine(directory.Root, "other");
                await FencedStores.FillAsync(other);
                File.Copy(FencedStores.Segment(other, 1), FencedStores.Segment(path, 1), overwrite: true);
                break;
        }
    }

    private static async Task AssertStoryAsync(string path, RepairPlan plan, RepairOutcome outcome)
    {
        ulong last;
        await using (StateStore store = StateStore.Open(path, FencedStores.Options()))
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            List<StoredEvent> events = [.. snapshot.ReadEvents(0)];
            Assert.Equal(["sync.repair.started", "sync.repair.fenced"], events.Take(2).Select(static item => item.Type));
            Assert.Equal("sync.repair.completed", events[^1].Type);
            Assert.All(events.Skip(2).SkipLast(1), static item => Assert.Equal("sync.repair.salvaged", item.Type));
            Assert.All(events, static item => Assert.Equal("actor:test", item.ActorId));
            Assert.Equal((ulong)FencedStores.Notes + 2, events[0].Sequence);
            Assert.Equal(outcome.ReportId, snapshot.Get(RecordKind.Report, outcome.ReportId)!.Id);
            Assert.Contains("User data was not modified", snapshot.Get(RecordKind.Report, outcome.ReportId)!.Text("summary"), StringComparison.Ordinal);
            last = snapshot.Sequence;
            CommitReceipt receipt = await store.OpenSession(FencedStores.Me).CommitAsync(new CommitBatch().Append("app.later"));
            Assert.Equal(last + 1, receipt.FirstSequence);
        }

        Assert.Single(StoreRepair.ReadReports(path));
        Assert.True(plan.LostEvents <= last);
        FencedStores.AssertClean(path);
    }

    private static byte[][] Files(string path) =>
        [.. new[] { "STORE" }.Concat(Directory.GetFiles(Path.Combine(path, "events")).Order(StringComparer.Ordinal)).Append(Directory.GetFiles(Path.Combine(path, "state"), "data.mdb", SearchOption.AllDirectories).Single())
            .Select(file => File.ReadAllBytes(Path.Combine(path, file)))];
}
