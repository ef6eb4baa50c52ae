// Why this file exists: a store is of use only when it knows its device, a profile, a first actor and the built-in schemas; nobody writes
// before that. Invariants: running it again adds only what is missing and changes nothing that is there; everything is one commit.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Bootstrap;

/// <summary>What a store is set up with. Identifiers have 1 to 255 bytes.</summary>
/// <param name="DeviceId">This device.</param>
/// <param name="DeviceName">Its name for people.</param>
/// <param name="ProfileId">The profile.</param>
/// <param name="ProfileClass">Its class: personal, work, client, air_gapped, lab or public_open_source.</param>
/// <param name="ActorId">The person who sets the store up.</param>
/// <param name="ActorName">Their name.</param>
/// <param name="IdentityId">Their identity.</param>
public sealed record SetupPlan(
    string DeviceId, string DeviceName, string ProfileId, string ProfileClass, string ActorId, string ActorName, string IdentityId);

/// <summary>A record that a set-up adds.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Id">Its identifier.</param>
public sealed record SetupItem(RecordKind Kind, string Id);

/// <summary>Sets stores up. Thread-safe.</summary>
public static class StoreSetup
{
    /// <summary>The classes a profile can have.</summary>
    public static IReadOnlyList<string> ProfileClasses { get; } = ["personal", "work", "client", "air_gapped", "lab", "public_open_source"];

    /// <summary>What is missing in a store.</summary>
    /// <param name="snapshot">The store's state.</param>
    /// <param name="plan">What it shall have.</param>
    /// <returns>The missing records in the order they are added; empty when the store is set up.</returns>
    public static IReadOnlyList<SetupItem> Missing(ReadSnapshot snapshot, SetupPlan plan)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(plan);
        return [.. Missing(snapshot, AllOf(plan, DateTimeOffset.UnixEpoch)).Select(static item => new SetupItem(item.Kind, item.Id))];
    }

    /// <summary>Adds what is missing, as one commit.</summary>
    /// <param name="store">A store open for writing.</param>
    /// <param name="plan">What it shall have.</param>
    /// <param name="now">The time that new records carry.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>What was added, and the receipt; null when nothing was missing.</returns>
    public static async Task<(IReadOnlyList<SetupItem> Added, CommitReceipt? Receipt)> EnsureAsync(
        StateStore store, SetupPlan plan, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(plan);
        List<(RecordKind Kind, string Id, byte[] Body)> missing;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            missing = Missing(snapshot, AllOf(plan, now));
        }

        if (missing.Count == 0)
        {
            return ([], null);
        }

        CommitBatch batch = new();
        foreach ((RecordKind kind, string id, byte[] body) in missing)
        {
            batch.Put(kind, id, body, new ChangeOptions { ExpectedSequence = 0 });
        }

        StateSession session = store.OpenSession(new SessionIdentity(plan.ActorId, plan.DeviceId, plan.ProfileId));
        CommitReceipt receipt = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        return ([.. missing.Select(static item => new SetupItem(item.Kind, item.Id))], receipt);
    }

    private static List<(RecordKind Kind, string Id, byte[] Body)> Missing(ReadSnapshot snapshot, IEnumerable<ReadOnlyMemory<byte>> documents)
    {
        List<(RecordKind Kind, string Id, byte[] Body)> missing = [];
        foreach (ReadOnlyMemory<byte> document in documents)
        {
            if (!RecordJson.TryParse(document.Span, out RecordKind kind, out string? id, out byte[]? body, out RecordJsonFault fault))
            {
                throw new ArgumentException($"A record of the set-up is not valid: {fault.Message}");
            }

            if (snapshot.Get(kind, id) is null)
            {
                missing.Add((kind, id, body));
            }
        }

        return missing;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> AllOf(SetupPlan plan, DateTimeOffset now)
    {
        string time = Documents.TimeText(now);
        yield return Documents.Build(RecordKind.Device, plan.DeviceId, writer =>
        {
            writer.WriteString("display_name"u8, plan.DeviceName);
            writer.WriteString("trust_level"u8, "local"u8);
            writer.WriteString("device_state"u8, "trusted"u8);
            writer.WriteString("created_at"u8, time);
        });
        yield return Documents.Build(RecordKind.Profile, plan.ProfileId, writer =>
        {
            writer.WriteString("display_name"u8, plan.ProfileId);
            writer.WriteString("profile_class"u8, plan.ProfileClass);
            writer.WriteString("created_at"u8, time);
        });
        yield return Documents.Build(RecordKind.Identity, plan.IdentityId, writer =>
        {
            writer.WriteString("identity_type"u8, "user"u8);
            writer.WriteString("display_name"u8, plan.ActorName);
            writer.WriteString("created_at"u8, time);
        });
        yield return Documents.Build(RecordKind.Actor, plan.ActorId, writer => WriteActor(writer, plan, time));
        foreach (ReadOnlyMemory<byte> schema in BuiltInSchemas.Documents())
        {
            yield return schema;
        }
    }

    private static void WriteActor(Utf8JsonWriter writer, SetupPlan plan, string time)
    {
        writer.WriteString("actor_type"u8, "human"u8);
        writer.WriteString("display_name"u8, plan.ActorName);
        writer.WriteString("identity_id"u8, plan.IdentityId);
        Documents.WriteList(writer, "workspace_scope", ["*"]);
        Documents.WriteList(writer, "profile_scope", ["*"]);
        Documents.WriteList(writer, "capabilities", Gates.Capabilities.All);
        writer.WriteString("trust_level"u8, "user"u8);
        writer.WriteString("created_at"u8, time);
    }
}
