// Why this file exists: the store as its callers see it. Invariants: one writer per store and machine; what CommitAsync acknowledged survives any
// crash; reading never changes a byte. Start reading the engine here: Open -> StoreOpening, CommitAsync -> Commit/CommitLoop, OpenSnapshot -> State/StateView.

using System.Runtime.CompilerServices;
using SourceOS.StateStore.Commit;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>
/// A durable store of records and the events that changed them. Thread-safe. Dispose it to close it cleanly; a store that was not closed
/// recovers at the next open and has lost nothing that was acknowledged.
/// </summary>
public sealed class StateStore : IAsyncDisposable, IDisposable
{
    private readonly StoreWriter? _writer;
    private readonly StoreReader? _reader;
    private readonly SnapshotSource _source;

    private readonly IPreparedGate[] _preparing = [];
    private readonly IBatchSigner? _signer;

    private StateStore(StoreWriter writer, StateStoreOptions options)
    {
        _preparing = [.. options.Gates.OfType<IPreparedGate>()];
        _signer = options.Signer;
        _writer = writer;
        _source = writer;
    }

    private StateStore(StoreReader reader)
    {
        _reader = reader;
        _source = reader;
    }

    /// <summary>The store's id.</summary>
    public Guid Id => StoreIds.ToGuid(_source.Superblock.StoreId);

    /// <summary>The store's directory.</summary>
    public string Path => _source.Layout.StorePath;

    /// <summary>Whether it was opened for writing.</summary>
    public bool CanWrite => _writer is not null;

    /// <summary>What opening found and did; for a store opened for reading, null.</summary>
    public RecoveryReport? Recovery => _writer?.Report;

    /// <summary>Why the store takes no more commits; null while it does.</summary>
    public StateStoreException? Fault => _source.Fault;

    /// <summary>How making parity of the log goes; for a store opened for reading, null.</summary>
    public ParityStatus? Parity => _writer?.Parity.Status;

    /// <summary>How making checkpoints of the state goes; for a store opened for reading, null.</summary>
    public CheckpointStatus? Checkpoints => _writer?.Checkpoints.Status;

    /// <summary>Highest sequence that a new snapshot shows.</summary>
    public ulong VisibleSequence => _writer?.VisibleSequence ?? _reader!.VisibleSequence;

    /// <summary>Highest sequence known to be on the medium; at least <see cref="VisibleSequence"/>.</summary>
    public ulong DurableSequence => Math.Max(VisibleSequence, _source.DurableSequence);

    /// <summary>Creates a store and opens it for writing.</summary>
    /// <param name="path">A directory that does not exist or is empty; its parent exists.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <returns>The open store.</returns>
    /// <exception cref="ArgumentException">The path is empty, or an option is out of range.</exception>
    /// <exception cref="StateStoreException">AlreadyExists, AccessDenied, DiskFull, InputOutput, NativeLibraryMissing. Nothing is left behind.</exception>
    public static StateStore Create(string path, StateStoreOptions? options = null)
    {
        (path, options, FileOps ops) = Prepare(path, options);
        new StoreCreation(options, ops).Create(path);
        return new StateStore(StoreWriter.Start(new StoreOpening(path, options, ops).Open(), options, ops), options);
    }

    /// <summary>Opens a store for writing; recovers it first when it was not closed.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <returns>The open store; see <see cref="Recovery"/> for what was found.</returns>
    /// <exception cref="ArgumentException">The path is empty, or an option is out of range.</exception>
    /// <exception cref="StateStoreException">NotInitialized, Locked (names the holder), UnsupportedFormat, AccessDenied, LogDamaged,
    /// LogRolledBack, ReviewRequired, StateDamaged, SuperblockDamaged, DiskFull, InputOutput, NativeLibraryMissing. Refusals change nothing.</exception>
    public static StateStore Open(string path, StateStoreOptions? options = null)
    {
        (path, options, FileOps ops) = Prepare(path, options);
        return new StateStore(StoreWriter.Start(new StoreOpening(path, options, ops).Open(), options, ops), options);
    }

    /// <summary>Opens a store for reading, beside a writer or without one. Never creates or changes anything.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How; defaults when null.</param>
    /// <returns>The open store; committing through it is refused.</returns>
    /// <exception cref="ArgumentException">The path is empty, or an option is out of range.</exception>
    /// <exception cref="StateStoreException">NotInitialized, UnsupportedFormat, AccessDenied, StateDamaged, SuperblockDamaged, InputOutput.</exception>
    public static StateStore OpenRead(string path, StateStoreOptions? options = null)
    {
        (path, options, FileOps ops) = Prepare(path, options);
        StoreLayout layout = new(path);
        StoreFiles files = new SeamStoreFiles(ops);
        Superblock superblock = SuperblockFile.Read(layout, files, out _);
        return new StateStore(new StoreReader(layout, superblock, options, ops, files));
    }

    /// <summary>Binds an identity to the store for committing.</summary>
    /// <param name="identity">Who acts; the actor is required.</param>
    /// <returns>The session.</returns>
    /// <exception cref="ArgumentException">A part is not an identifier.</exception>
    /// <exception cref="InvalidOperationException">The store was opened for reading.</exception>
    public StateSession OpenSession(SessionIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(identity);
        if (_writer is null)
        {
            throw new InvalidOperationException("The store was opened for reading; open it with StateStore.Open to commit.");
        }

        _ = CommitIds.Check(identity.ActorId);
        foreach (string part in (string[])[identity.DeviceId, identity.ProfileId, identity.WorkspaceId])
        {
            if (part.Length > 0)
            {
                _ = CommitIds.Check(part);
            }
        }

        return new StateSession(this, identity);
    }

    /// <summary>Opens a consistent view of the newest visible state.</summary>
    /// <returns>The snapshot; dispose it soon.</returns>
    /// <exception cref="StateStoreException">Closed, or StateDamaged.</exception>
    public ReadSnapshot OpenSnapshot() => _source.OpenSnapshot();

    /// <summary>The store at a glance; costs the same at any size.</summary>
    /// <returns>The status.</returns>
    public StateStoreStatus GetStatus()
    {
        using ReadSnapshot snapshot = OpenSnapshot();
        return snapshot.GetStatus();
    }

    /// <summary>Makes a checkpoint of the state now, whatever the policy says: a proven copy that a rebuild can start from. Blocks for as long as reading and writing the state takes; commits go on meanwhile.</summary>
    /// <param name="cancellationToken">Ends it; then none is made.</param>
    /// <returns>The last sequence that it folds.</returns>
    /// <exception cref="InvalidOperationException">The store was opened for reading.</exception>
    /// <exception cref="StateStoreException">Closed, StateDamaged, DiskFull, InputOutput.</exception>
    public ulong MakeStateCheckpoint(CancellationToken cancellationToken = default)
    {
        if (_writer is null)
        {
            throw new InvalidOperationException("The store was opened for reading; open it with StateStore.Open to make a checkpoint.");
        }

        _writer.ThrowIfClosed();
        return _writer.Checkpoints.MakeNow(cancellationToken);
    }

    /// <summary>Follows the events of the store: all from a sequence on, in order, each once, then new ones as they become visible.</summary>
    /// <param name="fromSequence">The first sequence wanted; 0 and 1 both mean all. A log that starts at a base gives what it has.</param>
    /// <param name="cancellationToken">Ends the subscription.</param>
    /// <returns>The events. A slow consumer holds nothing up: events are read from the log when it asks.</returns>
    public async IAsyncEnumerable<StoredEvent> SubscribeAsync(ulong fromSequence, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ulong next = Math.Max(Superblock.BaseSequence, fromSequence);
        using EventReader events = _source.OpenEvents();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ulong visible;
            using (ReadSnapshot snapshot = OpenSnapshot())
            {
                visible = snapshot.Sequence;
            }

            while (next <= visible)
            {
                foreach (StoredEvent item in ReadBatch(events, next))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    next = item.Sequence + 1;
                    yield return item;
                }
            }

            await _source.WaitForNewsAsync(visible, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Closes the store: waits for queued commits, makes everything durable, gives the lock back.</summary>
    /// <returns>A task that ends when the store is closed.</returns>
    public async ValueTask DisposeAsync()
    {
        // Closing syncs and joins the writer thread, so it does not belong on the caller's thread.
        await Task.Run(Dispose).ConfigureAwait(false);
    }

    /// <summary>Closes the store, see <see cref="DisposeAsync"/>. Blocks until it is closed.</summary>
    public void Dispose()
    {
        _writer?.Dispose();
        _reader?.Dispose();
    }

    internal Superblock Superblock => _source.Superblock;

    internal ValueTask<CommitReceipt> SubmitAsync(CommitWork work, CancellationToken cancellationToken)
    {
        Sign(work);
        return _preparing.Length == 0 ? _writer!.SubmitAsync(work, cancellationToken) : PrepareAndSubmitAsync(work, cancellationToken);
    }

    internal CommitReceipt Submit(CommitWork work, CancellationToken cancellationToken)
    {
        Sign(work);
        if (_preparing.Length > 0)
        {
            ValueTask preparing = PrepareAsync(work, cancellationToken);
            if (!preparing.IsCompletedSuccessfully)
            {
                // A gate asks another program. The caller chose to block, nothing awaits on a captured context, and the writer's role is not held meanwhile.
                preparing.AsTask().GetAwaiter().GetResult();
            }
        }

        return _writer!.Submit(work, cancellationToken);
    }

    private void Sign(CommitWork work)
    {
        if (_signer is { IsIdle: false })
        {
            work.Batch.SetData(_signer.Sign(this, work.Session, CommitAdmission.ChangesOf(work)));
        }
    }

    private async ValueTask<CommitReceipt> PrepareAndSubmitAsync(CommitWork work, CancellationToken cancellationToken)
    {
        await PrepareAsync(work, cancellationToken).ConfigureAwait(false);
        return await _writer!.SubmitAsync(work, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask PrepareAsync(CommitWork work, CancellationToken cancellationToken)
    {
        List<ProposedChange> changes = CommitAdmission.ChangesOf(work);
        foreach (IPreparedGate gate in _preparing)
        {
            if (await gate.PrepareAsync(this, work.Session, changes, cancellationToken).ConfigureAwait(false) is { } told)
            {
                (work.Prepared ??= [])[gate] = told;
            }
        }
    }

    // A batch is read under one short snapshot, so that a consumer that sleeps between events pins nothing.
    private List<StoredEvent> ReadBatch(EventReader events, ulong next)
    {
        const int batchEvents = 256;
        List<StoredEvent> batch = new(batchEvents);
        using ReadSnapshot snapshot = OpenSnapshot();
        for (ulong sequence = next; sequence <= snapshot.Sequence && batch.Count < batchEvents; sequence++)
        {
            if (events.Read(snapshot.View, sequence) is StoredEvent item)
            {
                batch.Add(item);
            }
            else
            {
                throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The state does not know the frame of sequence {sequence}.", $"sequence {sequence}", "Run `statestore verify`.");
            }
        }

        return batch;
    }

    private static (string Path, StateStoreOptions Options, FileOps Ops) Prepare(string path, StateStoreOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new StateStoreOptions();
        options.Validate();
        return (System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)), options, options.Files ?? LinuxFileOps.Instance);
    }
}
