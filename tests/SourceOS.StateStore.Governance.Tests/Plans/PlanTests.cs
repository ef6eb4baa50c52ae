// Why this file exists: a plan says what would go and what would not, with rule and remedy, from state and policy alone, and moves nothing.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Plans;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Plans;

public sealed class PlanTests : IDisposable
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private readonly GovernedFixture _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task A_plan_names_what_goes_and_why_the_rest_does_not()
    {
        Done(_store.Session(profile: ""), Batch(
            GovernedFixture.Object("object:go", more: ""","sync_visibility":"workspace" """),
            GovernedFixture.Object("object:secret", more: ""","privacy_class":"secret" """),
            GovernedFixture.Object("object:org", more: ""","sync_visibility":"org" """),
            GovernedFixture.Object("object:elsewhere", "profile:work"),
            """{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:work"}"""));
        PlanResult plan = (await PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", null, "workspace:w", null), s_now))!;
        Assert.True(plan.Receipt.IsCommitted, plan.Receipt.Refusal?.Reason);
        Assert.Equal(["object:go"], plan.Objects);
        Assert.Equal(["object:org", "object:secret"], plan.Blocked.Select(static block => block.ObjectId).Order());
        Assert.All(plan.Blocked, static block => Assert.NotEqual("", block.Reason));
        StoredRecord record = _store.Get(RecordKind.Plan, plan.Id)!;
        Assert.Equal("planned", record.Text("status"));
        Assert.DoesNotContain("elsewhere", System.Text.Encoding.UTF8.GetString(record.ToJson()), StringComparison.Ordinal);
        Assert.True((await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "running", null, s_now))!.IsCommitted);
        Assert.Equal("status.move", (await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "planned", null, s_now))!.Refusal!.Rule);
    }

    [Fact]
    public async Task A_plan_of_which_nothing_can_go_is_blocked_and_its_decision_is_recorded()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:org", more: ""","sync_visibility":"org" """)));
        PlanResult plan = (await PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", "object:org", null, null), s_now))!;
        Assert.Equal("blocked", plan.Status);
        string decision = _store.Get(RecordKind.Plan, plan.Id)!.Text("policy_decision_ref")!;
        Assert.Equal("review_required", _store.Get(RecordKind.Decision, decision)!.Text("effect"));
        Assert.Null(await PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", "object:none", null, null), s_now));
    }

    [Fact]
    public async Task A_failed_plan_says_when_to_try_again_and_is_started_a_bounded_number_of_times()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:go", more: ""","sync_visibility":"workspace" """)));
        PlanResult plan = (await PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", "object:go", null, null), s_now))!;
        for (int attempt = 1; attempt <= PlanRoom.MaxAttempts; attempt++)
        {
            Assert.True((await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "running", null, s_now))!.IsCommitted);
            Assert.True((await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "failed", "no route", s_now))!.IsCommitted);
            string document = System.Text.Encoding.UTF8.GetString(_store.Get(RecordKind.Plan, plan.Id)!.ToJson());
            Assert.Contains($"\"attempt\":{attempt},\"not_before\":\"", document, StringComparison.Ordinal);
            PlanResult retried = (await PlanRoom.RetryAsync(_store.Store, _store.Session(), plan.Id, s_now))!;
            Assert.True(retried.Receipt.IsCommitted, retried.Receipt.Refusal?.Reason);
            Assert.Equal(["object:go"], retried.Objects);
        }

        Assert.Equal("plan.attempts", (await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "running", null, s_now))!.Refusal!.Rule);
    }

    [Fact]
    public async Task Trying_again_judges_again_and_a_plan_that_runs_is_left_alone()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:o", more: ""","sync_visibility":"local_only" """)));
        PlanResult plan = (await PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", "object:o", null, null), s_now))!;
        Assert.Equal("blocked", plan.Status);
        Assert.Equal("blocked", (await PlanRoom.RetryAsync(_store.Store, _store.Session(), plan.Id, s_now))!.Status);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:o", more: ""","sync_visibility":"workspace" """)));
        PlanResult retried = (await PlanRoom.RetryAsync(_store.Store, _store.Session(), plan.Id, s_now))!;
        Assert.Equal("planned", retried.Status);
        Assert.Equal(["object:o"], retried.Objects);
        Assert.True((await PlanRoom.MoveAsync(_store.Store, _store.Session(), plan.Id, "running", null, s_now))!.IsCommitted);
        Assert.Equal("plan.retry", (await PlanRoom.RetryAsync(_store.Store, _store.Session(), plan.Id, s_now))!.Receipt.Refusal!.Rule);
        Assert.Null(await PlanRoom.RetryAsync(_store.Store, _store.Session(), "sync-plan:none", s_now));
    }
}
