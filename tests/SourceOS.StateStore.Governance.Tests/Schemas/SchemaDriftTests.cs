// Why this file exists: an object and its schema come apart in several ways, each of which has one code; nothing is called drift that is none. Invariants: looking writes nothing; quarantine happens only where the schema says so.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Governance.Tests.Migrations;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Schemas;

public sealed class SchemaDriftTests : IDisposable
{
    private const string Closed = """{"properties":{"title":{"type":"string"},"attributes":{"properties":{"a":true}}}}""";
    private readonly GovernedFixture _store = new();

    [Fact]
    public void What_fits_has_not_drifted()
    {
        Done(_store.Session(), Batch(MigrationWorld.Schema("schema:d", "v1", Closed), GovernedFixture.Object("o:1", more: ""","schema_id":"schema:d","schema_version":"v1","attributes":{"a":1}"""), GovernedFixture.Object("o:2", more: ""","x_free":1""")));
        Assert.Empty(DriftRoom.Find(_store.Store, "", Admin));
    }

    [Fact]
    public void A_field_that_the_schema_does_not_know_and_an_older_version_are_told()
    {
        Done(_store.Session(), Batch(MigrationWorld.Schema("schema:d", "v2", Closed), GovernedFixture.Object("o:1", more: ""","schema_id":"schema:d","schema_version":"v1","x_new":{},"attributes":{"a":1,"b":2}""")));
        DriftedObject drifted = Assert.Single(DriftRoom.Find(_store.Store, "note"));
        Assert.Equal([("schema.version", "/schema_version"), ("schema.field", "/x_new"), ("schema.field", "/attributes/b")], drifted.Warnings.Select(static warning => (warning.Code, warning.Place)));
        Assert.DoesNotContain(drifted.Warnings, static warning => warning.IsMisfit);
        Assert.Empty(DriftRoom.Find(_store.Store, "task"));
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        ExplainReport report = ObjectExplainer.Explain(snapshot, "o:1")!;
        Assert.Contains("Drift (schema.field): /attributes/b:", report.Answers[1].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_body_that_no_longer_fits_goes_into_quarantine_only_where_the_schema_says_so()
    {
        Done(_store.Session(), Batch(
            MigrationWorld.Schema("schema:warns", "v1", """{"type":"object"}"""),
            MigrationWorld.Schema("schema:acts", "v1", """{"type":"object"}""", more: ""","drift_policy":"quarantine" """),
            GovernedFixture.Object("o:warns", more: ""","schema_id":"schema:warns","title":"x" """),
            GovernedFixture.Object("o:acts", more: ""","schema_id":"schema:acts","title":"x" """)));
        Narrow("schema:warns", "");
        Narrow("schema:acts", ""","drift_policy":"quarantine" """);
        Assert.Equal([("o:acts", true), ("o:warns", false)], DriftRoom.Find(_store.Store).Select(static item => (item.ObjectId, item.IsForQuarantine)));
        List<DriftedObject> done = DriftRoom.QuarantineAsync(_store.Store, _store.Session()).ToBlockingEnumerable().ToList();
        Assert.Equal([("o:acts", ""), ("o:warns", null)], done.Select(static item => (item.ObjectId, item.Quarantined)));
        Assert.Equal("quarantined", _store.Get(RecordKind.Object, "o:acts")!.Text("state"));
        Assert.Equal("x", _store.Get(RecordKind.Object, "o:acts")!.Text("title"));
        Assert.Null(_store.Get(RecordKind.Object, "o:warns")!.Text("state"));
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("o:acts", more: ""","schema_id":"schema:acts","title":"x","state":"active" """)), "schema.object-invalid");
    }

    [Fact]
    public void A_schema_that_is_gone_or_unusable_is_told()
    {
        Done(_store.Session(), Batch(MigrationWorld.Schema("schema:gone", "v1", """{"type":"object"}"""), GovernedFixture.Object("o:1", more: ""","schema_id":"schema:gone" """)));
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Schema, "schema:gone"));
        Assert.Equal("schema.unknown", Assert.Single(DriftRoom.Find(_store.Store)).Warnings[0].Code);
    }

    [Theory]
    [InlineData("""["schema:d1"]""", true)]
    [InlineData("""["schema:d1","schema:d2"]""", false)]
    [InlineData("""["schema:d1","schema:d2@v2"]""", false)]
    [InlineData("""["schema:d2@v1"]""", true)]
    [InlineData("""["schema:task:v1"]""", false)]
    [InlineData("""[]""", false)]
    public void A_client_is_told_when_others_have_gone_on(string declared, bool isTold)
    {
        Done(_store.Session(), Batch(
            MigrationWorld.Schema("schema:d1", "v1", """{"type":"object"}"""), MigrationWorld.Schema("schema:d2", "v2", """{"type":"object"}"""),
            GovernedFixture.Object("o:1", more: ""","schema_id":"schema:d2","schema_version":"v2" """)));
        _store.AddActor("actor:client", more: $$""","supported_schemas":{{declared}}""");
        Assert.Equal(isTold, DriftRoom.Find(_store.Store, "", "actor:client").Any(static item => item.Warnings[0].Code == "schema.client"));
        Assert.Empty(DriftRoom.Find(_store.Store, "", Admin));
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        Assert.Equal(isTold, SchemaDrift.OfOne(snapshot, snapshot.Get(RecordKind.Object, "o:1")!, "actor:client").Any(static warning => warning.Code == "schema.client"));
    }

    // The gate never lets a schema become narrower; a store that was written to without gates may hold one.
    private void Narrow(string id, string more)
    {
        _store.Store.Dispose();
        using (StateStore bare = StateStore.Open(_store.Path, new StateStoreOptions { ReserveBytes = 0 }))
        {
            Done(bare.OpenSession(new SessionIdentity(Admin, Device, Home)), Batch(MigrationWorld.Schema(id, "v1", """{"properties":{"title":{"maxLength":0}}}""", more: more)));
        }

        _store.Reopen();
    }

    public void Dispose() => _store.Dispose();
}
