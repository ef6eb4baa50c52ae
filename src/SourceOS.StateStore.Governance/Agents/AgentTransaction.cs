// Why this file exists: a stored transaction, read once, with what its life needs. Invariants: what is read here was written by this room or passed the record rules; what it does not hold is refused
// when it is needed, never guessed.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Agents;

/// <summary>A transaction as the store has it. Immutable.</summary>
public sealed class AgentTransaction
{
    private static readonly int s_changes = Slots.Of(RecordKind.Transaction, "changes");
    private static readonly int s_bases = Slots.Of(RecordKind.Transaction, "base_sequences");
    private static readonly int s_expires = Slots.Of(RecordKind.Transaction, "expires_at");

    private AgentTransaction(StoredRecord record) => Record = record;

    /// <summary>Its record.</summary>
    public StoredRecord Record { get; }

    /// <summary>Who proposed it.</summary>
    public string ActorId => Record.Text("actor_id") ?? "";

    /// <summary>Its status.</summary>
    public string Status => Record.Text("status") ?? "";

    /// <summary>When it is stale; null when it says nothing.</summary>
    public DateTimeOffset? ExpiresAt { get; private init; }

    /// <summary>What it changes; empty for a transaction that came from elsewhere without its changes.</summary>
    public IReadOnlyList<AgentChange> Changes { get; private init; } = [];

    /// <summary>The sequence that each object had when it was drafted; 0 when it did not exist.</summary>
    public IReadOnlyDictionary<string, ulong> Bases { get; private init; } = new Dictionary<string, ulong>();

    /// <summary>Finds a transaction.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="id">Its identifier.</param>
    /// <returns>The transaction, or null.</returns>
    public static AgentTransaction? Find(ReadSnapshot snapshot, string id)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        StoredRecord? record = snapshot.Get(RecordKind.Transaction, id);
        return record is null or { IsTombstone: true } ? null : Read(record);
    }

    /// <summary>The sequence of the event that applied a change: a transaction is applied in one commit, its own record last.</summary>
    internal ulong AppliedSequenceOf(int index) => Record.Sequence - (ulong)(Changes.Count - index);

    private static AgentTransaction Read(StoredRecord record)
    {
        RecordBodyView body = Slots.Open(record.Body);
        IReadOnlyList<AgentChange> changes = [];
        Dictionary<string, ulong> bases = new(StringComparer.Ordinal);
        if (body.TryGetJson(s_changes, out ReadOnlySpan<byte> list))
        {
            using JsonDocument json = JsonDocument.Parse(list.ToArray());
            changes = AgentDraft.ReadChanges(json.RootElement, "/changes");
        }

        if (body.TryGetJson(s_bases, out ReadOnlySpan<byte> map))
        {
            using JsonDocument json = JsonDocument.Parse(map.ToArray());
            foreach (JsonProperty item in json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.EnumerateObject() : default)
            {
                if (item.Value.ValueKind == JsonValueKind.Number && item.Value.TryGetUInt64(out ulong sequence))
                {
                    bases[item.Name] = sequence;
                }
            }
        }

        return new AgentTransaction(record)
        {
            Changes = changes,
            Bases = bases,
            ExpiresAt = body.TryGetTime(s_expires, out long micros) ? DateTimeOffset.UnixEpoch.AddMicroseconds(micros) : null,
        };
    }
}
