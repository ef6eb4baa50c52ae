// Why this file exists: the loop: take a sample, change it, mend it, hand it over, keep it when it took a new way. Invariants: everything follows from the seed and the number of cases, so a failure is found again by
// both; a case that does not end is told by the watchman, with the bytes, before the process ends.

using System.Diagnostics;

namespace SourceOS.StateStore.Fuzz;

/// <summary>What a target's run came to.</summary>
internal sealed record FuzzResult(string Target, long Tried, long Held, int Samples, IReadOnlyList<string> Failures);

/// <summary>Runs targets.</summary>
internal sealed class FuzzLoop(int seed, string failuresFolder)
{
    private const int MaxSamples = 4000;
    private const int MaxFailures = 5;
    private const int MaxCaseSeconds = 30;
    private const long MaxSampleBytes = 1 << 20;

    /// <summary>Runs one target until time or cases are used up.</summary>
    internal FuzzResult Run(Target target, TimeSpan time, long maxCases)
    {
        Random random = new(seed ^ StableHash(target.Name));
        List<byte[]> samples = [];
        HashSet<ulong> ways = [];
        List<string> failures = [];
        HashSet<string> kinds = [];
        long tried = 0;
        long held = 0;
        using Watchman watchman = new(target.Name, failuresFolder, MaxCaseSeconds);
        long start = Stopwatch.GetTimestamp();

        void Try(byte[] bytes, bool keeps)
        {
            tried++;
            watchman.Begin(bytes);
            try
            {
                ulong way = target.Run(bytes);
                held++;
                if ((ways.Add(way) || keeps) && samples.Count < MaxSamples && bytes.Length <= MaxSampleBytes)
                {
                    samples.Add(bytes);
                }
            }
            catch (Exception exception)
            {
                // One of each kind is enough to look at.
                string kind = $"{exception.GetType().Name}: {exception.StackTrace?.Split('\n').FirstOrDefault()?.Trim()}";
                if (kinds.Add(kind) && failures.Count < MaxFailures)
                {
                    failures.Add($"{exception.GetType().Name}: {exception.Message.Split('\n')[0]} ({Save(target.Name, bytes)})");
                }
            }
            finally
            {
                watchman.End();
            }
        }

        foreach (byte[] sample in target.Seeds().Concat(Corpus.Read(target.Name)))
        {
            Try(sample, keeps: true);
        }

        while (tried < maxCases && Stopwatch.GetElapsedTime(start) < time && !(target.IsCanary && failures.Count > 0))
        {
            byte[] sample = samples.Count == 0 ? [] : samples[random.Next(samples.Count)];
            byte[] other = samples.Count == 0 ? [] : samples[random.Next(samples.Count)];
            byte[] changed = Mutator.Change(sample, other, random);
            if (target.Mend is not null && random.Next(4) != 0)
            {
                target.Mend(changed);
            }

            Try(changed, keeps: false);
        }

        return new FuzzResult(target.Name, tried, held, samples.Count, failures);
    }

    // The runtime's own hash of a text differs from process to process.
    private static int StableHash(string text) => text.Aggregate(17, static (hash, c) => unchecked((hash * 31) + c));

    private string Save(string target, byte[] bytes)
    {
        string folder = Path.Combine(failuresFolder, target);
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes))[..16] + ".bin");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}

/// <summary>Ends the process when a case does not, after it kept the bytes.</summary>
internal sealed class Watchman : IDisposable
{
    private readonly string _target;
    private readonly string _folder;
    private readonly long _maxMs;
    private readonly Timer _timer;
    private byte[]? _bytes;
    private long _since;

    internal Watchman(string target, string folder, int maxSeconds)
    {
        _target = target;
        _folder = folder;
        _maxMs = maxSeconds * 1000L;
        _timer = new Timer(_ => Look(), null, 1000, 1000);
    }

    internal void Begin(byte[] bytes)
    {
        Volatile.Write(ref _since, Environment.TickCount64);
        Volatile.Write(ref _bytes, bytes);
    }

    internal void End() => Volatile.Write(ref _bytes, null);

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        byte[]? bytes = Volatile.Read(ref _bytes);
        if (bytes is not null && Environment.TickCount64 - Volatile.Read(ref _since) > _maxMs)
        {
            Directory.CreateDirectory(_folder);
            string path = Path.Combine(_folder, $"{_target}-hang.bin");
            File.WriteAllBytes(path, bytes);
            Console.Error.WriteLine($"{_target}: a case did not end ({path})");
            Environment.Exit(3);
        }
    }
}
