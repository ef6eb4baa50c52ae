// Why this file exists: what a reader's scope does not cover is neither listed nor found nor told of.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Scopes;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Gates;

public sealed class ReadScopeTests : IDisposable
{
    private readonly GovernedFixture _store = new();

    public ReadScopeTests()
    {
        _store.AddActor("actor:bot");
        Done(_store.Session(profile: ""), Batch(
            GovernedFixture.Object("object:home"),
            GovernedFixture.Object("object:work", "profile:work"),
            """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:other","profile_id":"profile:home","workspace_id":"workspace:other"}"""));
        Done(_store.Session(profile: ""), new CommitBatch().Delete(RecordKind.Object, "object:work"));
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public void An_agent_sees_its_profiles_and_workspaces_and_no_event_of_the_rest()
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, "actor:bot", null, out ReadScope scope));
        List<StoredRecord> all = snapshot.Range(RecordKind.Object, includeTombstones: true).ToList();
        Assert.Equal(["object:home"], all.Where(scope.Allows).Select(static record => record.Id));
        List<StoredEvent> events = [.. snapshot.ReadEvents(1)];
        Assert.Contains(events, item => item.SubjectId == "object:home" && scope.Allows(item));
        Assert.DoesNotContain(events, item => item.SubjectId is "object:work" or "object:other" && scope.Allows(item));
        Assert.Contains(events, static item => item.SubjectId == "object:work" && item.Action == EventAction.Tombstone);
    }

    [Fact]
    public void Seeing_everything_takes_its_own_capability_and_a_profile_narrows_it()
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, Admin, null, out ReadScope everything));
        Assert.True(everything.IsEverything);
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, Admin, "profile:work", out ReadScope work));
        Assert.False(work.Allows(snapshot.Get(RecordKind.Object, "object:home")!));
        Assert.True(work.Allows(snapshot.Get(RecordKind.Object, "object:work")!));
        Assert.Equal(ReadScopeFault.NoProfileInScope, ReadScope.Resolve(snapshot, "actor:bot", "profile:work", out _));
        Assert.Equal(ReadScopeFault.ActorNotRegistered, ReadScope.Resolve(snapshot, "actor:none", null, out _));
    }

    [Fact]
    public void A_membership_admits_to_its_workspace_until_the_very_commit_that_revokes_it()
    {
        Assert.Equal(["object:home"], Seen("actor:bot"));
        Done(_store.Session(), Batch(Membership("m:1", "actor:bot", "workspace:other")));
        Assert.Equal(["object:home", "object:other"], Seen("actor:bot"));

        // A membership is no way into another profile, and nobody else's counts.
        Done(_store.Session(profile: ""), Batch(Membership("m:2", "actor:bot", "workspace:w"), Membership("m:3", "actor:else", "workspace:third"), Membership("m:4", "actor:bot", "*")));
        Done(_store.Session(profile: ""), Batch("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:third","profile_id":"profile:home","workspace_id":"workspace:third"}"""));
        Assert.Equal(["object:home", "object:other"], Seen("actor:bot"));
        Assert.Contains(Events("actor:bot"), static item => item.SubjectId == "object:other");

        Done(_store.Session(), Batch(Membership("m:1", "actor:bot", "workspace:other", ""","revoked_at":"2026-01-01T00:00:00Z" """)));
        Assert.Equal(["object:home"], Seen("actor:bot"));
        Assert.DoesNotContain(Events("actor:bot"), static item => item.SubjectId == "object:other");
    }

    [Fact]
    public void A_lease_of_reading_counts_where_it_says_and_as_long_as_it_runs()
    {
        _store.AddActor("actor:blind", """["write"]""");
        Done(_store.Session(), Batch("""{"schema":"sourceos.capability-lease/v1alpha1","lease_id":"l:1","actor_id":"actor:blind","capability":"read","workspace_scope":["workspace:other"],"expires_at":"2999-01-01T00:00:00Z"}"""));
        Assert.Equal(["object:home", "object:other"], Seen("actor:blind"));
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, "actor:blind", null, out ReadScope scope));
            Assert.Equal(2999, scope.ValidUntil.Year);
            Assert.Equal(ReadScopeFault.NoProfileInScope, ReadScope.Resolve(snapshot, "actor:blind", "profile:work", out _));
        }

        Done(_store.Session(), Batch("""{"schema":"sourceos.capability-lease/v1alpha1","lease_id":"l:1","actor_id":"actor:blind","capability":"read","workspace_scope":["workspace:other"],"expires_at":"2001-01-01T00:00:00Z"}"""));
        using ReadSnapshot after = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.NoCapability, ReadScope.Resolve(after, "actor:blind", null, out _));
    }

    [Fact]
    public void A_quarantined_actor_reads_nothing_and_on_a_quarantined_device_only_who_sees_the_whole_store()
    {
        _store.AddActor("actor:ill", more: ""","trust_level":"quarantined" """);
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            Assert.Equal(ReadScopeFault.ActorQuarantined, ReadScope.Resolve(snapshot, "actor:ill", null, out _));
        }

        Done(_store.Session(), Batch($$"""{"schema":"sourceos.device-record/v1alpha1","device_id":"{{Device}}","trust_level":"local","device_state":"quarantined"}"""));
        using ReadSnapshot after = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.DeviceNotTrusted, ReadScope.Resolve(after, "actor:bot", null, out _));
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(after, Admin, null, out _));
    }

    private static string Membership(string id, string actor, string workspace, string more = "") =>
        $$"""{"schema":"sourceos.workspace-membership/v1alpha1","membership_id":"{{id}}","actor_id":"{{actor}}","workspace_id":"{{workspace}}"{{more}}}""";

    private List<string> Seen(string actor)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, actor, null, out ReadScope scope));
        return [.. snapshot.Range(RecordKind.Object).ToList().Where(scope.Allows).Select(static record => record.Id)];
    }

    private List<StoredEvent> Events(string actor)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.None, ReadScope.Resolve(snapshot, actor, null, out ReadScope scope));
        return [.. snapshot.ReadEvents(1).Where(scope.Allows)];
    }

    [Fact]
    public void Without_the_capability_or_after_a_revocation_nothing_is_read()
    {
        _store.AddActor("actor:blind", """["write"]""");
        _store.AddActor("actor:gone", more: ""","revoked_at":"2026-01-01T00:00:00Z" """);
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.NoCapability, ReadScope.Resolve(snapshot, "actor:blind", null, out _));
        Assert.Equal(ReadScopeFault.ActorRevoked, ReadScope.Resolve(snapshot, "actor:gone", null, out _));
    }
}
