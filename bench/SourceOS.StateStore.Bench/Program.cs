// Why this file exists: the one entry to all measurements: `compare` beside peers and floors, `work` for a profiler, anything else to the BenchmarkDotNet suites.

using BenchmarkDotNet.Running;
using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Bench.Suites;

namespace SourceOS.StateStore.Bench;

/// <summary>The measuring program.</summary>
public static class Program
{
    /// <summary>Runs what the arguments name; without any, says what there is.</summary>
    public static async Task<int> Main(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        if (args.Length == 0)
        {
            await Console.Out.WriteLineAsync(CompareCommand.Usage);
            await Console.Out.WriteLineAsync(WorkCommand.Usage);
            return 2;
        }

        if (args[0] == "compare")
        {
            return await CompareCommand.RunAsync(args[1..], Console.Out);
        }

        if (args[0] == "work")
        {
            return await WorkCommand.RunAsync(args[1..], Console.Out);
        }

        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, new SuiteConfig());
        return 0;
    }
}
