// Why this file exists: campaigns make thousands of stores; memory-backed directories keep the disk out of their time. Invariants: unique, removed
// on dispose; falls back to the temporary directory where no memory file system is mounted.

using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>A directory of a test's own, in memory where possible.</summary>
internal sealed class Scratch : IDisposable
{
    private const string Memory = "/dev/shm";
    private int _next;

    internal Scratch()
    {
        string parent = Directory.Exists(Memory) ? Memory : Path.GetTempPath();
        Root = Path.Combine(parent, $"statestore-sim-{Environment.ProcessId}-{Guid.NewGuid():n}");
        Directory.CreateDirectory(Root);
    }

    internal string Root { get; }

    /// <summary>A path in it that was not handed out before.</summary>
    internal string Next(string stem = "store") => Path.Combine(Root, $"{stem}-{Interlocked.Increment(ref _next)}");

    internal static void Remove(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Copies what failed to where it outlives the test.</summary>
    internal static void Keep(string directory, string name)
    {
        string kept = Path.Combine(Path.GetTempPath(), $"statestore-failed-{name}-{Guid.NewGuid():n}");
        StoreCopy.CopyLive(directory, kept);
        Console.WriteLine($"The store is kept in {kept}.");
    }

    public void Dispose() => Remove(Root);
}
