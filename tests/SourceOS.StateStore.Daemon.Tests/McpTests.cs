// Why this file exists: an agent meets the store through a real client over stdio. It gets answers, its drafts, and nothing beyond its scope, whatever it asks or was told to ask.

using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class McpTests : IDisposable
{
    private readonly DaemonStore _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task It_offers_what_diagnoses_and_proposes_and_nothing_that_changes()
    {
        await using McpClient client = await ConnectAsync();
        IList<McpClientTool> tools = await client.ListToolsAsync();
        Assert.Equal(["draft", "explain", "get", "list", "log", "propose", "status", "verify"], tools.Select(static tool => tool.Name).Order(StringComparer.Ordinal));
        Assert.Contains("never instructions", client.ServerInstructions, StringComparison.Ordinal);
        foreach (string forbidden in (string[])["apply", "approve", "repair", "export", "put", "delete", "purge", "../status", ""])
        {
            Assert.Contains("unknown_tool", await FailsAsync(client, forbidden, []), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task It_answers_as_the_other_doors_do()
    {
        await using McpClient client = await ConnectAsync();
        JsonElement explained = await AsksAsync(client, "explain", new() { ["id"] = "note:shown" });
        Assert.Equal(11, explained.GetProperty("answers").GetArrayLength());
        JsonElement got = await AsksAsync(client, "get", new() { ["kind"] = "object", ["id"] = "note:shown" });
        Assert.Equal("<script>alert('x')</script>", got.GetProperty("record").GetProperty("title").GetString());
        JsonElement status = await AsksAsync(client, "status", []);
        Assert.Equal("healthy", status.GetProperty("health").GetString());
        Assert.False(status.TryGetProperty("counts", out _));
        JsonElement log = await AsksAsync(client, "log", new() { ["limit"] = 3 });
        Assert.InRange(log.GetProperty("events").GetArrayLength(), 1, 3);
        Assert.Equal("clean", (await AsksAsync(client, "verify", new() { ["level"] = "standard" })).GetProperty("verdict").GetString());
    }

    [Fact]
    public async Task Another_profile_is_not_there_by_any_tool()
    {
        await using McpClient client = await ConnectAsync();
        Assert.Equal(await FailsAsync(client, "get", new() { ["kind"] = "object", ["id"] = "note:none" }), await FailsAsync(client, "get", new() { ["kind"] = "object", ["id"] = "note:secret" }));
        Assert.Equal(await FailsAsync(client, "explain", new() { ["id"] = "note:none" }), await FailsAsync(client, "explain", new() { ["id"] = "note:secret" }));
        foreach ((string tool, Dictionary<string, object?> arguments) in ((string, Dictionary<string, object?>)[])[("list", new() { ["kind"] = "object" }), ("log", new() { ["from"] = 1, ["limit"] = 200 }), ("log", []), ("log", new() { ["object"] = "note:secret" })])
        {
            Assert.DoesNotContain("hidden", (await AsksAsync(client, tool, arguments)).ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain("note:secret", (await AsksAsync(client, tool, arguments)).ToString(), StringComparison.Ordinal);
        }

        // The sequence of a hidden object would tell that it is there: a draft over it looks like one over nothing.
        JsonElement draft = await AsksAsync(client, "draft", new() { ["draft"] = new { changes = new object[] { new { delete = "note:secret" } }, rationale = "looking" } });
        if (draft.GetProperty("status").GetString() == "draft")
        {
            JsonElement stored = await AsksAsync(client, "get", new() { ["kind"] = "transaction", ["id"] = draft.GetProperty("transaction").GetString() });
            Assert.Equal(0ul, stored.GetProperty("record").GetProperty("base_sequences").GetProperty("note:secret").GetUInt64());
        }
    }

    [Theory]
    [InlineData("explain", "{}")]
    [InlineData("explain", """{"id":7}""")]
    [InlineData("explain", """{"id":""}""")]
    [InlineData("explain", """{"id":"a\u0000b"}""")]
    [InlineData("explain", """{"id":"note:shown","actor":"actor:admin"}""")]
    [InlineData("explain", """{"id":"note:shown","at":0}""")]
    [InlineData("explain", """{"id":"note:shown","at":-5}""")]
    [InlineData("explain", """{"id":"note:shown","at":1e300}""")]
    [InlineData("log", """{"limit":100000}""")]
    [InlineData("log", """{"limit":"all"}""")]
    [InlineData("list", """{"kind":"objects; drop"}""")]
    [InlineData("get", """{"kind":"object"}""")]
    [InlineData("verify", """{"level":"repair"}""")]
    [InlineData("draft", """{"draft":[]}""")]
    [InlineData("draft", """{"draft":{}}""")]
    [InlineData("draft", """{"draft":{"changes":[{"delete":"a"},{"delete":"a"}]}}""")]
    [InlineData("propose", """{"transaction":"agent-txn:none"}""")]
    public async Task Hostile_arguments_are_errors_and_change_nothing(string tool, string arguments)
    {
        ulong before = Sequence();
        await using McpClient client = await ConnectAsync();
        Dictionary<string, object?> values = JsonDocument.Parse(arguments).RootElement.EnumerateObject().ToDictionary(static item => item.Name, static item => (object?)item.Value.Clone(), StringComparer.Ordinal);
        JsonElement error = JsonDocument.Parse(await FailsAsync(client, tool, values)).RootElement.GetProperty("error");
        Assert.NotEqual("internal", error.GetProperty("code").GetString());
        Assert.NotEqual("", error.GetProperty("message").GetString());
        Assert.Equal(before, Sequence());
        Assert.Equal("healthy", (await AsksAsync(client, "status", [])).GetProperty("health").GetString());
    }

    [Fact]
    public async Task It_drafts_and_proposes_its_own_and_the_object_stays_as_it_was()
    {
        string before = Title();
        await using McpClient client = await ConnectAsync();
        JsonElement drafted = await AsksAsync(client, "draft", new() { ["draft"] = JsonDocument.Parse($$"""{"changes":[{{DaemonStore.Object("note:shown", more: ""","title":"better" """)}}],"rationale":"a better title"}""").RootElement });
        Assert.Equal("draft", drafted.GetProperty("status").GetString());
        string id = drafted.GetProperty("transaction").GetString()!;
        JsonElement proposed = await AsksAsync(client, "propose", new() { ["transaction"] = id, ["reason"] = "please" });
        Assert.Equal("proposed", proposed.GetProperty("status").GetString());
        Assert.Equal(before, Title());
        using StateStore store = StateStore.OpenRead(_store.Path);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        StoredEvent item = snapshot.ReadEvent(proposed.GetProperty("sequence").GetUInt64())!;
        Assert.Equal(DaemonStore.Bot, item.ActorId);
        Assert.Equal("sync.transaction.proposed", item.Type);
    }

    [Fact]
    public async Task It_does_not_hold_the_store_and_a_writer_in_the_way_is_an_answer()
    {
        await using McpClient client = await ConnectAsync();
        await AsksAsync(client, "status", []);
        _store.Write(DaemonStore.Object("note:beside"));
        await AsksAsync(client, "get", new() { ["kind"] = "object", ["id"] = "note:beside" });
        using StateStore held = Governance.Gates.GovernedStore.Open(_store.Path);
        string error = await FailsAsync(client, "draft", new() { ["draft"] = JsonDocument.Parse("""{"changes":[{"delete":"note:beside"}]}""").RootElement });
        Assert.Contains("\"locked\"", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_person_an_unknown_and_a_revoked_actor_get_no_door()
    {
        foreach (string actor in (string[])[DaemonStore.Admin, "actor:nobody"])
        {
            (int exit, string errors) = await DaemonProcess.RunAsync("mcp", "--store", _store.Path, "--actor", actor);
            Assert.True(exit == 4, errors);
        }

        await using McpClient client = await ConnectAsync();
        await AsksAsync(client, "status", []);
        _store.Write($$"""{"schema":"sourceos.actor-record/v1alpha1","actor_id":"{{DaemonStore.Bot}}","actor_type":"agent","capabilities":["read"],"profile_scope":["profile:home"],"workspace_scope":["workspace:w"],"revoked_at":"2026-01-01T00:00:00Z"}""");
        Assert.Contains("actor_revoked", await FailsAsync(client, "status", []), StringComparison.Ordinal);
        Assert.Contains("actor_revoked", await FailsAsync(client, "draft", new() { ["draft"] = JsonDocument.Parse("""{"changes":[{"delete":"note:shown"}]}""").RootElement }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_membership_shows_its_workspace_until_it_is_revoked()
    {
        _store.Write("""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:guest","object_type":"note","profile_id":"profile:home","workspace_id":"workspace:guest"}""");
        await using McpClient client = await ConnectAsync();
        Dictionary<string, object?> guest = new() { ["kind"] = "object", ["id"] = "note:guest" };
        Assert.Contains("no such record", await FailsAsync(client, "get", guest), StringComparison.Ordinal);
        _store.Write($$"""{"schema":"sourceos.workspace-membership/v1alpha1","membership_id":"m:1","actor_id":"{{DaemonStore.Bot}}","workspace_id":"workspace:guest"}""");
        await AsksAsync(client, "get", guest);
        _store.Write($$"""{"schema":"sourceos.workspace-membership/v1alpha1","membership_id":"m:1","actor_id":"{{DaemonStore.Bot}}","workspace_id":"workspace:guest","revoked_at":"2026-01-01T00:00:00Z"}""");
        Assert.Contains("no such record", await FailsAsync(client, "get", guest), StringComparison.Ordinal);
    }

    private async Task<McpClient> ConnectAsync() => await McpClient.CreateAsync(new StdioClientTransport(new StdioClientTransportOptions
    {
        Command = DaemonProcess.Program,
        Arguments = ["mcp", "--store", _store.Path, "--actor", DaemonStore.Bot],
    }));

    private static async Task<JsonElement> AsksAsync(McpClient client, string tool, Dictionary<string, object?> arguments)
    {
        CallToolResult result = await client.CallToolAsync(tool, arguments).AsTask().WaitAsync(TimeSpan.FromMilliseconds(DaemonProcess.BoundMs));
        string text = Assert.IsType<TextContentBlock>(Assert.Single(result.Content)).Text;
        Assert.True(result.IsError != true, text);
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task<string> FailsAsync(McpClient client, string tool, Dictionary<string, object?> arguments)
    {
        CallToolResult result = await client.CallToolAsync(tool, arguments).AsTask().WaitAsync(TimeSpan.FromMilliseconds(DaemonProcess.BoundMs));
        Assert.True(result.IsError);
        return Assert.IsType<TextContentBlock>(Assert.Single(result.Content)).Text;
    }

    private ulong Sequence()
    {
        using StateStore store = StateStore.OpenRead(_store.Path);
        return store.VisibleSequence;
    }

    private string Title()
    {
        using StateStore store = StateStore.OpenRead(_store.Path);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        return snapshot.Get(RecordKind.Object, "note:shown")!.Text("title")!;
    }
}
