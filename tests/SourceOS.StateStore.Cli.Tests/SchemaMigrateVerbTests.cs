// Why this file exists: the story of a migration as a user lives it: schemas, a key, a manifest that is signed, looked at and applied to a thousand objects, killed in the middle and run again, rolled back, and the log's signatures checked at the end.
// Invariants: real processes; nothing is migrated twice; every body after the roll back is the one before; no private key is printed.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class SchemaMigrateVerbTests(ITestOutputHelper output) : IDisposable
{
    private const int Objects = 1000;
    private const string Manifest = """
        {"schema":"sourceos.migration-manifest/v1alpha1","migration_id":"migration:notes-2","object_type":"note",
         "from":{"schema_id":"schema:note:t1","version":"v1"},"to":{"schema_id":"schema:note:t2","version":"v2"},
         "steps":[{"op":"rename","from":"/attributes/body","to":"/attributes/text"},{"op":"remove","at":"/attributes/old"},{"op":"default","at":"/attributes/lang","value":"en"}]}
        """;

    private readonly Statestore _store = Statestore.Initialised();

    private Dictionary<string, string> Keys => new(StringComparer.Ordinal) { ["SOURCEOS_STATE_KEYS"] = _store.PathOf("keys") };

    private Answer Run(params string[] args) => _store.RunWith(null, Keys, args);

    [Fact]
    public void A_thousand_objects_are_migrated_through_a_kill_and_rolled_back()
    {
        Prepare(Objects);
        Dictionary<string, string> before = Bodies();
        string manifest = _store.Write("manifest.json", Manifest);
        Answer unsigned = Run("schema", "migrate", manifest, "--apply", "--json").Exits(4);
        Assert.Equal("migration.unsigned", unsigned.JsonError.GetProperty("rule").GetString());
        string signed = _store.Write("signed.json", Run("schema", "sign", manifest).Exits(0).Out);
        List<JsonElement> plan = Run("schema", "migrate", signed, "--json").Exits(0).Lines;
        Assert.Equal(Objects + 1, plan.Count);
        JsonElement change = plan[0].GetProperty("changes")[0];
        Assert.Equal("text 0", change.GetProperty("before").GetProperty("body").GetString());
        Assert.Equal("text 0", change.GetProperty("after").GetProperty("text").GetString());
        JsonElement summary = plan[^1].GetProperty("summary");
        Assert.Equal(Objects, summary.GetProperty("counts").GetProperty("migrated").GetInt32());
        string hash = summary.GetProperty("planHash").GetString()!;

        int migrated = Kill(signed, hash);
        Assert.InRange(migrated, 1, Objects - 1);
        Run("schema", "migrate", signed, "--apply", "--plan-hash", hash, "--json").Exits(0);
        JsonElement record = Run("get", "migrations", "migration:notes-2", "--json").Exits(0).Json;
        Assert.Equal("applied", record.GetProperty("status").GetString());
        Assert.Equal(Objects, record.GetProperty("counts").GetProperty("migrated").GetInt32());
        List<JsonElement> events = Run("log", "--json", "--limit", "100000").Exits(0).Lines;
        Assert.Equal(Objects, events.Where(static item => item.GetProperty("type").GetString() == "sync.schema.migrated").Select(static item => item.GetProperty("object").GetString()).Distinct().Count());
        Assert.Equal(Objects, events.Count(static item => item.GetProperty("type").GetString() == "sync.schema.migrated"));
        output.WriteLine($"migrated before the kill: {migrated} of {Objects}");

        Run("schema", "migrate", "--rollback", "migration:notes-2").Exits(0);
        Assert.NotEqual(before, Bodies());
        Run("schema", "migrate", "--rollback", "migration:notes-2", "--apply", "--json").Exits(0);
        Assert.Equal(before, Bodies());
        Run("verify").Exits(0);
        JsonElement check = Run("keys", "check", "--json").Exits(0).Json;
        Assert.Equal(0, check.GetProperty("findingCount").GetInt32());
        Assert.True(check.GetProperty("valid").GetInt32() > 5);
    }

    [Fact]
    public void What_is_changed_since_is_named_and_repaired_forward()
    {
        Prepare(3);
        string signed = _store.Write("signed.json", _store.RunWith(Manifest, Keys, "schema", "sign", "-").Exits(0).Out);
        Run("schema", "migrate", signed, "--apply").Exits(0);
        string edited = Run("get", "objects", "note:00001", "--json").Exits(0).Out.Replace("text 1", "edited", StringComparison.Ordinal);
        _store.RunWith(edited, Keys, "put", "objects", "-").Exits(0);
        Answer rollback = Run("schema", "migrate", "--rollback", "migration:notes-2", "--apply").Exits(1);
        Assert.Contains("note:00001: changed since", rollback.Out, StringComparison.Ordinal);
        Assert.Contains("2 rolled back, 1 changed since", rollback.Out, StringComparison.Ordinal);
        Assert.Contains("2 migrated", Run("schema", "migrate", "--forward", "migration:notes-2").Exits(0).Out, StringComparison.Ordinal);
        Run("schema", "migrate", "--forward", "migration:notes-2", "--apply").Exits(0);
        Assert.Equal(3, Run("list", "objects", "--where", "schema_id=schema:note:t2", "--json").Exits(0).Lines.Count);
        Run("schema", "migrate", "--rollback", "migration:none").Exits(3);
        Run("schema", "migrate").Exits(2);
        Run("schema", "migrate", signed, "--rollback", "x").Exits(2);
        Run("schema", "migrate", signed, "--plan-hash", "x").Exits(2);
        Assert.Equal("invalid_manifest", Run("schema", "migrate", _store.Write("bad.json", "{}"), "--json").Exits(8).JsonError.GetProperty("code").GetString());
    }

    [Fact]
    public void A_key_for_changes_signs_what_is_privileged_and_its_absence_is_noticed()
    {
        Answer made = Run("keys", "create", "--purpose", "changes", "--json").Exits(0);
        string pem = File.ReadAllText(Directory.GetFiles(_store.PathOf("keys")).Single());
        Assert.DoesNotContain(pem.Split('\n')[1], made.Out, StringComparison.Ordinal);
        string person = """{"schema":"sourceos.identity-record/v1alpha1","identity_id":"identity:x","identity_type":"user","display_name":"X"}""";
        _store.RunWith(person, Keys, "put", "identities", "-").Exits(0);
        Dictionary<string, string> elsewhere = new(StringComparer.Ordinal) { ["SOURCEOS_STATE_KEYS"] = _store.PathOf("other-keys") };
        Answer refused = _store.RunWith(person, elsewhere, "put", "identities", "-", "--json").Exits(4);
        Assert.Equal("signature.required", refused.JsonError.GetProperty("rule").GetString());
        _store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:1","object_type":"note","profile_id":"profile:personal"}""", elsewhere, "put", "objects", "-").Exits(0);
        Assert.Contains("2 signed and valid", Run("keys", "check").Exits(0).Out, StringComparison.Ordinal);
        Assert.Contains("\"signature\"", Run("log", "--json").Exits(0).Out, StringComparison.Ordinal);

        // Repair works without the key and says nothing wrong of it.
        Directory.Delete(Path.Combine(_store.StorePath, "state"), recursive: true);
        Run("repair", "--apply").Exits(0);
        Run("keys", "check").Exits(0);
    }

    [Fact]
    public void Drift_and_the_matrix_are_listed()
    {
        Prepare(1);
        Answer put = _store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:odd","object_type":"note","profile_id":"profile:personal","schema_id":"schema:note:t2","schema_version":"v1","x_new":1,"attributes":{"text":"a","lang":"en"}}""", Keys, "put", "objects", "-").Exits(0);
        Assert.Contains("schema.field: /x_new", put.Error, StringComparison.Ordinal);
        JsonElement drift = Run("schema", "drift", "note", "--json").Exits(0).Json;
        Assert.Equal("note:odd", drift.GetProperty("object").GetString());
        Assert.Equal(["schema.version", "schema.field"], drift.GetProperty("warnings").EnumerateArray().Select(static warning => warning.GetProperty("code").GetString()!));
        Assert.Contains("Drift (schema.version)", Run("explain", "note:odd").Exits(0).Out, StringComparison.Ordinal);
        List<JsonElement> matrix = Run("schema", "matrix", "note", "--json").Exits(0).Lines;
        Assert.Contains(matrix, static pair => pair.GetProperty("old").GetString() == "schema:note:t1" && pair.GetProperty("new").GetString() == "schema:note:t2" && pair.GetProperty("compatibility").GetString() == "forward");
        Run("schema", "matrix", "nothing").Exits(3);
        Run("schema", "drift", "--apply").Exits(0);
    }

    private void Prepare(int objects)
    {
        Run("keys", "create", "--purpose", "changes").Exits(0);
        string schemas = _store.Write("schemas.ndjson", """
            {"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:note:t1","object_type":"note","schema_version":"v1","json_schema":{"type":"object"}}
            {"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:note:t2","object_type":"note","schema_version":"v2","json_schema":{"type":"object","required":["attributes"],"properties":{"title":true,"attributes":{"type":"object","required":["text","lang"]}}}}
            """);
        Run("import", schemas).Exits(0);
        StringBuilder lines = new();
        for (int i = 0; i < objects; i++)
        {
            lines.AppendLine(CultureInfo.InvariantCulture, $$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{{i:D5}}}","object_type":"note","profile_id":"profile:personal","schema_id":"schema:note:t1","schema_version":"v1","x_unknown":[{{{i}}}],"attributes":{"body":"text {{{i}}}","old":{{{i}}}}}""");
        }

        Run("import", _store.Write("notes.ndjson", lines.ToString())).Exits(0);
    }

    // Killed as soon as it has said that a few objects are done; one object a commit leaves most of them for the second run.
    private int Kill(string signed, string hash)
    {
        int seen = 0;
        using (Process process = _store.Start(Keys, "schema", "migrate", signed, "--apply", "--plan-hash", hash, "--batch", "1", "--json"))
        {
            while (seen < 5 && process.StandardOutput.ReadLine() is not null)
            {
                seen++;
            }

            process.Kill();
            process.WaitForExit();
        }

        Assert.Equal(5, seen);
        return Run("list", "objects", "--where", "schema_id=schema:note:t2", "--limit", "100000", "--json").Exits(0).Lines.Count;
    }

    private Dictionary<string, string> Bodies() => Run("list", "objects", "--limit", "100000", "--json").Exits(0).Lines.ToDictionary(static line => line.GetProperty("object_id").GetString()!, static line => line.GetRawText());

    public void Dispose() => _store.Dispose();
}
