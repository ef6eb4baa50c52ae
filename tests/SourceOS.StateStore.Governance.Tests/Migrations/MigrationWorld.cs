// Why this file exists: tests of migrations need a store with two versions of a schema, an actor with a key, and manifests that are signed in one line.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Keys;
using SourceOS.StateStore.Governance.Migrations;
using SourceOS.StateStore.Governance.Signing;
using SourceOS.StateStore.Governance.Tests.Gates;
using SourceOS.StateStore.Keys;
using SourceOS.StateStore.Testing;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Migrations;

internal sealed class MigrationWorld : IDisposable
{
    public const string Steps = """
        {"op":"rename","from":"/attributes/body","to":"/attributes/text"},
        {"op":"default","at":"/attributes/lang","value":"en"},
        {"op":"remove","at":"/attributes/old"},
        {"op":"map","at":"/attributes/status","values":[{"from":"open","to":"active"},{"from":"done","to":"closed"}]},
        {"op":"convert","at":"/attributes/rank","to":"integer"}
        """;

    private readonly TemporaryDirectory _keys = new();

    public MigrationWorld()
    {
        Folder = new KeyFolder(System.IO.Path.Combine(_keys.Path, "keys"));
        Store = new GovernedFixture(signer: new ChangeSigner(Folder));
        Done(Store.Session(), Batch(Schema("schema:note:t1", "v1", """{"type":"object"}"""), Schema("schema:note:t2", "v2", """
            {"type":"object","required":["attributes"],"properties":{"attributes":{"type":"object","required":["text","lang"],"properties":{"text":{"type":"string"},"lang":{"type":"string"},"rank":{"type":"integer"},"status":{"enum":["active","closed"]},"body":false}}}}
            """)));
        KeyChange key = new KeyRoom(Folder).CreateAsync(Store.Store, Store.Session(), KeyRoom.ChangesPurpose).GetAwaiter().GetResult();
        Assert.True(key.Receipt.IsCommitted, key.Receipt.Refusal?.Reason);
        KeyId = key.KeyId;
    }

    public GovernedFixture Store { get; }

    public KeyFolder Folder { get; }

    public string KeyId { get; }

    public static string Schema(string id, string version, string json, string type = "note", string more = "") =>
        $$"""{"schema":"sourceos.schema-record/v1alpha1","schema_id":"{{id}}","object_type":"{{type}}","schema_version":"{{version}}","json_schema":{{json.Trim()}}{{more}}}""";

    public static string Note(int i, string attributes, string more = "") => GovernedFixture.Object(
        string.Create(CultureInfo.InvariantCulture, $"note:{i:D5}"), more: $$""","schema_id":"schema:note:t1","schema_version":"v1","x_unknown":{"kept":[1,2.50,{{i}}]},"attributes":{{attributes}}{{more}}""");

    public static string Good(int i) => Note(i, $$"""{"body":"text {{i}}","old":{"n":{{i}}},"status":"{{(i % 2 == 0 ? "open" : "done")}}","rank":"{{i}}","extra":"stays"}""");

    public void AddNotes(int count)
    {
        foreach (int[] chunk in Enumerable.Range(0, count).Chunk(250))
        {
            Done(Store.Session(), Batch([.. chunk.Select(Good)]));
        }
    }

    public static MigrationFile Unsigned(string steps = Steps, string id = "migration:t", string unfit = "refuse") => MigrationFile.Read(Encoding.UTF8.GetBytes($$"""
        {"schema":"sourceos.migration-manifest/v1alpha1","migration_id":"{{id}}","object_type":"note","from":{"schema_id":"schema:note:t1","version":"v1"},"to":{"schema_id":"schema:note:t2","version":"v2"},"unfit":"{{unfit}}","steps":[{{steps}}]}
        """));

    public MigrationFile Signed(string steps = Steps, string id = "migration:t", string unfit = "refuse") => MigrationRoom.Sign(Store.Store, Admin, Unsigned(steps, id, unfit), Folder)!;

    public MigrationResult Apply(MigrationFile file, MigrationOptions? options = null) => MigrationRoom.ApplyAsync(Store.Store, Store.Session(), file, options).GetAwaiter().GetResult();

    public MigrationResult Rollback(string id = "migration:t", Action<MigrationItem>? observer = null) =>
        MigrationRoom.RollbackAsync(Store.Store, Store.Session(), id, new MigrationOptions { Observer = observer }).GetAwaiter().GetResult()!;

    public Dictionary<string, byte[]> Bodies()
    {
        using ReadSnapshot snapshot = Store.Store.OpenSnapshot();
        Dictionary<string, byte[]> bodies = new(StringComparer.Ordinal);
        foreach (RecordView record in snapshot.Range(RecordKind.Object))
        {
            bodies[Encoding.UTF8.GetString(record.Id)] = record.BodyBytes.ToArray();
        }

        return bodies;
    }

    public void Dispose()
    {
        Store.Dispose();
        _keys.Dispose();
    }
}
