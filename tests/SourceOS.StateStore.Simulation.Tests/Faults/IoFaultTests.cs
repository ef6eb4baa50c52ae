// Why this file exists: every call that the store makes to the kernel fails in every way, once and for ever. Invariants: which calls there are is counted,
// not listed by hand; a fault names its call by operation, file and turn, so that it means the same call in each run; a case that does not end is a failure.

using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed partial class IoFaultTests(ITestOutputHelper output)
{
    private const int BudgetMs = 60_000;

    [Fact]
    public void Every_call_to_the_kernel_may_fail()
    {
        Campaign campaign = new("io", output);
        using Scratch scratch = new();
        List<(FileCallKinds Kind, string Name, int Count)> calls = Count(scratch);
        List<(string Name, FaultRule Rule)> cases = [.. calls.SelectMany(call => CasesOf(call.Kind, call.Name, call.Count))];
        if (campaign.Replay is string replay)
        {
            cases = [.. cases.Where(item => item.Name == replay)];
        }

        campaign.Note($"{calls.Sum(call => call.Count)} calls, {calls.Count} kinds of them");
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) };
        Parallel.ForEach(Partitioner.Create(cases, EnumerablePartitionerOptions.NoBuffering), parallel, item =>
            campaign.Try(item.Name, () => RunWithin(scratch, item.Rule, campaign)));
        campaign.Finish(atLeast: 500);
    }

    private static List<(FileCallKinds Kind, string Name, int Count)> Count(Scratch scratch)
    {
        ConcurrentDictionary<(FileCallKinds, string), int> counts = new();
        FaultingFileOps ops = new(LinuxFileOps.Instance) { Before = call => counts.AddOrUpdate((call.Kind, Pattern(call.Path)), 1, static (_, count) => count + 1) };
        Assert.Null(new FaultScenario(scratch.Next("count"), ops).Run());
        return [.. counts.Select(pair => (pair.Key.Item1, pair.Key.Item2, pair.Value)).OrderBy(item => item.Item2, StringComparer.Ordinal).ThenBy(item => item.Item1)];
    }

    // Long runs of one call on one file are alike but for their ends; each of the first and last is faulted, and a spread of the others.
    private static IEnumerable<(string Name, FaultRule Rule)> CasesOf(FileCallKinds kind, string name, int count)
    {
        int each = Campaign.Size(4);
        int stride = Math.Max(1, (count - each) / each);
        for (int nth = 1; nth <= count; nth += nth < each || nth > count - 3 ? 1 : stride)
        {
            bool isTransfer = kind is FileCallKinds.PRead or FileCallKinds.PWrite;
            foreach (int times in (int[])[1, FaultRule.Forever])
            {
                foreach (int error in (int[])[Errno.ENOSPC, Errno.EIO, Errno.EINTR])
                {
                    yield return Case(kind, name, nth, times, FaultAction.Fail, error);
                }

                if (isTransfer)
                {
                    yield return Case(kind, name, nth, times, FaultAction.Shorten, 0);
                }

                if (kind == FileCallKinds.PWrite)
                {
                    yield return Case(kind, name, nth, times, FaultAction.FailAfterPart, Errno.EIO);
                }
            }
        }
    }

    private static (string Name, FaultRule Rule) Case(FileCallKinds kind, string name, int nth, int times, FaultAction action, int error)
    {
        FaultRule rule = new() { Kinds = kind, PathPattern = name, Nth = nth, Times = times, Action = action, ErrorNumber = error == 0 ? Errno.EIO : error, PartBytes = 700 };
        string text = string.Create(CultureInfo.InvariantCulture, $"{kind}/{name}/{nth}/{(times == 1 ? "once" : "ever")}/{action}/{Errno.Describe(rule.ErrorNumber).Split(' ')[0]}");
        return (text, rule);
    }

    private static string? RunWithin(Scratch scratch, FaultRule rule, Campaign campaign)
    {
        string directory = scratch.Next("io");
        FaultingFileOps ops = new(LinuxFileOps.Instance);
        ops.Add(rule);
        FaultScenario scenario = new(directory, ops);
        Task<string?> run = Task.Run(() => scenario.Run() ?? Verify(scenario));
        if (!run.Wait(BudgetMs))
        {
            return "it does not end";
        }

        campaign.Count(scenario.Outcome);
        Scratch.Remove(directory);
        return run.Result;
    }

    private static string? Verify(FaultScenario scenario)
    {
        VerificationReport report = StoreVerifier.Run(scenario.StorePath);
        return report.Verdict == VerificationVerdict.Clean ? null : $"verify says {report.Verdict}: {report.Findings[0].Code} {report.Findings[0].Place}";
    }

    private static string Pattern(string path) => RandomPart().Replace(Path.GetFileName(path), "*");

    // Names with a random or a dated part.
    [GeneratedRegex("(?<=\\.new-)[0-9a-f]{8}|[0-9]{8,}T?[0-9]*Z?(?=-)")]
    private static partial Regex RandomPart();
}
