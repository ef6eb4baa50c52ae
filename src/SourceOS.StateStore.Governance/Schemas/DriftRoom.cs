// Why this file exists: looking for drift in a whole store, and putting what does not fit where its schema says. Invariants: looking writes nothing, in memory bounded by one page; only schemas that say so have objects put into quarantine, each by
// an ordinary commit at the sequence that was looked at.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Schemas;

/// <summary>An object that has drifted.</summary>
/// <param name="ObjectId">The object.</param>
/// <param name="Sequence">The sequence that was looked at.</param>
/// <param name="SchemaId">The schema that it names.</param>
/// <param name="Warnings">How it has drifted.</param>
/// <param name="IsForQuarantine">Whether its schema has it put into quarantine.</param>
/// <param name="Quarantined">What became of that: null when nothing was tried, empty when it is in quarantine, else why not.</param>
public sealed record DriftedObject(string ObjectId, ulong Sequence, string SchemaId, IReadOnlyList<DriftWarning> Warnings, bool IsForQuarantine, string? Quarantined);

/// <summary>Finds drift. Thread-safe: it keeps nothing.</summary>
public static class DriftRoom
{
    private static readonly int s_type = Slots.Of(RecordKind.Object, "object_type");
    private static readonly int s_schema = Slots.Of(RecordKind.Object, "schema_id");
    private static readonly int s_state = Slots.Of(RecordKind.Object, "state");

    /// <summary>Lists drifted objects.</summary>
    /// <param name="store">The store, for reading or writing.</param>
    /// <param name="objectType">Only of this type; of all types when empty.</param>
    /// <param name="actorId">The client whose declared support counts; nobody's when empty.</param>
    /// <param name="maxLooked">Looks at no more objects than that have a schema; at all when null.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <returns>The objects, found as they are enumerated.</returns>
    public static IEnumerable<DriftedObject> Find(StateStore store, string objectType = "", string actorId = "", int? maxLooked = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        foreach ((StoredRecord record, DriftedObject drifted) in Look(store, objectType, actorId, maxLooked, cancellationToken))
        {
            _ = record;
            yield return drifted;
        }
    }

    /// <summary>Puts objects that do not fit into quarantine, where their schema says so.</summary>
    /// <param name="store">The store, opened for writing.</param>
    /// <param name="session">Who acts.</param>
    /// <param name="objectType">Only of this type; of all types when empty.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Every drifted object, with what became of those for quarantine.</returns>
    public static async IAsyncEnumerable<DriftedObject> QuarantineAsync(
        StateStore store, StateSession session, string objectType = "", [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(session);
        foreach ((StoredRecord record, DriftedObject drifted) in Look(store, objectType, session.Identity.ActorId, null, cancellationToken))
        {
            if (!drifted.IsForQuarantine)
            {
                yield return drifted;
                continue;
            }

            byte[] body = Documents.Changed(record, static builder => builder.SetText(s_state, "quarantined"));
            ChangeOptions options = new()
            {
                ExpectedSequence = record.Sequence,
                EventType = MigrationRollback.QuarantinedEvent,
                Lane = Lane.Migration,
                DataJson = Documents.Data(writer => writer.WriteString("drift"u8, drifted.Warnings[0].Code)),
            };
            CommitReceipt receipt = await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, record.Id, body, options), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
            yield return drifted with { Quarantined = receipt.IsCommitted ? "" : receipt.Refusal!.Reason };
        }
    }

    private static IEnumerable<(StoredRecord Record, DriftedObject Drifted)> Look(StateStore store, string objectType, string actorId, int? maxLooked, CancellationToken cancellationToken)
    {
        SchemaDrift drift;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            drift = new SchemaDrift(snapshot, actorId);
        }

        int looked = 0;
        foreach (StoredRecord record in ObjectPages.Read(store, (record, _) => IsWanted(record, objectType), 256, cancellationToken).SelectMany(static page => page))
        {
            if (looked++ >= maxLooked)
            {
                yield break;
            }

            IReadOnlyList<DriftWarning> warnings = drift.Of(record);
            if (warnings.Count > 0)
            {
                yield return (record, new DriftedObject(record.Id, record.Sequence, Slots.Text(Slots.Open(record.Body), s_schema), warnings, drift.IsForQuarantine(record), null));
            }
        }
    }

    private static bool IsWanted(RecordView record, string objectType)
    {
        RecordBodyView body = record.Body;
        return Slots.Has(body, s_schema) && (objectType.Length == 0 || Slots.Text(body, s_type) == objectType);
    }
}
