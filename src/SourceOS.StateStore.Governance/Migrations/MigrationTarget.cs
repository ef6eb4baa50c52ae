// Why this file exists: what must hold before a migration looks at a single object: its schemas are there, of its type, and its manifest may be believed. Invariants: reads one snapshot; what the gate will ask again is answered in the same words.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>The schema that a migration leads to.</summary>
/// <param name="Schema">The schema, compiled; null when the migration leads nowhere.</param>
/// <param name="Refusal">What keeps the migration from being applied; null when nothing does.</param>
/// <param name="Fit">How the two versions fit; null when the old one is not known here.</param>
internal sealed record MigrationTarget(ObjectSchema? Schema, CommitRefusal? Refusal, SchemaFit? Fit)
{
    private const int MaxHistory = 64;
    private static readonly int s_version = Slots.Of(RecordKind.Schema, "schema_version");

    public static MigrationTarget Find(StateStore store, MigrationFile file)
    {
        MigrationManifest manifest = file.Manifest;
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StoredRecord? record = snapshot.Get(RecordKind.Schema, manifest.To.SchemaId);
        string version = record is null ? "" : Slots.Text(Slots.Open(record.Body), s_version);
        if (record is null or { IsTombstone: true } || version != manifest.To.Version)
        {
            return new MigrationTarget(null, Refuse(manifest, "migration.target", $"leads to {manifest.To}, {(version.Length == 0 ? "which is not registered here" : $"and here it is at version {version}")}", "Register that version first: statestore schema register FILE."), null);
        }

        ObjectSchema schema = ObjectSchemas.CompileAll(snapshot)[manifest.To.SchemaId];
        if (schema.ObjectType != manifest.ObjectType || schema.Broken is not null)
        {
            string why = schema.Broken is null ? $"leads to a schema of objects of type '{schema.ObjectType}', not '{manifest.ObjectType}'" : $"leads to a schema that cannot be used: {schema.Broken}";
            return new MigrationTarget(null, Refuse(manifest, "migration.target", why, "Mend the manifest or the schema."), null);
        }

        SchemaFit? fit = Old(snapshot, manifest) is { } old ? SchemaRoom.Compare(old, record) : null;
        CommitRefusal? refusal = ManifestSignature.Judge(manifest, file.SignatureJson, id => Identifier.IsValid(id) ? KeyRoom.Find(snapshot, id) : null, actor => WhyNot(snapshot, actor));
        return new MigrationTarget(schema, refusal, fit);
    }

    // A version that was replaced under the same identifier is still in the log.
    private static StoredRecord? Old(ReadSnapshot snapshot, MigrationManifest manifest)
    {
        foreach (StoredEvent item in snapshot.History(RecordKind.Schema, manifest.From.SchemaId).Take(MaxHistory))
        {
            if (!item.IsErased && item.Action == EventAction.Put && Slots.Text(Slots.Open(item.Image), s_version) == manifest.From.Version)
            {
                return new StoredRecord(RecordKind.Schema, manifest.From.SchemaId, item.Sequence, 0, false, false, item.Image);
            }
        }

        return null;
    }

    // A lease may give the capability too; the gate knows, and a look at a plan need not.
    private static string? WhyNot(ReadSnapshot snapshot, string actorId)
    {
        if (!Identifier.IsValid(actorId) || !snapshot.TryGet(RecordKind.Actor, Encoding.UTF8.GetBytes(actorId), out RecordView record))
        {
            return "who is not registered here";
        }

        ActorFacts facts = ActorFacts.Of(actorId, record.Sequence, record.IsTombstone, record.Body);
        return facts.IsRevoked ? "who is revoked" : null;
    }

    private static CommitRefusal Refuse(MigrationManifest manifest, string rule, string what, string remedy) =>
        Refusals.Of(rule, $"The migration '{manifest.Id}' {what}.", remedy, RecordKind.Migration, manifest.Id);
}
