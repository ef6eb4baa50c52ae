// Why this file exists: the bounded way from many callers to the one writer thread. Invariants: at most `capacity` commits wait; a
// caller beyond that waits without blocking a thread; after Close nothing enters, the writer drains what is left, and every caller that
// still waits for room is turned away: nobody waits for a writer that is gone.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Commit;

/// <summary>Many producers, one consumer, bounded.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Semaphores without a wait handle hold nothing, and callers who come late still touch them.")]
internal sealed class CommitQueue(int capacity)
{
    private readonly ConcurrentQueue<CommitWork> _items = new();
    private readonly SemaphoreSlim _room = new(capacity);
    private readonly SemaphoreSlim _available = new(0);
    private readonly Lock _closing = new();
    private volatile bool _isClosed;

    /// <summary>Commits that wait now.</summary>
    internal int Count => _items.Count;

    /// <summary>Whether nothing is left and nothing will come.</summary>
    internal bool IsFinished => _isClosed && _items.IsEmpty;

    /// <summary>Waits for room and enqueues.</summary>
    /// <exception cref="StateStoreException">With <see cref="StateStoreErrorCode.Closed"/> when the store was closed.</exception>
    internal async ValueTask EnqueueAsync(CommitWork work, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_closing)
        {
            if (!_isClosed)
            {
                _items.Enqueue(work);
                _available.Release();
                return;
            }
        }

        // The room goes to the next caller that waits, who is turned away in the same way.
        _room.Release();
        throw new StateStoreException(StateStoreErrorCode.Closed, "The store is closed.", next: "Open it again to commit.");
    }

    /// <summary>Waits for the next commit; false when the time passed or the queue is finished. Writer thread only.</summary>
    internal bool TryTake(int timeoutMs, out CommitWork? work)
    {
        work = null;

        // Closing wakes the writer once, and that once may have been taken while a group was gathered.
        return !IsFinished && _available.Wait(timeoutMs) && TryDequeue(out work);
    }

    /// <summary>Takes a commit that is already there. Writer thread only.</summary>
    internal bool TryTakeNow(out CommitWork? work)
    {
        work = null;
        return _available.Wait(0) && TryDequeue(out work);
    }

    /// <summary>Lets nothing in any more and wakes the writer.</summary>
    internal void Close()
    {
        lock (_closing)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        _available.Release();
    }

    private bool TryDequeue(out CommitWork? work)
    {
        if (!_items.TryDequeue(out work))
        {
            return false;
        }

        _room.Release();
        return true;
    }
}
