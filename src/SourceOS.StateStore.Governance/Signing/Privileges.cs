// Why this file exists: which changes are privileged, in one table, for the signer, the gate and the check of a log. Invariants: a kind that is not named is privileged, so that one added later is
// signed until someone decides; work on ordinary objects is never privileged.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Signing;

/// <summary>Privileged changes: of schemas, policy, keys, trust, holds, purges and repairs.</summary>
internal static class Privileges
{
    /// <summary>Whether a change is privileged, as far as it can be told without the record that it replaces.</summary>
    /// <returns>Null when it depends on whether the object is under a legal hold before.</returns>
    public static bool? IsPrivileged(EventAction action, RecordKind kind, string id, ReadOnlyMemory<byte> body) => (action, kind) switch
    {
        (EventAction.None, _) => false,
        (EventAction.Purge, _) => true,
        (_, RecordKind.Object) => id == PolicySource.ObjectId ? true : action == EventAction.Put ? null : false,
        (_, RecordKind.Operation or RecordKind.Task or RecordKind.Observation or RecordKind.Plan or RecordKind.Conflict or RecordKind.Transaction) => false,
        (EventAction.Put, RecordKind.Decision) => Slots.Text(Slots.Open(body), Slots.Decision.Effect) == "allow",
        _ => true,
    };

    /// <summary>Whether a change is privileged in a state.</summary>
    public static bool IsPrivileged(in ProposedChange change, IStateView state)
    {
        if (IsPrivileged(change.Action, change.Kind, change.Id, change.Body) is { } known)
        {
            return known;
        }

        bool wasHeld = state.TryGet(RecordKind.Object, change.Id, out RecordView record) && RetentionGate.IsHeld(record.Body);
        return wasHeld != RetentionGate.IsHeld(Slots.Open(change.Body));
    }
}
