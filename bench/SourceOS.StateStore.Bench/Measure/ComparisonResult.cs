// Why this file exists: what a comparison found, ready to print. Invariants: a ratio is taken inside each round, then its median and quartiles over the
// rounds; above 1 means that the subject was faster.

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>A median with its quartiles.</summary>
/// <param name="Low">Lower quartile.</param>
/// <param name="Median">Median.</param>
/// <param name="High">Upper quartile.</param>
public sealed record Spread(double Low, double Median, double High)
{
    /// <summary>Of a list of values.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new Spread(At(sorted, 0.25), At(sorted, 0.5), At(sorted, 0.75));
    }

    /// <summary>A quantile of sorted values, interpolated.</summary>
    public static double At(IReadOnlyList<double> sorted, double quantile)
    {
        ArgumentNullException.ThrowIfNull(sorted);
        if (sorted.Count == 0)
        {
            return double.NaN;
        }

        double position = quantile * (sorted.Count - 1);
        int index = (int)position;
        double next = index + 1 < sorted.Count ? sorted[index + 1] : sorted[index];
        return sorted[index] + ((next - sorted[index]) * (position - index));
    }
}

/// <summary>One contestant's times.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">What it stands for.</param>
/// <param name="RoundNs">Nanoseconds of an operation, over round means.</param>
/// <param name="P50Ns">Median of single timed spans.</param>
/// <param name="P99Ns">Their 99th percentile.</param>
/// <param name="AllocatedBytes">Managed bytes for an operation.</param>
/// <param name="Ratios">By subject: how many times as fast as this contestant the subject was.</param>
public sealed record ContestantResult(
    string Name, Role Role, Spread RoundNs, double P50Ns, double P99Ns, double AllocatedBytes, IReadOnlyDictionary<string, Spread> Ratios);

/// <summary>A whole comparison.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Unit">What an operation is.</param>
/// <param name="Shape">How much was done.</param>
/// <param name="ElapsedMs">How long it took, in milliseconds.</param>
/// <param name="Contestants">Who took part.</param>
/// <param name="Notes">What a reader must know beside the numbers.</param>
public sealed record ComparisonResult(
    string Name, string Unit, RunShape Shape, long ElapsedMs, IReadOnlyList<ContestantResult> Contestants, IReadOnlyList<string> Notes)
{
    /// <summary>Builds it from what the rounds gave.</summary>
    public static ComparisonResult Build(
        string name, string unit, RunShape shape, TimeSpan elapsed, IReadOnlyList<Contestant> contestants, IReadOnlyList<RoundLog> logs)
    {
        List<ContestantResult> results = [];
        for (int i = 0; i < contestants.Count; i++)
        {
            RoundLog log = logs[i];
            Dictionary<string, Spread> ratios = [];
            for (int s = 0; s < contestants.Count; s++)
            {
                if (s != i && contestants[s].Role == Role.Subject)
                {
                    ratios[contestants[s].Name] = Spread.Of(log.RoundMeansNs.Zip(logs[s].RoundMeansNs, (mine, subject) => mine / subject));
                }
            }

            double[] samples = [.. log.SamplesNs.Order()];
            results.Add(new ContestantResult(
                contestants[i].Name, contestants[i].Role, Spread.Of(log.RoundMeansNs), Spread.At(samples, 0.5), Spread.At(samples, 0.99), Spread.Of(log.AllocatedBytes).Median, ratios));
        }

        return new ComparisonResult(name, unit, shape, (long)elapsed.TotalMilliseconds, results, []);
    }

    /// <summary>The same with a note more.</summary>
    public ComparisonResult WithNote(string note) => this with { Notes = [.. Notes, note] };
}
