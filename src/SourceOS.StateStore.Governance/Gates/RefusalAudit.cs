// Why this file exists: a refusal is part of what happened, so it is an event too; and a caller that is refused a thousand times must not fill the log. Invariants: the first
// refusals of a kind are events of their own; more than three equal ones within a minute fold into one storm record, whose count grows in fewer and
// fewer writes, and is never above what happened; what is remembered in memory is bounded.

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Records refusals. Writer thread only.</summary>
internal sealed class RefusalAudit : IRefusalAuditor
{
    /// <summary>Equal refusals that are events of their own.</summary>
    public const int MaxSingle = 3;

    private const int MaxRemembered = 4096;
    private static readonly TimeSpan s_window = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_resumed = TimeSpan.FromSeconds(1);
    private readonly Dictionary<StormKey, Storm> _storms = [];

    // How far back the log is read when a store is opened: refusals of programs that run once each are equal refusals too.
    private const ulong MaxSeedEvents = 256;

    private readonly record struct StormKey(string ActorId, string Rule, RecordKind? Kind, string Id);

    private sealed class Storm
    {
        public DateTimeOffset FirstAt { get; set; }

        public DateTimeOffset LastAt { get; set; }

        public long Count { get; set; }

        /// <summary>When its record was last written by an earlier opening of the store; null when this one has written it, or nobody has.</summary>
        public DateTimeOffset? ResumedAt { get; set; }

        /// <summary>Identifier of its record; empty before there is one.</summary>
        public string Id { get; set; } = "";
    }

    /// <summary>Takes in the refusals of the last minute that the store remembers.</summary>
    public void Load(ReadSnapshot snapshot, DateTimeOffset now)
    {
        // Refusals and storms are events of the audit lane, so its last one tells without the log whether there is anything to take in.
        LaneStatus? lane = snapshot.GetStatus().Lanes.FirstOrDefault(static lane => lane.Lane == Lane.Audit);
        if (lane?.LastEventAt is not { } last || now - last > s_window)
        {
            return;
        }

        ulong first = snapshot.Sequence > MaxSeedEvents ? snapshot.Sequence - MaxSeedEvents + 1 : 1;
        foreach (StoredEvent item in snapshot.ReadEvents(first))
        {
            if (item.IsErased || now - item.OccurredAt > s_window)
            {
                continue;
            }

            if (item.Type is "sync.policy.denied" or "sync.profile.boundary_violation")
            {
                Note(new StormKey(item.ActorId, Field(item.DataJson, "rule"), item.SubjectKind, item.SubjectId), item.OccurredAt);
            }
            else if (item.Type == "sync.storm.recorded" && item.SubjectKind == RecordKind.Observation && !item.Image.IsEmpty)
            {
                Resume(item);
            }
        }
    }

    // A storm's own record says how far it had come; what it was about stands in its last audit event, whose key is already known.
    private void Resume(StoredEvent item)
    {
        using JsonDocument json = JsonDocument.Parse(new StoredRecord(RecordKind.Observation, item.SubjectId, item.Sequence, 0, false, false, item.Image).ToJson());
        string rule = json.RootElement.TryGetProperty("rule", out JsonElement stated) && stated.ValueKind == JsonValueKind.String ? stated.GetString()! : "";
        foreach ((StormKey key, Storm storm) in _storms)
        {
            if (key.ActorId == item.ActorId && key.Rule == rule && item.SubjectId.EndsWith(Id(key), StringComparison.Ordinal)
                && json.RootElement.TryGetProperty("count", out JsonElement count) && count.TryGetInt64(out long times))
            {
                storm.Count = Math.Max(storm.Count, times);
                storm.LastAt = item.OccurredAt;
                storm.ResumedAt = item.OccurredAt;
                storm.Id = item.SubjectId;
            }
        }
    }

    private static string Field(ReadOnlyMemory<byte> data, string name)
    {
        if (data.IsEmpty)
        {
            return "";
        }

        using JsonDocument json = JsonDocument.Parse(data);
        return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
    }

    /// <inheritdoc/>
    public CommitBatch? Describe(ProposedCommit commit, CommitReceipt refusal, IStateView state)
    {
        CommitRefusal reason = refusal.Refusal!;
        StormKey key = new(commit.Session.ActorId, reason.Rule, reason.Kind, reason.Id);
        Storm storm = Note(key, commit.ProposedAt);
        CommitBatch batch = new();
        if (storm.Count <= MaxSingle)
        {
            Append(batch, commit, refusal, reason);
            return batch;
        }

        // The record is written when a storm begins and each time its count has doubled. Programs that run once each would never double what they resume, so the first refusal of each is
        // written too, unless the record is younger than a second: a minute of a storm is at most sixty records, whoever makes it.
        bool isResumed = storm.ResumedAt is { } written && commit.ProposedAt - written >= s_resumed;
        if (storm.Count == MaxSingle + 1 || long.IsPow2(storm.Count) || isResumed)
        {
            storm.ResumedAt = null;
            storm.Id = storm.Id.Length > 0 ? storm.Id : $"storm:{storm.FirstAt.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}:{Id(key)}";
            batch.PutJson(StormDocument(commit, reason, storm), new ChangeOptions { EventType = "sync.storm.recorded", Lane = Lane.Audit });
            return batch;
        }

        return null;
    }

    private Storm Note(StormKey key, DateTimeOffset now)
    {
        if (!_storms.TryGetValue(key, out Storm? storm) || now - storm.LastAt > s_window)
        {
            if (_storms.Count >= MaxRemembered)
            {
                _storms.Clear();
            }

            _storms[key] = storm = new Storm { FirstAt = now };
        }

        storm.Count++;
        storm.LastAt = now;
        return storm;
    }

    private static void Append(CommitBatch batch, ProposedCommit commit, CommitReceipt refusal, CommitRefusal reason)
    {
        string type = reason.Rule is Refusals.ProfileBoundary or "actor.profile-scope" ? "sync.profile.boundary_violation" : "sync.policy.denied";
        bool hasSubject = reason.Kind is not null && Identifier.IsValid(reason.Id);
        ChangeOptions options = new() { Lane = Lane.Audit, DataJson = Data(commit, refusal, reason) };
        batch.Append(type, hasSubject ? reason.Kind : null, hasSubject ? reason.Id : null, options);
    }

    private static byte[] Data(ProposedCommit commit, CommitReceipt refusal, CommitRefusal reason)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("status"u8, refusal.Status == CommitStatus.ReviewRequired ? "review_required"u8 : "denied"u8);
            writer.WriteString("rule"u8, reason.Rule);
            writer.WriteString("reason"u8, Bounded(reason.Reason));
            writer.WriteString("remedy"u8, Bounded(reason.Remedy));
            writer.WriteNumber("changes"u8, commit.Changes.Count);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] StormDocument(ProposedCommit commit, CommitRefusal reason, Storm storm)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("schema"u8, RecordKinds.Get(RecordKind.Observation).Schema);
            writer.WriteString("event_id"u8, storm.Id);
            writer.WriteString("event_type"u8, "sync.storm"u8);
            writer.WriteString("occurred_at"u8, storm.FirstAt.UtcDateTime);
            writer.WriteString("summary"u8, Bounded($"{storm.Count} equal refusals by rule {reason.Rule} since {storm.FirstAt:u}: {reason.Reason}"));
            writer.WriteString("actor_id"u8, commit.Session.ActorId);
            if (reason.Kind == RecordKind.Object && Identifier.IsValid(reason.Id))
            {
                writer.WriteString("object_id"u8, reason.Id);
            }

            writer.WriteString("profile_id"u8, commit.Session.ProfileId);
            writer.WriteString("device_id"u8, commit.Session.DeviceId);
            writer.WriteString("rule"u8, reason.Rule);
            writer.WriteNumber("count"u8, storm.Count);
            writer.WriteString("last_at"u8, storm.LastAt.UtcDateTime);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string Id(StormKey key)
    {
        // Two storms of one millisecond differ by who and what; a hash keeps the identifier short whatever those are.
        Span<byte> hash = stackalloc byte[32];
        byte[] text = System.Text.Encoding.UTF8.GetBytes($"{key.ActorId}\n{key.Rule}\n{key.Kind}\n{key.Id}");
        Checksum.Sha256(text).Bytes.CopyTo(hash);
        return Convert.ToHexStringLower(hash[..8]);
    }

    private static string Bounded(string text) => text.Length <= 2048 ? text : text[..2048];
}
