// Why this file exists: a manifest travels as the record that the store will keep of it, with its signature beside it; before it is signed it is a bare manifest. Invariants: what is kept is what was signed, byte for byte as it came.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Keys;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>How far a migration got, as its record keeps it.</summary>
/// <param name="Migrated">Objects brought to the new version.</param>
/// <param name="Quarantined">Objects put into quarantine.</param>
/// <param name="Refused">Objects that the last run could not bring over.</param>
/// <param name="RolledBack">Objects brought back.</param>
/// <param name="ChangedSince">Objects that the last roll back left alone, because they were changed since.</param>
public sealed record MigrationCounts(ulong Migrated = 0, ulong Quarantined = 0, ulong Refused = 0, ulong RolledBack = 0, ulong ChangedSince = 0);

/// <summary>A manifest with its signature, if it has one. Immutable.</summary>
public sealed class MigrationFile
{
    private static readonly int s_manifest = Slots.Of(RecordKind.Migration, "manifest");
    private static readonly int s_signature = Slots.Of(RecordKind.Migration, "signature");

    private MigrationFile(MigrationManifest manifest, ReadOnlyMemory<byte> manifestJson, ReadOnlyMemory<byte> signatureJson)
    {
        Manifest = manifest;
        ManifestJson = manifestJson;
        SignatureJson = signatureJson;
    }

    /// <summary>The manifest.</summary>
    public MigrationManifest Manifest { get; }

    /// <summary>Whether it carries a signature; whether that holds is another question.</summary>
    public bool IsSigned => !SignatureJson.IsEmpty;

    internal ReadOnlyMemory<byte> ManifestJson { get; }

    internal ReadOnlyMemory<byte> SignatureJson { get; }

    /// <summary>Reads a bare manifest, or the record of a migration.</summary>
    /// <param name="document">The document.</param>
    /// <returns>The file.</returns>
    /// <exception cref="StateStoreException">InvalidInput, with the place.</exception>
    public static MigrationFile Read(ReadOnlyMemory<byte> document)
    {
        if (RecordJson.TryParse(document.Span, out RecordKind kind, out string? id, out byte[]? body, out _) && kind == RecordKind.Migration)
        {
            MigrationFile file = OfBody(Slots.Open(body), out ManifestFault? fault) ?? throw Invalid(fault!, "/manifest");
            return file.Manifest.Id == id ? file : throw Invalid(new ManifestFault("/migration_id", $"The record is of '{id}', its manifest of '{file.Manifest.Id}'."), "");
        }

        return MigrationManifest.TryParse(document, out MigrationManifest? manifest, out ManifestFault? bare) ? new MigrationFile(manifest!, document, default) : throw Invalid(bare!, "");
    }

    /// <summary>Signs the manifest; a signature that it carries is replaced.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The signed file.</returns>
    public MigrationFile Sign(PrivateKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return new MigrationFile(Manifest, ManifestJson, ManifestSignature.Sign(Manifest, key));
    }

    /// <summary>The record of the migration.</summary>
    /// <param name="status">Its status.</param>
    /// <param name="now">The time of the change.</param>
    /// <returns>Its document.</returns>
    public ReadOnlyMemory<byte> ToRecord(string status, DateTimeOffset now) => ToRecord(status, new MigrationProgress(now, now, new MigrationCounts(), ""));

    internal static MigrationFile? OfBody(RecordBodyView body, out ManifestFault? fault)
    {
        fault = new ManifestFault("", "The record has no manifest.");
        if (!body.TryGetJson(s_manifest, out ReadOnlySpan<byte> json))
        {
            return null;
        }

        byte[] manifestJson = json.ToArray();
        byte[] signature = body.TryGetJson(s_signature, out ReadOnlySpan<byte> signed) ? signed.ToArray() : [];
        return MigrationManifest.TryParse(manifestJson, out MigrationManifest? manifest, out fault) ? new MigrationFile(manifest!, manifestJson, signature) : null;
    }

    internal ReadOnlyMemory<byte> ToRecord(string status, MigrationProgress progress) => Documents.Build(RecordKind.Migration, Manifest.Id, writer =>
    {
        writer.WriteString("schema_id"u8, Manifest.To.SchemaId);
        writer.WriteString("from_version"u8, Manifest.From.Version);
        writer.WriteString("to_version"u8, Manifest.To.Version);
        writer.WritePropertyName("manifest"u8);
        writer.WriteRawValue(ManifestJson.Span);
        if (IsSigned)
        {
            writer.WritePropertyName("signature"u8);
            writer.WriteRawValue(SignatureJson.Span);
        }

        writer.WriteString("status"u8, status);
        writer.WriteString("created_at"u8, Documents.TimeText(progress.CreatedAt));
        writer.WriteString("updated_at"u8, Documents.TimeText(progress.UpdatedAt));
        if (progress.PlanHash.Length > 0)
        {
            writer.WriteString("plan_hash"u8, progress.PlanHash);
        }

        writer.WriteStartObject("counts"u8);
        writer.WriteNumber("migrated"u8, progress.Counts.Migrated);
        writer.WriteNumber("quarantined"u8, progress.Counts.Quarantined);
        writer.WriteNumber("refused"u8, progress.Counts.Refused);
        writer.WriteNumber("rolled_back"u8, progress.Counts.RolledBack);
        writer.WriteNumber("changed_since"u8, progress.Counts.ChangedSince);
        writer.WriteEndObject();
    });

    private static StateStoreException Invalid(ManifestFault fault, string under) =>
        new(StateStoreErrorCode.InvalidInput, $"The migration cannot be read: {fault.Message}", $"{under}{fault.Place}", "See docs/schemas.md for what a manifest is.");
}

/// <summary>What a migration's record says beside the manifest.</summary>
internal sealed record MigrationProgress(DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, MigrationCounts Counts, string PlanHash)
{
    /// <summary>Reads it; what is missing is empty.</summary>
    public static MigrationProgress Of(StoredRecord record)
    {
        using JsonDocument document = JsonDocument.Parse(record.ToJson());
        JsonElement root = document.RootElement;
        JsonElement counts = root.TryGetProperty("counts", out JsonElement stated) && stated.ValueKind == JsonValueKind.Object ? stated : default;
        return new MigrationProgress(
            root.TryGetProperty("created_at", out JsonElement created) && created.ValueKind == JsonValueKind.String && created.TryGetDateTimeOffset(out DateTimeOffset at) ? at : DateTimeOffset.UnixEpoch,
            DateTimeOffset.UnixEpoch,
            new MigrationCounts(Number(counts, "migrated"), Number(counts, "quarantined"), Number(counts, "refused"), Number(counts, "rolled_back"), Number(counts, "changed_since")),
            root.TryGetProperty("plan_hash", out JsonElement hash) && hash.ValueKind == JsonValueKind.String ? hash.GetString()! : "");
    }

    private static ulong Number(JsonElement counts, string name) =>
        counts.ValueKind == JsonValueKind.Object && counts.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number) ? number : 0;
}
