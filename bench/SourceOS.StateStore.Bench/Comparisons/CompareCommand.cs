// Why this file exists: the `compare` verb: which comparisons run, how large, and where the results go. Invariants: asserts nothing about time; fails when
// the contestants do not hold the same data.

using System.Globalization;
using SourceOS.StateStore.Bench.Measure;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Runs comparisons and prints them.</summary>
public static class CompareCommand
{
    /// <summary>What the program can do.</summary>
    public const string Usage = """
        SourceOS.StateStore.Bench compare [--short] [--only NAME,...] [--objects N] [--dir DIRECTORY] [--out DIRECTORY]
            Runs the store beside its peers, interleaved in this process, and prints medians, spreads and ratios.
            --short    a minute or less; for a look, not for publishing
            --only     of: commit, commit-new, group, ingest, append, read, list, scan, open, verify
            --objects  how many objects reads work on
            --dir      where the stores are made; removed afterwards
            --out      writes results.json and results.md there
        SourceOS.StateStore.Bench --filter '*'
            Runs the BenchmarkDotNet suites; takes BenchmarkDotNet's own arguments.
        """;

    private static readonly string[] s_overWorld = ["read", "list", "scan", "open", "verify"];

    /// <summary>Runs the verb.</summary>
    /// <param name="args">Its arguments.</param>
    /// <param name="output">Where results go as they come.</param>
    /// <returns>0, or 2 for arguments that make no sense.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(output);
        Scale scale = Scale.Full;
        HashSet<string>? only = null;
        string? directory = null;
        string? results = null;
        for (int i = 0; i < args.Count; i++)
        {
            string? value = i + 1 < args.Count ? args[i + 1] : null;
            switch (args[i])
            {
                case "--short":
                    scale = Scale.Short;
                    continue;
                case "--only" when value is not null:
                    only = [.. value.Split(',')];
                    break;
                case "--objects" when value is not null:
                    scale = scale with { Readable = int.Parse(value, CultureInfo.InvariantCulture) };
                    break;
                case "--dir" when value is not null:
                    directory = value;
                    break;
                case "--out" when value is not null:
                    results = value;
                    break;
                default:
                    await output.WriteLineAsync(Usage);
                    return 2;
            }

            i++;
        }

        string command = "dotnet run -c Release --project bench/SourceOS.StateStore.Bench -- compare" + string.Concat(args.Select(arg => " " + arg));
        ComparisonReport report = await RunAsync(scale, only, directory, command, output);
        if (results is not null)
        {
            Directory.CreateDirectory(results);
            await File.WriteAllTextAsync(Path.Combine(results, "results.json"), report.ToJson());
            await File.WriteAllTextAsync(Path.Combine(results, "results.md"), report.ToMarkdown());
        }

        return 0;
    }

    /// <summary>Runs comparisons.</summary>
    /// <param name="scale">How large.</param>
    /// <param name="only">Which; all when null.</param>
    /// <param name="directory">Where the stores are made; the temporary directory when null.</param>
    /// <param name="command">The command to name in the report.</param>
    /// <param name="output">Where results go as they come.</param>
    /// <returns>The report.</returns>
    public static async Task<ComparisonReport> RunAsync(Scale scale, IReadOnlySet<string>? only, string? directory, string command, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(scale);
        ArgumentNullException.ThrowIfNull(output);
        using BenchContext context = new(scale, directory);
        IReadOnlyList<KeyValuePair<string, string>> machine = MachineFacts.Collect(context.Root);
        await output.WriteLineAsync($"Configuration ({scale.Name}):\n" + string.Join('\n', machine.Select(fact => $"- {fact.Key}: {fact.Value}")));
        List<ComparisonResult> results = [];
        foreach ((string name, Func<Task<ComparisonResult>> run) in Work(context))
        {
            if (only is null || only.Contains(name))
            {
                await AddAsync(results, await run(), output);
            }
        }

        if (only is null || only.Overlaps(s_overWorld))
        {
            await using ReadWorld world = await ReadWorld.LoadAsync(context);
            foreach ((string name, Func<Task<ComparisonResult>> run) in WorkOver(context, world))
            {
                if (only is null || only.Contains(name))
                {
                    await AddAsync(results, await run(), output);
                }
            }
        }

        return new ComparisonReport(command, DateTimeOffset.UtcNow, machine, results);
    }

    private static (string Name, Func<Task<ComparisonResult>> Run)[] Work(BenchContext context) =>
    [
        ("commit", () => LoneCommit.RunAsync(context, inserts: false)),
        ("commit-new", () => LoneCommit.RunAsync(context, inserts: true)),
        ("group", () => GroupCommit.RunAsync(context)),
        ("ingest", () => Ingest.RunAsync(context)),
        ("append", () => EventAppend.RunAsync(context)),
    ];

    private static (string Name, Func<Task<ComparisonResult>> Run)[] WorkOver(BenchContext context, ReadWorld world) =>
    [
        ("read", () => Reads.PointAsync(context, world)),
        ("list", () => Reads.ListAsync(context, world)),
        ("scan", () => Reads.ScanAsync(context, world)),
        ("open", () => WholeStore.OpenAsync(context, world)),
        ("verify", () => WholeStore.VerifyAsync(context, world)),
    ];

    private static async Task AddAsync(List<ComparisonResult> results, ComparisonResult result, TextWriter output)
    {
        results.Add(result);
        await output.WriteLineAsync(ComparisonReport.ToMarkdown(result));
    }
}
