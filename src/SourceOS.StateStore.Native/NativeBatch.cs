// Why this file exists: a commit put together change by change, without a document around it. Invariants: one thread at a time; committed once; a change that is refused here leaves the batch as it was.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Native;

/// <summary>A batch under construction.</summary>
internal sealed class NativeBatch : NativeObject
{
    private readonly Lock _gate = new();
    private CommitBatch? _batch = new();

    /// <summary>Adds a change.</summary>
    public void Add(Action<CommitBatch> change)
    {
        lock (_gate)
        {
            change(_batch ?? throw Committed());
        }
    }

    /// <summary>Takes the changes out, to be committed.</summary>
    public CommitBatch Take()
    {
        lock (_gate)
        {
            CommitBatch taken = _batch ?? throw Committed();
            _batch = null;
            return taken;
        }
    }

    /// <summary>Appends an event of the program's own.</summary>
    public static void AppendEvent(CommitBatch batch, string type, string? objectId, byte[] dataJson)
    {
        if (type == "sync" || type.StartsWith("sync.", StringComparison.Ordinal))
        {
            throw new NativeException(NativeStatus.Refused, new DoorError("reserved_event_type", $"'{type}' belongs to the engine.", "type", Next: "Use a name of your own."));
        }

        byte[] stored = [];
        if (dataJson.Length > 0)
        {
            if (dataJson.Length > FormatLimits.MaxEventDataLengthBytes)
            {
                throw NativeException.BadData($"The data has {dataJson.Length} bytes; an event carries at most {FormatLimits.MaxEventDataLengthBytes}.", "data");
            }

            FormatFault fault = EventData.Check(dataJson, out stored);
            if (fault.IsFault)
            {
                throw NativeException.BadData($"The data is not one JSON value: {fault}.", "data");
            }
        }

        batch.Append(type, objectId is null ? null : RecordKind.Object, objectId, new ChangeOptions { DataJson = stored });
    }

    /// <summary>Reads a batch from its document: <c>{"changes":[{"put":{...}},{"delete":{"kind","id"}},{"event":"app.x","object","data"}]}</c>; <c>expectSequence</c> beside put and delete.</summary>
    public static CommitBatch Parse(byte[] utf8Json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = FormatLimits.MaxJsonDepth });
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("changes"u8, out JsonElement changes) || changes.ValueKind != JsonValueKind.Array)
            {
                throw NativeException.BadData("A batch is an object with the list 'changes'.", "/changes");
            }

            RequireKnown(document.RootElement, "", "changes");
            CommitBatch batch = new();
            int index = 0;
            foreach (JsonElement change in changes.EnumerateArray())
            {
                Add(batch, change, $"/changes/{index++}");
            }

            return batch;
        }
        catch (JsonException exception)
        {
            throw NativeException.BadData($"The batch is not JSON: {exception.Message}");
        }
        catch (InvalidOperationException)
        {
            throw NativeException.BadData("The batch holds text that is not valid Unicode.");
        }
    }

    /// <inheritdoc/>
    protected override void End()
    {
        lock (_gate)
        {
            _batch = null;
        }
    }

    private static void Add(CommitBatch batch, JsonElement change, string place)
    {
        if (change.ValueKind != JsonValueKind.Object)
        {
            throw NativeException.BadData("A change is an object.", place);
        }

        if (change.TryGetProperty("put"u8, out JsonElement put))
        {
            RequireKnown(change, place, "put", "expectSequence");
            batch.PutJson(JsonSerializer.SerializeToUtf8Bytes(put, NativeJson.Default.JsonElement), new ChangeOptions { ExpectedSequence = Expected(change, place) });
        }
        else if (change.TryGetProperty("delete"u8, out JsonElement delete))
        {
            RequireKnown(change, place, "delete", "expectSequence");
            RecordKind kind = NativeText.KindOf(Text(delete, "kind", place)) ?? throw NativeException.BadData("There is no such kind of record.", $"{place}/delete/kind");
            batch.Delete(kind, Text(delete, "id", place), new ChangeOptions { ExpectedSequence = Expected(change, place) });
        }
        else if (change.TryGetProperty("event"u8, out JsonElement type) && type.ValueKind == JsonValueKind.String)
        {
            RequireKnown(change, place, "event", "object", "data");
            byte[] data = change.TryGetProperty("data"u8, out JsonElement given) ? JsonSerializer.SerializeToUtf8Bytes(given, NativeJson.Default.JsonElement) : [];
            AppendEvent(batch, type.GetString()!, change.TryGetProperty("object"u8, out _) ? Text(change, "object", place) : null, data);
        }
        else
        {
            throw NativeException.BadData("A change is one of put, delete and event.", place);
        }
    }

    private static ulong? Expected(JsonElement change, string place)
    {
        if (!change.TryGetProperty("expectSequence"u8, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong sequence) ? sequence : throw NativeException.BadData("'expectSequence' is a sequence; 0 for a record that must not exist.", $"{place}/expectSequence");
    }

    private static string Text(JsonElement item, string name, string place) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : throw NativeException.BadData($"'{name}' is missing, or no text.", $"{place}/{name}");

    // A word that is misspelt would otherwise leave an expectation unchecked.
    private static void RequireKnown(JsonElement item, string place, params ReadOnlySpan<string> known)
    {
        foreach (JsonProperty property in item.EnumerateObject())
        {
            if (!known.Contains(property.Name))
            {
                throw NativeException.BadData($"There is no '{(property.Name.Length <= 64 ? property.Name : property.Name[..64])}' here.", place);
            }
        }
    }

    private static NativeException Committed() => NativeException.Usage("The batch was committed; make a new one.", "batch");
}
