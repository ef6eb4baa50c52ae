// Why this file exists: how much every comparison does at three sizes: `full` to publish, `short` for a smoke run within a minute, `tiny` for tests.

using SourceOS.StateStore.Bench.Measure;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>The size of a run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Preloaded">Objects that exist before commits are measured.</param>
/// <param name="Readable">Objects that reads and scans work on.</param>
/// <param name="Lone">Lone commits.</param>
/// <param name="Group">Commits of each caller in a group.</param>
/// <param name="Callers">Callers at once.</param>
/// <param name="Ingest">Commits of many objects.</param>
/// <param name="IngestBatch">Objects in such a commit.</param>
/// <param name="Point">Point reads.</param>
/// <param name="List">Lists of 100 rows.</param>
/// <param name="Whole">Work over a whole store: scan, open, verify.</param>
public sealed record Scale(
    string Name, int Preloaded, int Readable, RunShape Lone, RunShape Group, int Callers, RunShape Ingest, int IngestBatch, RunShape Point, RunShape List, RunShape Whole)
{
    /// <summary>To publish.</summary>
    public static Scale Full { get; } = new(
        "full", 20_000, 200_000, new RunShape(20, 3, 200), new RunShape(10, 2, 20), 64, new RunShape(15, 2, 6), 1000, new RunShape(15, 3, 100_000), new RunShape(15, 3, 500), new RunShape(7, 1, 1));

    /// <summary>To see that all is well.</summary>
    public static Scale Short { get; } = new(
        "short", 2_000, 10_000, new RunShape(3, 1, 20), new RunShape(3, 1, 3), 64, new RunShape(3, 1, 1), 1000, new RunShape(3, 1, 10_000), new RunShape(3, 1, 50), new RunShape(3, 1, 1));

    /// <summary>For tests, which look at results and not at times.</summary>
    public static Scale Tiny { get; } = new(
        "tiny", 200, 800, new RunShape(2, 1, 4), new RunShape(2, 0, 2), 8, new RunShape(2, 0, 1), 100, new RunShape(2, 0, 200), new RunShape(2, 0, 5), new RunShape(2, 0, 1));
}
