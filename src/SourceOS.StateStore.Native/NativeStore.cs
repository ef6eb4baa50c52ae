// Why this file exists: an open store as a C program holds it, with who reads and writes through it. Invariants: reading is within the actor's scope; writing goes through the gates; each call resolves the scope anew, so a revocation counts
// at once.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Scopes;

namespace SourceOS.StateStore.Native;

/// <summary>An open store.</summary>
internal sealed class NativeStore : NativeObject
{
    private readonly string? _actor;
    private readonly string? _profile;

    private NativeStore(StateStore store, string? actor, string? profile)
    {
        Store = store;
        _actor = actor;
        _profile = profile;
    }

    /// <summary>The store.</summary>
    public StateStore Store { get; }

    /// <summary>Opens a store.</summary>
    public static NativeStore Open(string path, string? actor, string? profile, bool writes)
    {
        StateStore store = writes ? GovernedStore.Open(path) : StateStore.OpenRead(path);
        try
        {
            NativeStore opened = new(store, actor, profile);

            // Who may not act learns it now and not at the first call.
            opened.Read(opened.Scope);
            if (writes)
            {
                opened.OpenSession();
            }

            return opened;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Creates a store and sets it up.</summary>
    public static NativeStore Create(string path, SetupPlan plan)
    {
        StateStore store = GovernedStore.Create(path);
        try
        {
            // C has no tasks: the caller's thread waits, and the writer's thread does the work.
            (_, CommitReceipt? receipt) = StoreSetup.EnsureAsync(store, plan, DateTimeOffset.UtcNow).GetAwaiter().GetResult();
            if (receipt is { IsCommitted: false })
            {
                throw new NativeException(NativeStatus.Refused, DoorError.Of(receipt.Status, receipt.Refusal));
            }

            return new NativeStore(store, plan.ActorId, null);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Reads from a snapshot.</summary>
    public T Read<T>(Func<ReadSnapshot, T> read)
    {
        using ReadSnapshot snapshot = Store.OpenSnapshot();
        return read(snapshot);
    }

    /// <summary>What the actor may see.</summary>
    public ReadScope Scope(ReadSnapshot snapshot)
    {
        ReadScopeFault fault = ReadScope.OfCaller(snapshot, _actor, _profile, Environment.UserName, out ReadScope scope);
        return fault == ReadScopeFault.None ? scope : throw new NativeException(NativeStatus.Refused, DoorError.Of(fault, _actor ?? LocalIdentity.ActorOfUser(Environment.UserName), _profile));
    }

    /// <summary>A session of the actor.</summary>
    public StateSession OpenSession()
    {
        if (!Store.CanWrite)
        {
            throw new NativeException(NativeStatus.Usage, new DoorError("read_only", "The store was opened for reading.", Store.Path, Next: "Open it with ss_open_write."));
        }

        string actor = _actor ?? LocalIdentity.ActorOfUser(Environment.UserName);
        using ReadSnapshot snapshot = Store.OpenSnapshot();
        LocalIdentityFault fault = LocalIdentity.Resolve(snapshot, actor, new ProfileChoice(_profile, PrefersStoreWide: true), out SessionIdentity identity);
        return fault == LocalIdentityFault.None ? Store.OpenSession(identity) : throw new NativeException(NativeStatus.Refused, new DoorError(DoorError.SnakeCase(fault.ToString()), $"The actor '{actor}' cannot act here.", $"actor {actor}", Next: "Name a registered actor."));
    }

    /// <summary>A record that the actor may see; null when there is none.</summary>
    public StoredRecord? Find(ReadSnapshot snapshot, RecordKind kind, string id, ulong at)
    {
        StoredRecord? now = snapshot.Get(kind, id);
        StoredRecord? record = at == 0 ? now : at <= snapshot.Sequence ? snapshot.GetAsOf(kind, id, at) : null;
        ReadScope scope = Scope(snapshot);
        return record is not null && scope.Allows(record) && (now is null || scope.Allows(now)) ? record : null;
    }

    /// <inheritdoc/>
    protected override void End() => Store.Dispose();
}
