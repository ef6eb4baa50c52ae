// Why this file exists: what a caller commits through: an identity bound to a store. Invariants: every event of its commits carries the identity;
// thread-safe, since it only submits to the queue.

using SourceOS.StateStore.Commit;

namespace SourceOS.StateStore;

/// <summary>An actor, device and profile bound to a store. Thread-safe; many commits may be under way at once.</summary>
public sealed class StateSession
{
    private readonly global::SourceOS.StateStore.StateStore _store;

    internal StateSession(global::SourceOS.StateStore.StateStore store, SessionIdentity identity)
    {
        _store = store;
        Identity = identity;
    }

    /// <summary>The store that the session is bound to.</summary>
    public global::SourceOS.StateStore.StateStore Store => _store;

    /// <summary>Who the session acts as.</summary>
    public SessionIdentity Identity { get; }

    /// <summary>Commits a batch: all of it or nothing.</summary>
    /// <param name="batch">The batch, not empty; it cannot be used again.</param>
    /// <param name="wait">Whether to wait until it is durable, or also visible to new snapshots.</param>
    /// <param name="cancellationToken">Ends the wait. Before the batch entered the queue it also withdraws it; afterwards the commit
    /// happens all the same.</param>
    /// <returns>The receipt. A refusal (conflict, gate) is a receipt, not an exception.</returns>
    /// <exception cref="ArgumentException">The batch is empty.</exception>
    /// <exception cref="InvalidOperationException">The batch was submitted before.</exception>
    /// <exception cref="StateStoreException">Closed, Latched, DiskFull (retryable), InputOutput, or damage met on the way. After DiskFull nothing has changed.</exception>
    public ValueTask<CommitReceipt> CommitAsync(CommitBatch batch, CommitWait wait = CommitWait.Visible, CancellationToken cancellationToken = default) =>
        _store.SubmitAsync(Take(batch, wait), cancellationToken);

    /// <summary>Commits a batch on the calling thread: all of it or nothing. For callers that have a thread to spare and want the least delay: a lone commit pays for no hand-over between threads.</summary>
    /// <param name="batch">The batch, not empty; it cannot be used again.</param>
    /// <param name="wait">Whether to wait until it is durable, or also visible to new snapshots. After <see cref="CommitWait.Durable"/> the state follows on another thread.</param>
    /// <param name="cancellationToken">Withdraws the batch while it waits for room in the queue; afterwards the commit happens.</param>
    /// <returns>The receipt. A refusal (conflict, gate) is a receipt, not an exception.</returns>
    /// <remarks>
    /// Blocks for as long as the medium takes, and while a gate asks another program. The calling thread may do the work of other callers that wait at the same moment, up to
    /// <see cref="StateStoreOptions.GroupCommits"/> of them. Not to be called by a gate.
    /// </remarks>
    /// <exception cref="ArgumentException">The batch is empty.</exception>
    /// <exception cref="InvalidOperationException">The batch was submitted before, or a gate calls this.</exception>
    /// <exception cref="StateStoreException">Closed, Latched, DiskFull (retryable), InputOutput, or damage met on the way. After DiskFull nothing has changed.</exception>
    public CommitReceipt Commit(CommitBatch batch, CommitWait wait = CommitWait.Visible, CancellationToken cancellationToken = default) =>
        _store.Submit(Take(batch, wait), cancellationToken);

    private CommitWork Take(CommitBatch batch, CommitWait wait)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count == 0)
        {
            throw new ArgumentException("The batch is empty; a commit changes or appends something.", nameof(batch));
        }

        if (batch.IsSubmitted)
        {
            throw new InvalidOperationException("The batch was submitted before; build a new one.");
        }

        batch.IsSubmitted = true;
        return new CommitWork(batch, Identity, wait);
    }
}
