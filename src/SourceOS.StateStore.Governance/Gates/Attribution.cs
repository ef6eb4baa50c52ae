// Why this file exists: who made an object, who changed it, when and on which device follows from the session and the store's clock, not from the document that a caller hands in (docs/decisions/0016-attribution.md). Invariants: maker and
// time of making never change while the object lives; a claim is corrected, never believed; what comes from elsewhere or from an earlier version keeps what it says, and only who may bring such things in says so.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Sets the attribution of objects. Thread-safe: it keeps nothing.</summary>
internal sealed class Attribution : ICommitAmender
{
    private static readonly int s_createdBy = Slots.Of(RecordKind.Object, "created_by_actor");
    private static readonly int s_changedBy = Slots.Of(RecordKind.Object, "last_modified_by_actor");
    private static readonly int s_device = Slots.Of(RecordKind.Object, "owning_device");
    private static readonly int s_createdAt = Slots.Of(RecordKind.Object, "created_at");
    private static readonly int s_updatedAt = Slots.Of(RecordKind.Object, "updated_at");

    // Whoever looked at a file noted the time before it was read, and a large tree takes its time to be committed.
    private static readonly TimeSpan s_believed = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public byte[]? Amend(SessionIdentity session, in ProposedChange change, IStateView state, DateTimeOffset proposedAt)
    {
        if (change.Kind != RecordKind.Object || change.Options.KeepsAttribution)
        {
            return null;
        }

        RecordBodyView body = Slots.Open(change.Body);
        bool isThere = state.TryGet(RecordKind.Object, change.Id, out RecordView record) && !record.IsTombstone;
        RecordBodyView old = isThere ? record.Body : default;
        string createdBy = isThere ? Slots.Text(old, s_createdBy) : session.ActorId;
        string device = DeviceOf(body, isThere ? Slots.Text(old, s_device) : "", session.DeviceId);
        long now = (proposedAt.UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
        long updatedAt = Believed(body, s_updatedAt, isThere ? TimeOf(old, s_updatedAt) : null, now);
        long? createdAt = isThere ? TimeOf(old, s_createdAt) : Believed(body, s_createdAt, null, now);
        bool isTrue = Slots.Text(body, s_createdBy) == createdBy && Slots.Text(body, s_changedBy) == session.ActorId && Slots.Text(body, s_device) == device
            && TimeOf(body, s_updatedAt) == updatedAt && TimeOf(body, s_createdAt) == createdAt;
        if (isTrue)
        {
            return null;
        }

        RecordBodyBuilder builder = new RecordBodyBuilder().CopyFrom(body);
        Set(builder, s_createdBy, createdBy);
        Set(builder, s_changedBy, session.ActorId);
        Set(builder, s_device, device);
        builder.SetTime(s_updatedAt, updatedAt);
        if (createdAt is { } time)
        {
            builder.SetTime(s_createdAt, time);
        }
        else
        {
            builder.Remove(s_createdAt);
        }

        return builder.Build();
    }

    /// <summary>Why an actor may not bring in objects that keep what they say; null when it may.</summary>
    internal static CommitRefusal? Judge(in ProposedChange change, in Rights rights) =>
        !change.Options.KeepsAttribution || change.Kind != RecordKind.Object || change.Action != EventAction.Put
            || rights.Actor.Type == BundleImport.BridgeType || rights.Holds(Capabilities.Replicate) || rights.Holds(Capabilities.Merge)
            || (change.EventType == MigrationRollback.RolledBackEvent && rights.Holds(Capabilities.MigrateSchema))
            ? null
            : Refusals.Of("attribution.foreign", $"{Refusals.Name(change)} would keep makers and times that the session of '{rights.Actor.Id}' did not set.", $"Act as an import bridge or as an actor that holds '{Capabilities.Replicate}', or let the store set them.", change);

    // An object stays with its device until the device that changes it takes it over by saying so.
    private static string DeviceOf(RecordBodyView body, string old, string session)
    {
        string stated = Slots.Text(body, s_device);
        return stated.Length > 0 && (stated == old || stated == session) ? stated : old.Length > 0 ? old : session;
    }

    private static long Believed(RecordBodyView body, int slot, long? after, long now) =>
        body.TryGetTime(slot, out long stated) && stated <= now && stated >= now - (long)s_believed.TotalMicroseconds && (after is not { } last || stated > last) ? stated : now;

    private static long? TimeOf(RecordBodyView body, int slot) => body.TryGetTime(slot, out long time) ? time : null;

    private static void Set(RecordBodyBuilder builder, int slot, string text)
    {
        if (text.Length > 0)
        {
            builder.SetText(slot, text);
        }
        else
        {
            builder.Remove(slot);
        }
    }
}

/// <summary>Who may bring in objects that keep what they say of their makers. Thread-safe: it keeps nothing.</summary>
public static class ForeignAttribution
{
    /// <summary>Whether an actor may set <see cref="ChangeOptions.KeepsAttribution"/>: an import bridge, or one that holds the capability `replicate`, by itself or by a lease.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="actorId">The actor.</param>
    /// <param name="now">Now.</param>
    /// <returns>True when it may.</returns>
    public static bool MayKeep(ReadSnapshot snapshot, string actorId, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return Identifier.IsValid(actorId)
            && (snapshot.Get(RecordKind.Actor, actorId)?.Text("actor_type") == BundleImport.BridgeType || new SnapshotRights(snapshot, actorId, now).Check(Capabilities.Replicate) is null);
    }
}
