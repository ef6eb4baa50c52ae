// Why this file exists: what an agent proposes, read from its JSON and out of a stored transaction. Invariants: a draft names each object once; its bodies are valid records; its size is bounded, so
// that a transaction always fits a record.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Agents;

/// <summary>One change of a transaction.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Record">Its new document; empty to delete it.</param>
public sealed record AgentChange(string ObjectId, ReadOnlyMemory<byte> Record)
{
    /// <summary>Whether the object is deleted.</summary>
    public bool IsDelete => Record.IsEmpty;
}

/// <summary>What an agent drafts.</summary>
/// <param name="WorkspaceId">The workspace; empty when there is none.</param>
/// <param name="Operation">What it is, in a word such as `update`.</param>
/// <param name="Rationale">Why, for the reviewer.</param>
/// <param name="ExpiresAt">When it is stale.</param>
/// <param name="Changes">What it changes.</param>
public sealed record AgentDraft(string WorkspaceId, string Operation, string Rationale, DateTimeOffset ExpiresAt, IReadOnlyList<AgentChange> Changes)
{
    /// <summary>Most changes of a transaction.</summary>
    public const int MaxChanges = 256;

    /// <summary>Most bytes of all its documents.</summary>
    public const int MaxBytes = 512 << 10;

    /// <summary>How long a draft lives when it does not say.</summary>
    public static TimeSpan DefaultLife { get; } = TimeSpan.FromDays(7);

    /// <summary>Reads a draft: an object with `changes`, a list of object records and of `{"delete": "id"}`, and optionally `workspace_id`, `operation`, `rationale`, `expires_at`.</summary>
    /// <param name="utf8Json">The document.</param>
    /// <param name="now">Now.</param>
    /// <returns>The draft.</returns>
    /// <exception cref="StateStoreException">InvalidInput, with the place.</exception>
    public static AgentDraft Parse(ReadOnlyMemory<byte> utf8Json, DateTimeOffset now)
    {
        if (utf8Json.Length > MaxBytes)
        {
            throw Invalid($"The draft has {utf8Json.Length} bytes; the bound is {MaxBytes}.", "");
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
            return Read(json.RootElement, now);
        }
        catch (JsonException exception)
        {
            throw Invalid($"The draft is not JSON: {exception.Message}", "");
        }
        catch (InvalidOperationException)
        {
            throw Invalid("The draft holds text that is not valid Unicode.", "");
        }
    }

    /// <summary>Reads the changes that a transaction record holds.</summary>
    internal static IReadOnlyList<AgentChange> ReadChanges(JsonElement list, string place)
    {
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > MaxChanges)
        {
            throw Invalid($"'changes' must be a list of 1 to {MaxChanges} changes.", place);
        }

        List<AgentChange> changes = [];
        HashSet<string> named = new(StringComparer.Ordinal);
        int index = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            AgentChange change = ReadChange(item, $"{place}/{index}");
            if (!named.Add(change.ObjectId))
            {
                throw Invalid($"Object '{change.ObjectId}' is changed twice.", $"{place}/{index}");
            }

            changes.Add(change);
            index++;
        }

        return changes;
    }

    private static AgentDraft Read(JsonElement root, DateTimeOffset now)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("changes", out JsonElement changes))
        {
            throw Invalid("A draft is a JSON object with 'changes'.", "/");
        }

        DateTimeOffset expires = now + DefaultLife;
        if (Text(root, "expires_at") is { Length: > 0 } stated && (!DateTimeOffset.TryParse(stated, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out expires) || expires <= now))
        {
            throw Invalid("'expires_at' is not a time to come.", "/expires_at");
        }

        return new AgentDraft(Text(root, "workspace_id"), Text(root, "operation") is { Length: > 0 } operation ? operation : "update", Text(root, "rationale"), expires, ReadChanges(changes, "/changes"));
    }

    private static AgentChange ReadChange(JsonElement item, string place)
    {
        if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("delete", out JsonElement deleted))
        {
            return deleted.ValueKind == JsonValueKind.String && Identifier.IsValid(deleted.GetString())
                ? new AgentChange(deleted.GetString()!, default)
                : throw Invalid("'delete' must name an object.", $"{place}/delete");
        }

        byte[] document = System.Text.Encoding.UTF8.GetBytes(item.GetRawText());
        if (!RecordJson.TryParse(document, out RecordKind kind, out string? id, out _, out RecordJsonFault fault))
        {
            throw Invalid(fault.Message, place);
        }

        return kind == RecordKind.Object ? new AgentChange(id, document) : throw Invalid($"An agent changes objects; this is a record of kind {RecordKinds.Get(kind).Name}.", place);
    }

    private static string Text(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            return "";
        }

        return value.ValueKind == JsonValueKind.String && value.GetString()!.Length <= 4096 ? value.GetString()! : throw Invalid($"'{name}' must be a text of at most 4096 characters.", $"/{name}");
    }

    private static StateStoreException Invalid(string message, string place) => new(StateStoreErrorCode.InvalidInput, message, place, "See `statestore agent draft --help` and docs/agents.md.");
}
