// Why this file exists: whoever has a key signs without being told to: the private key is found by the acting actor, and each privileged change of a batch gets its signature. Invariants: nothing is signed for
// another actor; a change that carries a signature keeps it; a key file that cannot be used is an error and never a silent "unsigned".

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
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
    private readonly Attribution _attribution = new();
    private TimeProvider _clock = TimeProvider.System;
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
        if (_keys?.MayHave(session.ActorId) == false || changes.All(static change => Privileges.IsPrivileged(change.Action, change.Kind, change.Id, change.Body) == false || change.EventType == Salvaged))
        {
            return [];
        }

        using ReadSnapshot snapshot = store.OpenSnapshot();
        List<int> privileged = [.. Enumerable.Range(0, changes.Count).Where(i => NeedsSignature(changes[i], snapshot))];
        if (privileged.Count == 0 || !KeyRoom.List(snapshot).Any(key => KeyRoom.IsActive(key, session.ActorId)))
        {
            return [];
        }

        using PrivateKey? key = Load(snapshot, session.ActorId);
        return key is null ? [] : [.. privileged.Select(i => Sign(i, store.Id, session, changes[i], snapshot, key))];
    }

    /// <summary>Learns from a governed store when there is nothing to do.</summary>
    internal void Follow(SigningKeys keys, TimeProvider clock)
    {
        _keys = keys;
        _clock = clock;
    }

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

    private static bool NeedsSignature(in ProposedChange change, ReadSnapshot snapshot)
    {
        if (change.EventType == Salvaged || ChangeSignature.TryRead(change.Options.DataJson.Span, out _) != SignatureForm.Absent)
        {
            return false;
        }

        return Privileges.IsPrivileged(change.Action, change.Kind, change.Id, change.Body) ?? (IsHeldNow(change.Id, snapshot) != RetentionGate.IsHeld(Slots.Open(change.Body)));
    }

    private static bool IsHeldNow(string id, ReadSnapshot snapshot) =>
        snapshot.TryGet(RecordKind.Object, System.Text.Encoding.UTF8.GetBytes(id), out RecordView record) && RetentionGate.IsHeld(record.Body);

    // What the store says of an object's makers is part of what is signed, so it is set before: the writer thread finds it true and leaves it.
    private SignedData Sign(int index, Guid storeId, SessionIdentity session, in ProposedChange change, ReadSnapshot snapshot, PrivateKey key)
    {
        ulong now = snapshot.TryGet(change.Kind, System.Text.Encoding.UTF8.GetBytes(change.Id), out RecordView record) ? record.Sequence : 0;
        byte[]? amended = change.Action == EventAction.Put ? _attribution.Amend(session, change, new SnapshotRights.View(snapshot), _clock.GetUtcNow()) : null;
        ReadOnlyMemory<byte> body = amended ?? change.Body;
        SignedChange subject = new(storeId, change.Action, change.Kind, change.Id, change.Options.ExpectedSequence ?? now, session.ActorId, body);
        return new SignedData(index, ChangeSignature.Attach(subject, change.Options.DataJson, key), amended is null ? (ReadOnlyMemory<byte>?)null : body);
    }
}
