// Why this file exists: the engine's first promise. Every moment of a recorded run, and every content that a power loss at that moment may leave, must
// open by a named case with each acknowledged commit there, byte for byte, and no commit half there. Invariants: no image is judged by the engine's own
// idea of what must be there; every case replays from its printed name.

using System.Collections.Concurrent;
using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class CrashImageTests(ITestOutputHelper output)
{
    private const int SubsetBits = 10;
    private static readonly RecoveryCase[] s_named = [RecoveryCase.Clean, RecoveryCase.Crash, RecoveryCase.TornTail, RecoveryCase.HealedFromSlot];

    [Fact]
    public Task Lone_commits() => RunAsync("lone", new LoneCommits(), maxImages: 2500);

    [Fact]
    public Task Idle_confirmations() => RunAsync("idle", new IdleConfirmations(), maxImages: 2500);

    [Fact]
    public Task Group_commits() => RunAsync("group", new GroupCommits(), maxImages: 2500);

    [Fact]
    public Task Segment_rolls() => RunAsync("roll", new SegmentRoll(), maxImages: 2500);

    [Fact]
    public Task Commits_over_several_frames() => RunAsync("long", new LongCommits(), maxImages: 2500);

    [Fact]
    public Task Commits_over_several_segments() => RunAsync("segments", new CommitOverSegments(), maxImages: 2000);

    [Fact]
    public Task Clean_closes() => RunAsync("closes", new CleanCloses(), maxImages: 2500);

    [Fact]
    public Task Recovery_of_a_torn_tail() => RunAsync("recovery", new RecoveryOfTornTail(), maxImages: 1500);

    [Fact]
    public Task Recovery_with_a_rebuilt_state() => RunAsync("rebuild", new RecoveryWithRebuild(), maxImages: 1500);

    [Fact]
    public Task Checkpoints_and_parity_in_the_making() => RunAsync("protective", new ProtectiveFiles(), maxImages: 2500);

    private async Task RunAsync(string name, Scenario scenario, int maxImages)
    {
        Campaign campaign = new($"crash-{name}", output);
        using Scratch scratch = new();
        RecordedRun run = await RecordedRun.RecordAsync(scratch, scenario);
        Dictionary<string, Case> cases = [];
        foreach (Case item in Cases(run, scenario, Campaign.Size(maxImages)))
        {
            if (campaign.Replay is null || campaign.Replay == item.Name)
            {
                cases.TryAdd(item.Name, item);
            }
        }

        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) };
        Parallel.ForEach(Partitioner.Create(cases.Values, EnumerablePartitionerOptions.NoBuffering), parallel, item =>
            campaign.Try(item.Name, () => Check(item, run, scratch, campaign)));
        campaign.Finish(atLeast: 100);
    }

    // Where few things are pending, every subset is made; what is left of the number of cases goes to more states for each image.
    private static List<Case> Cases(RecordedRun run, Scenario scenario, int maxImages)
    {
        List<(CrashImage Image, ulong Acknowledged, string Place)> images = Images(run, maxImages);
        int variants = scenario.StateIsRecorded ? 1 : Math.Clamp(maxImages / images.Count, 1, 4);
        List<Case> cases = [];
        foreach ((CrashImage image, ulong acknowledged, string place) in images)
        {
            for (int i = 0; i < variants; i++)
            {
                int number = (cases.Count * 5) + i;
                StateVariant variant = Variant(scenario, image, number);
                cases.Add(new Case($"{place}/{variant}", image, acknowledged, variant, number));
            }
        }

        return cases;
    }

    private static List<(CrashImage Image, ulong Acknowledged, string Place)> Images(RecordedRun run, int maxImages)
    {
        ImageFingerprints fingerprints = new();
        List<(CrashImage, ulong, string)> images = [];
        int[] steps = [.. run.Trace.CrashSteps()];
        int sampled = Math.Max(12, maxImages / steps.Length);
        foreach (int step in steps)
        {
            ulong acknowledged = run.Trace.Marks(step).OfType<Acknowledged>().Select(mark => mark.LastSequence).DefaultIfEmpty().Max();
            int index = 0;
            foreach (CrashImage image in run.Trace.AllImages(step, Campaign.Seed, SubsetBits, sampled))
            {
                string place = string.Create(CultureInfo.InvariantCulture, $"{step}/{index++}");
                if (fingerprints.IsNew(image, acknowledged))
                {
                    images.Add((image, acknowledged, place));
                }
            }
        }

        return images;
    }

    private static StateVariant Variant(Scenario scenario, CrashImage image, int number)
    {
        if (scenario.StateIsRecorded)
        {
            return StateVariant.Recorded;
        }

        bool isKill = image.Label.StartsWith("everything", StringComparison.Ordinal);
        return isKill && number % 2 == 0 ? StateVariant.NewestSameBoot : (StateVariant)(2 + (number % 4));
    }

    private static string? Check(Case item, RecordedRun run, Scratch scratch, Campaign campaign)
    {
        string directory = scratch.Next("image");
        try
        {
            ImageStage.Write(item.Image, run, item.Variant, new Random(item.Number), directory);
            StateStoreOptions options = Bodies.Options(item.Number % 2 == 0 ? 0 : 16 << 20);
            string? problem = OpenAndCompare(item, run, directory, options, campaign);
            return problem is null ? null : $"[{item.Image}, {item.Variant}] {problem}";
        }
        finally
        {
            Scratch.Remove(directory);
        }
    }

    private static string? OpenAndCompare(Case item, RecordedRun run, string directory, StateStoreOptions options, Campaign campaign)
    {
        int atLeast = run.Model.CommitsAt(item.Acknowledged);
        int held;
        using (StateStore store = StateStore.Open(directory, options))
        {
            campaign.Count(store.Recovery!.Case.ToString());
            if (store.Recovery.CheckpointSequence is not null)
            {
                campaign.Count("rebuilt from a checkpoint");
            }

            if (!s_named.Contains(store.Recovery.Case))
            {
                return $"opened as {store.Recovery.Case}";
            }

            if (Expectation.FindDifference(store, run.Model, atLeast) is string difference)
            {
                return difference;
            }

            held = run.Model.CommitsAt(store.VisibleSequence);
            if (item.Number % 4 != 0)
            {
                return null;
            }

            CommitReceipt receipt = store.OpenSession(Bodies.Identity).CommitAsync(Batches.Of([Batches.Append()])).AsTask().GetAwaiter().GetResult();
            if (!receipt.IsCommitted)
            {
                return "takes no commit after recovery";
            }
        }

        // What recovery made must itself be closed cleanly and hold the same; whatever is half made beside it is no damage.
        VerificationReport report = StoreVerifier.Run(directory);
        if (report.Verdict != VerificationVerdict.Clean)
        {
            return $"verify says {report.Verdict}: {report.Findings.FirstOrDefault(static finding => finding.Severity != FindingSeverity.Info)}";
        }

        using StateStore again = StateStore.Open(directory, options);
        using ReadSnapshot snapshot = again.OpenSnapshot();
        return again.Recovery!.Case != RecoveryCase.Clean ? $"opened as {again.Recovery.Case} after a clean close"
            : snapshot.ReadEvent(snapshot.Sequence)?.Type != Batches.EventType ? "lost the commit after recovery"
            : Expectation.FindRecordDifference(snapshot, run.Model.At(held));
    }

    private sealed record Case(string Name, CrashImage Image, ulong Acknowledged, StateVariant Variant, int Number);
}
