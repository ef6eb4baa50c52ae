// Why this file exists: a repair that is cut off at any call to the kernel leaves the store no worse, and running it again finishes it. Invariants: from the chosen call on
// every call that changes anything fails, as if the process had ended there; STATESTORE_SCALE multiplies how many calls are chosen.

using System.Globalization;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class RepairCrashTests
{
    private const FileCallKinds Names = FileCallKinds.Rename | FileCallKinds.Unlink | FileCallKinds.MkDir | FileCallKinds.RmDir;
    private const FileCallKinds Changing = Names | FileCallKinds.PWrite | FileCallKinds.FDataSync | FileCallKinds.FSync | FileCallKinds.FTruncate | FileCallKinds.Fallocate | FileCallKinds.FSyncDirectory;

    [Theory]
    [InlineData("fence")]
    [InlineData("undo")]
    [InlineData("heads")]
    [InlineData("heal")]
    [InlineData("parity")]
    public async Task Cut_off_at_any_step_a_repair_is_finished_by_running_it_again(string what)
    {
        using TestDirectory directory = await FencedStores.MakeAsync(what is "heal" or "parity" ? 150 : 90);
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
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
        else if (what == "heal")
        {
            FencedStores.Flip(segment, 32768 + 5000);
        }
        else
        {
            FencedStores.FlipBeyondParity(segment, 32768 + 5000);
        }

        if (what == "undo")
        {
            await FenceTests.FenceAsync(directory.StorePath);
        }

        List<long> steps = await StepsAsync(directory, what);
        int cut = 0;
        foreach (long step in Chosen(steps))
        {
            string copy = Path.Combine(directory.Root, string.Create(CultureInfo.InvariantCulture, $"copy-{step}"));
            StoreCopy.CopyLive(directory.StorePath, copy);
            FaultingFileOps ops = new(LinuxFileOps.Instance);
            ops.Fail(Changing, Errno.EIO, nth: (int)step, times: FaultRule.Forever);
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

    private static IEnumerable<long> Chosen(List<long> steps)
    {
        double scale = double.TryParse(Environment.GetEnvironmentVariable("STATESTORE_SCALE"), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : 1;
        int wanted = (int)Math.Min(steps.Count, Math.Max(1, 14 * scale));
        return Enumerable.Range(0, wanted).Select(i => steps[(int)((long)i * steps.Count / wanted)]).Distinct();
    }

    // Every change of a name is a step of its own; of the writes and syncs between them the first and every fifth.
    private static async Task<List<long>> StepsAsync(TestDirectory directory, string what)
    {
        string copy = Path.Combine(directory.Root, "counted");
        StoreCopy.CopyLive(directory.StorePath, copy);
        List<long> names = [];
        List<long> others = [];
        long changing = 0;
        Lock gate = new();
        FaultingFileOps ops = new(LinuxFileOps.Instance)
        {
            Before = call =>
            {
                lock (gate)
                {
                    if ((call.Kind & Changing) != 0)
                    {
                        changing++;
                        ((call.Kind & Names) != 0 ? names : others).Add(changing);
                    }
                }
            },
        };
        await RunAsync(copy, what, ops);
        Directory.Delete(copy, recursive: true);
        return [.. names.Concat(others.Where(static (_, i) => i % 5 == 0)).Order()];
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
        if (what != "heads" && File.Exists(Path.Combine(path, "STORE")))
        {
            Dictionary<string, string> now = FencedStores.Records(path);
            Assert.True(records.Count == now.Count, $"{what} cut off at call {step}: {now.Count} records of {records.Count}");
        }
    }
}
