// Why this file exists: who may write what, where, and that a refusal is a result and an event and nothing else. Invariants: each test names the rule that refuses.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Gates;

public sealed class ScopeGateTests : IDisposable
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly SettableClock _clock = new(s_start);
    private readonly GovernedFixture _store;

    public ScopeGateTests() => _store = new GovernedFixture(_clock);

    public void Dispose() => _store.Dispose();

    [Fact]
    public void A_stranger_a_revoked_and_a_quarantined_actor_write_nothing()
    {
        _store.Refused(_store.Session("actor:stranger"), Batch(GovernedFixture.Object("object:a")), "actor.registered");
        _store.AddActor("actor:bot");
        Done(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:a")));
        _store.AddActor("actor:bot", more: ""","revoked_at":"2026-11-01T00:00:00Z" """);
        _store.Refused(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:b")), "actor.revoked");
        _store.AddActor("actor:odd", more: ""","trust_level":"quarantined" """);
        _store.Refused(_store.Session("actor:odd"), Batch(GovernedFixture.Object("object:b")), "actor.quarantined");
        Assert.Null(_store.Get(RecordKind.Object, "object:b"));
    }

    [Fact]
    public async Task A_revocation_works_on_the_commit_behind_it_in_the_same_group()
    {
        _store.AddActor("actor:bot");
        StateSession bot = _store.Session("actor:bot");
        CommitBatch revocation = Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","capabilities":["write"],"profile_scope":["*"],"workspace_scope":["*"],"revoked_at":"2026-11-01T00:00:00Z"}""");
        ValueTask<CommitReceipt> first = _store.Session().CommitAsync(revocation);
        ValueTask<CommitReceipt> second = bot.CommitAsync(Batch(GovernedFixture.Object("object:late")));
        Assert.True((await first).IsCommitted);
        Assert.Equal("actor.revoked", (await second).Refusal!.Rule);
    }

    [Fact]
    public void A_device_that_nobody_registered_is_registered_by_the_commit_that_acts_on_it_if_its_actor_may()
    {
        const string device = """{"schema":"sourceos.device-record/v1alpha1","device_id":"device:next","trust_level":"local"}""";
        _store.AddActor("actor:bot", capabilities: """["read","write"]""");
        _store.Refused(_store.Session("actor:bot", device: "device:next"), Batch(device), "actor.capability");
        _store.Refused(_store.Session(device: "device:other"), Batch(device), "device.registered");
        Assert.Null(_store.Get(RecordKind.Device, "device:next"));
        Done(_store.Session(device: "device:next"), Batch(device));
        Done(_store.Session(device: "device:next"), Batch(GovernedFixture.Object("object:a")));
    }

    [Fact]
    public void Devices_that_are_unknown_revoked_or_quarantined_carry_no_commit()
    {
        _store.Refused(_store.Session(device: "device:unknown"), Batch(GovernedFixture.Object("object:a")), "device.registered");
        Done(_store.Session(), Batch(
            """{"schema":"sourceos.device-record/v1alpha1","device_id":"device:lost","revoked_at":"2026-11-01T00:00:00Z"}""",
            """{"schema":"sourceos.device-record/v1alpha1","device_id":"device:odd","device_state":"quarantined"}"""));
        _store.Refused(_store.Session(device: "device:lost"), Batch(GovernedFixture.Object("object:a")), "device.revoked");
        _store.Refused(_store.Session(device: "device:odd"), Batch(GovernedFixture.Object("object:a")), "device.quarantined");
    }

    [Theory]
    [InlineData("""{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:x","object_type":"x"}""", "actor.capability")]
    [InlineData("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:friend","actor_type":"agent"}""", "actor.capability")]
    [InlineData("""{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"d:1","effect":"allow"}""", "actor.capability")]
    [InlineData("""{"schema":"sourceos.repair-report/v1alpha1","report_id":"r:1"}""", "actor.capability")]
    [InlineData("""{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"t:1","actor_id":"actor:admin","status":"draft"}""", "transaction.owner")]
    [InlineData("""{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"t:1","actor_id":"actor:bot","status":"approved"}""", "actor.capability")]
    public void An_agent_with_read_and_write_stays_an_agent(string document, string rule)
    {
        _store.AddActor("actor:bot");
        _store.Refused(_store.Session("actor:bot"), Batch(document), rule);
    }

    [Fact]
    public void Deleting_needs_its_own_capability()
    {
        _store.AddActor("actor:bot");
        Done(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:a")));
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"), "actor.capability");
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Object, "object:a"));
    }

    [Fact]
    public void A_workspace_outside_the_scope_opens_by_membership_and_closes_when_it_is_revoked()
    {
        _store.AddActor("actor:bot");
        string there = """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:there","object_type":"note","profile_id":"profile:home","workspace_id":"workspace:other"}""";
        _store.Refused(_store.Session("actor:bot"), Batch(there), "actor.workspace-scope");
        const string Member = """{"schema":"sourceos.workspace-membership/v1alpha1","membership_id":"m:1","workspace_id":"workspace:other","actor_id":"actor:bot","role":"editor","revoked_at":null}""";
        Done(_store.Session(), Batch(Member));
        Done(_store.Session("actor:bot"), Batch(there));
        _store.Reopen(_clock);
        Done(_store.Session("actor:bot"), Batch(there.Replace("note", "task", StringComparison.Ordinal)));
        Done(_store.Session(), Batch(Member.Replace("null", "\"2026-11-01T00:00:00Z\"", StringComparison.Ordinal)));
        _store.Refused(_store.Session("actor:bot"), Batch(there), "actor.workspace-scope");
    }

    [Fact]
    public void A_lease_gives_a_capability_until_it_runs_out_and_a_clock_set_back_does_not_revive_it()
    {
        _store.AddActor("actor:bot");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a"), GovernedFixture.Object("object:b")));
        Done(_store.Session(), Batch(Lease("2026-11-01T13:00:00Z")));
        Done(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"));
        _clock.Now = s_start.AddHours(2);
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:b"), "actor.lease-lapsed");
        _store.Reopen(_clock);
        _clock.Now = s_start;
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:b"), "actor.lease-lapsed");

        // A commit under the clock that was set back does not lower the floor for the next opening.
        Done(_store.Session(), Batch(GovernedFixture.Object("object:c")));
        _store.Reopen(_clock);
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:b"), "actor.lease-lapsed");
    }

    [Fact]
    public void A_lease_is_lost_with_its_grantor_and_without_an_expiry_it_is_none()
    {
        _store.AddActor("actor:bot");
        _store.AddActor("actor:second", """["read","write","delete","administer"]""", """["profile:home"]""", "human");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a"), Lease("null").Replace("\"null\"", "null", StringComparison.Ordinal)));
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"), "actor.lease-lapsed");
        Done(_store.Session("actor:second"), Batch(Lease("2027-01-01T00:00:00Z", "actor:second", "lease:2")));
        _store.AddActor("actor:second", """["read"]""", """["profile:home"]""", "human", ""","revoked_at":"2026-11-01T00:00:00Z" """);
        _store.Refused(_store.Session("actor:bot"), new CommitBatch().Delete(RecordKind.Object, "object:a"), "actor.lease-lapsed");
    }

    [Fact]
    public void Nobody_gives_away_more_than_they_have_nor_to_themselves()
    {
        _store.AddActor("actor:clerk", """["read","write","administer"]""", """["profile:home"]""", "human");
        StateSession clerk = _store.Session("actor:clerk");
        _store.Refused(clerk, Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:x","capabilities":["delete"],"profile_scope":["profile:home"]}"""), "actor.amplification");
        _store.Refused(clerk, Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:x","capabilities":["read"],"profile_scope":["*"]}"""), "actor.amplification");
        _store.Refused(clerk, Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:clerk","capabilities":["read","write","administer","delete"],"profile_scope":["profile:home"]}"""), "actor.amplification");
        _store.Refused(clerk, Batch(Lease("2027-01-01T00:00:00Z")), "actor.amplification");
        _store.Refused(_store.Session(), Batch(Lease("2027-01-01T00:00:00Z").Replace("actor:bot", Admin, StringComparison.Ordinal)), "lease.self");
        _store.Refused(_store.Session(), Batch(Lease("2027-01-01T00:00:00Z", "actor:clerk")), "lease.grantor");
        _store.Refused(_store.Session(), Batch($$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"{{Admin}}","revoked_at":"2026-11-01T00:00:00Z"}"""), "actor.self-revocation");
        _store.Refused(_store.Session(), new CommitBatch().Delete(RecordKind.Actor, Admin), "actor.self-revocation");
    }

    [Fact]
    public void Only_the_first_commit_that_registers_its_own_actor_goes_without_one()
    {
        using Testing.TemporaryDirectory directory = new();
        using StateStore empty = GovernedStore.Create(directory.PathOf("store"), new StateStoreOptions { ReserveBytes = 0 });
        StateSession first = empty.OpenSession(new SessionIdentity("actor:first"));
        Assert.Equal("actor.none-registered", Try(first, Batch(GovernedFixture.Object("object:a"))).Refusal!.Rule);
        Assert.Equal("actor.none-registered", Try(first, Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:other"}""")).Refusal!.Rule);
        Done(first, Batch("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:first","capabilities":["write"]}"""));
        Assert.Equal("actor.store-wide", Try(first, Batch(GovernedFixture.Object("object:a"))).Refusal!.Rule);
    }

    private static string Lease(string expiry, string grantor = Admin, string id = "lease:1") =>
        $$"""{"schema":"sourceos.capability-lease/v1alpha1","lease_id":"{{id}}","actor_id":"actor:bot","capability":"delete","granted_by":"{{grantor}}","expires_at":"{{expiry}}","revoked_at":null}""";
}
