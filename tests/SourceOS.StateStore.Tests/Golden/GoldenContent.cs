// Why this file exists: what the golden store holds, so that it can be made again. Invariants: nothing here depends on the clock or on chance; store id,
// salts and commit times do, which is why the bytes of two golden stores differ and what they say does not.

using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests.Golden;

/// <summary>Makes the store that format-spec/golden holds.</summary>
internal static class GoldenContent
{
    internal const string Format1 = "v1";
    private static readonly DateTimeOffset s_time = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);
    private static readonly SessionIdentity s_person = new("actor:person", "device:golden", "profile:home", "workspace:main");
    private static readonly SessionIdentity s_agent = new("actor:agent", "device:golden", "profile:home", "");

    /// <summary>Makes it with two openings for writing, so that two writer epochs are in it, and closes it cleanly.</summary>
    internal static async Task MakeAsync(string path)
    {
        StateStoreOptions options = LiveStore.Options();
        await using (StateStore store = StateStore.Create(path, options))
        {
            StateSession session = store.OpenSession(s_person);
            await CommitAsync(session, Governing());
            await CommitAsync(session, Objects());
            await CommitAsync(session, OverSeveralFrames());
        }

        await using (StateStore store = StateStore.Open(path, options))
        {
            await CommitAsync(store.OpenSession(s_person), Later());
            await CommitAsync(store.OpenSession(s_agent), new CommitBatch().Append("app.note.read", RecordKind.Object, "note:größe", At(9, Lane.Ephemeral, "[1,2.50,{\"a\":null}]")));
        }
    }

    private static CommitBatch Governing() => new CommitBatch()
        .PutJson("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:person","actor_type":"human","x_unknown":{"kept":[1,2.50,null]}}"""u8, Marked(1, Lane.Policy))
        .PutJson("""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:agent","actor_type":"agent","revoked_at":null}"""u8, At(2, Lane.Policy))
        .PutJson("""{"schema":"sourceos.device-record/v1alpha1","device_id":"device:golden","trust_level":"trusted"}"""u8, Marked(3, Lane.Secure))
        .PutJson("""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:home","profile_class":"personal","policy_tags":["a","boot-critical"]}"""u8, At(4, Lane.Policy));

    private static CommitBatch Objects()
    {
        CommitBatch batch = new();
        for (int i = 0; i < 6; i++)
        {
            string path = i == 5 ? string.Concat(Enumerable.Repeat("deep/", 84)) + "note" : $"notes/{i}";
            batch.Put(RecordKind.Object, $"note:{i}", RoundTripTests.ObjectBody("note", $"title {i}", path), At(10 + i));
        }

        return batch.PutJson("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:größe","object_type":"note","title":"Größe \u2028 \"1\"","updated_at":"2026-01-02T03:04:05.000678Z","attributes":{"a":[1,-2.50e3,true]}}"""u8, At(20));
    }

    // The events are too large for one frame of a small page and compress to almost nothing.
    private static CommitBatch OverSeveralFrames()
    {
        string data = $"\"{new string('a', 40_000)}\"";
        return new CommitBatch().Append("app.big.first", null, null, At(30, Lane.Archive, data)).Append("app.big.second", null, null, At(31, Lane.Archive, data));
    }

    private static CommitBatch Later()
    {
        ChangeOptions decided = At(40);
        decided.DecisionId = "decision:1";
        return new CommitBatch()
            .Put(RecordKind.Object, "note:1", RoundTripTests.ObjectBody("task", "title 1 changed", "notes/1"), decided)
            .Delete(RecordKind.Object, "note:2", At(41, Lane.Tombstone))
            .Append("app.tick", null, null, At(42, Lane.Audit));
    }

    private static ChangeOptions Marked(int second, Lane lane)
    {
        ChangeOptions options = At(second, lane);
        options.BootCritical = true;
        return options;
    }

    // Profile and workspace are said, because what an event names when nothing is said is no matter of the format.
    private static ChangeOptions At(int second, Lane lane = Lane.Normal, string data = "") =>
        new() { Lane = lane, OccurredAt = s_time.AddSeconds(second), DataJson = Encoding.UTF8.GetBytes(data), ProfileId = "profile:home", WorkspaceId = "workspace:main" };

    private static async Task CommitAsync(StateSession session, CommitBatch batch) => Assert.True((await session.CommitAsync(batch)).IsCommitted);
}
