// Why this file exists: a suite that throws in its set-up prints a table of dashes and ends with 0, so nobody notices. Every benchmark of every suite runs here once, the way that
// the program runs it. Nothing here looks at a time.

using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using SourceOS.StateStore.Bench.Suites;

namespace SourceOS.StateStore.Bench.Tests;

public sealed class SuiteSmokeTests
{
    [Theory]
    [InlineData(typeof(CodecBenchmarks), 16)]
    [InlineData(typeof(HashBenchmarks), 36)]
    [InlineData(typeof(StoreBenchmarks), 5)]
    [InlineData(typeof(CommitBenchmarks), 4)]
    [InlineData(typeof(GovernedBenchmarks), 4)]
    public void Every_benchmark_of_a_suite_runs(Type suite, int cases)
    {
        string artifacts = Directory.CreateTempSubdirectory("bench-suite-").FullName;
        try
        {
            AccumulationLogger log = new();
            IConfig config = new ManualConfig { ArtifactsPath = artifacts }
                .AddJob(Job.Dry.WithToolchain(InProcessEmitToolchain.Instance))
                .AddLogger(log)
                .WithOptions(ConfigOptions.DisableOptimizationsValidator);
            Summary summary = BenchmarkRunner.Run(suite, config);
            Assert.False(summary.HasCriticalValidationErrors, log.GetLog());
            Assert.True(summary.Reports.All(static report => report.Success), log.GetLog());
            Assert.Equal(cases, summary.Reports.Length);
        }
        finally
        {
            Directory.Delete(artifacts, recursive: true);
        }
    }
}
