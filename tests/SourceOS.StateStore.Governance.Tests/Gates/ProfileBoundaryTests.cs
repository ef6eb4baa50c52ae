// Why this file exists: a profile is a hard boundary: nothing moves or shows across it without a recorded approval, whatever calls are made in whatever order.

using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Format;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Gates;

public sealed class ProfileBoundaryTests : IDisposable
{
    private const string Work = "profile:work";
    private const string Violation = "sync.profile.boundary_violation";
    private readonly GovernedFixture _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public void A_session_touches_nothing_of_another_profile()
    {
        Done(_store.Session(profile: Work), Batch(GovernedFixture.Object("object:w", Work)));
        StateSession home = _store.Session();
        _store.Refused(home, Batch(GovernedFixture.Object("object:x", Work)), "profile.boundary", Violation);
        _store.Refused(home, new CommitBatch().Delete(RecordKind.Object, "object:w"), "profile.boundary", Violation);
        _store.Refused(home, Batch(GovernedFixture.Object("object:w")), "profile.boundary", Violation);
        _store.Refused(home, new CommitBatch().Append("app.seen", RecordKind.Object, "object:w"), "profile.boundary", Violation);
        _store.Refused(home, new CommitBatch().Append("app.seen", options: new ChangeOptions { ProfileId = Work }), "profile.boundary", Violation);
    }

    [Fact]
    public void What_a_session_may_not_see_is_refused_before_its_sequence_is_told()
    {
        Done(_store.Session(profile: Work), Batch(GovernedFixture.Object("object:w", Work)));
        CommitBatch guess = new CommitBatch().Delete(RecordKind.Object, "object:w", new ChangeOptions { ExpectedSequence = 1 });
        CommitRefusal refusal = _store.Refused(_store.Session(), guess, "profile.boundary", Violation);
        Assert.Equal(0ul, refusal.ActualSequence);
    }

    [Fact]
    public void A_session_bound_to_no_profile_moves_nothing_either()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        _store.Refused(_store.Session(profile: ""), Batch(GovernedFixture.Object("object:a", Work)), "profile.boundary", Violation);
        _store.Refused(_store.Session(profile: ""), Batch("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:a"}"""), "profile.boundary", Violation);
    }

    [Fact]
    public void A_recorded_approval_moves_exactly_what_it_names()
    {
        Done(_store.Session(profile: ""), Batch(GovernedFixture.Object("object:a"), GovernedFixture.Object("object:b"), Approval("d:1", "object:a", "allow")));
        _store.Refused(_store.Session(profile: ""), Move("object:b", "d:1"), "profile.boundary", Violation);
        Done(_store.Session(profile: ""), Batch(Approval("d:2", "object:a", "review_required"), Approval("d:3", "object:a", "allow", ""","expires_at":"2020-01-01T00:00:00Z" """)));
        _store.Refused(_store.Session(profile: ""), Move("object:a", "d:2"), "profile.boundary", Violation);
        _store.Refused(_store.Session(profile: ""), Move("object:a", "d:3"), "profile.boundary", Violation);
        Done(_store.Session(profile: ""), Move("object:a", "d:1"));
        Assert.Equal(Work, _store.Get(RecordKind.Object, "object:a")!.Text("profile_id"));
    }

    [Fact]
    public void An_event_names_the_profile_of_its_record_whatever_the_session_is_bound_to()
    {
        Done(_store.Session(profile: ""), Batch(GovernedFixture.Object("object:w", Work)));
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        StoredEvent made = snapshot.ReadEvent(snapshot.Get(RecordKind.Object, "object:w")!.Sequence)!;
        Assert.Equal(Work, made.ProfileId);
        Assert.Equal("workspace:w", made.WorkspaceId);
    }

    [Fact]
    public void No_sequence_of_calls_moves_an_object_without_an_approval()
    {
        string[] profiles = [Home, Work, ""];
        Gen<(int Call, int Id, int Session, int Target)> call = Gen.Choose(0, 3).SelectMany(kind => Gen.Choose(0, 2).SelectMany(id => Gen.Choose(0, 2).SelectMany(session => Gen.Choose(0, 2).Select(target => (kind, id, session, target)))));
        int round = 0;
        Prop.ForAll(Arb.From(call.ListOf(20)), calls =>
        {
            round++;
            Dictionary<string, string> homes = [];
            foreach ((int kind, int number, int session, int target) in calls)
            {
                string id = $"object:{round}:{number}";
                CommitBatch batch = kind switch
                {
                    0 => new CommitBatch().Delete(RecordKind.Object, id),
                    1 => new CommitBatch().Append("app.touched", RecordKind.Object, id),
                    _ => Batch(profiles[target].Length == 0
                        ? $$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note"}"""
                        : GovernedFixture.Object(id, profiles[target])),
                };
                Try(_store.Session(profile: profiles[session]), batch);
                string now = _store.Get(RecordKind.Object, id)?.Text("profile_id") ?? "";
                Assert.True(!homes.TryGetValue(id, out string? home) || home == now, $"{id} moved from {home} to {now}");
                if (now.Length > 0)
                {
                    homes[id] = now;
                }
            }
        }).QuickCheckThrowOnFailure();
    }

    private static CommitBatch Move(string id, string decision) =>
        new CommitBatch().PutJson(System.Text.Encoding.UTF8.GetBytes(GovernedFixture.Object(id, Work)), new ChangeOptions { DecisionId = decision });

    private static string Approval(string id, string objectId, string effect, string more = "") =>
        $$"""{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"{{id}}","effect":"{{effect}}","question":"move_profile","object_id":"{{objectId}}","profile_id":"{{Work}}"{{more}}}""";
}
