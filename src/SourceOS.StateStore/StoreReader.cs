// Why this file exists: a store opened for reading, in any process, beside a live writer or none. Invariants: nothing is created or changed; the
// state is proven before it is believed when it is small or was not closed cleanly; the generation is looked up again for each snapshot.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore;

/// <summary>The reading half of a store opened for reading.</summary>
internal sealed class StoreReader : SnapshotSource, IDisposable
{
    private const int PollMs = 50;
    private const int OpenAttempts = 50;
    private readonly FileOps _ops;
    private readonly Lock _gate = new();
    private Generation _generation;
    private int _disposed;

    internal StoreReader(StoreLayout layout, Superblock superblock, StateStoreOptions options, FileOps ops, StoreFiles files)
        : base(layout, superblock, options, files)
    {
        _ops = ops;
        _generation = OpenGeneration();
    }

    internal override ulong DurableSequence => 0;

    internal override StateStoreException? Fault => null;

    internal ulong VisibleSequence
    {
        get
        {
            using ReadSnapshot snapshot = OpenSnapshot();
            return snapshot.Sequence;
        }
    }

    internal override ReadSnapshot OpenSnapshot()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        lock (_gate)
        {
            FollowGeneration();
            return _generation.Environment is LmdbEnvironment environment ? OpenPinned(environment) : OpenUnpinned();
        }
    }

    internal override async ValueTask WaitForNewsAsync(ulong seen, CancellationToken cancellationToken)
    {
        while (VisibleSequence == seen)
        {
            await Task.Delay(PollMs, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Release();
        }
    }

    private protected override void GiveBack() => _generation.Dispose();

    private ReadSnapshot OpenPinned(LmdbEnvironment environment)
    {
        LmdbReadPin pin = PinnedRoots.Take(environment, _generation.Map, null, out StateRoots roots);
        try
        {
            Prove(roots);
            return Track(pin, new StateView(roots));
        }
        catch
        {
            pin.Dispose();
            throw;
        }
    }

    private ReadSnapshot OpenUnpinned()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                if (!StateRoots.TryLoad(_generation.Map, null, null, out StateRoots? roots, out LmdbFault fault))
                {
                    StateFaults.ThrowRoots(_generation.Map.FilePath, fault);
                }

                UnpinnedGuard guard = new(_generation.Map, roots!.TransactionId);
                Prove(roots);
                _ = roots.Header;
                guard.ThrowIfMoved();
                return Track(NoPin.Instance, new StateView(roots, guard));
            }
            catch (StateStoreException exception) when (attempt < OpenAttempts && exception.Code is StateStoreErrorCode.SnapshotExpired or StateStoreErrorCode.StateDamaged)
            {
                // Beside a live writer a torn look is expected; damage stays when the writer rests.
                Thread.Sleep(1);
            }
        }
    }

    // Once for each transaction would cost every snapshot the whole state, so a proof holds for the generation until this reader is closed.
    private void Prove(StateRoots roots)
    {
        if (_generation.IsProven || (long)(roots.Meta.LastPage + 1) * roots.Meta.PageSizeBytes > Options.ProveStateUpToBytes)
        {
            return;
        }

        string? flaw = StateProver.FindFlaw(_generation.Map, roots.Meta);
        if (flaw is not null)
        {
            throw new StateStoreException(
                StateStoreErrorCode.StateDamaged,
                $"The state does not prove: {flaw.TrimEnd('.')}.",
                _generation.Map.FilePath,
                "The log still holds the truth: run `statestore repair --apply` to rebuild the state.");
        }

        _generation.IsProven = true;
    }

    // A writer may put a rebuilt state in place, and remove the one before, between the look at the superblock and the opening.
    private Generation OpenGeneration()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return Generation.Open(Layout, Superblock.StateGeneration, _ops);
            }
            catch (StateStoreException) when (attempt < OpenAttempts && MovedTo() is Superblock newest)
            {
                Superblock = newest;
            }
        }
    }

    private Superblock? MovedTo() =>
        SuperblockReader.Read(Layout, Files).Newest is Superblock newest && newest.StoreId == Superblock.StoreId && newest.StateGeneration != Superblock.StateGeneration ? newest : null;

    private void FollowGeneration()
    {
        if (MovedTo() is Superblock newest)
        {
            Superblock before = Superblock;
            Superblock = newest;
            Generation next;
            try
            {
                next = OpenGeneration();
            }
            catch
            {
                Superblock = before;
                throw;
            }

            // Snapshots of the old generation stay readable: its files are unlinked, not changed, and the map keeps them until this reader is closed.
            next.Previous = _generation;
            _generation = next;
        }
    }

    private sealed class NoPin : IDisposable
    {
        internal static NoPin Instance { get; } = new();

        public void Dispose()
        {
            // Nothing is held, so nothing is given back.
        }
    }

    private sealed class Generation(MappedFile map, LmdbEnvironment? environment) : IDisposable
    {
        internal MappedFile Map { get; } = map;

        internal LmdbEnvironment? Environment { get; } = environment;

        internal bool IsProven { get; set; }

        internal Generation? Previous { get; set; }

        internal static Generation Open(StoreLayout layout, ulong generation, FileOps ops)
        {
            string directory = layout.GenerationPath(generation);
            string data = layout.StateDataPath(generation);
            if (!File.Exists(data))
            {
                throw new StateStoreException(StateStoreErrorCode.StateDamaged, "The state is missing.", data, "The log still holds the truth: run `statestore repair --apply` to rebuild the state.");
            }

            MappedFile map = MappedFile.Open(data);
            try
            {
                return new Generation(map, CanPin(directory, data) ? LmdbEnvironment.Open(directory, StateEnvironment.Options(), ops) : null);
            }
            catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.Locked or StateStoreErrorCode.AccessDenied or StateStoreErrorCode.AlreadyExists)
            {
                // The same process has the state open already, or may not: read without a pin.
                return new Generation(map, null);
            }
            catch
            {
                map.Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            Environment?.Dispose();
            Map.Dispose();
            Previous?.Dispose();
        }

        // Without the right to write, liblmdb would fail or create a lock file; both must be there and writable.
        private static bool CanPin(string directory, string data)
        {
            string lockFile = Path.Combine(directory, StoreLayout.StateLockName);
            return File.Exists(lockFile) && FileRights.CanWrite(lockFile) && FileRights.CanWrite(data);
        }
    }
}
