// Why this file exists: who may purge what, what goes with it, and what stays and says so. Invariants: every refusal is one with a rule and an audit event; after a purge the raw
// files hold no trace of what was purged, in any kind of record.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Retention;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Retention;

public sealed class PurgeTests : IDisposable
{
    private const string Secret = "violet-antelope-4711";
    private readonly GovernedFixture _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task A_purged_workspace_leaves_a_report_and_no_trace()
    {
        for (int i = 0; i < 30; i++)
        {
            Done(_store.Session(), Batch(GovernedFixture.Object($"object:{i}", more: $$""","title":"{{Secret}} {{i}}" """), Elsewhere($"other:{i}")));
        }

        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Object, "object:3"));
        Done(_store.Session(), Batch(
            $$"""{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"conflict:1","object_id":"object:1","status":"open","decision_card":{"theirs":"{{Secret}}"} }""",
            $$"""{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"transaction:1","actor_id":"actor:admin","object_ids":["object:2"],"status":"draft","changes":[{"title":"{{Secret}}"}]}""",
            $$"""{"schema":"sourceos.integrity-event/v1alpha1","event_id":"observation:1","event_type":"app.seen","object_id":"object:2","summary":"{{Secret}}"}""",
            $$"""{"schema":"sourceos.workspace-operation/v1alpha1","operation_id":"operation:1","workspace_id":"workspace:w","status":"queued","replay_idempotency_key":"{{Secret}}"}""",
            $$"""{"schema":"sourceos.operation-task/v1alpha1","operation_id":"operation:1","task_id":"task:1","status":"queued","idempotency_key":"{{Secret}}"}""",
            """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"conflict:2","object_id":"other:1","status":"open"}"""));
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("object:1", "profile:none")), "profile.boundary", "sync.profile.boundary_violation");
        PurgePlan plan = Plan(PurgeScope.Workspace, "workspace:w");
        Assert.Equal(30, plan.Records.Count(static record => record.Kind == RecordKind.Object));
        Assert.Equal([(RecordKind.Conflict, "conflict:1"), (RecordKind.Transaction, "transaction:1"), (RecordKind.Observation, "observation:1"), (RecordKind.Operation, "operation:1"), (RecordKind.Task, "task:1")],
            plan.Records.Where(static record => record.Kind != RecordKind.Object));
        PurgeOutcome outcome = await PurgeRoom.CommitAsync(_store.Session(), plan, "left the project", DateTimeOffset.UtcNow);
        Assert.Null(outcome.Refused);
        Assert.Null(_store.Get(RecordKind.Object, "object:3"));
        Assert.Equal("running", _store.Get(RecordKind.Report, outcome.ReportId)!.Text("status"));
        Assert.True(Traces() > 0);
        await EraseAsync();
        Assert.Equal(0, Traces());
        StoredRecord report = _store.Get(RecordKind.Report, outcome.ReportId)!;
        Assert.Equal("completed", report.Text("status"));
        string json = Encoding.UTF8.GetString(report.ToJson());
        Assert.Contains("left the project", json, StringComparison.Ordinal);
        Assert.Contains("leavesSha256", json, StringComparison.Ordinal);
        Assert.NotNull(_store.Get(RecordKind.Object, "other:7"));
        Assert.NotNull(_store.Get(RecordKind.Conflict, "conflict:2"));
        AssertTrail(outcome.ReportId);
        _store.Store.Dispose();
        VerificationReport verified = StoreVerifier.Run(_store.Path);
        Assert.True(verified.Verdict == VerificationVerdict.Clean, string.Join("; ", verified.Findings));
    }

    [Fact]
    public async Task A_hold_stops_a_purge_before_anything_goes_and_a_second_time_in_the_gate()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a"), GovernedFixture.Object("object:b", more: ""","legal_hold":true""")));
        PurgePlan plan = Plan(PurgeScope.Workspace, "workspace:w");
        Assert.Equal(["object:b"], plan.Held);
        await Assert.ThrowsAsync<ArgumentException>(() => PurgeRoom.CommitAsync(_store.Session(), plan, "", DateTimeOffset.UtcNow));
        _store.Refused(_store.Session(), new CommitBatch().Purge(RecordKind.Object, "object:b"), "retention.legal-hold");
        Assert.NotNull(_store.Get(RecordKind.Object, "object:a"));
    }

    [Fact]
    public void Only_an_administrator_purges_and_nobody_purges_what_tells_who_did_what()
    {
        _store.AddActor("actor:bot", """["read","write","delete","repair"]""");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Purge(RecordKind.Object, "object:a"), "purge.administrator");
        _store.Refused(_store.Session(), new CommitBatch().Purge(RecordKind.Actor, "actor:bot"), "purge.kind");
        _store.Refused(_store.Session(), new CommitBatch().Purge(RecordKind.Profile, Home), "purge.kind");
        Done(_store.Session(), new CommitBatch().Purge(RecordKind.Object, "object:a"));
    }

    [Fact]
    public void Nobody_purges_in_another_profile()
    {
        Done(_store.Session(), Batch("""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:work","profile_class":"work"}"""));
        Done(_store.Session(profile: "profile:work"), Batch(GovernedFixture.Object("object:w", "profile:work")));
        _store.Refused(_store.Session(), new CommitBatch().Purge(RecordKind.Object, "object:w"), "profile.boundary", "sync.profile.boundary_violation");
    }

    [Fact]
    public async Task A_purge_that_was_cut_off_is_found_and_finished()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: $$""","title":"{{Secret}}" """)));
        PurgeOutcome outcome = await PurgeRoom.CommitAsync(_store.Session(), Plan(PurgeScope.Object, "object:a"), "", DateTimeOffset.UtcNow);
        _store.Reopen();
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            StoredRecord running = Assert.Single(PurgeRoom.FindRunning(snapshot));
            Assert.Equal(outcome.ReportId, running.Id);
            Assert.True(PurgeRoom.TryReadScope(running, out PurgeScope scope, out string id));
            Assert.Equal((PurgeScope.Object, "object:a"), (scope, id));
        }

        await EraseAsync();
        Assert.Equal(0, Traces());
        using ReadSnapshot after = _store.Store.OpenSnapshot();
        Assert.Empty(PurgeRoom.FindRunning(after));
    }

    [Fact]
    public void A_device_s_objects_and_a_profile_s_are_found()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:b"))
            .PutJson(Encoding.UTF8.GetBytes(GovernedFixture.Object("object:a", more: ""","owning_device":"device:lost" """)), new ChangeOptions { KeepsAttribution = true }));
        Assert.Equal([(RecordKind.Object, "object:a")], Plan(PurgeScope.Device, "device:lost").Records);
        Assert.Equal(2, Plan(PurgeScope.Profile, Home).Records.Count(static record => record.Kind == RecordKind.Object));
        Assert.Empty(Plan(PurgeScope.Object, "object:none").Records);
    }

    private static string Elsewhere(string id) => $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","profile_id":"{{Home}}","workspace_id":"workspace:other"}""";

    private PurgePlan Plan(PurgeScope scope, string id)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return PurgePlan.Make(snapshot, scope, id);
    }

    private async Task EraseAsync()
    {
        _store.Store.Dispose();
        ErasureReport erasure = StoreErasure.Begin(_store.Path, new StateStoreOptions { ReserveBytes = 0 });
        Assert.False(erasure.IsEmpty);
        _store.Reopen();
        IReadOnlyList<StoredRecord> running;
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            running = PurgeRoom.FindRunning(snapshot);
        }

        foreach (StoredRecord report in running)
        {
            Assert.True((await PurgeRoom.CompleteAsync(_store.Session(), report, erasure, DateTimeOffset.UtcNow)).IsCommitted);
        }
    }

    // Requested, authorised, tombstoned, purged, completed: each an event; the refusal of before is still told.
    private void AssertTrail(string reportId)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        List<StoredEvent> events = [];
        for (ulong sequence = 1; sequence <= snapshot.Sequence; sequence++)
        {
            events.Add(snapshot.ReadEvent(sequence)!);
        }

        Assert.Single(events, item => item.Type == "sync.purge.requested" && item.SubjectId == reportId);
        Assert.Single(events, item => item.Type == "sync.purge.completed" && item.SubjectId == reportId);
        Assert.Equal(30, events.Count(static item => item.Type == "sync.object.purged"));
        Assert.All(events.Where(static item => item.Action == EventAction.Purge), item => Assert.StartsWith("decision:", item.DecisionId, StringComparison.Ordinal));
        Assert.Contains(events, static item => item.Type == "sync.profile.boundary_violation");
        Assert.Contains(events, static item => item.IsErased);
    }

    private int Traces()
    {
        byte[] wanted = Encoding.UTF8.GetBytes(Secret);
        return Directory.EnumerateFiles(_store.Path, "*", SearchOption.AllDirectories).Count(file => StoreCopy.ReadUnlocked(file).AsSpan().IndexOf(wanted) >= 0);
    }
}
