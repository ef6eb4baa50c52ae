// Why this file exists: everything that comes as text: documents, schemas with instances, notes, checkpoints, keys, proofs, manifests, lock notes. Invariants: what is taken is written out as something that is taken
// again and means the same.

using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.JsonSchema;
using SourceOS.StateStore.Locking;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Texts.</summary>
internal static class TextTargets
{
    // Small bounds, so that a hostile schema meets them in a time that leaves room for others.
    private static readonly SchemaRegistryOptions s_schemaOptions = new()
    {
        AssertFormat = true,
        Limits = new SchemaLimits { MaxSchemaBytes = 1 << 16, MaxTotalSchemaBytes = 1 << 20, MaxSubschemas = 4000, MaxInstanceBytes = 1 << 16, MaxInstanceValues = 20_000, MaxEvaluationSteps = 500_000 },
    };

    internal static IReadOnlyList<Target> List { get; } =
    [
        new("record-json", static () => [], Document),
        new("json-schema", static () => [], Schema),
        new("signed-note", static () => [], Note),
        new("note-key", static () => [], Key),
        new("proof", Proofs, Proof),
        new("manifest", static () => [], Manifest),
        new("lock-note", static () => ["{\"pid\":7,\"bootId\":\"a\",\"openedAt\":\"b\",\"inode\":9,\"stateUnsynced\":true}\n"u8.ToArray()], Lock),
        new("identifier", static () => ["urn:srcos:object:a"u8.ToArray(), "größe"u8.ToArray()], Identifiers),
    ];

    private static ulong Document(byte[] bytes)
    {
        if (!RecordJson.TryParse(bytes, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault))
        {
            return Hold.Way((long)fault.Code, Math.Min(fault.OffsetBytes, 512) / 8);
        }

        Hold.That(RecordBodyView.TryRead(body, out RecordBodyView view, out _) && !RecordBodyRules.Check(kind, view).IsFault, "a document's body obeys the rules of its kind");
        byte[] again = Encoding.UTF8.GetBytes(RecordJson.ToText(kind, id, body));
        bool isSame = RecordJson.TryParse(again, out RecordKind kind2, out string? id2, out byte[]? body2, out _) && kind2 == kind && id2 == id && body2.AsSpan().SequenceEqual(body);
        Hold.That(isSame || again.Length > FormatLimits.MaxRecordJsonLengthBytes, "a document written again is the same record");
        return Hold.Way((long)kind, view.SlotCount, view.Extensions.Count, body.Length / 32);
    }

    // A schema, a zero byte, an instance.
    private static ulong Schema(byte[] bytes)
    {
        int split = bytes.AsSpan().IndexOf((byte)0);
        byte[] schema = split < 0 ? bytes : bytes[..split];
        byte[] instance = split < 0 ? "1"u8.ToArray() : bytes[(split + 1)..];
        SchemaRegistrationResult result = SchemaRegistry.Create(s_schemaOptions).Register([new SchemaDocument("https://fuzz/schema", schema)]);
        if (!result.Succeeded)
        {
            return Hold.Way(result.Errors.Count, result.Errors[0].ToString()!.Length % 61);
        }

        SchemaVerdict verdict = result.Schemas[0].Check(instance);
        SchemaEvaluationResult evaluation = result.Schemas[0].Evaluate(instance);

        // Evaluating collects more, so it may meet a bound that checking does not.
        Hold.That(verdict == evaluation.Verdict || evaluation.Verdict == SchemaVerdict.LimitExceeded, $"a check ({verdict}) and an evaluation ({evaluation.Verdict}) agree");
        return Hold.Way((long)verdict, evaluation.Errors.Count, split);
    }

    private static ulong Note(byte[] bytes)
    {
        if (!SignedNote.TryParse(bytes, out SignedNote? note, out string reason))
        {
            return Hold.Way(reason.Length);
        }

        Hold.That(note.Encode().AsSpan().SequenceEqual(bytes), "a note that is read is written as the same bytes");
        bool isCheckpoint = Checkpoint.TryParse(note.Text, out Checkpoint? checkpoint, out reason);
        Hold.That(!isCheckpoint || (Checkpoint.TryParse(checkpoint!.ToText(), out Checkpoint? again, out _) && again == checkpoint), "a checkpoint written again is the same");
        return Hold.Way(note.Signatures.Count, isCheckpoint ? 1 : 2, reason.Length);
    }

    private static ulong Key(byte[] bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        if (!NoteKey.TryParse(text, out NoteKey? key))
        {
            return Hold.Way(text.Count(static c => c == '+'), text.Length / 8);
        }

        Hold.That(NoteKey.TryParse(key.ToString()!, out NoteKey? again) && again.ToString() == key.ToString(), "a key written again is the same");
        return Hold.Way(key.Name.Length);
    }

    private static IEnumerable<byte[]> Proofs()
    {
        ConsistencyProof proof = new() { Origin = "o", Path = [MerkleHash.Empty, MerkleHash.Leaf("a"u8)], EarlierSize = 1, EarlierRoot = MerkleHash.Leaf("a"u8), Size = 2, Root = MerkleHash.Leaf("b"u8) };
        yield return ProofJson.Encode(proof);
    }

    private static ulong Proof(byte[] bytes)
    {
        if (!ProofJson.TryDecode(bytes, out StateProof? proof, out string reason))
        {
            return Hold.Way(reason.Length);
        }

        byte[] again = ProofJson.Encode(proof);
        Hold.That(ProofJson.TryDecode(again, out StateProof? back, out _) && ProofJson.Encode(back).AsSpan().SequenceEqual(again), "a proof written again is the same");
        return Hold.Way(proof.GetType().Name.Length, proof.Path.Count, proof.Check(new Checkpoint("o", 2, MerkleHash.Empty)).Holds ? 1 : 0);
    }

    private static ulong Manifest(byte[] bytes)
    {
        if (!BackupManifest.TryParse(Encoding.UTF8.GetString(bytes), out BackupManifest? manifest, out string reason))
        {
            return Hold.Way(reason.Length);
        }

        Hold.That(BackupManifest.TryParse(manifest.ToText(), out BackupManifest? again, out _) && again.ToText() == manifest.ToText(), "a manifest written again is the same");
        foreach (BackupFile file in manifest.Files)
        {
            // A manifest names where files are written: nothing outside of the store.
            Hold.That(!Path.IsPathRooted(file.Path) && !file.Path.Split('/').Contains("..") && !file.Path.Contains('\0', StringComparison.Ordinal), "a manifest's paths stay inside");
        }

        return Hold.Way(manifest.Files.Count);
    }

    private static ulong Lock(byte[] bytes)
    {
        LockNote note = LockNote.Parse(bytes);
        return Hold.Way(note.ProcessId == 0 ? 0 : 1, note.BootId.Length, note.Inode == 0 ? 0 : 1, note.IsStateUnsynced ? 1 : 0);
    }

    private static ulong Identifiers(byte[] bytes)
    {
        bool isValid = Identifier.IsValid(bytes);
        if (isValid)
        {
            string text = Encoding.UTF8.GetString(bytes);
            Hold.That(bytes.Length is >= 1 and <= 255 && !text.Any(char.IsControl) && Encoding.UTF8.GetBytes(text).AsSpan().SequenceEqual(bytes) && Identifier.IsValid(text, out _), "an identifier is 1 to 255 bytes of text without control characters");
        }

        return Hold.Way(isValid ? 1 : 0, Identifier.IsValidEventType(bytes) ? 1 : 0, bytes.Length);
    }
}
