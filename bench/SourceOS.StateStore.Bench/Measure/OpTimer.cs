// Why this file exists: what a contestant did in one round, timed by itself, because only it knows what is preparation and what is the work.
// Invariants: times are wall-clock nanoseconds for each operation; nothing is dropped.

using System.Diagnostics;

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>Collects the times of one contestant's round.</summary>
public sealed class OpTimer
{
    private readonly List<double> _samples = [];
    private long _started;
    private double _totalNs;

    /// <summary>Nanoseconds of each timed span divided by its operations.</summary>
    public IReadOnlyList<double> Samples => _samples;

    /// <summary>Operations of all spans.</summary>
    public long Operations { get; private set; }

    /// <summary>Mean nanoseconds of an operation over the round.</summary>
    public double MeanNs => Operations == 0 ? double.NaN : _totalNs / Operations;

    /// <summary>Starts the clock.</summary>
    public void Begin() => _started = Stopwatch.GetTimestamp();

    /// <summary>Stops the clock.</summary>
    /// <param name="operations">How many operations the span held.</param>
    public void End(long operations)
    {
        double elapsed = Stopwatch.GetElapsedTime(_started).TotalNanoseconds;
        _samples.Add(elapsed / operations);
        _totalNs += elapsed;
        Operations += operations;
    }
}
