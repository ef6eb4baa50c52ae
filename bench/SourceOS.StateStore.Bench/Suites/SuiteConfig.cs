// Why this file exists: how the BenchmarkDotNet suites run. Invariants: in this process, because the generated projects of the default toolchain would be
// built under the repository's rules for sources; allocation is always shown.

using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>The suites' configuration.</summary>
public sealed class SuiteConfig : ManualConfig
{
    /// <summary>Sets it.</summary>
    public SuiteConfig()
    {
        AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance));
        AddDiagnoser(MemoryDiagnoser.Default);
        AddLogger(ConsoleLogger.Default);
        AddExporter(MarkdownExporter.GitHub);
        AddColumnProvider(DefaultColumnProviders.Instance);
    }
}
