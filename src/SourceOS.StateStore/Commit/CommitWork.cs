// Why this file exists: one commit on its way through the writer. Invariants: completed exactly once, with a receipt or with the
// store's fault; continuations never run on the writer thread.

namespace SourceOS.StateStore.Commit;

/// <summary>A submitted batch with the promise of its receipt.</summary>
internal sealed class CommitWork(CommitBatch batch, SessionIdentity session, CommitWait wait)
{
    private readonly TaskCompletionSource<CommitReceipt> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal CommitBatch Batch { get; } = batch;

    internal SessionIdentity Session { get; } = session;

    internal CommitWait Wait { get; } = wait;

    /// <summary>Whether a group has it: it will be completed without anybody taking it from the queue.</summary>
    internal bool IsTaken { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>What the gates were told before the commit was queued; null when none asked.</summary>
    internal Dictionary<ICommitGate, object>? Prepared { get; set; }

    internal Task<CommitReceipt> Completion => _completion.Task;

    internal void Complete(CommitReceipt receipt) => _completion.TrySetResult(receipt);

    internal void Fail(Exception exception) => _completion.TrySetException(exception);
}
