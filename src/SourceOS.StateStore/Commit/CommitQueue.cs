// Why this file exists: the bounded way from many callers to whoever writes. Invariants: at most `capacity` commits wait; a
// caller beyond that waits without blocking a thread, unless it asked to wait on its own; after Close nothing enters, what is left is drained, and
// every caller that still waits for room is turned away: nobody waits for a writer that is gone. Commits are taken by the one who has the writer's role.

using System.Collections.Concurrent;

namespace SourceOS.StateStore.Commit;

/// <summary>Many producers, one consumer at a time, bounded.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Semaphores without a wait handle hold nothing, and callers who come late still touch them.")]
internal sealed class CommitQueue(int capacity)
{
    private readonly ConcurrentQueue<CommitWork> _items = new();
    private readonly SemaphoreSlim _room = new(capacity);
    private readonly SemaphoreSlim _bell = new(0);
    private readonly Lock _closing = new();
    private volatile bool _isClosed;
    private int _isRung;

    /// <summary>Commits that wait now.</summary>
    internal int Count => _items.Count;

    /// <summary>Whether nothing is left and nothing will come.</summary>
    internal bool IsFinished => _isClosed && _items.IsEmpty;

    /// <summary>Waits for room, enqueues and wakes the writer's thread.</summary>
    /// <exception cref="StateStoreException">With <see cref="StateStoreErrorCode.Closed"/> when the store was closed.</exception>
    internal async ValueTask EnqueueAsync(CommitWork work, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        Put(work);
        Ring();
    }

    /// <summary>Waits for room on this thread and enqueues; nobody is woken, because the caller takes the writer's role itself.</summary>
    /// <exception cref="StateStoreException">With <see cref="StateStoreErrorCode.Closed"/> when the store was closed.</exception>
    internal void Enqueue(CommitWork work, CancellationToken cancellationToken)
    {
        _room.Wait(cancellationToken);
        Put(work);
    }

    /// <summary>Wakes the writer's thread, now or when it next waits.</summary>
    internal void Ring()
    {
        if (Interlocked.Exchange(ref _isRung, 1) == 0)
        {
            _bell.Release();
        }
    }

    /// <summary>Waits until a commit is there, the queue is closed, somebody rings, or the time is over. For the writer's thread.</summary>
    /// <returns>False when the time is over and nothing happened.</returns>
    internal bool Wait(int timeoutMs)
    {
        if (!_items.IsEmpty || _isClosed)
        {
            return true;
        }

        bool isRung = _bell.Wait(timeoutMs);

        // A ring from here on is heard at the next wait; one before it was for what is looked at after this.
        Interlocked.Exchange(ref _isRung, 0);
        return isRung;
    }

    /// <summary>Takes a commit that is already there. For who has the writer's role.</summary>
    internal bool TryTakeNow(out CommitWork? work)
    {
        if (!_items.TryDequeue(out work))
        {
            return false;
        }

        _room.Release();
        return true;
    }

    /// <summary>Lets nothing in any more and wakes the writer's thread.</summary>
    internal void Close()
    {
        lock (_closing)
        {
            _isClosed = true;
        }

        Ring();
    }

    private void Put(CommitWork work)
    {
        lock (_closing)
        {
            if (!_isClosed)
            {
                _items.Enqueue(work);
                return;
            }
        }

        // The room goes to the next caller that waits, who is turned away in the same way.
        _room.Release();
        throw new StateStoreException(StateStoreErrorCode.Closed, "The store is closed.", next: "Open it again to commit.");
    }
}
