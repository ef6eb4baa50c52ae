// Why this file exists: a host's one handle on its store: it survives that a store is created, repaired or swapped while the host runs. Invariants: an owned store is open from start to stop; a store that is read is opened when it is
// needed, given back after a fault, and opened anew by the next who asks; a check that is under way is shared by all who ask meanwhile.

using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Hosting;

/// <summary>Why a caller sees nothing; the door answers with it.</summary>
/// <param name="error">The error.</param>
public sealed class ReadRefusedException(DoorError error) : Exception(error.Message)
{
    /// <summary>The error.</summary>
    public DoorError Error { get; } = error;
}

/// <summary>The host's store. Thread-safe.</summary>
public sealed class StateStoreAccess : IAsyncDisposable
{
    private readonly StateStoreHostOptions _options;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();
    private StateStore? _store;
    private DateTime _storeMark;
    private VerificationReport? _lastFull;
    private Task<VerificationReport>? _check;
    private long _checkedAt;
    private bool _isClosed;

    /// <summary>Creates the handle; nothing is opened yet.</summary>
    /// <param name="options">The host's options, checked.</param>
    /// <param name="loggers">For the engine's log.</param>
    /// <param name="clock">For tests; the system's when null.</param>
    public StateStoreAccess(IOptions<StateStoreHostOptions> options, ILoggerFactory loggers, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        _options = options.Value;
        _loggers = loggers;
        _clock = clock ?? TimeProvider.System;
    }

    /// <summary>The options.</summary>
    public StateStoreHostOptions Options => _options;

    /// <summary>The owned store.</summary>
    /// <exception cref="InvalidOperationException">The host does not own it, has not started, or has stopped.</exception>
    public StateStore Owned
    {
        get
        {
            lock (_gate)
            {
                return _options.Owns && _store is { } store ? store : throw new InvalidOperationException(
                    _options.Owns ? "The store is open between the host's start and stop only." : "The host reads this store and does not own it; set Owns.");
            }
        }
    }

    /// <summary>Opens an owned store; does nothing for one that is read.</summary>
    /// <exception cref="StateStoreException">It cannot be opened.</exception>
    public void Start()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (_options.Owns && _store is null)
            {
                _store = GovernedStore.Open(_options.StorePath, new StateStoreOptions { LoggerFactory = _loggers });
            }
        }
    }

    /// <summary>Reads from a snapshot. In a store that the host does not own, a handle that is out of date, because the store was replaced or repaired, is opened anew once.</summary>
    /// <typeparam name="T">The answer.</typeparam>
    /// <param name="read">Reads; must not keep the snapshot.</param>
    /// <returns>What it read.</returns>
    /// <exception cref="StateStoreException">The store cannot be opened or read.</exception>
    public T Read<T>(Func<ReadSnapshot, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        StateStore store = Open(out bool isFresh);
        try
        {
            return ReadFrom(store, read);
        }
        catch (StateStoreException) when (!_options.Owns)
        {
            GiveBack(store);
            if (isFresh)
            {
                throw;
            }
        }

        return ReadFrom(Open(out _), read);
    }

    /// <summary>What the host's actor may see.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>The scope.</returns>
    /// <exception cref="ReadRefusedException">It may see nothing.</exception>
    public ReadScope Scope(ReadSnapshot snapshot)
    {
        ReadScopeFault fault = ReadScope.OfCaller(snapshot, _options.ActorOrNull, _options.ProfileOrNull, Environment.UserName, out ReadScope scope);
        return fault == ReadScopeFault.None ? scope : throw new ReadRefusedException(DoorError.Of(fault, _options.ActorOrNull ?? Environment.UserName, _options.ProfileOrNull));
    }

    /// <summary>Events as they become visible, each once and in order; ends only by cancellation or a fault.</summary>
    /// <param name="fromSequence">The first sequence wanted.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The events; what may be shown of them is the caller's to ask.</returns>
    public async IAsyncEnumerable<StoredEvent> SubscribeAsync(ulong fromSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        StateStore store = Open(out _);
        await foreach (StoredEvent item in store.SubscribeAsync(fromSequence, cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    /// <summary>The quick check's result, at most as old as the options say.</summary>
    /// <param name="cancellationToken">Ends the wait; the check goes on for others.</param>
    /// <returns>The report.</returns>
    public Task<VerificationReport> CheckAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            bool isOld = _check is null || _check.IsFaulted || (_check.IsCompleted && _clock.GetElapsedTime(_checkedAt).TotalMilliseconds >= _options.CheckCacheMs);
            if (isOld)
            {
                _checkedAt = _clock.GetTimestamp();
                _check = Task.Run(() => StoreVerifier.Run(_options.StorePath, new VerifyOptions { Level = VerificationLevel.Quick }, CancellationToken.None), CancellationToken.None);
            }

            return _check!.WaitAsync(cancellationToken);
        }
    }

    /// <summary>What the last check of the whole store found; null before the first has ended.</summary>
    public VerificationReport? LastFullCheck => Volatile.Read(ref _lastFull);

    /// <summary>Verifies the whole store (standard level), and keeps what it found.</summary>
    /// <param name="cancellationToken">Ends it; nothing is kept then.</param>
    /// <returns>The report.</returns>
    public VerificationReport RunFullCheck(CancellationToken cancellationToken)
    {
        // One core of the machine is enough for what nobody waits for.
        VerificationReport report = StoreVerifier.Run(_options.StorePath, new VerifyOptions { Level = VerificationLevel.Standard, DegreeOfParallelism = 1 }, cancellationToken);
        Volatile.Write(ref _lastFull, report);
        return report;
    }

    /// <summary>Gives a handle that only reads back, so that this process can open the store for writing: LMDB allows one open in a process. The next read opens it anew.</summary>
    public void ReleaseReading()
    {
        StateStore? store = null;
        lock (_gate)
        {
            if (!_options.Owns)
            {
                store = _store;
                _store = null;
            }
        }

        store?.Dispose();
    }

    /// <summary>Closes the store; an owned one cleanly.</summary>
    /// <returns>When it is closed.</returns>
    public async ValueTask DisposeAsync()
    {
        StateStore? store;
        lock (_gate)
        {
            _isClosed = true;
            store = _store;
            _store = null;
        }

        if (store is not null)
        {
            await store.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static T ReadFrom<T>(StateStore store, Func<ReadSnapshot, T> read)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return read(snapshot);
    }

    private StateStore Open(out bool isFresh)
    {
        StateStore? outdated = null;
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isClosed, this);
                DateTime mark = _options.Owns ? default : MarkOf(_options.StorePath);
                if (!_options.Owns && _store is not null && mark != _storeMark)
                {
                    outdated = _store;
                    _store = null;
                }

                isFresh = _store is null;
                if (isFresh && _options.Owns)
                {
                    throw new InvalidOperationException("The store is open between the host's start and stop only.");
                }

                _storeMark = mark;
                return _store ??= StateStore.OpenRead(_options.StorePath, new StateStoreOptions { LoggerFactory = _loggers });
            }
        }
        finally
        {
            outdated?.Dispose();
        }
    }

    // A store that was removed and made again, or put in place by a repair, has another superblock file; the maps of the old one would go on showing what was.
    private static DateTime MarkOf(string path) => File.GetLastWriteTimeUtc(Path.Combine(path, "STORE"));

    // Whoever still reads from it goes on: what snapshots read from goes with the last of them.
    private void GiveBack(StateStore store)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_store, store))
            {
                _store = null;
            }
        }

        store.Dispose();
    }
}
