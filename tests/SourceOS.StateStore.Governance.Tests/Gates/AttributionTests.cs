// Why this file exists: who made and changed an object is what the session says, whatever a document claims; only what comes from elsewhere keeps its own word.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Gates;

public sealed class AttributionTests : IDisposable
{
    private const string Claims = ""","created_by_actor":"actor:someone-else","last_modified_by_actor":"actor:someone-else","owning_device":"device:elsewhere","created_at":"2001-01-01T00:00:00Z","updated_at":"2999-01-01T00:00:00Z" """;
    private readonly SettableClock _clock = new(DateTimeOffset.UtcNow);
    private readonly GovernedFixture _store;

    public AttributionTests()
    {
        _store = new GovernedFixture(_clock);
        _store.AddActor("actor:bot", """["read","write"]""");
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public void Claims_are_corrected_and_what_is_missing_is_set()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: Claims), GovernedFixture.Object("object:b")));
        foreach (string id in (string[])["object:a", "object:b"])
        {
            StoredRecord record = _store.Get(RecordKind.Object, id)!;
            Assert.Equal(Admin, record.Text("created_by_actor"));
            Assert.Equal(Admin, record.Text("last_modified_by_actor"));
            Assert.Equal(Device, record.Text("owning_device"));
            Assert.Equal(Field(record.Id, "created_at"), Field(record.Id, "updated_at"));
            Assert.StartsWith(_clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm", System.Globalization.CultureInfo.InvariantCulture), Field(record.Id, "created_at"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_maker_stays_while_the_object_lives_and_the_last_one_who_changed_it_is_told()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        string made = Field("object:a", "created_at");
        _clock.Now += TimeSpan.FromHours(3);
        string again = Encoding.UTF8.GetString(_store.Get(RecordKind.Object, "object:a")!.ToJson());
        Done(_store.Session("actor:bot"), Batch(again));
        StoredRecord record = _store.Get(RecordKind.Object, "object:a")!;
        Assert.Equal(Admin, record.Text("created_by_actor"));
        Assert.Equal(made, Field(record.Id, "created_at"));
        Assert.Equal("actor:bot", record.Text("last_modified_by_actor"));
        Assert.NotEqual(made, Field(record.Id, "updated_at"));
        using (ReadSnapshot snapshot = _store.Store.OpenSnapshot())
        {
            ExplainReport report = ObjectExplainer.Explain(snapshot, "object:a")!;
            Assert.Equal("actor:bot", report.Answers[2].Value);
            Assert.Equal($"{Device} / {Home}", report.Answers[3].Value);
        }

        // An object that was deleted and is made anew has a new maker.
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Object, "object:a"));
        Done(_store.Session("actor:bot"), Batch(GovernedFixture.Object("object:a", more: Claims)));
        Assert.Equal("actor:bot", _store.Get(RecordKind.Object, "object:a")!.Text("created_by_actor"));
    }

    [Fact]
    public void What_comes_from_elsewhere_keeps_its_word_when_a_bridge_or_a_replicator_brings_it()
    {
        _store.AddActor("actor:bridge", """["read","write"]""", type: "import_bridge");
        foreach (string actor in (string[])[Admin, "actor:bridge"])
        {
            Done(_store.Session(actor), Foreign($"object:{actor}"));
            Assert.Equal("actor:someone-else", _store.Get(RecordKind.Object, $"object:{actor}")!.Text("created_by_actor"));
        }

        _store.Refused(_store.Session("actor:bot"), Foreign("object:c"), "attribution.foreign");
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        ExplainAnswer who = ObjectExplainer.Explain(snapshot, "object:actor:bridge")!.Answers[2];
        Assert.Equal("actor:bridge", who.Value);
        Assert.Contains("actor:someone-else", who.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_time_that_whoever_looked_noted_shortly_before_is_believed_and_one_before_the_last_change_is_not()
    {
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: $""","updated_at":"{Time(-60)}","created_at":"{Time(-60)}" """)));
        Assert.Equal(Time(-60), Field("object:a", "updated_at"));
        _clock.Now += TimeSpan.FromSeconds(10);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a", more: $""","updated_at":"{Time(-100)}" """)));
        Assert.Equal(Time(0)[..16], Field("object:a", "updated_at")[..16]);
        Assert.NotEqual(Time(-100), Field("object:a", "updated_at"));
    }

    private string Field(string id, string name)
    {
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(_store.Get(RecordKind.Object, id)!.ToJson());
        return json.RootElement.GetProperty(name).GetString()!;
    }

    private string Time(int seconds) => _clock.GetUtcNow().AddSeconds(seconds).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);

    private static CommitBatch Foreign(string id) =>
        new CommitBatch().PutJson(Encoding.UTF8.GetBytes(GovernedFixture.Object(id, more: Claims)), new ChangeOptions { KeepsAttribution = true });
}
