// Why this file exists: whoever has a key signs without being told to: the private key is found by the acting actor, and each privileged change of a batch gets its signature. Invariants: nothing is signed for
// another actor; a change that carries a signature keeps it; a key file that cannot be used is an error and never a silent "unsigned".

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Signing;

/// <summary>Signs privileged changes with the acting actor's key. Thread-safe.</summary>
/// <param name="folder">Where private keys are; the calling user's folder when null.</param>
public sealed class ChangeSigner(KeyFolder? folder = null) : IBatchSigner
{
    private const string Salvaged = "sync.repair.salvaged";
    private SigningKeys? _keys;
    private bool _isForRepair;

    /// <summary>A signer for repairs: a key that cannot be used does not keep a store from being repaired, and the report goes without a signature.</summary>
    /// <returns>The signer.</returns>
    public static ChangeSigner ForRepair() => new() { _isForRepair = true };

    /// <inheritdoc/>
    public bool IsIdle => _keys is { Any: false };

    /// <inheritdoc/>
    public IReadOnlyList<SignedData> Sign(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(changes);
        if (changes.All(static change => Privileges.IsPrivileged(change.Action, change.Kind, change.Id, change.Body) == false || change.EventType == Salvaged))
        {
            return [];
        }

        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (!KeyRoom.List(snapshot).Any(key => KeyRoom.IsActive(key, session.ActorId)))
        {
            return [];
        }

        using PrivateKey? key = Load(snapshot, session.ActorId);
        return key is null ? [] : SignAll(new Signing(store.Id, session.ActorId, snapshot, key), changes);
    }

    /// <summary>Learns from a governed store when there is nothing to do.</summary>
    internal void Follow(SigningKeys keys) => _keys = keys;

    private PrivateKey? Load(ReadSnapshot snapshot, string actorId)
    {
        try
        {
            return new KeyRoom(folder ?? KeyFolder.OfUser()).LoadChangesKey(snapshot, actorId);
        }
        catch (StateStoreException) when (_isForRepair)
        {
            return null;
        }
    }

    private static List<SignedData> SignAll(in Signing signing, IReadOnlyList<ProposedChange> changes)
    {
        List<SignedData> signed = [];
        for (int i = 0; i < changes.Count; i++)
        {
            ProposedChange change = changes[i];
            StoredRecord? before = change.Id.Length > 0 ? signing.Snapshot.Get(change.Kind, change.Id) : null;
            bool isPrivileged = Privileges.IsPrivileged(change.Action, change.Kind, change.Id, change.Body)
                ?? (before is not null && RetentionGate.IsHeld(Slots.Open(before.Body))) != RetentionGate.IsHeld(Slots.Open(change.Body));
            if (!isPrivileged || change.EventType == Salvaged || ChangeSignature.TryRead(change.Options.DataJson.Span, out _) != SignatureForm.Absent)
            {
                continue;
            }

            SignedChange subject = new(signing.StoreId, change.Action, change.Kind, change.Id, change.Options.ExpectedSequence ?? before?.Sequence ?? 0, signing.ActorId, change.Body);
            signed.Add(new SignedData(i, ChangeSignature.Attach(subject, change.Options.DataJson, signing.Key)));
        }

        return signed;
    }

    private readonly record struct Signing(Guid StoreId, string ActorId, ReadSnapshot Snapshot, PrivateKey Key);
}
