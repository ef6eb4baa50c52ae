// Why this file exists: writes what the workers found while they go on finding. Invariants: a commit holds at most the asked number of objects
// and names each once; one commit is on its way while the next fills; after a refusal nothing more is written, and the refusal
// is the run's result.

using System.Threading.Channels;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Batches and commits changes. One task reads; workers add from their own threads.</summary>
internal sealed class AdoptCommitter : IDisposable
{
    // Bodies on their way from workers to commits are bounded by their number and, through the batch, by their bytes.
    private const int MaxWaiting = 4_096;
    private const long MaxBatchBytes = 4L << 20;

    private readonly StateSession _session;
    private readonly AdoptTally _tally;
    private readonly int _batchObjects;
    private readonly Channel<AdoptedChange> _channel = Channel.CreateUnbounded<AdoptedChange>(new UnboundedChannelOptions { SingleReader = true });
    private readonly SemaphoreSlim _room = new(MaxWaiting, MaxWaiting);
    private readonly HashSet<string> _named = new(StringComparer.Ordinal);
    private CommitBatch _batch = new();
    private Task<CommitReceipt>? _pending;
    private int _pendingObjects;

    /// <summary>Makes a committer.</summary>
    public AdoptCommitter(StateSession session, AdoptTally tally, int batchObjects)
    {
        _session = session;
        _tally = tally;
        _batchObjects = batchObjects;
    }

    /// <summary>The last accepted commit's last sequence; 0 when there was none.</summary>
    public ulong LastSequence { get; private set; }

    /// <summary>Accepted commits.</summary>
    public int Commits { get; private set; }

    /// <summary>The receipt of the commit that was refused; null when none was.</summary>
    public CommitReceipt? Refused { get; private set; }

    /// <summary>Adds a change; waits while too many are on their way.</summary>
    /// <param name="change">The change.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public void Add(AdoptedChange change, CancellationToken cancellationToken)
    {
        _room.Wait(cancellationToken);
        _channel.Writer.TryWrite(change);
    }

    /// <summary>Says that no more changes come.</summary>
    public void Complete() => _channel.Writer.TryComplete();

    /// <summary>Writes until <see cref="Complete"/> was called and everything is committed, or a commit is refused.</summary>
    /// <param name="run">Ends the run when it is cancelled; a commit on its way still ends. Cancelled here after a refusal, so that nothing is read in vain.</param>
    public async Task RunAsync(CancellationTokenSource run)
    {
        try
        {
            await foreach (AdoptedChange change in _channel.Reader.ReadAllAsync(run.Token).ConfigureAwait(false))
            {
                _room.Release();
                await AddToBatchAsync(change, run.Token).ConfigureAwait(false);
                if (Refused is not null)
                {
                    await run.CancelAsync().ConfigureAwait(false);
                    return;
                }
            }

            await FlushAsync(CommitWait.Visible, run.Token).ConfigureAwait(false);
        }
        finally
        {
            await SettleAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Writes changes given at once, after <see cref="RunAsync"/> has ended.</summary>
    /// <param name="changes">The changes.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task WriteAsync(IEnumerable<AdoptedChange> changes, CancellationToken cancellationToken)
    {
        foreach (AdoptedChange change in changes)
        {
            if (Refused is null)
            {
                await AddToBatchAsync(change, cancellationToken).ConfigureAwait(false);
            }
        }

        await FlushAsync(CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        await SettleAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => _room.Dispose();

    private async ValueTask AddToBatchAsync(AdoptedChange change, CancellationToken cancellationToken)
    {
        // A listing that gives a name twice while the folder changes must not break the whole commit.
        if (!_named.Add(change.Id))
        {
            return;
        }

        if (change.Body is { } body)
        {
            _batch.Put(Format.RecordKind.Object, change.Id, body, change.Options);
        }
        else
        {
            _batch.Delete(Format.RecordKind.Object, change.Id, change.Options);
        }

        if (_batch.Count >= _batchObjects || _batch.LengthBytes >= MaxBatchBytes)
        {
            await FlushAsync(CommitWait.Durable, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task FlushAsync(CommitWait wait, CancellationToken cancellationToken)
    {
        await SettleAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (_batch.Count == 0 || Refused is not null)
        {
            return;
        }

        _pendingObjects = _batch.Count;

        // The commit itself is not cancelled: whether it became durable would then be unknown.
        _pending = _session.CommitAsync(_batch, wait, CancellationToken.None).AsTask();
        _batch = new CommitBatch();
        _named.Clear();
    }

    private async Task SettleAsync()
    {
        if (_pending is null)
        {
            return;
        }

        CommitReceipt receipt = await _pending.ConfigureAwait(false);
        _pending = null;
        if (!receipt.IsCommitted)
        {
            Refused = receipt;
            return;
        }

        Commits++;
        LastSequence = receipt.LastSequence;
        _tally.AddObjects(_pendingObjects);
    }
}
