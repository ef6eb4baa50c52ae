// Why this file exists: the next segment is made beside the writer, so that a commit seldom waits for megabytes of zeroes. Invariants: one
// creation at a time; a failure is remembered and reported when the segment is needed; a full disk is tried again by whoever needs
// the segment, at most once a call, and anything else at most once a second, because each try starts from an empty file; beside the writer every
// failure is tried again at most once a second; a failure that left the file under its final name is final, because only its directory's sync can have failed.

namespace SourceOS.StateStore.Storage.Events;

internal sealed class SegmentPreparer(SegmentFiles files) : IDisposable
{
    private const long RetryAfterMs = 1000;

    private readonly Lock _stateLock = new();
    private readonly Lock _creationLock = new();
    private readonly CancellationTokenSource _cancellation = new();
    private Thread? _thread;
    private StateStoreException? _fault;
    private long _nextTryMs;
    private bool _isFinal;

    /// <summary>The last failure; null when the last creation succeeded.</summary>
    public StateStoreException? Fault
    {
        get
        {
            lock (_stateLock)
            {
                return _fault;
            }
        }
    }

    /// <summary>Starts to make a segment on a background thread, unless it is there, on its way, or failed a moment ago.</summary>
    public void Request(int segment)
    {
        if (files.Contains(segment))
        {
            return;
        }

        lock (_stateLock)
        {
            if (_thread is not null || _isFinal || _cancellation.IsCancellationRequested || (_fault is not null && Environment.TickCount64 < _nextTryMs))
            {
                return;
            }

            _thread = new Thread(() => RunInBackground(segment)) { IsBackground = true, Name = "statestore-segment" };
            _thread.Start();
        }
    }

    /// <summary>Returns when the segment is there; waits for a creation under way, else makes it on this thread.</summary>
    /// <exception cref="StateStoreException">It cannot be made now.</exception>
    public void Ensure(int segment)
    {
        if (files.Contains(segment))
        {
            return;
        }

        lock (_stateLock)
        {
            if (_fault is { IsRetryable: false } && (_isFinal || Environment.TickCount64 < _nextTryMs))
            {
                throw _fault;
            }
        }

        Create(segment);
        if (Fault is { } fault)
        {
            throw fault;
        }
    }

    public void Dispose()
    {
        _cancellation.Cancel();
        Thread? thread;
        lock (_stateLock)
        {
            thread = _thread;
        }

        thread?.Join();
        _cancellation.Dispose();
    }

    private void RunInBackground(int segment)
    {
        Create(segment);
        lock (_stateLock)
        {
            _thread = null;
        }
    }

    private void Create(int segment)
    {
        lock (_creationLock)
        {
            if (files.Contains(segment))
            {
                return;
            }

            StateStoreException? fault = null;
            try
            {
                files.CreateSegment(segment, _cancellation.Token);
            }
            catch (StateStoreException exception)
            {
                fault = exception;
            }
            catch (OperationCanceledException exception)
            {
                fault = new StateStoreException(StateStoreErrorCode.Closed, "The log was closed while its next segment was being made.", innerException: exception);
            }
            catch (Exception exception)
            {
                // The header source is foreign code; on a background thread its exception would end the process.
                fault = new StateStoreException(StateStoreErrorCode.InputOutput, "The header of a new log segment could not be made.", innerException: exception);
            }

            lock (_stateLock)
            {
                _fault = fault;
                _isFinal = fault is not null && (_isFinal || files.IsNamed(segment));
                _nextTryMs = Environment.TickCount64 + RetryAfterMs;
            }
        }
    }
}
