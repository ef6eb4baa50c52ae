// Why this file exists: conflicts are settled by type: what a driver can prove safe is merged, everything else is somebody's choice, recorded with its effect.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Conflicts;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Conflicts;

public sealed class ConflictTests : IDisposable
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private readonly GovernedFixture _store = new();

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("open", "in_progress", "done", "done")]
    [InlineData("open", "open", "done", "done")]
    [InlineData("open", "done", "open", "done")]
    [InlineData("open", "done", "cancelled", null)]
    [InlineData("done", "open", "done", null)]
    public void A_task_moves_only_the_way_a_task_may(string origin, string ours, string theirs, string? expected)
    {
        ConflictProposal proposal = ConflictDrivers.For("task").Propose(new ConflictVersions(Task(origin), Task(ours, ""","title":"mine" """), Task(theirs, ""","path":"theirs" """)));
        Assert.Equal(expected is not null, proposal.Merged is not null);
        if (expected is not null)
        {
            string merged = Encoding.UTF8.GetString(proposal.Merged!);
            Assert.Contains($"\"status\":\"{expected}\"", merged, StringComparison.Ordinal);
            Assert.Contains("mine", merged, StringComparison.Ordinal);
            Assert.Contains("theirs", merged, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Drivers_merge_only_what_they_prove()
    {
        ConflictVersions files = new(Of("file", "h0"), Of("file", "h1"), Of("file", "h2"));
        Assert.Null(ConflictDrivers.For("file").Propose(files).Merged);
        Assert.True(ConflictDrivers.For("file").Propose(files with { Theirs = Of("file", "h1", ""","title":"t" """) }).IsAutomatic);
        Assert.Equal("fork", ConflictDrivers.For("memory_fact").Propose(new ConflictVersions(default, Fact("a"), Fact("b"))).Recommended);
        Assert.True(ConflictDrivers.For("memory_fact").Propose(new ConflictVersions(default, Fact("a"), Fact("a"))).IsAutomatic);
        Assert.Null(ConflictDrivers.For("task").Propose(new ConflictVersions(default, Task("open"), Task("done"))).Merged);
        Assert.Null(ConflictDrivers.For("never_heard_of").Propose(files).Merged);
        ConflictProposal stronger = ConflictDrivers.For("policy_document").Propose(new ConflictVersions(default, Policy("allow", "deny"), Policy("allow", "allow")));
        Assert.Contains("\"effect\":\"deny\"", Encoding.UTF8.GetString(stronger.Merged!), StringComparison.Ordinal);
        Assert.Null(ConflictDrivers.For("policy_document").Propose(new ConflictVersions(default, Policy("allow", "deny"), Policy("deny", "allow"))).Merged);
    }

    [Fact]
    public async Task Recording_marks_the_object_and_each_option_settles_it_in_one_commit()
    {
        foreach ((string option, string title) in (IEnumerable<(string, string)>)[("merge", "theirs"), ("fork", "base"), ("skip", "base")])
        {
            string objectId = $"object:{option}";
            Done(_store.Session(), Batch(GovernedFixture.Object(objectId, more: ""","title":"base" """).Replace("note", "task", StringComparison.Ordinal)));
            byte[] origin = _store.Get(RecordKind.Object, objectId)!.ToJson();
            byte[] theirs = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(origin).Replace("base", "theirs", StringComparison.Ordinal));
            ConflictReport report = new(objectId, "divergent-edit", new ConflictVersions(origin, origin, theirs), [Admin], ["device:here", "device:there"]);
            (string id, CommitReceipt receipt) = await ConflictRoom.RecordAsync(_store.Store, _store.Session(), report, s_now);
            Assert.True(receipt.IsCommitted, receipt.Refusal?.Reason);
            Assert.Equal("conflicted", _store.Get(RecordKind.Object, objectId)!.Text("state"));
            ConflictOutcome outcome = (await ConflictRoom.ResolveAsync(_store.Store, _store.Session(), id, option, "because", s_now))!;
            Assert.True(outcome.Receipt.IsCommitted, outcome.Receipt.Refusal?.Reason);
            StoredRecord settled = _store.Get(RecordKind.Object, objectId)!;
            Assert.Equal(("active", title), (settled.Text("state"), settled.Text("title")));
            StoredRecord conflict = _store.Get(RecordKind.Conflict, id)!;
            Assert.Equal("resolved", conflict.Text("status"));
            Assert.Contains($"\"selected_option\":\"{option}\"", Encoding.UTF8.GetString(conflict.ToJson()), StringComparison.Ordinal);
            Assert.Contains("because", Encoding.UTF8.GetString(conflict.ToJson()), StringComparison.Ordinal);
            Assert.Equal("conflict.settled", (await ConflictRoom.ResolveAsync(_store.Store, _store.Session(), id, option, "again", s_now))!.Receipt.Refusal!.Rule);
        }

        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        StoredRecord fork = Assert.Single(snapshot.Range(RecordKind.Object).ToList(), static record => record.Id.Contains('~', StringComparison.Ordinal));
        Assert.Equal("theirs", fork.Text("title"));
    }

    private static byte[] Task(string status, string more = "") => Json($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:t","object_type":"task","attributes":{"status":"{{status}}"}{{more}}}""");

    private static byte[] Of(string type, string hash, string more = "") => Json($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:f","object_type":"{{type}}","content_hash":"sha256:{{hash}}"{{more}}}""");

    private static byte[] Fact(string statement) => Json($$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:m","object_type":"memory_fact","attributes":{"statement":"{{{statement}}}"}}""");

    private static byte[] Policy(string write, string rule) => Json(
        $$$$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:p","object_type":"policy_document","attributes":{"policy":{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"v1","defaults":{"write":"{{{{{write}}}}}"},"rules":[{"id":"r","questions":["write"],"effect":"{{{{{rule}}}}}","when":{"lane":["secure"]},"rationale":"r"}]}}}""");

    private static byte[] Json(string text) => Encoding.UTF8.GetBytes(text);
}
