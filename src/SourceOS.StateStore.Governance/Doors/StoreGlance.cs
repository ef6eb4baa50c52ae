// Why this file exists: the status that every door shows, gathered once from one snapshot. Invariants: conflicts and plans are counted over a bounded number of records, whatever the store's size; nothing is claimed that
// was not looked at: a store of which nobody recorded a verification has no "last verified".

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;
using SourceOS.StateStore.Governance.Repair;

namespace SourceOS.StateStore.Governance.Doors;

/// <summary>A store's status as doors show it. Immutable.</summary>
/// <param name="Status">The store's own status.</param>
/// <param name="OpenConflicts">Conflicts that are not resolved.</param>
/// <param name="PlansBlocked">Plans that are blocked.</param>
/// <param name="LastVerified">The newest recorded verification; null when there is none.</param>
public sealed record StoreGlance(StateStoreStatus Status, long OpenConflicts, long PlansBlocked, VerificationRecord? LastVerified = null)
{
    private const int MaxExamined = 10_000;

    private static readonly int s_conflictStatus = Slots.Of(RecordKind.Conflict, "status");
    private static readonly int s_planStatus = Slots.Of(RecordKind.Plan, "status");

    private delegate bool TextTest(ReadOnlySpan<byte> text);

    /// <summary>Health in one word of the contract.</summary>
    public string HealthWord => Status.Health.ToString().ToLowerInvariant();

    /// <summary>What to do next; empty when there is nothing to do.</summary>
    public string NextAction => Status.NextAction.Length > 0 ? Status.NextAction
        : OpenConflicts > 0 ? "See what must be decided: statestore conflicts"
        : PlansBlocked > 0 ? "See what is blocked: statestore plans --where status=blocked"
        : "";

    /// <summary>Reads the status.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>The status.</returns>
    /// <exception cref="StateStoreException">The state cannot be read.</exception>
    public static StoreGlance Of(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new StoreGlance(
            snapshot.GetStatus(),
            CountBy(snapshot, RecordKind.Conflict, s_conflictStatus, static text => !text.SequenceEqual("resolved"u8) && !text.SequenceEqual("closed"u8)),
            CountBy(snapshot, RecordKind.Plan, s_planStatus, static text => text.SequenceEqual("blocked"u8)),
            VerificationRecord.Of(snapshot));
    }

    /// <summary>Events in the log that the state does not show yet, at most so many in each lane.</summary>
    public ulong LagEvents => Status.DurableSequence > Status.Sequence ? Status.DurableSequence - Status.Sequence : 0;

    /// <summary>A lane's health: the store's own word unless that is healthy; else `lagging` while the state is behind the log, `dormant` when it has no event, `healthy`.</summary>
    /// <param name="lane">The lane.</param>
    /// <returns>The word.</returns>
    public string HealthOf(LaneStatus lane)
    {
        ArgumentNullException.ThrowIfNull(lane);
        return HealthWord != "healthy" ? HealthWord : LagEvents > 0 ? "lagging" : lane.Events == 0 ? "dormant" : "healthy";
    }

    /// <summary>A lane's name.</summary>
    /// <param name="lane">The lane.</param>
    /// <returns>Its name in lower case.</returns>
    public static string NameOf(LaneStatus lane)
    {
        ArgumentNullException.ThrowIfNull(lane);
        return lane.Lane.ToString().ToLowerInvariant();
    }

    /// <summary>Records by name, in the contract's order.</summary>
    /// <returns>Names and numbers.</returns>
    public IEnumerable<(string Name, ulong Value)> Counts()
    {
        yield return ("objects", Status.LiveCount(RecordKind.Object));
        yield return ("actors", Status.LiveCount(RecordKind.Actor));
        yield return ("schemas", Status.LiveCount(RecordKind.Schema));
        yield return ("devices", Status.LiveCount(RecordKind.Device));
        yield return ("profiles", Status.LiveCount(RecordKind.Profile));
        yield return ("events", Status.Sequence);
        yield return ("conflicts", Status.LiveCount(RecordKind.Conflict));
        yield return ("plans", Status.LiveCount(RecordKind.Plan));
        ulong tombstones = 0;
        foreach (KindStatus kind in Status.Kinds)
        {
            tombstones += kind.Tombstones;
        }

        yield return ("tombstones", tombstones);
    }

    /// <summary>Writes the whole status as one JSON object.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteString("health"u8, HealthWord);
        WriteStore(writer);
        if (LastVerified is { } verified)
        {
            writer.WriteString("lastVerified"u8, verified.At);
            writer.WriteStartObject("lastVerification"u8);
            writer.WriteString("verdict"u8, verified.Verdict);
            writer.WriteString("level"u8, verified.Level);
            writer.WriteNumber("sequence"u8, verified.Sequence);
            writer.WriteString("actor"u8, verified.ActorId);
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteNull("lastVerified"u8);
        }

        writer.WriteNumber("openConflicts"u8, OpenConflicts);
        writer.WriteNumber("plansBlocked"u8, PlansBlocked);
        writer.WriteString("nextAction"u8, NextAction);
        writer.WriteEndObject();
    }

    /// <summary>Writes what the store says of itself: id, position, counts, lanes.</summary>
    /// <param name="writer">Where to; inside an object.</param>
    public void WriteStore(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject("store"u8);
        writer.WriteString("id"u8, Status.StoreId);
        writer.WriteNumber("formatVersion"u8, Status.FormatVersion);
        writer.WriteNumber("logBytes"u8, Status.LogLengthBytes);
        writer.WriteNumber("stateBytes"u8, Status.StateLengthBytes);
        writer.WriteNumber("stateGeneration"u8, Status.StateGeneration);
        writer.WriteEndObject();
        writer.WriteNumber("sequence"u8, Status.Sequence);
        writer.WriteNumber("durableSequence"u8, Status.DurableSequence);
        writer.WriteNumber("frames"u8, Status.FrameCount);
        writer.WriteString("root"u8, Status.LogRoot);
        writer.WriteStartObject("counts"u8);
        foreach ((string name, ulong value) in Counts())
        {
            writer.WriteNumber(name, value);
        }

        writer.WriteEndObject();
        writer.WriteStartArray("lanes"u8);
        foreach (LaneStatus lane in Status.Lanes)
        {
            writer.WriteStartObject();
            writer.WriteString("lane"u8, NameOf(lane));
            writer.WriteNumber("events"u8, lane.Events);
            writer.WriteNumber("lastSequence"u8, lane.LastSequence);
            writer.WriteNumber("lagEvents"u8, LagEvents);
            writer.WriteString("health"u8, HealthOf(lane));
            writer.WritePropertyName("lastEventAt"u8);
            DoorTimes.Write(writer, lane.LastEventAt);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WritePropertyName("lastCommitAt"u8);
        DoorTimes.Write(writer, Status.LastCommitAt);
    }

    private static long CountBy(ReadSnapshot snapshot, RecordKind kind, int slot, TextTest isCounted)
    {
        long count = 0;
        int examined = 0;
        foreach (RecordView record in snapshot.Range(kind))
        {
            if (++examined > MaxExamined)
            {
                break;
            }

            record.Body.TryGetText(slot, out ReadOnlySpan<byte> text);
            count += isCounted(text) ? 1 : 0;
        }

        return count;
    }
}
