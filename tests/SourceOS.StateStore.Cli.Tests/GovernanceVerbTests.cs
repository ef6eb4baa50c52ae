// Why this file exists: the verbs above the gates, as a user calls them: exit codes, answers, and that a refusal changes nothing but the log.

using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class GovernanceVerbTests
{
    private const string Agent = """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","capabilities":["read","write"],"profile_scope":["profile:lab"],"workspace_scope":["workspace:w"]}""";
    private const string Note = """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:n","object_type":"note","profile_id":"profile:lab","workspace_id":"workspace:w"}""";
    private const string Home = """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:h","object_type":"note","profile_id":"profile:personal"}""";

    [Fact]
    public void When_this_device_is_revoked_nothing_is_written_until_its_owner_registers_the_machine_as_another()
    {
        using Statestore store = Statestore.Initialised();
        string device = Assert.Single(store.Run("devices", "--json").Exits(0).Lines).GetProperty("device_id").GetString()!;
        store.Run("revoke", "device", device, "--reason", "stolen").Exits(0);
        ulong before = store.Run("status", "--json").Exits(0).Json.GetProperty("sequence").GetUInt64();
        Answer refused = store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:late","object_type":"note"}""", null, "put", "objects", "-", "--json").Exits(4);
        Assert.Contains("device.revoked", refused.Out, StringComparison.Ordinal);
        Assert.Contains("init --device", refused.Out, StringComparison.Ordinal);
        Assert.True(store.Run("status", "--json").Exits(0).Json.GetProperty("sequence").GetUInt64() > before, "A refusal is an event.");
        store.Run("get", "objects", "object:late").Exits(3);
        Assert.Contains("device_revoked", store.Run("init", "--json").Exits(8).Out, StringComparison.Ordinal);
        store.Run("init", "--device", device).Exits(8);
        store.Run("init", "--device", "device:again").Exits(0);
        store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:late","object_type":"note"}""", null, "put", "objects", "-").Exits(0);
        Assert.Equal("device:again", store.Run("get", "objects", "object:late", "--json").Exits(0).Json.GetProperty("owning_device").GetString());
    }

    [Fact]
    public void An_agent_is_kept_to_its_profile_in_writing_and_reading()
    {
        using Statestore store = Set();
        Assert.Equal(["object:n"], store.Run("list", "objects", "--actor", "actor:bot", "--json").Exits(0).Lines.Select(static line => line.GetProperty("object_id").GetString()));
        store.Run("get", "objects", "object:h", "--actor", "actor:bot").Exits(3);
        store.Run("explain", "object:h", "--actor", "actor:bot").Exits(3);
        JsonElement error = store.RunWith(Home, null, "put", "objects", "--actor", "actor:bot", "--json").Exits(4).JsonError;
        Assert.Equal("actor.profile-scope", error.GetProperty("rule").GetString());
        Assert.Equal("sync.profile.boundary_violation", store.Run("log", "--limit", "1", "--json").Lines.Single().GetProperty("type").GetString());
        store.Run("list", "objects", "--actor", "actor:bot", "--profile", "profile:personal").Exits(4);
        Assert.DoesNotContain("object:n", store.Run("log", "--profile", "profile:personal", "--json").Exits(0).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Trust_holds_and_policy_work_from_the_command_line()
    {
        using Statestore store = Set();
        store.Run("hold", "set", "object:n", "--reason", "case").Exits(0);
        store.Run("delete", "objects", "object:n").Exits(4);
        store.Run("hold", "clear", "object:n").Exits(0);
        store.Run("delete", "objects", "object:n", "--actor", "actor:bot").Exits(4);
        store.Run("lease", "grant", "actor:bot", "delete", "--for", "5m").Exits(0);
        store.Run("delete", "objects", "object:n", "--actor", "actor:bot").Exits(0);
        store.Run("lease", "grant", "actor:bot", "delete", "--for", "soon").Exits(2);
        store.Run("revoke", "actor", "actor:bot", "--reason", "left").Exits(0);
        store.Run("revoke", "actor", "actor:bot").Exits(3);
        Assert.Equal("actor_revoked", store.Run("list", "objects", "--actor", "actor:bot", "--json").Exits(4).JsonError.GetProperty("code").GetString());
        Assert.Equal("shipped", store.Run("policy", "show", "--json").Exits(0).Json.GetProperty("source").GetString());
        store.RunWith("""{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"v1","rules":[],"surprise":1}""", null, "policy", "check", "-").Exits(8);
        store.RunWith("""{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"p","version":"v1","defaults":{"write":"allow"},"rules":[]}""", null, "policy", "load", "-").Exits(0);
        store.Run("policy", "check", "--object", "object:h", "--question", "delete").Exits(1);
        store.Run("delete", "objects", "object:h").Exits(4);
    }

    [Fact]
    public void A_purge_shows_first_then_takes_and_says_what_it_took()
    {
        using Statestore store = Set();
        store.RunWith(Note.Replace("}", ",\"title\":\"violet-antelope\"}", StringComparison.Ordinal), null, "put", "objects", "-").Exits(0);
        store.Run("purge").Exits(2);
        store.Run("purge", "--scope", "object", "object:none").Exits(3);
        store.Run("purge", "--scope", "object", "object:n", "--apply", "--dry-run").Exits(2);
        Assert.Equal("planned", store.Run("purge", "--scope", "object", "object:n", "--json").Exits(0).Json.GetProperty("outcome").GetString());
        Assert.True(Holds(store, "violet-antelope"));
        store.Run("hold", "set", "object:n").Exits(0);
        store.Run("purge", "--scope", "object", "object:n").Exits(4);
        Assert.Equal("retention.legal-hold", store.Run("purge", "--scope", "object", "object:n", "--apply", "--json").Exits(4).JsonError.GetProperty("rule").GetString());
        store.Run("hold", "clear", "object:n").Exits(0);
        JsonElement done = store.Run("purge", "--scope", "object", "object:n", "--apply", "--reason", "request 17", "--json").Exits(0).Json;
        Assert.Equal("purged", done.GetProperty("outcome").GetString());
        Assert.False(Holds(store, "violet-antelope"));
        store.Run("get", "objects", "object:n").Exits(3);
        Assert.Contains("request 17", store.Run("get", "reports", done.GetProperty("reportId").GetString()!, "--json").Exits(0).Out, StringComparison.Ordinal);
        Assert.Equal("nothing-to-do", store.Run("purge", "--finish", "--json").Exits(0).Json.GetProperty("outcome").GetString());
        store.Run("verify", "--level", "deep").Exits(0);
    }

    private static bool Holds(Statestore store, string text) => Directory.EnumerateFiles(store.StorePath, "*", SearchOption.AllDirectories)
        .Any(file => File.ReadAllBytes(file).AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(text)) >= 0);

    [Fact]
    public void An_agents_transaction_goes_from_draft_to_revert()
    {
        using Statestore store = Set();
        string id = store.RunWith($$"""{"changes":[{{Note.Replace("}", ",\"title\":\"new\"}", StringComparison.Ordinal)}}]}""", null, "agent", "draft", "-", "--actor", "actor:bot", "--json").Exits(0).Json.GetProperty("transaction").GetString()!;
        Assert.Contains("Nothing is stale", store.Run("agent", "expire", "--apply").Exits(0).Out, StringComparison.Ordinal);
        Assert.Equal(0, store.Run("agent", "expire", "--json").Exits(0).Json.GetProperty("expired").GetArrayLength());
        store.Run("agent", "apply", id).Exits(4);
        store.Run("agent", "propose", id, "--actor", "actor:bot").Exits(0);
        store.Run("agent", "approve", id, "--actor", "actor:bot").Exits(4);
        JsonElement diff = store.Run("agent", "diff", id, "--json").Exits(0).Json;
        Assert.Equal("title", diff.GetProperty("objects")[0].GetProperty("fields")[0].GetProperty("field").GetString());
        store.Run("agent", "approve", id, "--expect-seq", "1").Exits(4);
        store.Run("agent", "approve", id, "--expect-seq", diff.GetProperty("sequence").GetRawText()).Exits(0);
        store.Run("agent", "apply", id).Exits(0);
        Assert.Equal("new", store.Run("get", "objects", "object:n", "--json").Json.GetProperty("title").GetString());
        store.Run("agent", "revert", id).Exits(0);
        Assert.False(store.Run("get", "objects", "object:n", "--json").Json.TryGetProperty("title", out _));
    }

    [Fact]
    public void Schemas_conflicts_and_plans_work_from_the_command_line()
    {
        using Statestore store = Set();
        const string Schema = """{"$id":"urn:test:small","title":"note","properties":{"size_bytes":{"maximum":5}}}""";
        store.RunWith(Schema, null, "schema", "register", "-").Exits(0);
        string sized = Note.Replace("}", ",\"schema_id\":\"urn:test:small\",\"size_bytes\":9}", StringComparison.Ordinal);
        Assert.Equal("schema.object-invalid", store.RunWith(sized, null, "put", "objects", "--json").Exits(4).JsonError.GetProperty("rule").GetString());
        Assert.False(store.RunWith(sized, null, "schema", "validate", "-", "--json").Exits(1).Lines.Single().GetProperty("valid").GetBoolean());
        Assert.Equal("forward", store.RunWith(Schema.Replace("5", "4", StringComparison.Ordinal), null, "schema", "compare", "-", "--json").Exits(1).Json.GetProperty("compatibility").GetString());
        store.RunWith("""{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:n"}""", null, "put", "conflicts").Exits(0);
        store.Run("plan", "create", "replicate", "--object", "object:n").Exits(1);
        store.Run("conflict", "resolve", "c:1", "--option", "skip", "--reason", "r").Exits(0);
        store.Run("conflict", "resolve", "c:1", "--option", "skip", "--reason", "r").Exits(4);
        JsonElement plan = store.Run("plan", "create", "replicate", "--workspace", "workspace:w", "--json").Exits(0).Json;
        Assert.Equal("object:n", plan.GetProperty("objects")[0].GetString());
        store.Run("plan", "complete", plan.GetProperty("plan").GetString()!).Exits(4);
        store.Run("plan", "start", plan.GetProperty("plan").GetString()!).Exits(0);
    }

    [Fact]
    public void Files_in_any_order_import_when_they_lean_on_each_other()
    {
        using Statestore store = Statestore.Initialised();
        string directory = Directory.CreateTempSubdirectory("statestore-import-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "a-object.json"), Note.Replace("}", ",\"schema_id\":\"schema:late\"}", StringComparison.Ordinal));
            File.WriteAllText(Path.Combine(directory, "b-schema.json"), """{"schema":"sourceos.schema-record/v1alpha1","schema_id":"schema:late","object_type":"note","required_fields":["object_id"]}""");
            store.Run("import", directory).Exits(0);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static Statestore Set()
    {
        Statestore store = Statestore.Initialised();
        store.RunWith($"{Agent}\n{Note}\n{Home}\n", null, "import", "-").Exits(0);
        return store;
    }
}
