// Why this file exists: an agent's transaction changes nothing before it was approved as it stands, changes all or nothing, never overwrites what moved, and is undone byte for byte.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Agents;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Agents;

public sealed class AgentRoomTests : IDisposable
{
    private const string Bot = "actor:bot";
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private readonly GovernedFixture _store = new();

    public AgentRoomTests()
    {
        _store.AddActor(Bot, """["read"]""");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","title":"one","x_kept":[1,2] """), GovernedFixture.Object("object:gone")));
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task From_draft_to_revert_every_object_comes_back_byte_for_byte()
    {
        byte[] before = _store.Get(RecordKind.Object, "object:a")!.Body.ToArray();
        byte[] goneBefore = _store.Get(RecordKind.Object, "object:gone")!.Body.ToArray();
        string id = await Draft(GovernedFixture.Object("object:a", more: ""","title":"two" """), GovernedFixture.Object("object:new"), """{"delete":"object:gone"}""");
        Assert.Equal("one", _store.Get(RecordKind.Object, "object:a")!.Text("title"));
        await Step(id, "proposed", Bot);
        await Step(id, "approved");
        Assert.True((await AgentRoom.ApplyAsync(_store.Session(), Find(id), s_now)).Receipt.IsCommitted);
        Assert.Equal("two", _store.Get(RecordKind.Object, "object:a")!.Text("title"));
        Assert.True(_store.Get(RecordKind.Object, "object:gone")!.IsTombstone);
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            StoredEvent changed = snapshot.ReadEvent(snapshot.Get(RecordKind.Object, "object:a")!.Sequence)!;
            Assert.Contains($"\"proposed_by\":\"{Bot}\"", Encoding.UTF8.GetString(changed.DataJson.Span), StringComparison.Ordinal);
        }

        Assert.True((await AgentRoom.RevertAsync(_store.Store, _store.Session(), Find(id), "no", s_now)).Receipt.IsCommitted);
        Assert.Equal(before, _store.Get(RecordKind.Object, "object:a")!.Body.ToArray());
        Assert.Equal(goneBefore, _store.Get(RecordKind.Object, "object:gone")!.Body.ToArray());
        Assert.True(_store.Get(RecordKind.Object, "object:new")!.IsTombstone);
    }

    [Fact]
    public async Task Nothing_is_applied_onto_a_version_that_its_author_did_not_see()
    {
        string id = await Draft(GovernedFixture.Object("object:a", more: ""","title":"two" """), GovernedFixture.Object("object:gone", more: ""","title":"x" """));
        await Step(id, "proposed", Bot);
        await Step(id, "approved");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:gone", more: ""","title":"moved" """)));
        CommitReceipt receipt = (await AgentRoom.ApplyAsync(_store.Session(), Find(id), s_now)).Receipt;
        Assert.Equal(CommitStatus.Conflict, receipt.Status);
        Assert.Equal("one", _store.Get(RecordKind.Object, "object:a")!.Text("title"));
        Assert.Equal("approved", Find(id).Status);
    }

    [Fact]
    public async Task Of_many_that_apply_at_once_to_one_object_exactly_one_does()
    {
        List<string> ids = [];
        for (int i = 0; i < 12; i++)
        {
            string id = await Draft(GovernedFixture.Object("object:a", more: $$""","title":"t{{i}}" """));
            await Step(id, "proposed", Bot);
            await Step(id, "approved");
            ids.Add(id);
        }

        AgentStep[] steps = await Task.WhenAll(ids.Select(id => Task.Run(() => AgentRoom.ApplyAsync(_store.Session(), Find(id), s_now))));
        AgentStep won = Assert.Single(steps, static step => step.Receipt.IsCommitted);
        Assert.Equal("t" + ids.IndexOf(won.TransactionId), _store.Get(RecordKind.Object, "object:a")!.Text("title"));
    }

    [Fact]
    public async Task A_proposal_is_rebased_when_the_fields_differ_and_refused_when_they_clash()
    {
        string id = await Draft(GovernedFixture.Object("object:a", more: ""","title":"two","x_kept":[1,2] """));
        await Step(id, "proposed", Bot);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","title":"one","x_kept":[1,2],"path":"p" """)));
        Assert.True((await AgentRoom.RebaseAsync(_store.Store, _store.Session(Bot), Find(id), s_now)).Receipt.IsCommitted);
        await Step(id, "approved");
        Assert.True((await AgentRoom.ApplyAsync(_store.Session(), Find(id), s_now)).Receipt.IsCommitted);
        StoredRecord merged = _store.Get(RecordKind.Object, "object:a")!;
        Assert.Equal(("two", "p"), (merged.Text("title"), merged.Text("path")));

        string other = await Draft(GovernedFixture.Object("object:a", more: ""","title":"three","path":"p" """));
        await Step(other, "proposed", Bot);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: ""","title":"four","path":"p" """)));
        CommitReceipt refused = (await AgentRoom.RebaseAsync(_store.Store, _store.Session(Bot), Find(other), s_now)).Receipt;
        Assert.Equal("transaction.clash", refused.Refusal!.Rule);
        Assert.Contains("title", refused.Refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_approved_cannot_be_altered_and_what_is_stale_cannot_be_applied()
    {
        string id = await Draft(GovernedFixture.Object("object:a", more: ""","title":"two" """));
        await Step(id, "proposed", Bot);
        await Step(id, "approved");
        string altered = Encoding.UTF8.GetString(Find(id).Record.ToJson()).Replace("\"two\"", "\"evil\"", StringComparison.Ordinal);
        _store.Refused(_store.Session(Bot), Batch(altered), "transaction.sealed");
        AgentStep late = await AgentRoom.ApplyAsync(_store.Session(), Find(id), s_now + AgentDraft.DefaultLife + TimeSpan.FromMinutes(1));
        Assert.Equal("transaction.expired", late.Receipt.Refusal!.Rule);
        Assert.False((await AgentRoom.ApplyAsync(_store.Session(Bot), Find(id), s_now)).Receipt.IsCommitted);
        Assert.Equal("one", _store.Get(RecordKind.Object, "object:a")!.Text("title"));
    }

    [Fact]
    public async Task What_nobody_applied_in_time_is_rejected_with_an_event_of_its_own_and_nothing_else_is()
    {
        DateTimeOffset later = s_now + AgentDraft.DefaultLife + TimeSpan.FromMinutes(1);
        string approved = await Draft(GovernedFixture.Object("object:a", more: ""","title":"two" """));
        await Step(approved, "proposed", Bot);
        await Step(approved, "approved");
        string draft = await Draft(GovernedFixture.Object("object:a", more: ""","title":"three" """));
        string gone = await Draft(GovernedFixture.Object("object:a", more: ""","title":"four" """));
        await Step(gone, "proposed", Bot);
        await Step(gone, "rejected");
        using (ReadSnapshot early = _store.Store.OpenSnapshot())
        {
            Assert.Empty(AgentRoom.Stale(early, s_now));
        }

        IReadOnlyList<AgentTransaction> stale;
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            stale = AgentRoom.Stale(snapshot, later);
        }

        Assert.Equal(new[] { approved, draft }.Order(StringComparer.Ordinal), stale.Select(one => one.Record.Id).Order(StringComparer.Ordinal));
        await Assert.ThrowsAsync<ArgumentException>(() => AgentRoom.ExpireAsync(_store.Session(), stale, s_now));
        CommitReceipt receipt = await AgentRoom.ExpireAsync(_store.Session(), stale, later);
        Assert.True(receipt.IsCommitted);
        Assert.All(stale, one => Assert.Equal("rejected", Find(one.Record.Id).Status));
        using (ReadSnapshot after = _store.Store.OpenSnapshot())
        {
            Assert.Empty(AgentRoom.Stale(after, later));
            Assert.All(stale, one => Assert.Equal("sync.transaction.expired", after.History(RecordKind.Transaction, one.Record.Id).First().Type));
        }

        // Once more on what was looked at before it moved: refused as a whole.
        Assert.Equal(CommitStatus.Conflict, (await AgentRoom.ExpireAsync(_store.Session(), stale, later)).Status);
        Assert.Equal("one", _store.Get(RecordKind.Object, "object:a")!.Text("title"));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"changes":[]}""")]
    [InlineData("""{"changes":[{"delete":""}]}""")]
    [InlineData("""{"changes":[{"delete":"a"},{"delete":"a"}]}""")]
    [InlineData("""{"changes":[{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:x"}]}""")]
    [InlineData("""{"changes":[{"delete":"a"}],"expires_at":"2001-01-01T00:00:00Z"}""")]
    [InlineData("""{"changes":[{"delete":"\ud800"}]}""")]
    [InlineData("{")]
    public void A_bad_draft_is_named_and_refused(string draft) =>
        Assert.Equal(StateStoreErrorCode.InvalidInput, Assert.Throws<StateStoreException>(() => AgentDraft.Parse(Encoding.UTF8.GetBytes(draft), s_now)).Code);

    private async Task<string> Draft(params string[] changes)
    {
        AgentDraft draft = AgentDraft.Parse(Encoding.UTF8.GetBytes($$"""{"changes":[{{string.Join(',', changes)}}],"rationale":"r"}"""), s_now);
        AgentStep step = await AgentRoom.DraftAsync(_store.Store, _store.Session(Bot), draft, s_now);
        Assert.True(step.Receipt.IsCommitted, step.Receipt.Refusal?.Reason);
        return step.TransactionId;
    }

    private async Task Step(string id, string status, string actor = Admin)
    {
        AgentStep step = await AgentRoom.MoveAsync(_store.Session(actor), Find(id), status, "", s_now);
        Assert.True(step.Receipt.IsCommitted, step.Receipt.Refusal?.Reason);
    }

    private AgentTransaction Find(string id)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return AgentTransaction.Find(snapshot, id)!;
    }
}
