// Why this file exists: the machine drifts, so only what ran next to each other is compared: every round runs every contestant once, in an order that
// rotates, and ratios are taken inside a round. Invariants: the first rounds warm up and are dropped; a full collection stands between
// contestants, so that none pays for another's garbage.

using System.Diagnostics;

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>How much a comparison does.</summary>
/// <param name="Rounds">Rounds that count.</param>
/// <param name="WarmUpRounds">Rounds before them.</param>
/// <param name="Operations">Operations of a contestant in a round.</param>
public sealed record RunShape(int Rounds, int WarmUpRounds, int Operations);

/// <summary>Runs a comparison.</summary>
public static class PairedRun
{
    /// <summary>Runs every contestant in every round.</summary>
    /// <param name="name">The comparison's name.</param>
    /// <param name="unit">What an operation is.</param>
    /// <param name="shape">How much.</param>
    /// <param name="contestants">Who; at least one subject.</param>
    /// <returns>The times and their ratios.</returns>
    public static async Task<ComparisonResult> RunAsync(string name, string unit, RunShape shape, IReadOnlyList<Contestant> contestants)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(contestants);
        RoundLog[] logs = [.. contestants.Select(_ => new RoundLog())];
        long started = Stopwatch.GetTimestamp();
        for (int round = 0; round < shape.WarmUpRounds + shape.Rounds; round++)
        {
            for (int turn = 0; turn < contestants.Count; turn++)
            {
                int who = (turn + round) % contestants.Count;
                GC.Collect();
                OpTimer timer = new();
                long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
                await contestants[who].RunAsync(shape.Operations, timer);
                long allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
                if (round >= shape.WarmUpRounds)
                {
                    logs[who].Add(timer, (double)allocated / timer.Operations);
                }
            }
        }

        return ComparisonResult.Build(name, unit, shape, Stopwatch.GetElapsedTime(started), contestants, logs);
    }
}

/// <summary>What one contestant's rounds gave.</summary>
public sealed class RoundLog
{
    /// <summary>Mean nanoseconds of an operation in each round.</summary>
    public List<double> RoundMeansNs { get; } = [];

    /// <summary>Every timed span, for the tails.</summary>
    public List<double> SamplesNs { get; } = [];

    /// <summary>Managed bytes allocated for an operation in each round, by all threads, preparation included.</summary>
    public List<double> AllocatedBytes { get; } = [];

    /// <summary>Adds a round.</summary>
    public void Add(OpTimer timer, double allocatedBytes)
    {
        ArgumentNullException.ThrowIfNull(timer);
        RoundMeansNs.Add(timer.MeanNs);
        SamplesNs.AddRange(timer.Samples);
        AllocatedBytes.Add(allocatedBytes);
    }
}
