// Why this file exists: which objects a migration touched, and what they were before, is in the log: each of its events names it and the sequence before. Invariants: what comes back is the exact body of that earlier event; an
// object that is not as the migration left it is left alone and named.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Migrations;

/// <summary>An object that a migration touched.</summary>
internal sealed record RollbackItem(StoredRecord Record, MigrationOutcome Outcome, ReadOnlyMemory<byte> Earlier, ulong EarlierSequence, string Reason)
{
    public MigrationItem ToItem() => Outcome == MigrationOutcome.RollBack
        ? new MigrationItem(Record.Id, Record.Sequence, Outcome, FieldDiff.Of(Record.ToJson(), (Record with { Body = Earlier }).ToJson()), Reason)
        : new MigrationItem(Record.Id, Record.Sequence, Outcome, [], Reason);
}

/// <summary>Finds what can be rolled back.</summary>
internal sealed class MigrationRollback(StateStore store, MigrationManifest manifest)
{
    public const string MigratedEvent = "sync.schema.migrated";
    public const string QuarantinedEvent = "sync.schema.quarantined";
    public const string RolledBackEvent = "sync.schema.rolled_back";
    private const int MaxHistory = 64;
    private static readonly int s_type = Slots.Of(RecordKind.Object, "object_type");

    /// <summary>Pages of objects that the migration touched.</summary>
    public IEnumerable<List<RollbackItem>> Look(int maxObjects, CancellationToken cancellationToken)
    {
        ulong started;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            started = snapshot.Get(RecordKind.Migration, manifest.Id)?.Surrogate ?? 0;
        }

        foreach (List<StoredRecord> page in ObjectPages.Read(store, (record, _) => record.Sequence > started && Slots.Text(record.Body, s_type) == manifest.ObjectType, maxObjects, cancellationToken))
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            List<RollbackItem> items = [.. page.Select(record => Judge(snapshot, record, started)).OfType<RollbackItem>()];
            if (items.Count > 0)
            {
                yield return items;
            }
        }
    }

    /// <summary>What becomes of one object; null when the migration has nothing to do with it.</summary>
    private RollbackItem? Judge(ReadSnapshot snapshot, StoredRecord record, ulong started)
    {
        bool isLast = true;
        int looked = 0;
        for (ulong sequence = record.Sequence; sequence > started && looked++ < MaxHistory;)
        {
            if (snapshot.ReadEvent(sequence) is not { IsErased: false } item)
            {
                return null;
            }

            if (item.Type == RolledBackEvent && IsOfMigration(item))
            {
                return null;
            }

            if (item.Type is MigratedEvent or QuarantinedEvent && IsOfMigration(item))
            {
                // What came later and went again, such as another migration that was rolled back, leaves exactly this body.
                return isLast || item.Image.Span.SequenceEqual(record.Body.Span) ? Restore(snapshot, record, item) : new RollbackItem(record, MigrationOutcome.ChangedSince, default, 0, $"It was changed since, last at sequence {record.Sequence}.");
            }

            isLast = false;
            sequence = item.PreviousSequence < sequence ? item.PreviousSequence : 0;
        }

        return null;
    }

    private static RollbackItem Restore(ReadSnapshot snapshot, StoredRecord record, StoredEvent item) =>
        snapshot.ReadEvent(item.PreviousSequence) is { IsErased: false, Action: EventAction.Put } earlier
            ? new RollbackItem(record, MigrationOutcome.RollBack, earlier.Image, earlier.Sequence, "")
            : new RollbackItem(record, MigrationOutcome.ChangedSince, default, 0, $"What it was before, at sequence {item.PreviousSequence}, is not in the log any more.");

    private bool IsOfMigration(StoredEvent item)
    {
        try
        {
            using JsonDocument data = JsonDocument.Parse(item.DataJson);
            return data.RootElement.ValueKind == JsonValueKind.Object && data.RootElement.TryGetProperty("migration", out JsonElement id) && id.ValueKind == JsonValueKind.String && id.ValueEquals(manifest.Id);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
