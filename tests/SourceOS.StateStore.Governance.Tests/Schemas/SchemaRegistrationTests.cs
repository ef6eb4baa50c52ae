// Why this file exists: a store learns schemas one by one for years, and registering the thousandth must not compile the thousand again. Invariants: cost is counted in documents compiled, not in time; what is compiled on top judges exactly as what is
// compiled anew, after refused commits and replacements too.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Schemas;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Governance.Tests.Migrations;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Schemas;

public sealed class SchemaRegistrationTests : IDisposable
{
    private const int Many = 300;
    private readonly GovernedFixture _store = new();

    [Fact]
    public void One_by_one_each_is_compiled_once()
    {
        int before = BuiltIn();
        using StateStore store = Counting(out ObjectSchemas schemas);
        StateSession session = store.OpenSession(new SessionIdentity(Admin, Device, Home));
        for (int i = 0; i < Many; i++)
        {
            Done(session, Batch(Of(i, $$$$"""{"$id":"urn:test:{{{{i}}}}","type":"object","properties":{"title":{"$ref":"urn:test:{{{{Math.Max(0, i - 1)}}}}#/$defs/t"}},"$defs":{"t":{"type":"string","maxLength":{{{{i + 1}}}}}}}""")));
            Done(session, Batch(GovernedFixture.Object($"o:{i}", more: $$""","schema_id":"schema:test:{{i}}","title":"x" """)));
        }

        Assert.Equal(before + Many, schemas.CompiledDocuments);
        Assert.False(Try(session, Batch(GovernedFixture.Object("o:bad", more: ""","schema_id":"schema:test:5","title":"longer than five" """))).IsCommitted);
    }

    [Fact]
    public void Hundreds_that_refer_to_each_other_come_in_one_commit()
    {
        int before = BuiltIn();
        using StateStore store = Counting(out ObjectSchemas schemas);
        StateSession session = store.OpenSession(new SessionIdentity(Admin, Device, Home));
        Done(session, Batch([.. Enumerable.Range(0, Many).Select(static i =>
            Of(i, $$$$"""{"$id":"urn:test:{{{{i}}}}","type":"object","properties":{"a":{"$ref":"urn:test:{{{{(i + 1) % Many}}}}"},"b":{"$ref":"urn:test:{{{{(i * 7) % Many}}}}"}}}"""))]));
        Assert.Equal(before + Many, schemas.CompiledDocuments);
        Done(session, Batch(GovernedFixture.Object("o:1", more: ""","schema_id":"schema:test:7" """)));
        Assert.Equal(before + Many, schemas.CompiledDocuments);
    }

    [Fact]
    public void A_batch_with_one_bad_schema_is_refused_by_name_and_leaves_nothing()
    {
        string[] batch = [.. Enumerable.Range(0, 50).Select(static i => Of(i, i == 30 ? """{"$id":"urn:test:30","$ref":"urn:nowhere"}""" : $$"""{"$id":"urn:test:{{i}}","type":"object"}"""))];
        CommitRefusal refusal = _store.Refused(_store.Session(), Batch(batch), "schema.invalid");
        Assert.Equal("schema:test:30", refusal.Id);
        Done(_store.Session(), Batch([.. batch.Where(static document => !document.Contains("nowhere", StringComparison.Ordinal))]));
        Done(_store.Session(), Batch(GovernedFixture.Object("o:1", more: ""","schema_id":"schema:test:7" """)));
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("o:2", more: ""","schema_id":"schema:test:30" """)), "schema.unknown");
    }

    [Fact]
    public void A_schema_that_a_later_gate_refused_does_not_count()
    {
        _store.AddActor("actor:weak", """["read","write","migrate_schema"]""");
        // The object of the same commit is refused by the policy gate's own rule, after the schema gate let the schema pass.
        CommitReceipt receipt = Try(_store.Session("actor:weak"), Batch(Of(1, """{"type":"object"}"""), """{"schema":"sourceos.object-record/v1alpha1","object_id":"policy:local","object_type":"policy_document","attributes":{"policy":{}}}"""));
        Assert.False(receipt.IsCommitted);
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("o:1", more: ""","schema_id":"schema:test:1" """)), "schema.unknown");
        Done(_store.Session(), Batch(Of(1, """{"properties":{"title":{"const":"a"}}}""")));
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("o:1", more: ""","schema_id":"schema:test:1","title":"b" """)), "schema.object-invalid");
    }

    [Fact]
    public void A_schema_that_is_replaced_judges_by_its_new_form()
    {
        Done(_store.Session(), Batch(Of(1, """{"properties":{"title":{"const":"a"}}}""")));
        Done(_store.Session(), Batch(Of(2, """{"type":"object"}""")));
        Done(_store.Session(), Batch(Of(1, """{"properties":{"title":{"enum":["a","b"]}}}""")));
        Done(_store.Session(), Batch(GovernedFixture.Object("o:1", more: ""","schema_id":"schema:test:1","title":"b" """)));
        Done(_store.Session(), Batch(Of(3, """{"type":"object"}"""), GovernedFixture.Object("o:3", more: ""","schema_id":"schema:test:3" """), GovernedFixture.Object("o:4", more: ""","schema_id":"schema:test:2" """)));
        Done(_store.Session(), new CommitBatch().Delete(RecordKind.Schema, "schema:test:2"));
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("o:5", more: ""","schema_id":"schema:test:2" """)), "schema.unknown");
    }

    private static string Of(int i, string json) => MigrationWorld.Schema(string.Create(CultureInfo.InvariantCulture, $"schema:test:{i}"), "v1", json, $"type{i}");

    private int BuiltIn()
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        int count = 0;
        foreach (RecordView record in snapshot.Range(RecordKind.Schema))
        {
            count += record.BodyBytes.Length > 0 ? 1 : 0;
        }

        return count;
    }

    private StateStore Counting(out ObjectSchemas schemas)
    {
        _store.Store.Dispose();
        GateContext context = new();
        StateStoreOptions options = new() { ReserveBytes = 0 };
        options.Gates.Add(new ScopeGate(context));
        options.Gates.Add(new SchemaGate(context));
        StateStore store = StateStore.Open(_store.Path, options);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        context.Load(snapshot);
        schemas = context.Schemas;
        return store;
    }

    public void Dispose() => _store.Dispose();
}
