// Why this file exists: which records a purge takes: the objects of its scope, and every record that repeats what they held. Invariants: reads only; what tells who decided what (decisions, reports,
// trust changes, storms of refusals) is never among them; an object under a legal hold stops the whole purge.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Retention;

/// <summary>What a purge is about.</summary>
public enum PurgeScope
{
    /// <summary>One object.</summary>
    Object = 1,

    /// <summary>The objects that a device owns.</summary>
    Device = 2,

    /// <summary>The objects of a profile.</summary>
    Profile = 3,

    /// <summary>The objects of a workspace.</summary>
    Workspace = 4,
}

/// <summary>What a purge would take. Immutable.</summary>
/// <param name="Scope">What it is about.</param>
/// <param name="ScopeId">The object, device, profile or workspace.</param>
/// <param name="Records">The records, objects last, so that a purge that is cut off leaves what a second one starts from.</param>
/// <param name="Live">Those of them that are no tombstones yet.</param>
/// <param name="Held">Objects under a legal hold; while there is one, nothing is purged.</param>
public sealed record PurgePlan(
    PurgeScope Scope, string ScopeId, IReadOnlyList<(RecordKind Kind, string Id)> Records, IReadOnlySet<(RecordKind Kind, string Id)> Live, IReadOnlyList<string> Held)
{
    private static readonly int s_device = Slots.Of(RecordKind.Object, "owning_device");
    private static readonly int s_conflictObject = Slots.Of(RecordKind.Conflict, "object_id");
    private static readonly int s_transactionObjects = Slots.Of(RecordKind.Transaction, "object_ids");
    private static readonly int s_observedObject = Slots.Of(RecordKind.Observation, "object_id");
    private static readonly int s_observedDevice = Slots.Of(RecordKind.Observation, "device_id");
    private static readonly int s_observedType = Slots.Of(RecordKind.Observation, "event_type");
    private static readonly int s_operationDevice = Slots.Of(RecordKind.Operation, "device_id");
    private static readonly int s_taskOperation = Slots.Of(RecordKind.Task, "operation_id");

    /// <summary>Kinds that a purge can take.</summary>
    public static IReadOnlyList<RecordKind> Kinds { get; } = [RecordKind.Conflict, RecordKind.Transaction, RecordKind.Observation, RecordKind.Task, RecordKind.Operation, RecordKind.Plan, RecordKind.Object];

    /// <summary>The kind of a scope's identifier.</summary>
    /// <param name="scope">The scope.</param>
    /// <returns>The kind.</returns>
    public static RecordKind KindOf(PurgeScope scope) => scope switch
    {
        PurgeScope.Device => RecordKind.Device,
        PurgeScope.Profile => RecordKind.Profile,
        _ => RecordKind.Object,
    };

    /// <summary>Finds what a purge would take. Costs a look at each record of the kinds that it can take.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="scope">What it is about.</param>
    /// <param name="scopeId">Which one.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>The plan; without records when the scope holds nothing.</returns>
    public static PurgePlan Make(ReadSnapshot snapshot, PurgeScope scope, string scopeId, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentException.ThrowIfNullOrEmpty(scopeId);
        Collector collector = new(scope, scopeId);
        collector.AddObjects(snapshot, cancellationToken);
        foreach (RecordKind kind in Kinds.Where(static kind => kind is not (RecordKind.Object or RecordKind.Task)))
        {
            collector.AddKind(snapshot, kind, cancellationToken);
        }

        // Tasks follow from operations, so they are looked at when those are known.
        collector.AddKind(snapshot, RecordKind.Task, cancellationToken);
        return collector.ToPlan();
    }

    private sealed class Collector(PurgeScope scope, string scopeId)
    {
        private readonly List<(RecordKind, string)> _objects = [];
        private readonly List<(RecordKind, string)> _others = [];
        private readonly HashSet<(RecordKind, string)> _live = [];
        private readonly HashSet<string> _objectIds = new(StringComparer.Ordinal);
        private readonly HashSet<string> _operations = new(StringComparer.Ordinal);
        private readonly List<string> _held = [];

        internal void AddObjects(ReadSnapshot snapshot, CancellationToken cancellationToken)
        {
            if (scope == PurgeScope.Object)
            {
                if (snapshot.TryGet(RecordKind.Object, Encoding.UTF8.GetBytes(scopeId), out RecordView one))
                {
                    AddObject(scopeId, one);
                }

                return;
            }

            foreach (RecordView record in snapshot.Range(RecordKind.Object, includeTombstones: true))
            {
                cancellationToken.ThrowIfCancellationRequested();
                string place = scope switch
                {
                    PurgeScope.Device => Slots.Text(record.Body, s_device),
                    PurgeScope.Profile => Slots.Profile(RecordKind.Object, record.Body),
                    _ => Slots.Workspace(RecordKind.Object, record.Body),
                };
                if (place == scopeId)
                {
                    AddObject(Encoding.UTF8.GetString(record.Id), record);
                }
            }
        }

        internal void AddKind(ReadSnapshot snapshot, RecordKind kind, CancellationToken cancellationToken)
        {
            foreach (RecordView record in snapshot.Range(kind, includeTombstones: true))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Takes(kind, record.Body))
                {
                    string id = Encoding.UTF8.GetString(record.Id);
                    Add(_others, kind, id, record.IsTombstone);
                    if (kind == RecordKind.Operation)
                    {
                        _operations.Add(id);
                    }
                }
            }
        }

        internal PurgePlan ToPlan() => new(scope, scopeId, [.. _others, .. _objects], _live, _held);

        private void AddObject(string id, RecordView record)
        {
            _objectIds.Add(id);
            Add(_objects, RecordKind.Object, id, record.IsTombstone);
            if (!record.IsTombstone && RetentionGate.IsHeld(record.Body))
            {
                _held.Add(id);
            }
        }

        private void Add(List<(RecordKind, string)> list, RecordKind kind, string id, bool isTombstone)
        {
            list.Add((kind, id));
            if (!isTombstone)
            {
                _live.Add((kind, id));
            }
        }

        private bool Takes(RecordKind kind, RecordBodyView body)
        {
            bool isInPlace = (scope == PurgeScope.Profile && Slots.Profile(kind, body) == scopeId) || (scope == PurgeScope.Workspace && Slots.Workspace(kind, body) == scopeId);
            return kind switch
            {
                RecordKind.Conflict => isInPlace || _objectIds.Contains(Slots.Text(body, s_conflictObject)),
                RecordKind.Transaction => isInPlace || Slots.List(body, s_transactionObjects).Any(_objectIds.Contains),
                RecordKind.Observation => Slots.Text(body, s_observedType) != "sync.storm"
                    && (isInPlace || _objectIds.Contains(Slots.Text(body, s_observedObject)) || (scope == PurgeScope.Device && Slots.Text(body, s_observedDevice) == scopeId)),
                RecordKind.Operation => isInPlace || (scope == PurgeScope.Device && Slots.Text(body, s_operationDevice) == scopeId),
                RecordKind.Task => _operations.Contains(Slots.Text(body, s_taskOperation)),
                _ => isInPlace,
            };
        }
    }
}
