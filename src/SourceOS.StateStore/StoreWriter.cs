// Why this file exists: an open store with its writer: opening, recovery, running, clean close. Invariants: the lock is held from before the
// first look to after the last write; what fails on the way in is given back in reverse; a clean close syncs the state before it says so.

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Commit;
using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Parity;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>The writing half of an open store.</summary>
internal sealed class StoreWriter : SnapshotSource, IDisposable
{
    private readonly WriterLock _lock;
    private readonly StateEnvironment _state;
    private readonly LogWriter _log;
    private readonly CommitLoop _loop;
    private readonly EngineMetrics _metrics;
    private readonly ParityKeeper _parity;
    private readonly CheckpointKeeper _checkpoints;
    private readonly ILogger _logger;
    private readonly TimeProvider _clock;
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ulong _visibleSequence;
    private int _disposed;

    private StoreWriter(OpenedStore opened, StateStoreOptions options, FileOps ops)
        : base(opened.Layout, opened.Superblock, options, opened.Files)
    {
        _lock = opened.Lock;
        _state = opened.State;
        _log = opened.Log;
        _clock = options.Clock ?? TimeProvider.System;
        Report = opened.Report;
        _logger = options.LoggerFactory?.CreateLogger("SourceOS.StateStore") ?? NullLogger.Instance;
        StateView view = new(_state.Published);
        StateHeader header = view.Roots.Header;
        StateDigest digest = new();
        view.ReadDigest(digest);
        _visibleSequence = header.LastSequence;
        _metrics = new EngineMetrics(
            StoreIds.ToGuid(Superblock.StoreId).ToString(), () => (long)VisibleSequence, () => _loop?.QueueLength ?? 0, () => OpenSnapshots);
        _parity = new ParityKeeper(ops, Layout, Superblock, options, _metrics, _logger);
        _checkpoints = new CheckpointKeeper(ops, Layout, Superblock, options, _state, _metrics, _logger);
        CommitLoopParts parts = new(
            _state, new StateFold(view, header, digest), _log, Superblock.StoreId, options, ops, Layout.StorePath, _clock, _metrics, _logger);
        _loop = new CommitLoop(parts, Published);
        EngineLog.Opened(_logger, Layout.StorePath, Report.Case, _visibleSequence, Report.Summary);

        // Opening wrote a synced slot that confirms everything up to here.
        long tail = _log.Tip.Address;
        _log.Confirmed = _parity.Notice;

        // Last: what throws before it leaves no thread behind.
        _loop.Start();
        _parity.Notice(tail);
    }

    /// <summary>Starts the writer of an opened store. What was opened is given back when that fails.</summary>
    internal static StoreWriter Start(OpenedStore opened, StateStoreOptions options, FileOps ops)
    {
        try
        {
            return new StoreWriter(opened, options, ops);
        }
        catch
        {
            opened.Log.Dispose();
            opened.State.Dispose();
            opened.Lock.Dispose();
            throw;
        }
    }

    internal RecoveryReport Report { get; }

    internal ParityKeeper Parity => _parity;

    internal CheckpointKeeper Checkpoints => _checkpoints;

    internal ulong VisibleSequence => Volatile.Read(ref _visibleSequence);

    internal override ulong DurableSequence => _loop.DurableSequence;

    internal override StateStoreException? Fault => _loop.Fault;

    internal bool IsClosed => Volatile.Read(ref _disposed) != 0;

    internal ValueTask<CommitReceipt> SubmitAsync(CommitWork work, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return _loop.SubmitAsync(work, cancellationToken);
    }

    internal CommitReceipt Submit(CommitWork work, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return _loop.Submit(work, cancellationToken);
    }

    internal override ReadSnapshot OpenSnapshot()
    {
        ThrowIfClosed();
        Storage.Lmdb.LmdbReadPin pin = _state.Pin(out StateRoots roots);
        return Track(pin, new StateView(roots));
    }

    internal override async ValueTask WaitForNewsAsync(ulong seen, CancellationToken cancellationToken)
    {
        // The source of news is taken before the sequence is compared, so that a commit between the two is not slept through.
        Task news = Volatile.Read(ref _news).Task;
        ThrowIfClosed();
        if (VisibleSequence == seen)
        {
            await news.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Drains the queue, makes everything durable, and says so in the log.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        try
        {
            _loop.Stop();
            Volatile.Read(ref _news).TrySetResult();
            if (_loop.Fault is null)
            {
                CloseCleanly();
                _checkpoints.MakeAtClose();
            }
        }
        catch (StateStoreException exception)
        {
            // A close that cannot finish is an unclean close, which the next open recovers; the caller has no remedy here.
            EngineLog.CloseFailed(_logger, Layout.StorePath, exception);
        }
        finally
        {
            _checkpoints.Dispose();
            _parity.Dispose();
            _log.Dispose();
            _state.CloseEnvironment();
            Release();
            _metrics.Dispose();
            _lock.Dispose();
        }
    }

    private protected override void GiveBack() => _state.Dispose();

    private void CloseCleanly()
    {
        try
        {
            _state.Sync();
        }
        catch (StateStoreException)
        {
            // The kernel reports a failed write once and may call the pages clean afterwards: the next close would sync nothing, succeed, and vouch for them.
            _lock.NoteStateUnsynced(_clock);
            throw;
        }

        _log.WriteSyncedSlot(isCleanClose: true, _state.Published.TransactionId, Superblock.StateGeneration);
        EngineLog.Closed(_logger, Layout.StorePath, VisibleSequence);
    }

    private void Published(StateHeader header)
    {
        Volatile.Write(ref _visibleSequence, header.LastSequence);
        _checkpoints.Notice(header);
        TaskCompletionSource news = Interlocked.Exchange(ref _news, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        news.TrySetResult();
    }

    internal void ThrowIfClosed()
    {
        if (IsClosed)
        {
            throw new StateStoreException(StateStoreErrorCode.Closed, "The store is closed.", Layout.StorePath, "Open it again.");
        }
    }
}
