// Why this file exists: a repair that is cut off at any call to the kernel leaves the store no worse, and running it again finishes it. Invariants: from the chosen call on
// every call that changes anything fails, as if the process had ended there; STATESTORE_SCALE multiplies how many calls are chosen.

using System.Globalization;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class RepairCrashTests
{
    [Theory]
    [InlineData("fence")]
    [InlineData("undo")]
    [InlineData("heads")]
    [InlineData("heal")]
    [InlineData("part")]
    [InlineData("parity")]
    [InlineData("salvage")]
    [InlineData("checkpoints")]
    public async Task Cut_off_at_any_step_a_repair_is_finished_by_running_it_again(string what)
    {
        using TestDirectory directory = what == "checkpoints" ? await StateCheckpointTests.WithCheckpointsAsync() : what == "part" ? await ParityTests.WideAsync() : await FencedStores.MakeAsync(what is "heal" or "parity" ? 150 : 90);
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        Damage(directory, what);
        if (what == "undo")
        {
            await FenceTests.FenceAsync(directory.StorePath);
        }

        List<long> steps = await CutCalls.StepsAsync(directory, every: 5, (copy, ops) => RunAsync(copy, what, ops));
        int cut = 0;
        foreach (long step in CutCalls.Chosen(steps, 14))
        {
            string copy = Path.Combine(directory.Root, string.Create(CultureInfo.InvariantCulture, $"copy-{step}"));
            StoreCopy.CopyLive(directory.StorePath, copy);
            FaultingFileOps ops = CutCalls.FailingFrom(step);
            try
            {
                await RunAsync(copy, what, ops);
            }
            catch (StateStoreException)
            {
                cut++;
            }

            AssertNoWorse(copy, what, records, step);
            await FinishAsync(copy, what);
            FencedStores.AssertClean(copy);
            Assert.Equal(records, FencedStores.Records(copy));
            Directory.Delete(copy, recursive: true);
        }

        Assert.True(cut > 5, $"Only {cut} runs were cut off.");
    }

    private static void Damage(TestDirectory directory, string what)
    {
        string segment = FencedStores.Segment(directory.StorePath, 0);
        if (what == "heads")
        {
            FencedStores.Flip(segment, 4096 + 50);
            FencedStores.Flip(segment, 25000);
            File.Delete(Path.Combine(directory.StorePath, "STORE"));
            Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        }
        else if (what == "parity")
        {
            Directory.Delete(Path.Combine(directory.StorePath, "parity"), recursive: true);
        }
        else if (what == "checkpoints")
        {
            foreach (string file in Directory.GetFiles(Path.Combine(directory.StorePath, "checkpoints")))
            {
                FencedStores.Flip(file, 300);
            }
        }
        else if (what == "salvage")
        {
            // The frame that goes holds a record that was deleted later, so every record is still known.
            FencedStores.FlipBeyondParity(segment, SalvageTests.OffsetOfFrame(directory.StorePath, 1));
            Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        }
        else if (what == "part")
        {
            // Two blocks of one group and one of the other: a block is healed, and the rest fenced.
            foreach (int block in (int[])[4, 8, 13])
            {
                FencedStores.Flip(segment, 32768 + (block * Format.ParityHeader.BlockLengthBytes) + 600);
            }
        }
        else if (what == "heal")
        {
            FencedStores.Flip(segment, 32768 + 5000);
        }
        else
        {
            FencedStores.FlipBeyondParity(segment, 32768 + 5000);
        }
    }

    private static async Task RunAsync(string path, string what, FileOps ops)
    {
        StateStoreOptions options = FencedStores.Options();
        options.Files = ops;
        if (what == "undo")
        {
            StoreRepair.Rollback(path, StoreRepair.ListQuarantine(path).Single(static entry => entry.CanRollBack).Id, options);
            return;
        }

        RepairPlan plan = StoreRepair.Plan(path);
        await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, options, acceptsLoss: true);
    }

    private static async Task FinishAsync(string path, string what)
    {
        for (int round = 0; round < 4; round++)
        {
            RepairPlan plan = StoreRepair.Plan(path);
            if (plan.Steps.Count == 0)
            {
                return;
            }

            await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        }

        Assert.Fail($"{what}: the repair does not end.");
    }

    private static void AssertNoWorse(string path, string what, Dictionary<string, string> records, long step)
    {
        if (what is not ("heads" or "salvage") && File.Exists(Path.Combine(path, "STORE")))
        {
            Dictionary<string, string> now = FencedStores.Records(path);
            Assert.True(records.Count == now.Count, $"{what} cut off at call {step}: {now.Count} records of {records.Count}");
        }
    }
}
