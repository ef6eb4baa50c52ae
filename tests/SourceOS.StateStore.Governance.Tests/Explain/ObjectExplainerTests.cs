// Why this file exists: the eleven answers follow from the records, change with them, and are the same later for the same sequence.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;

namespace SourceOS.StateStore.Governance.Tests.Explain;

public sealed class ObjectExplainerTests
{
    private static readonly SessionIdentity s_me = new("actor:me", "device:here", "profile:p");

    [Fact]
    public async Task Eleven_answers_follow_from_the_records_and_change_with_them()
    {
        string root = Directory.CreateTempSubdirectory("statestore-explain-").FullName;
        try
        {
            await using StateStore store = StateStore.Create(Path.Combine(root, "s"), new StateStoreOptions { LogPageBits = 16, SegmentBits = 17, ReserveBytes = 0 });
            StateSession session = store.OpenSession(s_me);
            await Put(session, """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:me","actor_type":"human"}""");
            await Put(session, """{"schema":"sourceos.object-record/v1alpha1","object_id":"o:1","object_type":"note","title":"plan","state":"active","sync_visibility":"workspace","schema_id":"schema:x"}""");
            ExplainReport first = Explain(store)!;
            Assert.Equal(Enumerable.Range(1, 11), first.Answers.Select(answer => answer.Number));
            Assert.Equal("note", first.Answers[0].Value);
            Assert.Equal("schema:x", first.Answers[1].Value);
            Assert.Contains("not registered", first.Answers[1].Sentence, StringComparison.Ordinal);
            Assert.Equal("actor:me", first.Answers[2].Value);
            Assert.Contains("(human)", first.Answers[2].Sentence, StringComparison.Ordinal);
            Assert.Equal("yes", first.Answers[4].Value);
            Assert.Equal("not-blocked", first.Answers[5].Value);
            Assert.All(first.Answers, answer => Assert.NotEmpty(answer.Sentence));

            await Put(session, """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"o:1","severity":"review_required"}""");
            ExplainReport second = Explain(store)!;
            Assert.Equal("no", second.Answers[4].Value);
            Assert.Equal("conflict.open", second.Answers[5].Value);
            Assert.Equal("1", second.Answers[6].Value);
            Assert.NotEqual("nothing", second.Answers[8].Value);

            // Asked again for the earlier sequence, every answer is what it was then.
            ExplainReport then = Explain(store, first.AsOf)!;
            Assert.Equal(first.Answers.Select(answer => (answer.Value, answer.Sentence, string.Join(' ', answer.Evidence))), then.Answers.Select(answer => (answer.Value, answer.Sentence, string.Join(' ', answer.Evidence))));
            Assert.Null(Explain(store, 1));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static ExplainReport? Explain(StateStore store, ulong? at = null)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return ObjectExplainer.Explain(snapshot, "o:1", at);
    }

    private static async Task Put(StateSession session, string json) =>
        Assert.True((await session.CommitAsync(new CommitBatch().PutJson(Encoding.UTF8.GetBytes(json)))).IsCommitted);
}
