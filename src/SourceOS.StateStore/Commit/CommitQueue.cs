// Why this file exists: the bounded way from many callers to the one writer thread. Invariants: at most `capacity` commits wait; a
// caller beyond that waits without blocking a thread; after Close nothing enters and the writer drains what is left.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Commit;

/// <summary>Many producers, one consumer, bounded.</summary>
internal sealed class CommitQueue(int capacity) : IDisposable
{
    private readonly ConcurrentQueue<CommitWork> _items = new();
    private readonly SemaphoreSlim _room = new(capacity, capacity);
    private readonly SemaphoreSlim _available = new(0);
    private int _closed;

    /// <summary>Commits that wait now.</summary>
    internal int Count => _items.Count;

    internal bool IsClosed => Volatile.Read(ref _closed) != 0;

    /// <summary>Waits for room and enqueues.</summary>
    /// <exception cref="StateStoreException">With <see cref="StateStoreErrorCode.Closed"/> when the store was closed.</exception>
    internal async ValueTask EnqueueAsync(CommitWork work, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (IsClosed)
        {
            _room.Release();
            throw new StateStoreException(StateStoreErrorCode.Closed, "The store is closed.", next: "Open it again to commit.");
        }

        _items.Enqueue(work);
        _available.Release();
    }

    /// <summary>Waits for the next commit; false when the time passed or the queue was closed and is empty. Writer thread only.</summary>
    internal bool TryTake(int timeoutMs, out CommitWork? work)
    {
        work = null;
        if (!_available.Wait(timeoutMs))
        {
            return false;
        }

        return TryDequeue(out work);
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
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            _available.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _room.Dispose();
        _available.Dispose();
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
