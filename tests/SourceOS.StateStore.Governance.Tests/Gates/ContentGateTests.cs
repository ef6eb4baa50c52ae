// Why this file exists: retention, status, schemas and policy as a commit meets them, and the audit of refusals.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Gates;

public sealed class ContentGateTests : IDisposable
{
    private readonly GovernedFixture _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public void A_held_object_is_not_deleted_by_anyone_until_an_administrator_clears_the_hold()
    {
        _store.AddActor("actor:bot", """["read","write","delete"]""");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","legal_hold":true"""), GovernedFixture.Object("object:b", more: ""","retention_class":"legal_hold" """)));
        foreach (string id in (string[])["object:a", "object:b"])
        {
            _store.Refused(_store.Session(), new CommitBatch().Delete(RecordKind.Object, id), "retention.legal-hold");
            _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, id), "retention.legal-hold");
            _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object(id)), "retention.hold-clear");
        }

        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","legal_hold":true,"state":"deleted" """)), "retention.legal-hold");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        Done(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"));
    }

    [Fact]
    public void What_is_retained_wants_an_administrator_to_delete_it()
    {
        _store.AddActor("actor:bot", """["read","write","delete"]""");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","retention_class":"retained" """)));
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"), "retention.retained");
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Object, "object:a"));
    }

    [Fact]
    public void Quarantine_and_conflict_are_left_by_repair_and_merge_alone()
    {
        _store.AddActor("actor:bot");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:q", more: ""","state":"quarantined" """), GovernedFixture.Object("object:c", more: ""","state":"conflicted" """)));
        _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:q", more: ""","state":"active" """)), "object.state");
        _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:c", more: ""","state":"active" """)), "object.state");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:q", more: ""","state":"active" """)));
    }

    [Theory]
    [InlineData("sync-plan", "plan_id", "planned", "completed")]
    [InlineData("sync-plan", "plan_id", "completed", "running")]
    [InlineData("agent-object-transaction", "transaction_id", "proposed", "applied")]
    [InlineData("agent-object-transaction", "transaction_id", "rejected", "approved")]
    [InlineData("conflict-record", "conflict_id", "closed", "open")]
    public void A_status_moves_by_rule(string kind, string idField, string from, string to)
    {
        string document = $$"""{"schema":"sourceos.{{kind}}/v1alpha1","{{idField}}":"x:1","status":"{{from}}"}""";
        Done(_store.Session(), Batch(document));
        _store.Refused(_store.Session(), Batch(document.Replace(from, to, StringComparison.Ordinal)), "status.move");
        _store.Refused(_store.Session(), Batch(document.Replace(from, "wishful", StringComparison.Ordinal)), "status.unknown");
    }

    [Fact]
    public void An_agent_does_not_approve_what_it_proposed()
    {
        _store.AddActor("actor:bot", """["read","write","merge"]""");
        const string Draft = """{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"t:1","actor_id":"actor:bot","status":"proposed"}""";
        Done(_store.Session("actor:bot"), Batch(Draft));
        _store.Refused(_store.Session("actor:bot"), Batch(Draft.Replace("proposed", "approved", StringComparison.Ordinal)), "transaction.self-approval");
        Done(_store.Session(), Batch(Draft.Replace("proposed", "approved", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_object_is_judged_by_the_schema_it_names_as_the_commit_finds_it()
    {
        string named = GovernedFixture.Object("object:a", more: ""","schema_id":"schema:sized" """);
        _store.Refused(_store.Session(), Batch(named), "schema.unknown");
        const string Schema = """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:sized","object_type":"note","schema_version":"v1","required_fields":["object_id","size_bytes","x_own"],"json_schema":{"properties":{"size_bytes":{"maximum":10}}}}""";
        string good = GovernedFixture.Object("object:a", more: ""","schema_id":"schema:sized","size_bytes":9,"x_own":1""");
        Done(_store.Session(), Batch(Schema, good));
        _store.Refused(_store.Session(), Batch(named), "schema.object-invalid");
        CommitRefusal refusal = _store.Refused(_store.Session(), Batch(good.Replace("9", "11", StringComparison.Ordinal)), "schema.object-invalid");
        Assert.Contains("/size_bytes", refusal.Reason, StringComparison.Ordinal);
        _store.Refused(_store.Session(), Batch(good.Replace("x_own", "x_other", StringComparison.Ordinal)), "schema.object-invalid");
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Schema, "schema:sized"));
        _store.Refused(_store.Session(), Batch(good), "schema.unknown");
    }

    [Fact]
    public void A_schema_that_does_not_compile_or_would_refuse_what_it_accepted_is_not_registered()
    {
        _store.Refused(_store.Session(), Batch(Schema("""{"$ref":"urn:nowhere"}""")), "schema.invalid");
        _store.Refused(_store.Session(), Batch(Schema("""{"type":"strange"}""")), "schema.invalid");
        Done(_store.Session(), Batch(Schema("""{"properties":{"title":{"maxLength":10}}}""")));
        _store.Refused(_store.Session(), Batch(Schema("""{"properties":{"title":{"maxLength":9}}}""")), "schema.incompatible");
        _store.Refused(_store.Session(), Batch(Schema("""{"properties":{"title":{"maxLength":10}},"required":["title"]}""")), "schema.incompatible");
        Done(_store.Session(), Batch(Schema("""{"properties":{"title":{"maxLength":11}}}""")));
        static string Schema(string json) => $$"""{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:s","object_type":"note","json_schema":{{json}}}""";
    }

    [Fact]
    public void Schemas_that_refer_to_each_other_register_together_and_follow_each_others_changes()
    {
        const string A = """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:a","object_type":"note","json_schema":{"$id":"urn:test:a","properties":{"title":{"$ref":"urn:test:b"}}}}""";
        const string B = """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:b","object_type":"part","json_schema":{"$id":"urn:test:b","minLength":2}}""";
        _store.Refused(_store.Session(), Batch(A), "schema.invalid");
        Done(_store.Session(), Batch(A, B));
        string one = GovernedFixture.Object("object:a", more: ""","schema_id":"schema:a","title":"x" """);
        _store.Refused(_store.Session(), Batch(one), "schema.object-invalid");
        Done(_store.Session(), Batch(B.Replace("\"minLength\":2", "\"minLength\":1", StringComparison.Ordinal)));
        Done(_store.Session(), Batch(one));
        _store.Reopen();
        Done(_store.Session(), Batch(one.Replace("\"x\"", "\"y\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_policy_in_force_is_the_one_in_the_store_and_only_a_valid_one_gets_there()
    {
        _store.AddActor("actor:bot");
        Done(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:a", more: ""","policy_tags":["x"] """)));
        const string Rules = """{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"v1","defaults":{"write":"allow","make_memory_durable":"allow"},"rules":[{"id":"no-x","questions":["write"],"effect":"deny","when":{"policy_tags":["x"],"actor_type":["agent"]},"rationale":"Agents keep off x."}]}""";
        _store.Refused(_store.Session(), Batch(Policy(Rules.Replace("\"deny\"", "\"denied\"", StringComparison.Ordinal))), "policy.invalid");
        _store.Refused(_store.Session("actor:bot"), Batch(Policy(Rules)), "policy.administrator");
        Done(_store.Session(), Batch(Policy(Rules)));
        _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:a", more: ""","policy_tags":["x"],"title":"t" """)), "policy.no-x");
        Done(_store.Session(), Batch("""{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"d:1","effect":"allow","question":"write","object_id":"object:a"}"""));
        byte[] allowed = Encoding.UTF8.GetBytes(GovernedFixture.Object("object:a", more: ""","policy_tags":["x"],"title":"t" """));
        Done(_store.Session("actor:bot"), new CommitBatch().PutJson(allowed, new ChangeOptions { DecisionId = "d:1" }));
        _store.Reopen();
        _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:z", more: ""","policy_tags":["y","x"] """)), "policy.no-x");
        static string Policy(string rules) => $$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"policy:local","object_type":"policy_document","attributes":{"policy":{{{rules}}}}}""";
    }

    [Fact]
    public void Many_equal_refusals_fold_into_one_storm_record()
    {
        for (int i = 0; i < RefusalAudit.MaxSingle; i++)
        {
            _store.Refused(_store.Session("actor:stranger"), Batch(GovernedFixture.Object("object:a")), "actor.registered");
        }

        ulong before = _store.Store.VisibleSequence;
        for (int i = 0; i < 100; i++)
        {
            Assert.False(Try(_store.Session("actor:stranger"), Batch(GovernedFixture.Object("object:a"))).IsCommitted);
        }

        // 4, 8, 16, 32 and 64 write the record; nothing else does.
        Assert.Equal(before + 5, _store.Store.VisibleSequence);
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        StoredRecord storm = Assert.Single(snapshot.Range(RecordKind.Observation).ToList());
        Assert.Contains("\"count\":64", Encoding.UTF8.GetString(storm.ToJson()), StringComparison.Ordinal);
    }

    [Fact]
    public void Refusals_of_programs_that_run_once_each_add_up_and_write_at_most_once_a_second()
    {
        SettableClock clock = new(new DateTimeOffset(2026, 11, 1, 0, 0, 0, TimeSpan.Zero));
        using GovernedFixture store = new(clock);
        void RefuseOnce(int afterMs)
        {
            clock.Now += TimeSpan.FromMilliseconds(afterMs);
            store.Reopen(clock);
            Assert.False(Try(store.Session("actor:stranger"), Batch(GovernedFixture.Object("object:a"))).IsCommitted);
        }

        for (int i = 0; i < 20; i++)
        {
            RefuseOnce(afterMs: 2_000);
        }

        string Storm()
        {
            using ReadSnapshot snapshot = store.Store.OpenSnapshot();
            return Encoding.UTF8.GetString(Assert.Single(snapshot.Range(RecordKind.Observation).ToList()).ToJson());
        }

        Assert.Contains("\"count\":20", Storm(), StringComparison.Ordinal);

        // Within a second of the last record nothing is written, so the count stays below what happened, never above.
        ulong before = store.Store.VisibleSequence;
        for (int i = 0; i < 5; i++)
        {
            RefuseOnce(afterMs: 100);
        }

        Assert.Equal(before, store.Store.VisibleSequence);
        RefuseOnce(afterMs: 1_000);
        Assert.Equal(before + 1, store.Store.VisibleSequence);
        Assert.Contains("\"count\":21", Storm(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_is_on_the_medium_before_its_caller_hears_of_it()
    {
        CommitReceipt receipt = Try(_store.Session("actor:stranger"), Batch(GovernedFixture.Object("object:a")));
        Assert.True(_store.Store.DurableSequence >= receipt.AuditSequence);
        _store.Reopen();
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal("sync.policy.denied", snapshot.ReadEvent(receipt.AuditSequence)!.Type);
    }
}
