// Why this file exists: repair of what is derived: planned without a change, applied by hash, recorded.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class RepairTests
{
    private static readonly SessionIdentity s_me = new("actor:test");

    [Fact]
    public async Task A_sound_store_needs_no_repair()
    {
        using TestDirectory directory = await StoreWithNotesAsync(20);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Empty(plan.Steps);
        Assert.Empty(plan.HumanReview);
        RepairOutcome outcome = await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me);
        Assert.Equal("nothing-to-do", outcome.Outcome);
    }

    [Fact]
    public async Task A_missing_state_is_planned_then_rebuilt_and_the_report_is_a_record()
    {
        using TestDirectory directory = await StoreWithNotesAsync(20);
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal([RepairAction.RebuildState], plan.Steps.Select(step => step.Action));
        Assert.False(Directory.Exists(Path.Combine(directory.StorePath, "state")));
        RepairOutcome outcome = await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me, RoundTripTests.SmallOptions());
        Assert.True(outcome.Recovery!.StateRebuilt);
        await using StateStore store = StateStore.OpenRead(directory.StorePath);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Equal(20, snapshot.Range(RecordKind.Object).ToList().Count);
        Assert.NotNull(snapshot.Get(RecordKind.Report, outcome.ReportId));
        Assert.Equal("sync.repair.completed", snapshot.ReadEvent(snapshot.Sequence)!.Type);
    }

    [Fact]
    public async Task A_superblock_with_both_slots_bad_is_made_again_from_the_segments()
    {
        using TestDirectory directory = await StoreWithNotesAsync(20);
        File.WriteAllBytes(Path.Combine(directory.StorePath, "STORE"), new byte[8192]);
        StateStoreException refused = Assert.Throws<StateStoreException>(() => StateStore.Open(directory.StorePath));
        Assert.Equal(StateStoreErrorCode.SuperblockDamaged, refused.Code);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Equal(RepairAction.RebuildSuperblock, plan.Steps[0].Action);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me, RoundTripTests.SmallOptions());
        await using StateStore store = StateStore.OpenRead(directory.StorePath);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Equal(20, snapshot.Range(RecordKind.Object).ToList().Count);
    }

    [Fact]
    public async Task A_plan_made_before_the_store_changed_is_refused()
    {
        using TestDirectory directory = await StoreWithNotesAsync(5);
        File.Delete(Path.Combine(directory.StorePath, "state", "g1", "data.mdb"));
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me, RoundTripTests.SmallOptions());
        await Assert.ThrowsAsync<ArgumentException>(() => StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me));
    }

    [Fact]
    public async Task Damage_of_the_durable_log_is_for_review_and_nothing_is_changed()
    {
        using TestDirectory directory = await StoreWithNotesAsync(40);
        string segment = Path.Combine(directory.StorePath, "events", "segment-00000000.log");
        byte[] bytes = File.ReadAllBytes(segment);
        bytes[32768 + 64 + 400] ^= 0x10;
        File.WriteAllBytes(segment, bytes);
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        Assert.Single(plan.HumanReview);
        StateStoreException refused = await Assert.ThrowsAsync<StateStoreException>(() => StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me));
        Assert.Equal(StateStoreErrorCode.ReviewRequired, refused.Code);
        Assert.Equal(bytes, File.ReadAllBytes(segment));
    }

    [Fact]
    public async Task A_store_that_is_open_for_writing_is_not_planned()
    {
        using TestDirectory directory = await StoreWithNotesAsync(1);
        await using StateStore store = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
        StateStoreException refused = Assert.Throws<StateStoreException>(() => StoreRepair.Plan(directory.StorePath));
        Assert.Equal(StateStoreErrorCode.Locked, refused.Code);
        Assert.Contains(Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture), refused.Message, StringComparison.Ordinal);
    }

    private static async Task<TestDirectory> StoreWithNotesAsync(int count)
    {
        TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        StateSession session = store.OpenSession(s_me);
        for (int i = 0; i < count; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i}", RoundTripTests.ObjectBody("note", $"title {i}")));
        }

        return directory;
    }
}
