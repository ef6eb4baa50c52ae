// Why this file exists: what `export` writes is accepted by the readers of others, judged by their schemas with the project's own evaluator and with another, and what it writes of records comes back equal.

using System.Diagnostics;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;
using SourceOS.StateStore.Governance.Exports;
using SourceOS.StateStore.Governance.JsonSchema;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class ExportTests
{
    private static readonly Dictionary<string, string> s_schemas = new(StringComparer.Ordinal)
    {
        ["integrity-report"] = "sourceos.state-integrity-report.v1alpha1.schema.json",
        ["trust-gate"] = "substrate-trust-gate.schema.v0.1.json",
        ["node-state"] = "NodeStateSchema.schema.json",
        ["events"] = "sourceos.event.v0.1.schema.json",
        ["conflicts"] = "SyncConflictRecord.schema.json",
        ["stale-records"] = "StaleStateRecord.schema.json",
        ["storms"] = "DiagnosticStormRecord.schema.json",
        ["repair-plan"] = "sourceos.repair-plan.v1alpha1.schema.json",
        ["workspace-state"] = "workspace-operation-state.schema.json",
        ["lampstand-evidence"] = "sourceos.lampstand-evidence.v1alpha1.schema.json",
        ["provenance"] = "ProvenanceRecord.schema.json",
        ["operation-log"] = "LocalOperationLog.schema.json",
        ["ops-history"] = "OpsHistoryEvent.schema.json",
    };

    // A segment's head and tail slots stand before its frames.
    private const int HeadBytes = 32768;

    private static readonly string[] s_documents = ["integrity-report", "trust-gate", "node-state", "repair-plan", "workspace-state", "lampstand-evidence"];

    private static readonly string[] s_records =
    [
        """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:é/\"\\\ud83d\ude00","object_type":"note","title":"ünicode","profile_id":"profile:personal","privacy_class":"secret","x_unknown":{"b":[1,2.5],"a":null}}""",
        """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:b","object_type":"file","path":"a/b","sync_visibility":"org","retention_class":"legal_hold","policy_tags":["t"]}""",
        """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:b","conflict_type":"checksum-mismatch","severity":"automatic"}""",
        """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:2","object_id":"object:b","status":"resolved","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T00:00:00Z","decision_card":{"selected_option":"fork"}}""",
        """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","capabilities":["read","write"],"profile_scope":["profile:personal"],"workspace_scope":["*"]}""",
        """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:gone","actor_type":"agent","capabilities":["read","write"],"revoked_at":"2026-01-02T00:00:00Z"}""",
        """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:sick","actor_type":"agent","capabilities":["read","write"],"trust_level":"quarantined"}""",
        """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:reader","actor_type":"service","capabilities":["read"]}""",
    ];

    [Fact]
    public void Every_format_is_what_its_schema_wants_by_two_validators()
    {
        if (Interop() is not { } interop)
        {
            Console.WriteLine("skipped: ../shared/interop is not there");
            return;
        }

        using Statestore store = Filled();
        string exports = Directory.CreateTempSubdirectory("statestore-exports-").FullName;
        try
        {
            foreach (ExportFormat format in ExportFormats.All)
            {
                store.Run("export", "--format", format.Name, "-o", Path.Combine(exports, format.Name)).Exits(0);
            }

            foreach ((string name, string schema) in s_schemas)
            {
                CompiledSchema compiled = SchemaRegistry.Create().Register(new SchemaDocument(null, File.ReadAllBytes(Path.Combine(interop, "schemas", schema)))).Schemas[0];
                string text = File.ReadAllText(Path.Combine(exports, name));
                string[] documents = s_documents.Contains(name) ? [text] : text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
                Assert.NotEmpty(documents);
                foreach (string document in documents)
                {
                    SchemaEvaluationResult result = compiled.Evaluate(System.Text.Encoding.UTF8.GetBytes(document));
                    Assert.True(result.IsValid, $"{name}: {string.Join("; ", result.Errors.Take(3).Select(static error => $"{error.InstanceLocation} {error.Message}"))}");
                }
            }

            using Process python = Process.Start(new ProcessStartInfo("python3", [Path.Combine(AppContext.BaseDirectory, "validate_exports.py"), exports, Path.Combine(interop, "schemas")]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            string answer = python.StandardOutput.ReadToEnd() + python.StandardError.ReadToEnd();
            python.WaitForExit();
            Assert.True(python.ExitCode == 0, answer);
        }
        finally
        {
            Directory.Delete(exports, recursive: true);
        }
    }

    [Fact]
    public void Records_come_back_equal_unknown_fields_included()
    {
        using Statestore store = Filled();
        string exported = Path.Combine(Path.GetTempPath(), "statestore-contracts-" + Guid.NewGuid().ToString("N"));
        try
        {
            store.Run("export", "--format", "contracts", "-o", exported).Exits(0);
            store.Run("export", "--format", "contracts", "-o", exported).Exits(7);
            Assert.Equal(0, store.Run("import", exported, "--json").Exits(0).Json.GetProperty("records").GetProperty("imported").GetInt64());
            using Statestore other = Statestore.Initialised();
            other.Run("import", exported).Exits(0);
            foreach (string record in s_records)
            {
                using JsonDocument wanted = JsonDocument.Parse(record);
                JsonProperty id = wanted.RootElement.EnumerateObject().First(static property => property.Name.EndsWith("_id", StringComparison.Ordinal));
                string kind = id.Name[..^3] + "s";
                Assert.True(JsonElement.DeepEquals(wanted.RootElement, other.Run("get", kind, id.Value.GetString()!, "--json").Exits(0).Json), record);
            }
        }
        finally
        {
            Directory.Delete(exported, recursive: true);
        }
    }

    [Fact]
    public void A_damaged_store_is_never_exported_as_healthy_and_an_agent_exports_its_scope()
    {
        using Statestore store = Filled();
        Assert.DoesNotContain("actor:admin", store.Run("export", "--format", "records", "--actor", "actor:bot").Exits(0).Out, StringComparison.Ordinal);
        Assert.Equal("allow", Document(store.Run("export", "--format", "trust-gate").Exits(0)).GetProperty("gate_decision").GetString());
        string state = Directory.EnumerateFiles(store.Root, "data.mdb", SearchOption.AllDirectories).Single();
        byte[] bytes = File.ReadAllBytes(state);
        for (int at = bytes.AsSpan().IndexOf("object:b"u8); at >= 0 && at < bytes.Length - 100;)
        {
            bytes[at + 70] ^= 1;
            int next = bytes.AsSpan(at + 1).IndexOf("object:b"u8);
            at = next < 0 ? -1 : at + 1 + next;
        }

        File.WriteAllBytes(state, bytes);
        Answer gate = store.Run("export", "--format", "trust-gate");
        Assert.True(gate.Exit != 0 || Document(gate).GetProperty("gate_decision").GetString() is "deny" or "fail_closed", gate.Out);
        Answer report = store.Run("export", "--format", "integrity-report");
        if (report.Exit == 0)
        {
            Assert.NotEqual("healthy", Document(report).GetProperty("diagnosis").GetProperty("status").GetString());
            Assert.DoesNotContain(Document(report).GetProperty("lanes").EnumerateArray(), static lane => lane.GetProperty("status").GetString() == "active");
        }

        string exported = store.PathOf("exported");
        foreach (string format in (string[])["syncd", "authority-state"])
        {
            Answer refused = store.Run("export", "--format", format, "-o", exported, "--json").Exits(6);
            Assert.True(refused.JsonError.GetProperty("code").GetString() is "store_not_sound" or "state_damaged", refused.Out);
            Assert.False(Path.Exists(exported) || Path.Exists(exported + ".new"));
        }

        Answer card = store.Run("export", "--format", "workspace-state");
        Assert.True(card.Exit != 0 || Document(card).GetProperty("operationState").GetString() == "failed", card.Out);
        Answer evidence = store.Run("export", "--format", "lampstand-evidence");
        Assert.True(evidence.Exit != 0 || Document(evidence).GetProperty("artifact").GetProperty("diagnosis").GetString() != "healthy", evidence.Out);
    }

    [Fact]
    public void A_plan_is_exported_of_a_store_that_does_not_open_and_holds_no_destructive_step()
    {
        using Statestore store = Filled();
        JsonElement nothing = Document(store.Run("export", "--format", "repair-plan").Exits(0));
        Assert.Equal("no_op", nothing.GetProperty("steps")[0].GetProperty("kind").GetString());
        Assert.Equal("info", nothing.GetProperty("severity").GetString());

        // The first frame of the log is damaged while the state is sound: only a fence helps, and that gives up events.
        string segment = Directory.EnumerateFiles(Path.Combine(store.StorePath, "events")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(segment);
        bytes.AsSpan(HeadBytes + 600, 64).Fill(0xFF);
        File.WriteAllBytes(segment, bytes);
        string path = store.PathOf("plan.json");
        store.Run("export", "--format", "repair-plan", "-o", path).Exits(0);
        JsonElement plan = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        Assert.DoesNotContain(plan.GetProperty("steps").EnumerateArray(), static step => step.GetProperty("destructive").GetBoolean());
        Assert.NotEmpty(plan.GetProperty("blocked_steps").EnumerateArray());
        Assert.NotEqual("info", plan.GetProperty("severity").GetString());
        Assert.Equal(3, store.Run("export", "--format", "repair-plan", "--store", store.PathOf("nowhere")).Exit);
    }

    [Fact]
    public void A_workspace_card_shows_the_trouble_of_its_workspace_alone()
    {
        using Statestore store = Statestore.Initialised();
        string[] records =
        [
            """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:calm","object_type":"note","workspace_id":"workspace:calm"}""",
            """{"schema":"sourceos.object-record/v1alpha1","object_id":"object:quarantined","object_type":"note","workspace_id":"workspace:sick","state":"quarantined"}""",
            """{"schema":"sourceos.conflict-record/v1alpha1","conflict_id":"c:1","object_id":"object:x","workspace_id":"workspace:torn","status":"open"}""",
        ];
        store.RunWith(string.Join('\n', records) + "\n", null, "import", "-").Exits(0);
        foreach ((string workspace, string state) in (IEnumerable<(string, string)>)[("workspace:calm", "stored"), ("workspace:sick", "quarantined"), ("workspace:torn", "conflicted")])
        {
            JsonElement card = Document(store.Run("export", "--format", "workspace-state", "--workspace", workspace).Exits(0));
            Assert.Equal((workspace, state), (card.GetProperty("workspaceRef").GetString(), card.GetProperty("operationState").GetString()));
        }

        Assert.Equal("conflicted", Document(store.Run("export", "--format", "workspace-state").Exits(0)).GetProperty("operationState").GetString());
        store.Run("export", "--format", "records", "--workspace", "workspace:calm").Exits(2);
    }

    private static JsonElement Document(Answer answer) => JsonDocument.Parse(answer.Out).RootElement;

    private static Statestore Filled()
    {
        Statestore store = Statestore.Initialised();
        store.RunWith(string.Join('\n', s_records) + "\n", null, "import", "-").Exits(0);
        for (int i = 0; i < 5; i++)
        {
            store.Run("delete", "objects", "object:b").Exits(4);
        }

        store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:by-agent","object_type":"note","profile_id":"profile:personal"}""", null, "put", "objects", "--actor", "actor:bot").Exits(0);
        return store;
    }

    private static string? Interop()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "SourceOS.StateStore.sln")))
            {
                string folder = Path.GetFullPath(Path.Combine(at.FullName, "..", "shared", "interop"));
                return Directory.Exists(folder) ? folder : null;
            }
        }

        return null;
    }
}
