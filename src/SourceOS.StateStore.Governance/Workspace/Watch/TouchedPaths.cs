// Why this file exists: what was touched since the last round, gathered from the watcher's threads. Invariants: memory is bounded: too many paths become the whole tree; what the adapter never looks at is not kept, so
// that the store's own writes inside a watched tree do not start the next round.

using System.Threading.Channels;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Gathers signals. Thread-safe.</summary>
/// <param name="includesVersionControl">Whether the content of `.git` counts.</param>
/// <param name="maxTouched">Most paths kept apart.</param>
internal sealed class TouchedPaths(bool includesVersionControl, int maxTouched) : ITreeSignalSink
{
    private readonly Lock _lock = new();
    private readonly Channel<byte> _wake = Channel.CreateBounded<byte>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private Dictionary<string, bool> _paths = new(StringComparer.Ordinal);
    private bool _isWhole;
    private bool _isLost;
    private string? _failure;
    private volatile string _leftOut = "";

    /// <summary>What one round looks at.</summary>
    /// <param name="Scope">What was touched; null for the whole tree.</param>
    /// <param name="IsLost">Whether events were dropped.</param>
    internal readonly record struct Taken(WalkScope? Scope, bool IsLost);

    /// <inheritdoc/>
    public void Touched(string path, bool isDeep)
    {
        if (IsOwn(path, isDeep))
        {
            return;
        }

        lock (_lock)
        {
            if (!_isWhole)
            {
                // What an ignore file says holds for everything around it.
                _isWhole = path.EndsWith(".statestoreignore", StringComparison.Ordinal) || (_paths.Count >= maxTouched && !_paths.ContainsKey(path));
                _paths[path] = isDeep || (_paths.TryGetValue(path, out bool was) && was);
                if (_isWhole)
                {
                    _paths = new(StringComparer.Ordinal);
                }
            }
        }

        _wake.Writer.TryWrite(0);
    }

    /// <inheritdoc/>
    public void Lost()
    {
        lock (_lock)
        {
            _isWhole = true;
            _isLost = true;
            _paths = new(StringComparer.Ordinal);
        }

        _wake.Writer.TryWrite(0);
    }

    /// <inheritdoc/>
    public void Failed(string reason)
    {
        lock (_lock)
        {
            _failure ??= reason;
            _isWhole = true;
        }

        _wake.Writer.TryWrite(0);
    }

    /// <summary>Leaves a folder out from now on: the store itself, which may live inside the tree.</summary>
    /// <param name="path">Its path below the root; empty for none.</param>
    public void LeaveOut(string path) => _leftOut = path;

    /// <summary>Asks for the whole tree.</summary>
    public void TouchAll()
    {
        lock (_lock)
        {
            _isWhole = true;
        }

        _wake.Writer.TryWrite(0);
    }

    /// <summary>Whether a round has something to look at.</summary>
    public bool HasAny
    {
        get
        {
            lock (_lock)
            {
                return _isWhole || _paths.Count > 0;
            }
        }
    }

    /// <summary>Takes what was gathered.</summary>
    public Taken Take()
    {
        lock (_lock)
        {
            Taken taken = new(_isWhole ? null : new WalkScope(_paths), _isLost);
            _paths = new(StringComparer.Ordinal);
            _isWhole = false;
            _isLost = false;
            return taken;
        }
    }

    /// <summary>Takes the watcher's failure, when there was one.</summary>
    public string? TakeFailure()
    {
        lock (_lock)
        {
            string? failure = _failure;
            _failure = null;
            return failure;
        }
    }

    /// <summary>Waits for the next signal.</summary>
    /// <param name="limit">How long.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> WaitAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timed.CancelAfter(limit > TimeSpan.Zero ? limit : TimeSpan.FromMilliseconds(1));
        try
        {
            await _wake.Reader.ReadAsync(timed.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    // The store's own folder, folders of that name, and what is inside of version control.
    private bool IsOwn(string path, bool isDeep)
    {
        string store = _leftOut;
        if (store.Length > 0 && path.StartsWith(store, StringComparison.Ordinal) && (path.Length == store.Length || path[store.Length] == '/'))
        {
            return true;
        }

        foreach (Range part in path.AsSpan().Split('/'))
        {
            ReadOnlySpan<char> name = path.AsSpan(part);
            bool isLast = part.End.GetOffset(path.Length) == path.Length;
            if (name.SequenceEqual(".statestore") || (!includesVersionControl && name.SequenceEqual(".git") && (!isLast || !isDeep)))
            {
                return true;
            }
        }

        return false;
    }
}
