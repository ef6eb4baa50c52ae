// Why this file exists: the kernel's word that something in a tree was touched, behind a seam so that a test can lose events at an exact moment. Invariants: a signal is a hint; whoever takes it never waits and never throws;
// what the watcher cannot tell is said as lost, and a watcher that is of no use any more says so.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Takes signals, on any thread.</summary>
internal interface ITreeSignalSink
{
    /// <summary>A path below the root was touched.</summary>
    /// <param name="path">The path, with slashes between its parts.</param>
    /// <param name="isDeep">Whether it may be another thing now, content included.</param>
    void Touched(string path, bool isDeep);

    /// <summary>Events were dropped.</summary>
    void Lost();

    /// <summary>The watcher does not work, or not for all of the tree.</summary>
    /// <param name="reason">Why, as the end of a sentence.</param>
    void Failed(string reason);
}

/// <summary>Makes watchers; what it returns is disposed to end the watching. Throws <see cref="IOException"/> when the kernel gives none.</summary>
internal delegate IDisposable TreeSignalSource(string root, ITreeSignalSink sink);

/// <summary>Watches with the operating system's own means.</summary>
internal sealed class SystemTreeSignals : IDisposable
{
    private readonly FileSystemWatcher _watcher;
    private readonly ITreeSignalSink _sink;

    private SystemTreeSignals(string root, ITreeSignalSink sink)
    {
        _sink = sink;
        _watcher = new FileSystemWatcher(root)
        {
            IncludeSubdirectories = true,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.Attributes | NotifyFilters.CreationTime,
        };
        _watcher.Created += (_, change) => Touched(change.Name, isDeep: true);
        _watcher.Deleted += (_, change) => Touched(change.Name, isDeep: true);
        _watcher.Changed += (_, change) => Touched(change.Name, isDeep: false);
        _watcher.Renamed += (_, change) =>
        {
            Touched(change.OldName, isDeep: true);
            Touched(change.Name, isDeep: true);
        };
        _watcher.Error += (_, error) => Failed(error.GetException());
    }

    /// <summary>Starts watching a tree.</summary>
    public static IDisposable Start(string root, ITreeSignalSink sink)
    {
        SystemTreeSignals signals = new(root, sink);
        try
        {
            signals._watcher.EnableRaisingEvents = true;
            return signals;
        }
        catch
        {
            signals.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _watcher.Dispose();

    private void Touched(string? name, bool isDeep)
    {
        if (string.IsNullOrEmpty(name))
        {
            _sink.Lost();
            return;
        }

        // A name that is not UTF-8 comes with other characters in its place; its folder is right, and that is what is looked at.
        _sink.Touched(name, isDeep);
    }

    private void Failed(Exception exception)
    {
        if (exception is InternalBufferOverflowException)
        {
            _sink.Lost();
        }
        else
        {
            _sink.Failed(exception.Message.TrimEnd('.'));
        }
    }
}
