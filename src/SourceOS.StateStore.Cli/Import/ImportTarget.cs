// Why this file exists: an import whose first file is bad must leave the store as it was, byte for byte, and opening a store for writing already writes to it. Invariants:
// who writes is known, and the store is known to be there, before any file is read; it is opened for writing when the first records are ready.

using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Import;

/// <summary>The store that an import writes to. Used by one thread.</summary>
internal sealed class ImportTarget : IAsyncDisposable
{
    private readonly VerbContext _context;
    private readonly SessionIdentity _identity;
    private StateStore? _store;
    private StateSession? _session;

    /// <summary>Looks at the store without changing it.</summary>
    /// <param name="context">The invocation.</param>
    public ImportTarget(VerbContext context)
    {
        _context = context;
        try
        {
            using StateStore store = context.OpenRead();
            _identity = context.IdentityForMany(store);
            FirstSequence = store.VisibleSequence;
        }
        catch (StateStoreException)
        {
            // What a reader refuses, a writer may heal; when it cannot, its refusal is the answer.
            _identity = context.IdentityForMany(Store);
            FirstSequence = Store.VisibleSequence;
        }
    }

    /// <summary>The store's sequence before the import.</summary>
    public ulong FirstSequence { get; }

    /// <summary>The store, opened for writing by the first use.</summary>
    public StateStore Store => _store ??= _context.OpenWrite();

    /// <summary>The session of the acting identity.</summary>
    public StateSession Session => _session ??= Store.OpenSession(_identity);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _store?.DisposeAsync() ?? ValueTask.CompletedTask;
}
