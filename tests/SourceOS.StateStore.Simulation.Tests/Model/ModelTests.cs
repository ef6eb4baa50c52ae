// Why this file exists: sequences of operations that nobody thought of find what named cases do not. Invariants: a life follows from its seed alone; a failure is shrunk to a short list of
// operations before it is told; STATESTORE_REPLAY=model:<seed> runs one life, STATESTORE_REPLAY=model:<a>,<b>,... one list.

using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class ModelTests(ITestOutputHelper output)
{
    private const int Lives = 500;
    private const int Operations = 100;
    private const int MostShrinks = 300;

    [Fact]
    public void Any_life_of_a_store_is_the_models()
    {
        Campaign campaign = new("model", output);
        using Scratch scratch = new();
        if (campaign.Replay is string replay)
        {
            campaign.Try(replay, () => Run(scratch, campaign, Parse(replay)));
            campaign.Finish();
            return;
        }

        Parallel.For(0, Campaign.Size(Lives), new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, life =>
        {
            int seed = Campaign.Seed + life;
            campaign.Try(seed.ToString(CultureInfo.InvariantCulture), () => Run(scratch, campaign, Draw(seed)) is string problem ? Shrink(scratch, Draw(seed), problem) : null);
        });
        campaign.Finish(Math.Min(Lives, Campaign.Size(Lives)));
    }

    private static string? Run(Scratch scratch, Campaign campaign, int[] operations)
    {
        try
        {
            return new ModelRun(scratch, campaign.Count).RunAsync(operations).GetAwaiter().GetResult();
        }
        catch (Exception exception)
        {
            return exception.ToString();
        }
    }

    // The first smaller list that fails as well is the next to be made smaller, until none does or it has taken long enough.
    private static string Shrink(Scratch scratch, int[] operations, string problem)
    {
        int tries = 0;
        bool isSmaller = true;
        while (isSmaller && tries < MostShrinks)
        {
            isSmaller = false;
            foreach (int[] smaller in ArbMap.Default.ArbFor<int[]>().Shrinker(operations).Where(list => list.Length < operations.Length))
            {
                if (++tries > MostShrinks)
                {
                    break;
                }

                string? same;
                try
                {
                    same = new ModelRun(scratch, static _ => { }).RunAsync(smaller).GetAwaiter().GetResult();
                }
                catch (Exception exception)
                {
                    same = exception.ToString();
                }

                if (same is not null)
                {
                    (operations, problem, isSmaller) = (smaller, same, true);
                    break;
                }
            }
        }

        return $"{problem}\nSTATESTORE_REPLAY='model:{string.Join(',', operations)}'";
    }

    private static int[] Draw(int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Operations).Select(_ => random.Next())];
    }

    private static int[] Parse(string replay) =>
        replay.Contains(',', StringComparison.Ordinal) ? [.. replay.Split(',').Select(Numbers.Parse)] : Draw(Numbers.Parse(replay));
}
