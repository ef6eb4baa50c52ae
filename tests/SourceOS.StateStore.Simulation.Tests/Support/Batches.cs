// Why this file exists: turning model changes into batches, in one place.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

internal static class Batches
{
    internal const string EventType = "app.sim.happened";

    internal static CommitBatch Of(IReadOnlyList<ModelChange> changes, ulong? expectedSequence = null)
    {
        CommitBatch batch = new();
        foreach (ModelChange change in changes)
        {
            ChangeOptions options = new() { ExpectedSequence = expectedSequence };
            _ = change.Action switch
            {
                EventAction.Put => batch.Put(change.Kind, change.Id, change.Body, options),
                EventAction.Tombstone => batch.Delete(change.Kind, change.Id, options),
                _ => change.Id.Length == 0 ? batch.Append(EventType) : batch.Append(EventType, change.Kind, change.Id),
            };
        }

        return batch;
    }

    internal static ModelChange Put(string id, int seed, int fillBytes) => new(EventAction.Put, RecordKind.Object, id, Bodies.Object(seed, fillBytes));

    internal static ModelChange PutActor(string id, int seed) => new(EventAction.Put, RecordKind.Actor, id, Bodies.Actor(seed));

    internal static ModelChange Delete(string id) => new(EventAction.Tombstone, RecordKind.Object, id, []);

    internal static ModelChange Append() => new(EventAction.None, default, "", []);
}
