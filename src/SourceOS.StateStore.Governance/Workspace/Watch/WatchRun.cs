// Why this file exists: one watch: gather, wait until it is quiet, adopt, again. Invariants: the watcher runs before the first look at the tree, so nothing falls between them; a round that could not be made keeps what was
// touched for the next; a tree whose root is not the directory that the watch began with is not looked at.

using System.Diagnostics;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Runs one watch.</summary>
internal sealed class WatchRun : IDisposable
{
    private const int RootCheckMs = 1_000;
    private const int FirstLockPauseMs = 50;
    private const int MaxLockPauseMs = 1_000;

    private readonly TreeCalls _calls;
    private readonly TreeSignalSource _source;
    private readonly WatchStore _store;
    private readonly string _root;
    private readonly (ulong Device, ulong Inode) _identity;
    private readonly WatchOptions _watch;
    private readonly IProgress<WatchRound>? _rounds;
    private readonly IProgress<AdoptProgress>? _progress;
    private AdoptOptions _adopt;
    private readonly TouchedPaths _touched;
    private IDisposable? _signals;
    private string _notice = "";
    private string _cause = WatchCause.Start;
    private long _lastWhole;
    private long _lastStart;
    private long _number;
    private long _made;
    private long _deferred;
    private long _overflows;
    private long _written;
    private ulong _sequence;
    private AdoptReport? _refused;

    public WatchRun(
        TreeCalls calls, TreeSignalSource source, WatchStore store, string root, (ulong Device, ulong Inode) identity, AdoptOptions adopt, WatchOptions watch, IProgress<WatchRound>? rounds, IProgress<AdoptProgress>? progress)
    {
        (_calls, _source, _store, _root, _identity, _adopt, _watch, _rounds, _progress) = (calls, source, store, root, identity, adopt, watch, rounds, progress);
        _touched = new TouchedPaths(adopt.IncludeVersionControl, watch.MaxTouched);
    }

    /// <summary>Which directory is at a path.</summary>
    public static bool TryIdentify(TreeCalls calls, string path, out (ulong Device, ulong Inode) identity)
    {
        identity = default;
        int fd = calls.OpenRoot(path);
        if (fd < 0)
        {
            return false;
        }

        int result = calls.StatOpen(fd, out TreeStatus status);
        calls.Close(fd);
        identity = (status.Device, status.Inode);
        return result >= 0;
    }

    /// <summary>Runs until it is cancelled, the root is gone, or a commit is refused.</summary>
    public async Task<WatchSummary> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            Start();
            _touched.TouchAll();
            while (true)
            {
                if (!IsRootThere() && !await WaitForRootAsync(cancellationToken).ConfigureAwait(false))
                {
                    return Summary(WatchEnd.RootGone);
                }

                if (_touched.HasAny && !await RoundAsync(cancellationToken).ConfigureAwait(false))
                {
                    return Summary(WatchEnd.Refused);
                }

                await GatherAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return Summary(WatchEnd.Cancelled);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _signals?.Dispose();

    private string PathBelowRoot(string path)
    {
        string relative = Path.GetRelativePath(_root, Path.GetFullPath(path));
        return relative is "." or ".." || relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative) ? "" : relative;
    }

    private void Start()
    {
        _lastStart = Stopwatch.GetTimestamp();
        _signals?.Dispose();
        _signals = null;
        try
        {
            _signals = _source(_root, _touched);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            CannotWatch(exception.Message.TrimEnd('.'));
        }
    }

    private void CannotWatch(string reason)
    {
        _signals?.Dispose();
        _signals = null;
        _notice = $"The tree cannot be watched ({reason}); it is looked at as a whole every {TimeSpan.FromMilliseconds(_watch.PollMs).TotalSeconds:0.###} s instead.";
    }

    private bool IsRootThere() => TryIdentify(_calls, _root, out (ulong, ulong) now) && now == _identity;

    private async Task<bool> WaitForRootAsync(CancellationToken cancellationToken)
    {
        _signals?.Dispose();
        _signals = null;
        long since = Stopwatch.GetTimestamp();
        do
        {
            await Task.Delay(Math.Min(100, Math.Max(1, _watch.RootWaitMs)), cancellationToken).ConfigureAwait(false);
            if (IsRootThere())
            {
                Start();
                _touched.TouchAll();
                _cause = WatchCause.RootBack;
                return true;
            }
        }
        while (Stopwatch.GetElapsedTime(since).TotalMilliseconds < _watch.RootWaitMs);

        return false;
    }

    // Waits for the first signal, then until it is quiet, but not for ever.
    private async Task GatherAsync(CancellationToken cancellationToken)
    {
        while (!_touched.HasAny)
        {
            double untilWholeMs = (_signals is null ? _watch.PollMs : _watch.RescanMs) - Stopwatch.GetElapsedTime(_lastWhole).TotalMilliseconds;
            if (untilWholeMs <= 0)
            {
                // A watcher that failed for want of something gets another chance with each of these.
                if (_signals is null && Stopwatch.GetElapsedTime(_lastStart).TotalMilliseconds >= _watch.RescanMs)
                {
                    Start();
                }

                _cause = WatchCause.Rescan;
                _touched.TouchAll();
                return;
            }

            await _touched.WaitAsync(TimeSpan.FromMilliseconds(Math.Min(untilWholeMs, RootCheckMs)), cancellationToken).ConfigureAwait(false);
            if (_touched.TakeFailure() is { } failure)
            {
                CannotWatch(failure);
            }

            if (!IsRootThere())
            {
                return;
            }
        }

        long first = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(first).TotalMilliseconds < _watch.MaxWaitMs
            && await _touched.WaitAsync(TimeSpan.FromMilliseconds(_watch.QuietMs), cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // False when the store refused the round.
    private async Task<bool> RoundAsync(CancellationToken cancellationToken)
    {
        StateStore? store = await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (store is null)
        {
            _deferred++;
            Tell(null, isWhole: false, $"Another writer held the store for {_watch.LockWaitMs} ms; what was touched waits for the next round.");
            return true;
        }

        AdoptReport? report;
        TouchedPaths.Taken taken;
        try
        {
            // Taken only now: what is touched while the store is waited for belongs to this round.
            _touched.LeaveOut(PathBelowRoot(store.Path));
            taken = _touched.Take();
            report = await AdoptAsync(store, taken, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (_store.ClosesStore)
            {
                await store.DisposeAsync().ConfigureAwait(false);
            }
        }

        // Told when the store is free again, so that whoever waits for the word finds it so.
        if (report is null)
        {
            return true;
        }

        Tell(report, taken.Scope is null, _notice);
        _refused = report.Refusal is null ? null : report;
        return _refused is null;
    }

    // Null when the root is not there.
    private async Task<AdoptReport?> AdoptAsync(StateStore store, TouchedPaths.Taken taken, CancellationToken cancellationToken)
    {
        if (taken.IsLost)
        {
            _overflows++;
            _cause = WatchCause.Overflow;
        }

        if (taken.Scope is null)
        {
            _lastWhole = Stopwatch.GetTimestamp();
        }

        AdoptOptions options = _adopt with { Scope = taken.Scope, ExpectedRoot = _identity };
        AdoptReport report;
        try
        {
            report = await WorkspaceAdapter.AdoptAsync(_calls, store, _store.Identify(store), _root, options, TimeProvider.System, _made == 0 ? _progress : null, cancellationToken).ConfigureAwait(false);
        }
        catch (DirectoryNotFoundException)
        {
            // The root went between the look at it and the round; the next turn of the loop sees that too.
            _touched.TouchAll();
            return null;
        }

        _made++;
        _adopt = _adopt with { Rehash = false, EstimateTotal = false, WorkspaceId = report.WorkspaceId };
        _written += Written(report.Files) + Written(report.Folders) + Written(report.Links);
        _sequence = report.Commits > 0 ? report.Sequence : _sequence;
        return report;
    }

    private void Tell(AdoptReport? report, bool isWhole, string notice)
    {
        _rounds?.Report(new WatchRound(++_number, _cause, isWhole, _signals is not null, report, notice));
        if (report is not null)
        {
            _cause = WatchCause.Events;
            _notice = "";
        }
    }

    private static long Written(AdoptCounts counts) => counts.Added + counts.Changed + counts.Removed + counts.Renamed;

    // Null when another writer did not let go in time; the first round then ends the watch, since nothing was adopted yet.
    private async Task<StateStore?> OpenAsync(CancellationToken cancellationToken)
    {
        long since = Stopwatch.GetTimestamp();
        for (int pauseMs = FirstLockPauseMs; ; pauseMs = Math.Min(pauseMs * 2, MaxLockPauseMs))
        {
            try
            {
                return _store.Open();
            }
            catch (StateStoreException exception) when (exception.Code == StateStoreErrorCode.Locked)
            {
                bool isOver = Stopwatch.GetElapsedTime(since).TotalMilliseconds >= _watch.LockWaitMs;
                if (isOver && _made > 0)
                {
                    return null;
                }

                if (isOver)
                {
                    throw;
                }
            }

            await Task.Delay(pauseMs, cancellationToken).ConfigureAwait(false);
        }
    }

    private WatchSummary Summary(WatchEnd end) => new()
    {
        End = end,
        Rounds = _made,
        Deferred = _deferred,
        Overflows = _overflows,
        Written = _written,
        Sequence = _sequence,
        Refused = _refused,
    };
}
