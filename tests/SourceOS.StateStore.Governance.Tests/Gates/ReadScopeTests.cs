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
    public void Without_the_capability_or_after_a_revocation_nothing_is_read()
    {
        _store.AddActor("actor:blind", """["write"]""");
        _store.AddActor("actor:gone", more: ""","revoked_at":"2026-01-01T00:00:00Z" """);
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(ReadScopeFault.NoCapability, ReadScope.Resolve(snapshot, "actor:blind", null, out _));
        Assert.Equal(ReadScopeFault.ActorRevoked, ReadScope.Resolve(snapshot, "actor:gone", null, out _));
    }
}
