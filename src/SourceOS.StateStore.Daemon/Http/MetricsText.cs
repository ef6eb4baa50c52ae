// Why this file exists: the store's numbers for Prometheus (text exposition format 0.0.4). Invariants: a store that cannot be read still gives its `up` and health; label values are words of ours, so nothing has to be escaped.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Writes metrics.</summary>
internal static class MetricsText
{
    private const string Prefix = "sourceos_statestore_";
    private static readonly string[] s_health = ["healthy", "degraded", "repairing", "unsafe", "uninitialized"];

    /// <summary>Builds the text.</summary>
    /// <param name="access">The store.</param>
    /// <param name="counts">What the door answered.</param>
    public static ReadOnlyMemory<byte> Build(StateStoreAccess access, RequestCounts counts)
    {
        StringBuilder text = new(4096);
        StoreGlance? glance = null;
        string health;
        try
        {
            glance = access.Read(StoreGlance.Of);
            health = glance.HealthWord;
        }
        catch (StateStoreException exception)
        {
            health = DoorError.HealthOf(exception.Code);
        }

        Head(text, "up", "gauge", "Whether the store can be read.");
        Line(text, "up", "", glance is null ? 0 : 1);
        Head(text, "health", "gauge", "1 for the store's health, 0 for every other.");
        foreach (string word in s_health)
        {
            Line(text, "health", $"status=\"{word}\"", word == health ? 1 : 0);
        }

        if (glance is not null)
        {
            WriteStore(text, glance);
        }

        Head(text, "http_answers_total", "counter", "Answers of the HTTP door by class of status.");
        for (int hundreds = 2; hundreds <= 5; hundreds++)
        {
            Line(text, "http_answers_total", $"class=\"{hundreds}xx\"", counts.OfClass(hundreds));
        }

        Head(text, "http_event_streams", "gauge", "Event streams that are open.");
        Line(text, "http_event_streams", "", counts.Streams);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void WriteStore(StringBuilder text, StoreGlance glance)
    {
        StateStoreStatus status = glance.Status;
        One(text, "sequence", "gauge", "Highest visible sequence.", status.Sequence);
        One(text, "durable_sequence", "gauge", "Highest sequence known to be on the medium.", status.DurableSequence);
        One(text, "frames", "gauge", "Frames in the log.", status.FrameCount);
        One(text, "log_bytes", "gauge", "Bytes that the log holds.", (ulong)status.LogLengthBytes);
        One(text, "state_bytes", "gauge", "Bytes that the state holds.", (ulong)status.StateLengthBytes);
        One(text, "state_generation", "gauge", "Generation of the state; it grows when the state is built again.", status.StateGeneration);
        One(text, "open_conflicts", "gauge", "Conflicts that are not resolved, of the first 10000.", (ulong)glance.OpenConflicts);
        One(text, "plans_blocked", "gauge", "Plans that are blocked, of the first 10000.", (ulong)glance.PlansBlocked);
        Head(text, "records", "gauge", "Records by kind.");
        foreach (KindStatus kind in status.Kinds)
        {
            Line(text, "records", $"kind=\"{RecordKinds.Get(kind.Kind).Name}\"", kind.Live);
        }

        Head(text, "tombstones", "gauge", "Tombstones by kind.");
        foreach (KindStatus kind in status.Kinds)
        {
            Line(text, "tombstones", $"kind=\"{RecordKinds.Get(kind.Kind).Name}\"", kind.Tombstones);
        }

        Head(text, "lane_events_total", "counter", "Events by lane.");
        foreach (LaneStatus lane in status.Lanes)
        {
            Line(text, "lane_events_total", $"lane=\"{StoreGlance.NameOf(lane)}\"", lane.Events);
        }

        if (status.LastCommitAt is { } last)
        {
            Head(text, "last_commit_timestamp_seconds", "gauge", "When the last commit was made.");
            Line(text, "last_commit_timestamp_seconds", "", last.ToUnixTimeMilliseconds() / 1000.0);
        }
    }

    private static void One(StringBuilder text, string name, string type, string help, ulong value)
    {
        Head(text, name, type, help);
        Line(text, name, "", value);
    }

    private static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append("# HELP ").Append(Prefix).Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(Prefix).Append(name).Append(' ').Append(type).Append('\n');

    private static void Line(StringBuilder text, string name, string labels, double value)
    {
        text.Append(Prefix).Append(name);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }

        text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }
}
