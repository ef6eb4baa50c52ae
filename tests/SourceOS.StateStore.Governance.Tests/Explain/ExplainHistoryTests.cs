// Why this file exists: the law of history: what explain says of sequence N later is what it said when N was current, whatever happened since.

using System.Text;
using FsCheck;
using FsCheck.Fluent;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Explain;

public sealed class ExplainHistoryTests
{
    private static readonly string[] s_documents =
    [
        GovernedFixture.Object("object:a", more: ""","sync_visibility":"workspace","state":"active" """),
        GovernedFixture.Object("object:a", more: ""","sync_visibility":"local_only","state":"active" """),
        GovernedFixture.Object("object:a", more: ""","privacy_class":"secret","schema_id":"schema:note:v1" """),
        GovernedFixture.Object("object:a", more: ""","sync_visibility":"org","policy_decision_ref":"d:1" """),
        """{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"d:1","effect":"allow","object_id":"object:a"}""",
        """{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"d:1","effect":"review_required","object_id":"object:a"}""",
        """{"schema":"sourceos.policy-decision/v1alpha1","decision_id":"d:2","effect":"deny","object_id":"object:a"}""",
        """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:a","status":"open","severity":"review_required"}""",
        """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:a","status":"resolved"}""",
        """{"schema":"sourceos.sync-plan/v1alpha1","plan_id":"p:1","object_ids":["object:a"],"status":"planned","retry_policy":"manual_review_only"}""",
        """{"schema":"sourceos.sync-plan/v1alpha1","plan_id":"p:1","object_ids":["object:a"],"status":"blocked"}""",
        """{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"t:1","actor_id":"actor:admin","object_ids":["object:a"],"status":"proposed"}""",
        """{"schema":"sourceos.agent-object-transaction/v1alpha1","transaction_id":"t:1","actor_id":"actor:admin","object_ids":["object:a"],"status":"rejected"}""",
        $$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:admin","actor_type":"service","capabilities":["read","write","delete","merge","repair","migrate_schema","export","replicate","administer","store_wide"],"profile_scope":["*"],"workspace_scope":["*"]}""",
        """{"schema":"sourceos.object-record/v1alpha1","object_id":"policy:local","object_type":"policy_document","attributes":{"policy":{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"v9","defaults":{"write":"allow","delete":"allow","sync_workspace":"deny","sync_org":"allow"},"rules":[]}}}""",
    ];

    [Fact]
    public void Explain_at_a_sequence_says_what_it_said_then()
    {
        Gen<int> step = Gen.Choose(0, s_documents.Length);
        int explained = 0;
        Prop.ForAll(Arb.From(step.ListOf(14)), steps =>
        {
            using GovernedFixture store = new();
            Dictionary<ulong, string> said = [];
            foreach (int index in steps)
            {
                CommitBatch batch = index == s_documents.Length ? new CommitBatch().Delete(RecordKind.Object, "object:a") : Batch(s_documents[index]);
                Try(store.Session(profile: ""), batch);
                using ReadSnapshot now = store.Store.OpenSnapshot();
                said[now.Sequence] = Text(ObjectExplainer.Explain(now, "object:a"));
            }

            using ReadSnapshot last = store.Store.OpenSnapshot();
            foreach ((ulong sequence, string then) in said)
            {
                explained += then.Length > 0 ? 1 : 0;
                Assert.Equal(then, Text(ObjectExplainer.Explain(last, "object:a", sequence)));
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(25));
        Assert.True(explained > 50, $"Only {explained} explanations were compared.");
    }

    private static string Text(ExplainReport? report)
    {
        StringBuilder text = new();
        foreach (ExplainAnswer answer in report?.Answers ?? [])
        {
            text.Append(answer.Number).Append(' ').Append(answer.Value).Append('|').Append(answer.Sentence).Append('|').AppendJoin(' ', answer.Evidence).AppendLine();
        }

        return text.ToString();
    }
}
