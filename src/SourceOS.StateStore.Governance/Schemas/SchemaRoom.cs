// Why this file exists: schemas as people and programs handle them: registering many at once, and comparing versions. Invariants: whatever is registered
// passes the same gate as any other commit; comparing says in which directions two versions fit each other, and why not.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>How a new version of a schema fits an old one.</summary>
/// <param name="Backward">Why the new version might refuse what the old one accepted; empty when it cannot.</param>
/// <param name="Forward">Why the old version might refuse what the new one accepts; empty when it cannot.</param>
public sealed record SchemaFit(IReadOnlyList<string> Backward, IReadOnlyList<string> Forward)
{
    /// <summary>`full`, `backward`, `forward` or `none`.</summary>
    public string Compatibility => (Backward.Count, Forward.Count) switch
    {
        (0, 0) => "full",
        (0, _) => "backward",
        (_, 0) => "forward",
        _ => "none",
    };
}

/// <summary>Registers and compares. Thread-safe: it keeps nothing.</summary>
public static class SchemaRoom
{
    /// <summary>Makes a schema record of a document that may be one already or a bare JSON Schema.</summary>
    /// <param name="document">The document.</param>
    /// <param name="objectType">For a bare JSON Schema: the type that it describes; its title or `$id` when null.</param>
    /// <returns>A record's document.</returns>
    /// <exception cref="StateStoreException">InvalidInput when it is neither.</exception>
    public static ReadOnlyMemory<byte> ToRecord(ReadOnlyMemory<byte> document, string? objectType = null)
    {
        using JsonDocument json = Parse(document);
        JsonElement root = json.RootElement;
        if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("schema", out JsonElement schema) && schema.ValueKind == JsonValueKind.String
            && schema.GetString() == RecordKinds.Get(RecordKind.Schema).Schema)
        {
            return document;
        }

        string id = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("$id", out JsonElement stated) && stated.ValueKind == JsonValueKind.String ? stated.GetString()! : "";
        if (!Identifier.IsValid(id))
        {
            throw Invalid("The document is neither a schema record nor a JSON Schema with an $id of 1 to 255 bytes.", "Give it an $id, or wrap it in a record of kind schema.");
        }

        string type = objectType ?? (root.TryGetProperty("title", out JsonElement title) && title.ValueKind == JsonValueKind.String ? title.GetString()! : id);
        return Documents.Build(RecordKind.Schema, id, writer =>
        {
            writer.WriteString("object_type"u8, type);
            writer.WriteString("schema_version"u8, "v1"u8);
            writer.WriteString("migration_policy"u8, "forward_compatible_required"u8);
            writer.WritePropertyName("json_schema"u8);
            root.WriteTo(writer);
        });
    }

    /// <summary>Registers schemas in one commit; they may refer to each other.</summary>
    /// <param name="session">Who acts; needs the capability `migrate_schema`.</param>
    /// <param name="records">Documents as <see cref="ToRecord"/> makes them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt.</returns>
    public static async Task<CommitReceipt> RegisterAsync(StateSession session, IEnumerable<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(records);
        CommitBatch batch = new();
        foreach (ReadOnlyMemory<byte> record in records)
        {
            batch.PutJson(record.Span, new ChangeOptions { EventType = "sync.schema.registered" });
        }

        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Compares a schema record with the one that the store has under the same identifier or for the same type.</summary>
    /// <param name="old">The old record.</param>
    /// <param name="next">The new record.</param>
    /// <returns>How they fit.</returns>
    public static SchemaFit Compare(StoredRecord old, StoredRecord next)
    {
        ArgumentNullException.ThrowIfNull(old);
        ArgumentNullException.ThrowIfNull(next);
        RegisteredSchema before = RegisteredSchema.Of(old.Id, old.Sequence, Slots.Open(old.Body));
        RegisteredSchema after = RegisteredSchema.Of(next.Id, next.Sequence, Slots.Open(next.Body));
        return new SchemaFit(SchemaCompatibility.BreaksReadingOld(before, after), SchemaCompatibility.BreaksReadingOld(after, before));
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> document)
    {
        try
        {
            return JsonDocument.Parse(document, new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
        }
        catch (JsonException exception)
        {
            throw Invalid($"The document is not JSON: {exception.Message}", "Mend it and try again.");
        }
    }

    private static StateStoreException Invalid(string message, string next) => new(StateStoreErrorCode.InvalidInput, message, next: next);
}
