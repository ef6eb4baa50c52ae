// Why this file exists: while a writer is open, every segment that the log has left behind gets its parity, beside the writer and not on its thread. Invariants: a failure here is counted and
// shown and never reaches a commit; what waits is a range of numbers, so it is bounded; one segment at a time; closing waits a bounded time and then cancels.

using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Parity;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Parity;

/// <summary>Keeps the parity of an open store.</summary>
internal sealed class ParityKeeper : IDisposable
{
    private const int RestMs = 8;

    private readonly FileOps _ops;
    private readonly StoreLayout _layout;
    private readonly Superblock _superblock;
    private readonly LogGeometry _geometry;
    private readonly StoreFiles _files;
    private readonly ParityMaker _maker;
    private readonly EngineMetrics _metrics;
    private readonly ILogger _logger;
    private readonly bool _isOn;
    private readonly OnDemandThread _thread;
    private bool _isTidy;
    private int _next;
    private int _end;
    private int _foundEnd = -1;
    private long _made;
    private long _failures;
    private string _lastFailure = "";

    internal ParityKeeper(FileOps ops, StoreLayout layout, Superblock superblock, StateStoreOptions options, EngineMetrics metrics, ILogger logger)
    {
        _ops = ops;
        _layout = layout;
        _superblock = superblock;
        _geometry = new LogGeometry(superblock.PageBits, superblock.SegmentBits);
        _files = new SeamStoreFiles(ops);
        _maker = new ParityMaker(ops, layout, superblock, options.Clock ?? TimeProvider.System) { RestMs = RestMs, ReserveBytes = options.ReserveBytes };
        _metrics = metrics;
        _logger = logger;
        _isOn = options.KeepsParity;
        _thread = new OnDemandThread("statestore-parity", Run);
        _next = _end = _geometry.SegmentOf(superblock.BaseAddress);
    }

    /// <summary>What was done so far.</summary>
    internal ParityStatus Status
    {
        get
        {
            lock (_thread.Gate)
            {
                return new ParityStatus(_isOn, _made, _failures, _lastFailure, _end - _next + (_thread.IsRunning ? 1 : 0));
            }
        }
    }

    /// <summary>The first segment that is not sealed by an address up to which the log is durable and confirmed.</summary>
    internal static int SealedEnd(LogGeometry geometry, long confirmed) => confirmed <= 0 ? 0 : geometry.SegmentOf(confirmed - 1);

    /// <summary>Hears how far the log is durable and confirmed. Called by the writer thread; never throws, never waits for I/O.</summary>
    internal void Notice(long confirmed)
    {
        int end = SealedEnd(_geometry, confirmed);
        if (!_isOn || end <= Volatile.Read(ref _end))
        {
            return;
        }

        lock (_thread.Gate)
        {
            if (_thread.IsStopped)
            {
                return;
            }

            if (_foundEnd < 0)
            {
                _foundEnd = end;
            }

            Volatile.Write(ref _end, end);
            if (_thread.TryStart() is { } failure)
            {
                _failures++;
                _lastFailure = failure;
            }
        }
    }

    /// <summary>Waits until nothing is left to make.</summary>
    /// <returns>Whether that is so.</returns>
    internal bool Wait(int timeoutMs) => _thread.Wait(timeoutMs);

    /// <inheritdoc/>
    public void Dispose() => _thread.Dispose();

    private void Run()
    {
        DropLeftOvers();
        while (TryTake(out int segment, out bool isOld))
        {
            try
            {
                if (isOld && HasParity(segment))
                {
                    continue;
                }

                _maker.Make(segment, _thread.Token);
                lock (_thread.Gate)
                {
                    _made++;
                }

                _metrics.ParityMade();
            }
            catch (OperationCanceledException)
            {
                // What was not made is made at the next open; the next look finds the end.
                continue;
            }
            catch (Exception exception)
            {
                // On a background thread anything else would end the process, and parity is not worth that.
                Fail(segment, exception);
            }
        }
    }

    private void DropLeftOvers()
    {
        if (_isTidy)
        {
            return;
        }

        _isTidy = true;
        try
        {
            _maker.DropLeftOvers();
        }
        catch (Exception exception)
        {
            Fail(-1, exception);
        }
    }

    private bool TryTake(out int segment, out bool isOld)
    {
        lock (_thread.Gate)
        {
            segment = _next;
            isOld = _next < _foundEnd;
            if (_next >= _end || _thread.IsStopped)
            {
                _thread.End();
                return false;
            }

            _next++;
            return true;
        }
    }

    // Whether its blocks are sound is the verifier's question; here it must only be the right one.
    private bool HasParity(int segment)
    {
        _ = ParityFile.Open(_layout, _geometry, _superblock.StoreId, segment, _files, out ParityFile? file, out _);
        file?.Dispose();
        return file is not null;
    }

    private void Fail(int segment, Exception exception)
    {
        lock (_thread.Gate)
        {
            _failures++;
            _lastFailure = exception is StateStoreException known ? known.Summary : exception.Message;
        }

        _metrics.ParityFailed();
        EngineLog.ParityFailed(_logger, _layout.StorePath, segment, exception);
    }
}
