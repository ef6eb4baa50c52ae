// Why this file exists: a bundle carries what it promises and nothing else, and taking it in is repeatable, attributed and bound by the gates of the store that takes it in.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Bundles;
using SourceOS.StateStore.Governance.Conflicts;
using SourceOS.StateStore.Governance.Scopes;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Bundles.BundleWorld;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Bundles;

public sealed class BundleRoundTripTests : IDisposable
{
    private readonly BundleWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void What_arrives_is_byte_for_byte_what_left_with_all_that_it_needs_and_a_second_time_changes_nothing()
    {
        byte[] bundle = Pack(_world.There);
        BundleImportResult result = Take(_world.Here, bundle);
        Assert.Null(result.Refusal);
        Assert.Empty(result.Refused);
        Assert.Equal((4L, 0L, 3L), (result.Created, result.Updated, result.Referred));
        foreach ((RecordKind kind, string id) in (IEnumerable<(RecordKind, string)>)[(RecordKind.Object, "note:1"), (RecordKind.Object, "note:3"), (RecordKind.Object, "workspace:w"), (RecordKind.Schema, "schema:trip"), (RecordKind.Profile, Trip)])
        {
            Assert.True(_world.There.Get(kind, id)!.Body.Span.SequenceEqual(_world.Here.Get(kind, id)!.Body.Span), id);
        }

        ulong after = _world.Here.Store.VisibleSequence;
        Assert.Equal(after, result.Sequence);
        Assert.Equal((0, 0, 0ul), (Take(_world.Here, bundle).Created, Plan(_world.Here, bundle).Changes.Count, Take(_world.Here, bundle).Sequence));
        Assert.Equal(after, _world.Here.Store.VisibleSequence);

        // The same scope under a new bundle at the same sequence tells nothing new either.
        _ = Take(_world.Here, Pack(_world.There));
        Assert.Equal(after, _world.Here.Store.VisibleSequence);
    }

    [Fact]
    public void An_import_is_an_event_that_says_who_whence_and_how_much_and_each_object_says_the_same()
    {
        BundleImportResult result = Take(_world.Here, Pack(_world.There));
        using ReadSnapshot snapshot = _world.Here.Store.OpenSnapshot();
        StoredEvent made = snapshot.ReadEvent(result.Sequence)!;
        Assert.Equal((BundleImport.EventType, BundleImport.DefaultBridge, Device), (made.Type, made.ActorId, made.DeviceId));
        string data = Encoding.UTF8.GetString(made.DataJson.Span);
        Assert.Contains($"\"requested_by\":\"{Admin}\"", data, StringComparison.Ordinal);
        Assert.Contains($"\"source_store\":\"{_world.There.Store.Id:D}\"", data, StringComparison.Ordinal);
        Assert.Contains("\"created\":4,\"updated\":0,\"references\":3,\"conflicts\":0,\"refused\":0", data, StringComparison.Ordinal);
        StoredEvent note = snapshot.ReadEvent(snapshot.Get(RecordKind.Object, "note:1")!.Sequence)!;
        Assert.Equal(("sync.object.created", BundleImport.DefaultBridge, Trip), (note.Type, note.ActorId, note.ProfileId));
        Assert.Contains("\"source_sequence\":", Encoding.UTF8.GetString(note.DataJson.Span), StringComparison.Ordinal);
        Assert.Equal(Admin, snapshot.ReadEvent(snapshot.Get(RecordKind.Profile, Trip)!.Sequence)!.ActorId);
    }

    [Fact]
    public void Rights_and_unknown_fields_of_actors_stay_behind()
    {
        _ = Take(_world.Here, Pack(_world.There));
        string actor = Json(_world.Here.Get(RecordKind.Actor, Person));
        Assert.Contains("\"trust_level\":\"external\"", actor, StringComparison.Ordinal);
        foreach (string word in (string[])["capabilities", "scope", "secret_hint", "administer"])
        {
            Assert.DoesNotContain(word, actor, StringComparison.Ordinal);
        }

        Assert.Equal("actor.profile-scope", Try(_world.Here.Session(Person), Batch(GovernedFixture.Object("x:1"))).Refusal!.Rule);
    }

    [Fact]
    public void Only_what_the_caller_may_see_and_export_travels()
    {
        Change(_world.There, GovernedFixture.Object("note:home"));
        using (ReadSnapshot snapshot = _world.There.Store.OpenSnapshot())
        {
            _ = ReadScope.Resolve(snapshot, Admin, Home, out ReadScope home);
            _ = Pack(_world.There, out BundleReport? report, reader: home);
            Assert.Equal(1, report!.Manifest!.ObjectCount);
        }

        // Somebody who reads and may not export takes nothing along; a lease to export suffices.
        _world.There.AddActor("actor:reader", profiles: $"""["{Home}","{Trip}"]""");
        Assert.Null(Pack(_world.There, out BundleReport? blocked, actor: "actor:reader"));
        Assert.All(blocked!.Blocked, static block => Assert.Equal("actor.capability", block.Rule));
        Assert.Equal(5, blocked.Blocked.Count);
        Change(_world.There, """{"schema":"sourceos.capability-lease/v1alpha1","lease_id":"lease:1","actor_id":"actor:reader","capability":"export","expires_at":"2999-01-01T00:00:00Z"}""");
        _ = Pack(_world.There, out BundleReport? leased, actor: "actor:reader");
        Assert.Equal(5, leased!.Manifest!.ObjectCount);
        Assert.Null(Pack(_world.There, out BundleReport? nothing, new BundleScope(BundleScopeKind.Workspace, "workspace:none")));
        Assert.Null(nothing);
        _ = Pack(_world.There, out BundleReport? one, new BundleScope(BundleScopeKind.Object, "note:1"));
        Assert.Equal((2, 5), (one!.Manifest!.ObjectCount, one.Manifest.EntryCount));
        _ = Pack(_world.There, out BundleReport? profile, new BundleScope(BundleScopeKind.Profile, Trip));
        Assert.Equal(4, profile!.Manifest!.ObjectCount);
    }

    [Fact]
    public void What_may_not_leave_is_named_with_its_rule_and_stays()
    {
        (string More, string Rule)[] cases =
        [
            (""","privacy_class":"secret" """, "privacy.secret"),
            (""","sync_visibility":"local_only" """, "visibility.local-only"),
            (""","state":"quarantined" """, "state.quarantined"),
            (""","policy_tags":["no-sync"]""", "policy.no-sync-tag-stays"),
            (""","privacy_class":"regulated" """, "policy.regulated-is-reviewed"),
            (""","sync_visibility":"public" """, "policy.default"),
        ];
        for (int i = 0; i < cases.Length; i++)
        {
            Change(_world.There, Note($"note:x{i}", cases[i].More));
        }

        byte[] bundle = Pack(_world.There, out BundleReport? report)!;
        Assert.Equal(cases.Select(static (item, i) => ($"note:x{i}", item.Rule)), report!.Blocked.Select(static block => (block.ObjectId, block.Rule)));
        Assert.All(report.Blocked, static block => Assert.NotEqual("", block.Reason));
        _ = Take(_world.Here, bundle);
        Assert.All(report.Blocked, block => Assert.Null(_world.Here.Get(RecordKind.Object, block.ObjectId)));
        Assert.NotNull(_world.Here.Get(RecordKind.Object, "note:3"));
    }

    [Fact]
    public void A_recorded_decision_lets_go_exactly_what_it_names()
    {
        Change(_world.There, Note("note:4", ""","privacy_class":"regulated" """));
        Change(_world.There, Note("note:5", ""","privacy_class":"regulated" """));
        Change(_world.There, Decision("d:1", "note:4", "export"));
        _ = Pack(_world.There, out BundleReport? half);
        Assert.Equal(2, half!.Blocked.Count);
        Change(_world.There, Decision("d:2", "note:4", "leave_device"));
        Change(_world.There, Decision("d:3", "note:5", "leave_device"));
        _ = Pack(_world.There, out BundleReport? whole);
        Assert.Equal("note:5", Assert.Single(whole!.Blocked).ObjectId);
    }

    [Fact]
    public void An_air_gapped_profile_is_carried_though_it_never_syncs()
    {
        Change(_world.There, """{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:gap","profile_class":"air_gapped"}""");
        Change(_world.There, GovernedFixture.Object("note:gap", "profile:gap"));
        Change(_world.There, GovernedFixture.Object("note:secret", "profile:gap", ""","privacy_class":"secret" """));
        byte[] bundle = Pack(_world.There, out BundleReport? report, new BundleScope(BundleScopeKind.Profile, "profile:gap"))!;
        Assert.Equal("privacy.secret", Assert.Single(report!.Blocked).Rule);
        Assert.Empty(Take(_world.Here, bundle).Refused);
        Assert.NotNull(_world.Here.Get(RecordKind.Object, "note:gap"));
    }

    [Fact]
    public async Task A_newer_version_takes_the_place_of_what_was_not_touched_and_conflicts_with_what_was()
    {
        _ = Take(_world.Here, Pack(_world.There));
        Change(_world.There, Note("note:1", ""","title":"theirs" """));
        Change(_world.There, Note("note:2", ""","title":"theirs" """));
        Change(_world.Here, Note("note:2", ""","title":"ours" """));
        Change(_world.Here, Note("note:3", ""","title":"ours" """));
        byte[] second = Pack(_world.There);
        BundleImportResult result = Take(_world.Here, second);
        Assert.Empty(result.Refused);
        Assert.Equal(1, result.Updated);
        Assert.Equal("theirs", _world.Here.Get(RecordKind.Object, "note:1")!.Text("title"));
        Assert.Equal(("ours", "conflicted"), (_world.Here.Get(RecordKind.Object, "note:2")!.Text("title"), _world.Here.Get(RecordKind.Object, "note:2")!.Text("state")));
        Assert.Equal("ours", _world.Here.Get(RecordKind.Object, "note:3")!.Text("title"));
        string conflict = Json(_world.Here.Get(RecordKind.Conflict, Assert.Single(result.ConflictIds)));
        Assert.Contains("\"conflict_type\":\"divergent-edit\"", conflict, StringComparison.Ordinal);
        Assert.Contains("\"origin\":{", conflict, StringComparison.Ordinal);

        // Once recorded, and once settled, the same version is never a conflict again.
        ulong before = _world.Here.Store.VisibleSequence;
        Assert.Empty(Take(_world.Here, second).ConflictIds);
        Assert.Equal(before, _world.Here.Store.VisibleSequence);
        ConflictOutcome settled = (await ConflictRoom.ResolveAsync(_world.Here.Store, _world.Here.Session(profile: ""), result.ConflictIds[0], "skip", "mine", Now))!;
        Assert.True(settled.Receipt.IsCommitted, settled.Receipt.Refusal?.Reason);
        Assert.Equal(1, Plan(_world.Here, second).Objects(BundleAction.KnownConflict));
        Assert.Empty(Take(_world.Here, Pack(_world.There)).ConflictIds);
    }

    [Fact]
    public void What_differs_without_a_common_past_and_what_was_deleted_here_are_conflicts_too()
    {
        Change(_world.Here, GovernedFixture.Object("note:1", Trip));
        Change(_world.Here, GovernedFixture.Object("note:2", Trip));
        Change(_world.Here, GovernedFixture.Object("note:3", Home));
        Done(_world.Here.Session(profile: ""), new CommitBatch().Delete(RecordKind.Object, "note:2"));
        BundleImportResult result = Take(_world.Here, Pack(_world.There));
        Assert.Equal((1L, 2), (result.Created, result.ConflictIds.Count));

        // A version of another profile is not even told of in this one; the attempt is an event.
        Assert.Equal(("note:3", "profile.boundary"), (Assert.Single(result.Refused).Id, result.Refused[0].Refusal.Rule));
        Assert.Equal("conflicted", _world.Here.Get(RecordKind.Object, "note:1")!.Text("state"));
        Assert.True(_world.Here.Get(RecordKind.Object, "note:2")!.IsTombstone);
        Assert.Contains(result.ConflictIds, id => _world.Here.Get(RecordKind.Conflict, id)!.Text("conflict_type") == "deleted-here");
    }

    [Fact]
    public void An_older_bundle_is_refused_and_when_allowed_turns_nothing_back()
    {
        byte[] old = Pack(_world.There);
        Change(_world.There, Note("note:1", ""","title":"new" """));
        Change(_world.There, Note("note:9"));
        byte[] young = Pack(_world.There, new BundleScope(BundleScopeKind.Object, "note:1"));
        _ = Take(_world.Here, young);
        ulong before = _world.Here.Store.VisibleSequence;
        Assert.Equal("bundle.older", Take(_world.Here, old).Refusal!.Rule);
        Assert.Equal(before, _world.Here.Store.VisibleSequence);
        BundleImportResult allowed = Take(_world.Here, old, allowOlder: true);
        Assert.Null(allowed.Refusal);
        Assert.Equal((2, 0), (allowed.Created, allowed.ConflictIds.Count));
        Assert.Equal("new", _world.Here.Get(RecordKind.Object, "note:1")!.Text("title"));
        Assert.Equal(BundleAge.Same, Plan(_world.Here, young).Age);
    }

    [Fact]
    public void Gates_judge_what_comes_in_and_one_refused_record_does_not_keep_the_others_out()
    {
        Change(_world.Here, """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:trip","object_type":"note","schema_version":"v1","json_schema":{"type":"object","required":["title"]}}""");
        Change(_world.There, Note("note:4", ""","title":"fits" """));
        BundleImportResult result = Take(_world.Here, Pack(_world.There));
        Assert.Equal((2, 3), (result.Created, result.Refused.Count));
        Assert.All(result.Refused, static refused => Assert.Equal("schema.object-invalid", refused.Refusal.Rule));
        Assert.Contains("required", Json(_world.Here.Get(RecordKind.Schema, "schema:trip")), StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_takes_in_more_than_they_may()
    {
        byte[] bundle = Pack(_world.There);
        _world.Here.AddActor("actor:agent");
        ulong before = _world.Here.Store.VisibleSequence;
        Assert.Equal("actor.capability", Take(_world.Here, bundle, actor: "actor:agent").Refusal!.Rule);
        Assert.Equal("bundle.bridge", Take(_world.Here, bundle, bridge: "actor:agent").Refusal!.Rule);
        Assert.Equal(before, _world.Here.Store.VisibleSequence);

        // A bridge is no wider than its record: outside of its profiles it writes nothing.
        _world.Here.AddActor("actor:narrow", """["read","write","migrate_schema"]""", $"""["{Home}"]""", "import_bridge");
        BundleImportResult narrow = Take(_world.Here, bundle, bridge: "actor:narrow");
        Assert.Equal(0, narrow.Created);
        Assert.Contains(narrow.Refused, static refused => refused.Refusal.Rule == "actor.profile-scope");
    }

    private static string Decision(string id, string objectId, string question) =>
        $$"""{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"{{id}}","effect":"allow","question":"{{question}}","object_id":"{{objectId}}","profile_id":"{{Trip}}"}""";
}
