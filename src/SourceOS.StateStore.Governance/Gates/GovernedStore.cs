// Why this file exists: the way every door opens a store for writing: with the gates in place. Invariants: no session exists before the gates know what the store holds;
// the gates stand in the order scope, retention, status, schema, migration, signature, policy; a refusal by any of them is recorded.

using SourceOS.StateStore.Governance.Signing;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Opens stores whose commits are governed. Thread-safe.</summary>
public static class GovernedStore
{
    /// <summary>Opens a store for writing, with the gates.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How; the gates are added to it, so it is used for one store. Defaults when null.</param>
    /// <returns>The open store; every session of it passes the gates.</returns>
    /// <exception cref="ArgumentException">The options have these gates already, or a value is out of range.</exception>
    /// <exception cref="StateStoreException">As <see cref="StateStore.Open"/>.</exception>
    public static StateStore Open(string path, StateStoreOptions? options = null)
    {
        options ??= new StateStoreOptions();
        GateContext context = AddGates(options);
        return Start(context, options.RefusalAuditor as RefusalAudit, options.Clock ?? TimeProvider.System, StateStore.Open(path, options));
    }

    /// <summary>Creates a store and opens it for writing, with the gates. Its first commit must register the actor who makes it.</summary>
    /// <param name="path">A directory that does not exist or is empty.</param>
    /// <param name="options">How; the gates are added to it, so it is used for one store. Defaults when null.</param>
    /// <returns>The open store.</returns>
    /// <exception cref="ArgumentException">The options have these gates already, or a value is out of range.</exception>
    /// <exception cref="StateStoreException">As <see cref="StateStore.Create"/>.</exception>
    public static StateStore Create(string path, StateStoreOptions? options = null)
    {
        options ??= new StateStoreOptions();
        GateContext context = AddGates(options);
        return Start(context, options.RefusalAuditor as RefusalAudit, options.Clock ?? TimeProvider.System, StateStore.Create(path, options));
    }

    private static GateContext AddGates(StateStoreOptions options)
    {
        if (options.Gates.Any(static gate => gate is ScopeGate))
        {
            throw new ArgumentException("The options were used for a governed store before; make new ones for each store.", nameof(options));
        }

        GateContext context = new();
        options.Gates.Add(new ScopeGate(context));
        options.Gates.Add(new RetentionGate(context));
        options.Gates.Add(new StatusGate(context));
        options.Gates.Add(new SchemaGate(context));
        options.Gates.Add(new MigrationGate(context));
        options.Gates.Add(new SignatureGate(context));
        options.Gates.Add(new PolicyGate(context));
        options.Signer ??= new ChangeSigner();
        (options.Signer as ChangeSigner)?.Follow(context.Keys, options.Clock ?? TimeProvider.System);
        options.Amender ??= new Attribution();
        options.RefusalAuditor ??= new RefusalAudit();
        return context;
    }

    private static StateStore Start(GateContext context, RefusalAudit? audit, TimeProvider clock, StateStore store)
    {
        try
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            context.StoreId = store.Id;
            context.Load(snapshot);

            // A clock that was set back must not make old refusals look like those of the last minute.
            DateTimeOffset now = clock.GetUtcNow();
            audit?.Load(snapshot, snapshot.GetStatus().LastCommitAt is { } last && last > now ? last : now);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }
}
