// Why this file exists: one object through the steps of a manifest, the same way for the dry run and for the real one. Invariants: a pure function of manifest, target schema and body; what comes out is valid by the new schema, or the
// object's own old body with another state, or nothing; fields that no step names come out as they went in.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Schemas;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>What a migration does to an object.</summary>
public enum MigrationOutcome
{
    /// <summary>It comes to the new version.</summary>
    Migrate = 1,

    /// <summary>It stays as it is, because it does not fit or a gate does not let it pass.</summary>
    Refuse = 2,

    /// <summary>It goes into quarantine, because it does not fit.</summary>
    Quarantine = 3,

    /// <summary>Its earlier body comes back.</summary>
    RollBack = 4,

    /// <summary>It is left alone by the roll back, because it was changed since.</summary>
    ChangedSince = 5,
}

/// <summary>An object after the steps.</summary>
internal readonly record struct MigratedObject(MigrationOutcome Outcome, byte[]? Body, string Reason);

/// <summary>Migrates objects. Not thread-safe: it keeps buffers.</summary>
internal sealed class ObjectMigrator(MigrationManifest manifest, ObjectSchema target)
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly int s_type = Slots.Of(RecordKind.Object, "object_type");
    private static readonly int s_schema = Slots.Of(RecordKind.Object, "schema_id");
    private static readonly int s_version = Slots.Of(RecordKind.Object, "schema_version");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");
    private readonly ObjectValidator _validator = new();

    /// <summary>Whether an object is at a version. One that states no version is at the version that its schema's identifier stands for.</summary>
    public static bool IsAt(MigrationManifest manifest, SchemaVersion version, RecordBodyView body)
    {
        if (Slots.Text(body, s_type) != manifest.ObjectType || Slots.Text(body, s_schema) != version.SchemaId)
        {
            return false;
        }

        string stated = Slots.Text(body, s_version);
        return stated == version.Version || (stated.Length == 0 && manifest.From.SchemaId != manifest.To.SchemaId);
    }

    /// <summary>Whether an object waits for the migration; what is in quarantine is for repair.</summary>
    public static bool Waits(MigrationManifest manifest, RecordBodyView body) => IsAt(manifest, manifest.From, body) && Slots.Text(body, s_state) != "quarantined";

    /// <summary>Takes an object through the steps.</summary>
    public MigratedObject Migrate(StoredRecord record)
    {
        try
        {
            if (JsonNode.Parse(record.ToJson(), documentOptions: new JsonDocumentOptions { MaxDepth = 256 }) is not JsonObject document)
            {
                return Unfit(record, manifest.Unfit, "The record's document is no object.");
            }

            foreach (MigrationStep step in manifest.Steps)
            {
                if (step.Apply(document, manifest.Id) is { } reason && step.Unfit != UnfitPolicy.Leave)
                {
                    return Unfit(record, step.Unfit, reason);
                }
            }

            document["schema_id"] = manifest.To.SchemaId;
            document["schema_version"] = manifest.To.Version;
            return Finish(record, document);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or JsonException)
        {
            // Two members of one name, or text that is not valid Unicode: the parts of a stored document that only show when they are taken apart.
            return Unfit(record, manifest.Unfit, $"The object's document cannot be edited: {exception.Message}");
        }
    }

    private MigratedObject Finish(StoredRecord record, JsonObject document)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, s_options))
        {
            document.WriteTo(writer);
        }

        if (!RecordJson.TryParse(buffer.WrittenSpan, out _, out string? id, out byte[]? body, out RecordJsonFault fault) || id != record.Id)
        {
            return Unfit(record, manifest.Unfit, $"The migrated object is no valid record: {fault.Message}");
        }

        string? why = target.Broken ?? _validator.Validate(target, record.Id, Slots.Open(body));
        return why is null ? new MigratedObject(MigrationOutcome.Migrate, body, "") : Unfit(record, manifest.Unfit, why);
    }

    private static MigratedObject Unfit(StoredRecord record, UnfitPolicy policy, string reason) => policy == UnfitPolicy.Quarantine
        ? new MigratedObject(MigrationOutcome.Quarantine, Documents.Changed(record, static builder => builder.SetText(s_state, "quarantined")), reason)
        : new MigratedObject(MigrationOutcome.Refuse, null, reason);
}
