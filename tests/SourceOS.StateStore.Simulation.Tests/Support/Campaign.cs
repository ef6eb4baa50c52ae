// Why this file exists: every campaign counts, prints and replays in the same way. Invariants: prints one line `N tried, N held` whatever happens;
// keeps the first failures with what replays them; STATESTORE_REPLAY=<campaign>:<seed> runs one case only; STATESTORE_SCALE multiplies sizes.

using System.Collections.Concurrent;
using System.Globalization;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>One campaign's books. Thread-safe.</summary>
internal sealed class Campaign(string name, ITestOutputHelper output)
{
    private const int KeptFailures = 20;
    private static readonly Lock s_reportGate = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly ConcurrentDictionary<string, long> _counts = new();
    private long _tried;
    private long _held;

    internal long Tried => Interlocked.Read(ref _tried);

    /// <summary>The seed of a case that is to be replayed alone; null for a whole campaign.</summary>
    internal string? Replay
    {
        get
        {
            string? wanted = Environment.GetEnvironmentVariable("STATESTORE_REPLAY");
            return wanted is not null && wanted.StartsWith(name + ":", StringComparison.Ordinal) ? wanted[(name.Length + 1)..] : null;
        }
    }

    /// <summary>The campaign's seed: fixed in CI so that a failure is the code's, another one on request.</summary>
    internal static int Seed =>
        int.TryParse(Environment.GetEnvironmentVariable("STATESTORE_SEED"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int seed) ? seed : 20260;

    /// <summary>A size: what CI runs, times the scale.</summary>
    internal static int Size(int inCi)
    {
        string? text = Environment.GetEnvironmentVariable("STATESTORE_SCALE");
        double scale = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : 1;
        return (int)Math.Clamp(inCi * scale, 1, int.MaxValue);
    }

    /// <summary>Runs a case and books its outcome.</summary>
    /// <param name="replay">What replays it.</param>
    /// <param name="run">The case; answers null when it held, else what went wrong.</param>
    internal void Try(string replay, Func<string?> run)
    {
        Interlocked.Increment(ref _tried);
        string? problem;
        try
        {
            problem = run();
        }
        catch (Exception exception)
        {
            problem = exception.ToString();
        }

        if (problem is null)
        {
            Interlocked.Increment(ref _held);
        }
        else if (_failures.Count < KeptFailures)
        {
            _failures.Enqueue($"STATESTORE_REPLAY='{name}:{replay}' {problem}");
        }
    }

    /// <summary>Counts a kind of outcome, for the summary.</summary>
    internal void Count(string what) => _counts.AddOrUpdate(what, 1, static (_, before) => before + 1);

    /// <summary>Prints the books and fails when a case did not hold.</summary>
    internal void Finish(int atLeast = 1)
    {
        string counts = string.Join(", ", _counts.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}"));
        Say($"{name}: {_tried} tried, {_held} held (seed {Seed}){(counts.Length == 0 ? "" : $" [{counts}]")}");
        foreach (string failure in _failures)
        {
            Say($"{name}: FAILED {failure}");
        }

        Assert.True(_held == _tried, $"{name}: {_tried - _held} of {_tried} cases failed; the first: {(_failures.TryPeek(out string? first) ? first : "")}");
        if (Replay is null)
        {
            Assert.True(_tried >= atLeast, $"{name}: only {_tried} cases were tried.");
        }
    }

    /// <summary>Prints something that helps to read the figures.</summary>
    internal void Note(string text) => Say($"{name}: {text}");

    private void Say(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);

        // The test runner shows neither of the two when it is told to be quiet; the script that runs everything asks for a file.
        if (Environment.GetEnvironmentVariable("STATESTORE_REPORT") is { Length: > 0 } report)
        {
            lock (s_reportGate)
            {
                File.AppendAllText(report, line + Environment.NewLine);
            }
        }
    }
}
