// Why this file exists: loading a policy into the store. Invariants: the document is stored as it was given, inside an ordinary object, so that it has a history, an author and a sequence like
// everything else, and old policies can be asked for.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>Loads policies. Thread-safe: it keeps nothing.</summary>
public static class PolicyRoom
{
    /// <summary>Makes a policy the one in force.</summary>
    /// <param name="session">Who acts; needs the capability `administer`.</param>
    /// <param name="document">The document, checked by the caller with <see cref="PolicyRules.TryParse"/>.</param>
    /// <param name="now">The time of the change.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt.</returns>
    /// <exception cref="ArgumentException">The document is not a policy.</exception>
    public static async Task<CommitReceipt> LoadAsync(StateSession session, ReadOnlyMemory<byte> document, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        if (!PolicyRules.TryParse(document.Span, out PolicyRules? rules, out PolicyFault? fault))
        {
            throw new ArgumentException($"The document is not a policy: {fault!.Message} ({fault.Place})", nameof(document));
        }

        using JsonDocument policy = JsonDocument.Parse(document);
        ReadOnlyMemory<byte> record = Documents.Build(RecordKind.Object, PolicySource.ObjectId, writer =>
        {
            writer.WriteString("object_type"u8, "policy_document"u8);
            writer.WriteString("schema_id"u8, "schema:policy_document:v1"u8);
            writer.WriteString("schema_version"u8, "v1"u8);
            writer.WriteString("title"u8, $"{rules!.Id} {rules.Version}");
            writer.WriteString("last_modified_by_actor"u8, session.Identity.ActorId);
            writer.WriteString("updated_at"u8, Documents.TimeText(now));
            writer.WriteString("sync_visibility"u8, "local_only"u8);
            writer.WriteString("state"u8, "active"u8);
            writer.WriteString("durability"u8, "durable"u8);
            writer.WriteStartObject("attributes"u8);
            writer.WritePropertyName("policy"u8);
            policy.RootElement.WriteTo(writer);
            writer.WriteEndObject();
        });
        CommitBatch batch = new CommitBatch().PutJson(record.Span, new ChangeOptions { EventType = "sync.policy.loaded", Lane = Lane.Policy });
        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }
}
