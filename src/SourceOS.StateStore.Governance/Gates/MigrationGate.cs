// Why this file exists: nothing is migrated by a manifest that nobody who may signed. Invariants: a migration runs only while its record carries a manifest whose signature holds by a key that is registered, not revoked, and whose actor may migrate at
// that moment; a manifest that ran once is not exchanged under its record.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Signing;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Manifests of migrations.</summary>
internal sealed class MigrationGate(GateContext context) : ICommitGate
{
    private static readonly int s_status = Slots.Of(RecordKind.Migration, "status");
    private static readonly int s_manifest = Slots.Of(RecordKind.Migration, "manifest");
    private static readonly int s_signature = Slots.Of(RecordKind.Migration, "signature");

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Kind == RecordKind.Migration && change.Action == EventAction.Put && Judge(commit, change, state) is { } refusal)
            {
                return GateDecision.Deny(refusal);
            }
        }

        return GateDecision.Allow;
    }

    private CommitRefusal? Judge(ProposedCommit commit, in ProposedChange change, IStateView state)
    {
        RecordBodyView proposed = Slots.Open(change.Body);
        string to = Slots.Text(proposed, s_status);
        bool isThere = state.TryGet(RecordKind.Migration, change.Id, out RecordView record) && !record.IsTombstone;
        string from = isThere ? Slots.Text(record.Body, s_status) : "";
        bool isSame = isThere && IsSame(record.Body, proposed, s_manifest) && IsSame(record.Body, proposed, s_signature);
        if (!isSame && from is "running" or "applied" or "failed" or "rolled_back")
        {
            return Refusals.Of("migration.sealed", $"{Refusals.Name(change)} is {from}; its manifest and signature cannot be exchanged any more.", "Give the other manifest a migration_id of its own.", change);
        }

        if (to is not ("running" or "applied") || (isSame && from == to))
        {
            return null;
        }

        if (MigrationFile.OfBody(proposed, out ManifestFault? fault) is not { } file)
        {
            return Refusals.Of("migration.manifest", $"{Refusals.Name(change)} cannot run: {fault!.Message} ({fault.Place})", "Mend the manifest and sign it: statestore schema sign FILE.", change);
        }

        if (file.Manifest.Id != change.Id)
        {
            return Refusals.Of("migration.manifest", $"{Refusals.Name(change)} holds the manifest of '{file.Manifest.Id}'.", "Keep each manifest under its own migration_id.", change);
        }

        return ManifestSignature.Judge(file.Manifest, file.SignatureJson, id => SigningKeys.Find(id, state), actor => WhyNot(actor, commit, state));
    }

    private string? WhyNot(string actorId, ProposedCommit commit, IStateView state)
    {
        ActorFacts? actor = Identifier.IsValid(actorId) ? context.Actors.Find(state, actorId) : null;
        return actor is null ? "who is not registered here" : actor.IsRevoked ? "who is revoked"
            : new Rights(context, state, actor, context.Now(commit)).Holds(Capabilities.MigrateSchema) ? null : $"who does not hold '{Capabilities.MigrateSchema}'";
    }

    private static bool IsSame(RecordBodyView old, RecordBodyView proposed, int slot) =>
        old.TagOf(slot) == proposed.TagOf(slot) && (old.TagOf(slot) == FieldTag.Absent || old.RawValue(slot).SequenceEqual(proposed.RawValue(slot)));
}
