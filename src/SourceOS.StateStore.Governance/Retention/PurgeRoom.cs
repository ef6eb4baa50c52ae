// Why this file exists: the life of a purge (docs/erasure.md): requested and authorised, tombstoned, purged, its bytes erased, and a report that says who did it under which decision. Invariants: each stage is
// a commit through the gates; the report stands in the store as running before anything goes, so a purge that was cut off is found and finished.

using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Retention;

/// <summary>How far a purge came.</summary>
/// <param name="ReportId">The report, which is in the store as running; empty when nothing was to be purged.</param>
/// <param name="Refused">The receipt of the commit that was refused; null when all went through.</param>
public sealed record PurgeOutcome(string ReportId, CommitReceipt? Refused);

/// <summary>Purges records. Thread-safe: it keeps nothing.</summary>
public static class PurgeRoom
{
    private const int BatchRecords = 500;
    private const string ReportType = "purge";
    private static readonly int s_type = Slots.Of(RecordKind.Report, "report_type");
    private static readonly int s_status = Slots.Of(RecordKind.Report, "status");
    private static readonly int s_findings = Slots.Of(RecordKind.Report, "findings");

    /// <summary>Requests, authorises and commits a purge. What it takes is gone from the state then, and still readable in the log until <see cref="StoreErasure.Begin"/> and the open after it.</summary>
    /// <param name="session">Who purges; needs the capabilities `administer`, `delete` and `repair`.</param>
    /// <param name="plan">What goes.</param>
    /// <param name="reason">Why, for people; stays in the log.</param>
    /// <param name="now">The time of the request.</param>
    /// <param name="cancellationToken">Ends the wait; what was committed stays, and the purge is finished by doing it again.</param>
    /// <returns>How far it came.</returns>
    /// <exception cref="ArgumentException">The plan holds objects under a legal hold.</exception>
    public static async Task<PurgeOutcome> CommitAsync(StateSession session, PurgePlan plan, string reason, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(reason);
        if (plan.Held.Count > 0)
        {
            throw new ArgumentException($"{plan.Held.Count} objects are under a legal hold, and '{plan.Held[0]}' is one of them.", nameof(plan));
        }

        if (plan.Records.Count == 0)
        {
            return new PurgeOutcome("", null);
        }

        string decisionId = NewId.Of("decision");
        string reportId = NewId.Of("report:purge");
        CommitReceipt receipt = await session.CommitAsync(Request(session.Identity, plan, reason, now, decisionId, reportId), CommitWait.Visible, cancellationToken).ConfigureAwait(false);
        receipt = receipt.IsCommitted ? await CommitManyAsync(session, plan.Records.Where(plan.Live.Contains), static (batch, kind, id, options) => batch.Delete(kind, id, options), decisionId, cancellationToken).ConfigureAwait(false) : receipt;
        receipt = receipt.IsCommitted ? await CommitManyAsync(session, plan.Records, static (batch, kind, id, options) => batch.Purge(kind, id, options), decisionId, cancellationToken).ConfigureAwait(false) : receipt;
        return new PurgeOutcome(reportId, receipt.IsCommitted ? null : receipt);
    }

    /// <summary>Says in the store that a purge's bytes are erased.</summary>
    /// <param name="session">Who purges.</param>
    /// <param name="record">The running report, from <see cref="FindRunning"/>.</param>
    /// <param name="erasure">What was erased.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt.</returns>
    public static async Task<CommitReceipt> CompleteAsync(StateSession session, StoredRecord record, ErasureReport erasure, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(erasure);
        using JsonDocument before = JsonDocument.Parse(record.ToJson());
        JsonElement root = before.RootElement;
        ReadOnlyMemory<byte> report = Documents.Build(RecordKind.Report, record.Id, writer =>
        {
            foreach (string field in (ReadOnlySpan<string>)["report_type", "actor_id", "created_at"])
            {
                if (root.TryGetProperty(field, out JsonElement value))
                {
                    writer.WritePropertyName(field);
                    value.WriteTo(writer);
                }
            }

            writer.WriteString("status"u8, "completed");
            writer.WriteString("completed_at"u8, Documents.TimeText(now));
            string erased = erasure.IsEmpty ? "Every event that the purge asked for was erased before" : $"{erasure.Events} events in {erasure.Frames} frames were erased";
            writer.WriteString("summary"u8, $"{erased}. Chain, tree and earlier proofs stay valid. Backups, bundles and exports made before hold what was erased until they are destroyed.");
            writer.WritePropertyName("findings"u8);
            WriteErased(writer, root.TryGetProperty("findings"u8, out JsonElement findings) ? findings : default, erasure);
            writer.WriteStartObject("counts"u8);
            writer.WriteNumber("events"u8, erasure.Events);
            writer.WriteNumber("frames"u8, erasure.Frames);
            writer.WriteNumber("quarantined"u8, erasure.Quarantined.Count);
            writer.WriteEndObject();
        });
        CommitBatch batch = new CommitBatch().PutJson(report.Span, new ChangeOptions { EventType = "sync.purge.completed", Lane = Lane.Audit, ExpectedSequence = record.Sequence });
        return await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finds purges that were begun and whose report does not say that they are completed.</summary>
    /// <param name="snapshot">The state.</param>
    /// <returns>Their reports.</returns>
    public static IReadOnlyList<StoredRecord> FindRunning(ReadSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        List<string> ids = [];
        foreach (RecordView record in snapshot.Range(RecordKind.Report, afterId: "report:purge"))
        {
            string id = System.Text.Encoding.UTF8.GetString(record.Id);
            if (!id.StartsWith("report:purge:", StringComparison.Ordinal))
            {
                break;
            }

            if (Slots.Text(record.Body, s_type) == ReportType && Slots.Text(record.Body, s_status) == "running")
            {
                ids.Add(id);
            }
        }

        return [.. ids.Select(id => snapshot.Get(RecordKind.Report, id)!)];
    }

    /// <summary>What a running purge was about, as its report says.</summary>
    /// <param name="report">The report.</param>
    /// <param name="scope">Its scope.</param>
    /// <param name="scopeId">Which one.</param>
    /// <returns>Whether the report says so.</returns>
    public static bool TryReadScope(StoredRecord report, out PurgeScope scope, out string scopeId)
    {
        ArgumentNullException.ThrowIfNull(report);
        scope = default;
        scopeId = "";
        RecordBodyView body = Slots.Open(report.Body);
        if (!Slots.Has(body, s_findings))
        {
            return false;
        }

        using JsonDocument document = JsonDocument.Parse(report.ToJson());
        if (document.RootElement.TryGetProperty("findings"u8, out JsonElement findings) && findings.ValueKind == JsonValueKind.Object
            && findings.TryGetProperty("scope"u8, out JsonElement kind) && kind.ValueKind == JsonValueKind.String
            && findings.TryGetProperty("id"u8, out JsonElement id) && id.ValueKind == JsonValueKind.String)
        {
            scopeId = id.GetString()!;
            return Enum.TryParse(kind.GetString(), ignoreCase: true, out scope) && Enum.IsDefined(scope) && scopeId.Length > 0;
        }

        return false;
    }

    private static CommitBatch Request(SessionIdentity identity, PurgePlan plan, string reason, DateTimeOffset now, string decisionId, string reportId)
    {
        string scope = plan.Scope.ToString().ToLowerInvariant();
        string at = Documents.TimeText(now);
        ReadOnlyMemory<byte> decision = Documents.Build(RecordKind.Decision, decisionId, writer =>
        {
            writer.WriteString("effect"u8, "allow"u8);
            writer.WriteString("policy_id"u8, "policy:purge"u8);
            writer.WriteString("policy_version"u8, "1"u8);
            writer.WriteString("rule_id"u8, $"purge-{scope}");
            writer.WriteString("question"u8, "delete"u8);
            writer.WriteString("actor_id"u8, identity.ActorId);
            writer.WriteString("rationale"u8, reason.Length > 0 ? reason : $"Purge of {scope} {plan.ScopeId}.");
            writer.WriteString("decided_at"u8, at);
            if (plan.Scope is PurgeScope.Object or PurgeScope.Profile or PurgeScope.Workspace)
            {
                writer.WriteString($"{scope}_id", plan.ScopeId);
            }
        });
        ReadOnlyMemory<byte> report = Documents.Build(RecordKind.Report, reportId, writer =>
        {
            writer.WriteString("report_type"u8, ReportType);
            writer.WriteString("status"u8, "running"u8);
            writer.WriteString("actor_id"u8, identity.ActorId);
            writer.WriteString("created_at"u8, at);
            writer.WriteString("summary"u8, $"Purge of {scope} {plan.ScopeId}: {plan.Records.Count} records. It is finished when their bytes are erased.");
            writer.WriteStartObject("findings"u8);
            WriteRequest(writer, scope, plan, reason, decisionId);
            writer.WriteEndObject();
        });
        byte[] data = Documents.Data(writer => WriteRequest(writer, scope, plan, reason, decisionId));
        return new CommitBatch()
            .PutJson(decision.Span, new ChangeOptions { Lane = Lane.Policy })
            .PutJson(report.Span, new ChangeOptions { EventType = "sync.purge.requested", Lane = Lane.Audit, DataJson = data, DecisionId = decisionId });
    }

    private static void WriteRequest(Utf8JsonWriter writer, string scope, PurgePlan plan, string reason, string decisionId)
    {
        writer.WriteString("scope"u8, scope);
        writer.WriteString("id"u8, plan.ScopeId);
        writer.WriteString("reason"u8, reason);
        writer.WriteString("decision"u8, decisionId);
        writer.WriteStartObject("records"u8);
        foreach (IGrouping<RecordKind, (RecordKind Kind, string Id)> kind in plan.Records.GroupBy(static record => record.Kind).OrderBy(static kind => kind.Key))
        {
            writer.WriteNumber(RecordKinds.Get(kind.Key).PluralName, kind.Count());
        }

        writer.WriteEndObject();
    }

    private static void WriteErased(Utf8JsonWriter writer, JsonElement before, ErasureReport erasure)
    {
        writer.WriteStartObject();
        if (before.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in before.EnumerateObject())
            {
                property.WriteTo(writer);
            }
        }

        writer.WriteStartArray("sequences"u8);
        foreach (SequenceRange range in erasure.Sequences)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(range.First);
            writer.WriteNumberValue(range.Last);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteString("leavesSha256"u8, erasure.LeavesHash.ToString());
        writer.WriteString("chainHead"u8, erasure.ChainHead.ToString());
        Documents.WriteList(writer, "quarantineDropped", erasure.Quarantined.Take(1024));
        writer.WriteEndObject();
    }

    private static async Task<CommitReceipt> CommitManyAsync(
        StateSession session, IEnumerable<(RecordKind Kind, string Id)> records, Func<CommitBatch, RecordKind, string, ChangeOptions, CommitBatch> change, string decisionId, CancellationToken cancellationToken)
    {
        CommitReceipt last = new() { Status = CommitStatus.Committed, Stage = CommitStage.Visible };
        foreach ((RecordKind Kind, string Id)[] chunk in records.Chunk(BatchRecords))
        {
            CommitBatch batch = new();
            foreach ((RecordKind kind, string id) in chunk)
            {
                change(batch, kind, id, new ChangeOptions { Lane = Lane.Tombstone, DecisionId = decisionId });
            }

            last = await session.CommitAsync(batch, CommitWait.Visible, cancellationToken).ConfigureAwait(false);
            if (!last.IsCommitted)
            {
                return last;
            }
        }

        return last;
    }
}
