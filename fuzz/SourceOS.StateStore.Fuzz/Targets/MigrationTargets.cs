// Why this file exists: manifests of migrations and signatures of changes come from strangers. Invariants: a manifest that is read is read from its canonical form too, with the same form; its steps on any object end in a body that can be read, twice the same; what
// stands in the place of a signature gives an answer.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Governance.Signing;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Migrations and signatures.</summary>
internal static class MigrationTargets
{
    private const string Head = """{"schema":"sourceos.migration-manifest/v1alpha1","migration_id":"m","object_type":"t","from":{"schema_id":"a","version":"1"},"to":{"schema_id":"b","version":"2"},"steps":[""";

    private static readonly byte[] s_publicKey = Convert.FromHexString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    private static readonly ObjectSchema s_target = new("b", 1, "t", [], null, null);

    internal static IReadOnlyList<Target> List { get; } = [new("migration", Migrations, Migration), new("change-signature", Signatures, Signature)];

    private static IEnumerable<byte[]> Migrations()
    {
        string[] steps =
        [
            """{"op":"rename","from":"/attributes/a","to":"/attributes/b/c"}""", """{"op":"default","at":"/x","value":{"y":[1.50]}}""", """{"op":"remove","at":"/title"}""",
            """{"op":"restore","at":"/attributes/r","migration":"n"}""", """{"op":"map","at":"/attributes/m","values":[{"from":1,"to":"x"}],"otherwise":"keep"}""",
            """{"op":"convert","at":"/attributes/v","to":"integer","unfit":"leave"}""", """{"op":"wrap","at":"/attributes/w","member":"q"}""", """{"op":"unwrap","at":"/attributes/u","unfit":"quarantine"}""",
        ];
        const string document = """{"a":1,"m":1,"r":0,"u":[2],"v":"12","w":null}""";
        foreach (string step in (string[])[.. steps, string.Join(',', steps)])
        {
            yield return Encoding.UTF8.GetBytes($"{Head}{step}]}}\0{document}");
        }
    }

    private static IEnumerable<byte[]> Signatures()
    {
        yield return Encoding.UTF8.GetBytes($$$"""{"reason":"x","signature":{"algorithm":"ed25519","key":"key:0123456789abcdef","value":"{{{Convert.ToBase64String(new byte[64])}}}"}}""");
    }

    // A manifest, a zero byte, the attributes of an object.
    private static ulong Migration(byte[] bytes)
    {
        int split = bytes.AsSpan().IndexOf((byte)0);
        byte[] text = split < 0 ? bytes : bytes[..split];
        if (!MigrationManifest.TryParse(text, out MigrationManifest? manifest, out ManifestFault? fault))
        {
            return Hold.Way(fault!.Place.Length, fault.Message.Length % 61);
        }

        Hold.That(MigrationManifest.TryParse(manifest!.Canonical, out MigrationManifest? again, out _) && again!.Canonical.Span.SequenceEqual(manifest.Canonical.Span), "a canonical form is its own canonical form");
        string attributes = split < 0 ? "{}" : Encoding.UTF8.GetString(bytes.AsSpan(split + 1));
        string document = $$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"o","object_type":"t","schema_id":"a","x":1,"title":"t","attributes":{{{attributes}}}}""";
        if (!RecordJson.TryParse(Encoding.UTF8.GetBytes(document), out RecordKind kind, out string? id, out byte[]? body, out _) || kind != RecordKind.Object)
        {
            return Hold.Way(1, manifest.Steps.Count);
        }

        StoredRecord record = new(kind, id, 1, 1, false, false, body);
        MigratedObject first = new ObjectMigrator(manifest, s_target).Migrate(record);
        MigratedObject second = new ObjectMigrator(manifest, s_target).Migrate(record);
        Hold.That(first.Outcome == second.Outcome && (first.Body ?? []).AsSpan().SequenceEqual(second.Body), "an object is migrated the same way twice");
        Hold.That(first.Body is null || (RecordBodyView.TryRead(first.Body, out RecordBodyView view, out _) && !RecordBodyRules.Check(kind, view).IsFault), "a migrated object is a valid record");
        Hold.That(first.Body is null == (first.Outcome == MigrationOutcome.Refuse), "an object that is refused has no new body");
        return Hold.Way((long)first.Outcome, manifest.Steps.Count, first.Reason.Length % 61, (first.Body?.Length ?? 0) / 16);
    }

    private static ulong Signature(byte[] bytes)
    {
        SignatureForm form = ChangeSignature.TryRead(bytes, out ChangeSignature signature);
        SignedChange change = new(Guid.Empty, EventAction.Put, RecordKind.Schema, "schema:x", 1, "actor:a", default);
        Hold.That(form != SignatureForm.Present || !signature.Holds(change, s_publicKey), "no signature holds that nobody made");
        return Hold.Way((long)form, bytes.Length / 8);
    }
}
