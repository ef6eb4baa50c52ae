// Why this file exists: what comparisons share: where stores lie, how large all is, and the promise that nothing stays behind.

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>A run's surroundings. Disposing it removes everything that the run wrote.</summary>
public sealed class BenchContext : IDisposable
{
    private int _next;

    /// <summary>Makes the run's own directory.</summary>
    /// <param name="scale">How large.</param>
    /// <param name="parent">Where; the system's temporary directory when null.</param>
    public BenchContext(Scale scale, string? parent)
    {
        Scale = scale;
        Root = parent is null
            ? Directory.CreateTempSubdirectory("statestore-bench-").FullName
            : Directory.CreateDirectory(Path.Combine(parent, $"statestore-bench-{Environment.ProcessId}")).FullName;
    }

    /// <summary>How large.</summary>
    public Scale Scale { get; }

    /// <summary>The run's directory.</summary>
    public string Root { get; }

    /// <summary>A path in it that nothing has.</summary>
    public string NewPath(string name) => Path.Combine(Root, $"{_next++:D3}-{name}");

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Root, recursive: true);
}
