// Why this file exists: while a writer is open, checkpoints of the state are made by policy, beside the writer and not on its thread, and the frontier of the log's tree is kept for each segment. Invariants: a failure here is counted and shown and never
// reaches a commit; what waits is bounded; one checkpoint at a time; closing cancels what is left, or makes the last one where it is cheap.

using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Checkpoints;

/// <summary>Keeps the checkpoints of an open store.</summary>
internal sealed class CheckpointKeeper : IDisposable
{
    private const int RestMs = 8;
    private const int MaxWaitingFrontiers = 64;

    // A checkpoint at close makes the caller wait; beyond this a long-lived writer makes it in the background.
    private const long CloseStateBytes = 64L << 20;

    private readonly FileOps _ops;
    private readonly StoreLayout _layout;
    private readonly Superblock _superblock;
    private readonly StateStoreOptions _options;
    private readonly StateEnvironment _state;
    private readonly LogGeometry _geometry;
    private readonly TimeProvider _clock;
    private readonly EngineMetrics _metrics;
    private readonly ILogger _logger;
    private readonly Lock _making = new();
    private readonly OnDemandThread _thread;
    private readonly Queue<StateHeader> _frontiers = new();
    private bool _isTidy;
    private bool _isDue;
    private int _segment;
    private ulong _lastSequence;
    private ulong _notBefore;
    private long _lastMadeAt;
    private long _made;
    private long _failures;
    private string _lastFailure = "";

    internal CheckpointKeeper(FileOps ops, StoreLayout layout, Superblock superblock, StateStoreOptions options, StateEnvironment state, EngineMetrics metrics, ILogger logger)
    {
        _ops = ops;
        _layout = layout;
        _superblock = superblock;
        _options = options;
        _state = state;
        _geometry = new LogGeometry(superblock.PageBits, superblock.SegmentBits);
        _clock = options.Clock ?? TimeProvider.System;
        _metrics = metrics;
        _logger = logger;
        _thread = new OnDemandThread("statestore-checkpoint", Run);
        _lastMadeAt = _clock.GetTimestamp();
        if (!options.KeepsCheckpoints)
        {
            return;
        }

        StateHeader header = state.Published.Header;
        _segment = SegmentOf(header.LogPosition);
        _lastSequence = Math.Max(superblock.BaseSequence - 1, CheckpointFolder.List(ops, layout).Find(sequence => sequence <= header.LastSequence));
    }

    /// <summary>What was done so far.</summary>
    internal CheckpointStatus Status
    {
        get
        {
            lock (_thread.Gate)
            {
                return new CheckpointStatus(_options.KeepsCheckpoints, _made, _failures, _lastFailure, _lastSequence, _thread.IsRunning);
            }
        }
    }

    /// <summary>Hears of each group that became visible. Called by the writer thread; never throws, never waits for I/O.</summary>
    internal void Notice(StateHeader header)
    {
        if (!_options.KeepsCheckpoints)
        {
            return;
        }

        int segment = SegmentOf(header.LogPosition);
        bool isDue = IsDue(header);
        if (segment <= _segment && !isDue)
        {
            return;
        }

        lock (_thread.Gate)
        {
            if (_thread.IsStopped)
            {
                return;
            }

            if (segment > _segment && _frontiers.Count < MaxWaitingFrontiers)
            {
                _frontiers.Enqueue(FrontierMaker.PlaceOf(header));
            }

            _segment = segment;
            _isDue |= isDue;
            if ((_isDue || _frontiers.Count > 0) && _thread.TryStart() is { } failure)
            {
                _failures++;
                _lastFailure = failure;
            }
        }
    }

    /// <summary>Makes a checkpoint now, on the caller's thread.</summary>
    /// <returns>The last sequence that it folds.</returns>
    internal ulong MakeNow(CancellationToken cancellation = default) => Make(0, cancellation);

    private ulong Make(int restMs, CancellationToken cancellation)
    {
        lock (_making)
        {
            using LmdbReadPin pin = _state.Pin(out StateRoots roots);
            CheckpointMaker maker = new(_ops, _layout, _superblock, _clock) { RestMs = restMs, ReserveBytes = _options.ReserveBytes };
            maker.Make(new StateView(roots), cancellation);
            NoteMade(roots.Header);
            return roots.Header.LastSequence;
        }
    }

    /// <summary>Makes the last checkpoint of a writer that closes, where enough happened since the one before and the state is not large. Never throws.</summary>
    internal void MakeAtClose()
    {
        StateRoots roots = _state.Published;
        StateHeader header = roots.Header;
        bool isCheap = _state.LengthBytes <= CloseStateBytes;
        if (!_options.KeepsCheckpoints || !isCheap || header.LastSequence - Math.Min(header.LastSequence, _lastSequence) < (ulong)Math.Max(1, _options.CheckpointEveryEvents / 2))
        {
            return;
        }

        try
        {
            _thread.Stop();
            _ = MakeNow();
        }
        catch (Exception exception)
        {
            // The store is closed and sound; without this checkpoint a rebuild takes longer.
            Fail(exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _thread.Dispose();

    private int SegmentOf(long position) => position <= 0 ? 0 : _geometry.SegmentOf(position - 1);

    // A copy costs what the state is large, so in a large one more must have happened before the next is due.
    private bool IsDue(StateHeader header)
    {
        if (_isDue || header.LastSequence <= _lastSequence || header.LastSequence < Volatile.Read(ref _notBefore))
        {
            return false;
        }

        ulong since = header.LastSequence - _lastSequence;
        if (since >= (ulong)_options.CheckpointEveryEvents && since >= RecordsOf(header) / 4)
        {
            return true;
        }

        return _clock.GetElapsedTime(Volatile.Read(ref _lastMadeAt)).TotalMilliseconds >= _options.CheckpointEveryMs;
    }

    private static ulong RecordsOf(StateHeader header)
    {
        ulong records = 0;
        foreach (KindCount count in header.Kinds)
        {
            records += count.Live + count.Tombstones;
        }

        return records;
    }

    private void Run()
    {
        while (TryTake(out StateHeader? frontier))
        {
            try
            {
                Tidy();
                if (frontier is not null)
                {
                    WriteFrontier(frontier);
                }
                else
                {
                    MakeInBackground();
                }
            }
            catch (OperationCanceledException)
            {
                // A writer that closes; the next one makes it when it is due again.
                continue;
            }
            catch (Exception exception)
            {
                // On a background thread anything else would end the process, and a shortcut is not worth that.
                Fail(exception);
            }
        }
    }

    private bool TryTake(out StateHeader? frontier)
    {
        lock (_thread.Gate)
        {
            frontier = null;
            bool isLeft = !_thread.IsStopped && (_frontiers.TryDequeue(out frontier) || _isDue);
            if (!isLeft)
            {
                _thread.End();
            }

            return isLeft;
        }
    }

    private void Tidy()
    {
        if (!_isTidy)
        {
            _isTidy = true;
            CheckpointFolder.DropLeftOvers(_ops, _layout, _superblock, new SeamStoreFiles(_ops));
        }
    }

    private void WriteFrontier(StateHeader state)
    {
        CheckpointFolder.Create(_ops, _layout);
        FrontierMaker.Write(_ops, _layout.FrontierPath(SegmentOf(state.LogPosition)), state, _clock);
    }

    private void MakeInBackground()
    {
        try
        {
            _ = Make(RestMs, _thread.Token);
        }
        finally
        {
            lock (_thread.Gate)
            {
                _isDue = false;
            }
        }
    }

    private void NoteMade(StateHeader header)
    {
        lock (_thread.Gate)
        {
            _made++;
            _lastSequence = header.LastSequence;
            Volatile.Write(ref _lastMadeAt, _clock.GetTimestamp());
        }

        _metrics.CheckpointMade();
    }

    private void Fail(Exception exception)
    {
        lock (_thread.Gate)
        {
            _failures++;
            _lastFailure = exception.Message;

            // Not again at once: whatever stood in the way has as long to go away as there is between two checkpoints.
            Volatile.Write(ref _lastMadeAt, _clock.GetTimestamp());
            _notBefore = _state.Published.Header.LastSequence + (ulong)_options.CheckpointEveryEvents;
        }

        _metrics.CheckpointFailed();
        EngineLog.CheckpointFailed(_logger, _layout.StorePath, exception);
    }
}
