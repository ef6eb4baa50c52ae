// Why this file exists: rooms of governance as a user meets them, in real processes: a watched tree, a rotten file, memberships at every door, a policy service that allows, denies, dawdles, babbles and is down.

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using SourceOS.StateStore.Cli.Tests.Support;

namespace SourceOS.StateStore.Cli.Tests;

public sealed class RoomVerbTests
{
    private const string Agent = """{"schema":"sourceos.actor-record/v1alpha1","actor_id":"actor:bot","actor_type":"agent","capabilities":["read","write"],"profile_scope":["profile:lab"],"workspace_scope":["workspace:w"]}""";

    [Fact]
    public async Task A_watch_follows_the_tree_lets_others_write_and_ends_cleanly_when_told()
    {
        using Statestore store = new();
        store.Write("tree/a", "1");
        using Process watch = store.Start(null, "adopt", store.PathOf("tree"), "--init", "--workspace", "workspace:t", "--watch", "--json");
        JsonElement first = await LineAsync(watch, static line => line.GetProperty("cause").GetString() == "start");
        Assert.Equal(1, first.GetProperty("files").GetProperty("added").GetInt32());
        store.Write("tree/deep/er/b", "2");
        JsonElement round = await LineAsync(watch, static line => line.TryGetProperty("files", out JsonElement files) && files.GetProperty("added").GetInt32() == 1);
        Assert.Equal("events", round.GetProperty("cause").GetString());
        Assert.True(round.GetProperty("watching").GetBoolean());

        // Between rounds the store is free.
        store.Run("event", "append", "app.test.happened").Exits(0);
        Assert.Contains("deep/er/b", store.Run("list", "objects", "--where", "object_type=file", "--json").Exits(0).Out, StringComparison.Ordinal);
        using (Process kill = Process.Start("kill", ["-TERM", watch.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            kill.WaitForExit();
        }

        JsonElement summary = await LineAsync(watch, static line => line.TryGetProperty("summary", out _));
        Assert.Equal("stopped", summary.GetProperty("summary").GetProperty("end").GetString());
        watch.WaitForExit();
        Assert.Equal(0, watch.ExitCode);
        store.Run("verify").Exits(0);
    }

    [Fact]
    public async Task A_watch_whose_directory_goes_says_so_and_removes_nothing()
    {
        using Statestore store = new();
        store.Write("tree/a", "1");
        using Process watch = store.Start(null, "adopt", store.PathOf("tree"), "--init", "--watch", "--json");
        await LineAsync(watch, static line => line.GetProperty("cause").GetString() == "start");
        Directory.Move(store.PathOf("tree"), store.PathOf("moved"));
        Assert.Equal("root_gone", (await LineAsync(watch, static line => line.TryGetProperty("summary", out _))).GetProperty("summary").GetProperty("end").GetString());
        watch.WaitForExit();
        Assert.Equal(3, watch.ExitCode);
        Assert.Single(store.Run("list", "objects", "--where", "object_type=file", "--json").Exits(0).Lines);
    }

    [Fact]
    public void A_rotten_file_is_a_conflict_that_everybody_sees_and_that_ends_by_the_file()
    {
        using Statestore store = Statestore.Initialised();
        string path = store.Write("tree/f", "good bytes");
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
        store.Run("adopt", store.PathOf("tree")).Exits(0);
        string id = store.Run("list", "objects", "--where", "object_type=file", "--json").Lines.Single().GetProperty("object_id").GetString()!;
        Assert.Equal("good bytes", store.Run("file", "read", id).Exits(0).Out);
        Assert.Equal("matches", store.Run("file", "check", id, "--json").Exits(0).Json.GetProperty("verdict").GetString());

        DateTime time = File.GetLastWriteTimeUtc(path);
        File.WriteAllText(path, "bad! bytes");
        File.SetLastWriteTimeUtc(path, time);
        Assert.Equal("", store.Run("file", "check", id, "--no-record", "--json").Exits(1).Json.GetProperty("conflict").GetString());
        Assert.Equal("", store.Run("file", "read", id).Exits(1).Out);
        JsonElement check = store.Run("file", "check", id, "--json").Exits(1).Json;
        Assert.Equal("differs", check.GetProperty("verdict").GetString());
        Assert.False(check.GetProperty("conflictIsNew").GetBoolean());
        string conflict = check.GetProperty("conflict").GetString()!;
        Assert.Equal(conflict, store.Run("conflicts", "--json").Exits(0).Lines.Single().GetProperty("conflict_id").GetString());
        Assert.Equal("1", store.Run("explain", id, "--json").Exits(0).Json.GetProperty("answers")[6].GetProperty("value").GetString());
        Assert.Contains($"conflict resolve {conflict} --option skip", store.Run("doctor").Exits(1).Out, StringComparison.Ordinal);

        Assert.Equal("conflict.not-restored", store.Run("conflict", "resolve", conflict, "--option", "skip", "--reason", "r", "--json").Exits(4).JsonError.GetProperty("rule").GetString());
        File.WriteAllText(path, "good bytes");
        store.Run("conflict", "resolve", conflict, "--option", "skip", "--reason", "restored").Exits(0);
        Assert.Equal("good bytes", store.Run("file", "read", id).Exits(0).Out);
        store.Run("doctor").Exits(0);
        store.Run("file", "check", "object:none").Exits(3);
        store.Run("file", "read", id, "--json").Exits(2);
    }

    [Fact]
    public void A_membership_opens_every_door_to_its_workspace_and_its_end_closes_them()
    {
        using Statestore store = Statestore.Initialised();
        store.RunWith("""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"profile:lab","profile_class":"lab"}""", null, "put", "profiles").Exits(0);
        store.RunWith(Agent, null, "put", "actors").Exits(0);
        foreach ((string id, string profile, string workspace) in (IEnumerable<(string, string, string)>)[("object:w", "profile:lab", "workspace:w"), ("object:v", "profile:lab", "workspace:v"), ("object:p", "profile:personal", "workspace:v")])
        {
            store.RunWith($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","profile_id":"{{profile}}","workspace_id":"{{workspace}}"}""", null, "put", "objects").Exits(0);
        }

        string sequence = store.Run("get", "objects", "object:v", "--meta", "--json").Json.GetProperty("sequence").GetRawText();
        Sees(store, sequence, false);
        store.RunWith(Membership(""), null, "put", "memberships").Exits(0);
        Sees(store, sequence, true);
        store.RunWith(Membership(""","revoked_at":"2026-01-01T00:00:00Z" """), null, "put", "memberships").Exits(0);
        Sees(store, sequence, false);
    }

    [Fact]
    public void A_plan_asks_the_policy_service_and_explain_tells_what_it_said()
    {
        using Statestore store = Statestore.Initialised();
        using Judge judge = new();
        store.RunWith("""{"schema":"sourceos.object-record/v1alpha1","object_id":"object:a","object_type":"note","profile_id":"profile:personal","workspace_id":"workspace:w","sync_visibility":"workspace"}""", null, "put", "objects").Exits(0);
        store.RunWith(Policy(judge.Port), null, "policy", "load", "-").Exits(0);
        string[] plan = ["plan", "create", "replicate", "--workspace", "workspace:w", "--json"];

        judge.Says("allow");
        Assert.Equal("object:a", store.Run(plan).Exits(0).Json.GetProperty("objects")[0].GetString());
        Assert.Equal("yes", Answer(store, 5).GetProperty("value").GetString());
        store.Run("policy", "check", "--object", "object:a", "--question", "leave_device").Exits(0);

        judge.Says("deny");
        JsonElement denied = store.Run(plan).Exits(1).Json;
        Assert.Equal("policy.service.r1", denied.GetProperty("blocked")[0].GetProperty("rule").GetString());
        Assert.Equal("no", Answer(store, 5).GetProperty("value").GetString());
        Assert.Contains("Because.", Answer(store, 6).GetProperty("sentence").GetString(), StringComparison.Ordinal);
        Assert.Contains("Because.", store.Run("policy", "check", "--object", "object:a", "--question", "leave_device").Exits(1).Out, StringComparison.Ordinal);

        // It answers nobody until the caller has given up.
        using ManualResetEventSlim hasGivenUp = new();
        judge.Answer = _ =>
        {
            hasGivenUp.Wait(60_000);
            return null;
        };
        Assert.Equal("policy.service-unreachable", store.Run(plan).Exits(1).Json.GetProperty("blocked")[0].GetProperty("rule").GetString());
        hasGivenUp.Set();
        judge.Answer = static _ => "HTTP/1.1 200 OK\r\n\r\nperhaps";
        Assert.Equal("policy.service-answer", store.Run(plan).Exits(1).Json.GetProperty("blocked")[0].GetProperty("rule").GetString());

        judge.Says("allow");
        store.Run("plan", "retry", denied.GetProperty("plan").GetString()!).Exits(0);
        Assert.Equal("yes", Answer(store, 5).GetProperty("value").GetString());
        judge.Dispose();
        Assert.Equal("policy.service-unreachable", store.Run(plan).Exits(1).Json.GetProperty("blocked")[0].GetProperty("rule").GetString());
    }

    private static void Sees(Statestore store, string sequence, bool isMember)
    {
        string[] actor = ["--actor", "actor:bot"];
        int found = isMember ? 0 : 3;
        Assert.Equal(isMember ? ["object:v", "object:w"] : ["object:w"], store.Run(["list", "objects", "--json", .. actor]).Exits(0).Lines.Select(static line => line.GetProperty("object_id").GetString()));
        store.Run(["get", "objects", "object:v", .. actor]).Exits(found);
        store.Run(["get", "objects", "object:v", "--at", sequence, .. actor]).Exits(found);
        store.Run(["explain", "object:v", .. actor]).Exits(found);
        store.Run(["explain", "object:v", "--at", sequence, .. actor]).Exits(found);
        store.Run(["inspect", "--record", "objects", "object:v", .. actor]).Exits(found);
        store.Run(["prove", "event", sequence, .. actor]).Exits(found);
        store.Run(["prove", "record", "objects", "object:v", .. actor]).Exits(found);
        store.Run(["policy", "check", "--object", "object:v", "--question", "read", .. actor]).Exits(isMember ? 0 : 3);
        store.Run(["file", "check", "object:v", .. actor]).Exits(isMember ? 8 : 3);
        Answer export = store.Run(["export", "--format", "records", .. actor]);
        Assert.Equal(isMember, export.Out.Contains("object:v", StringComparison.Ordinal));
        Assert.DoesNotContain("object:p", export.Out, StringComparison.Ordinal);
    }

    private static string Membership(string more) => $$"""{"schema":"sourceos.workspace-membership/v1alpha1","membership_id":"m:1","actor_id":"actor:bot","workspace_id":"workspace:v"{{more}}}""";

    private static string Policy(int port) =>
        $$"""{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"t","version":"v1","service":{"url":"http://127.0.0.1:{{port}}/policy","timeout_ms":4000,"retries":1},"defaults":{"write":"allow","delete":"allow","leave_device":"allow","sync_workspace":"allow"},"rules":[]}""";

    private static JsonElement Answer(Statestore store, int number) => store.Run("explain", "object:a", "--json").Exits(0).Json.GetProperty("answers")[number - 1];

    private static async Task<JsonElement> LineAsync(Process process, Func<JsonElement, bool> isWanted)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(120));
        while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
        {
            JsonElement json = JsonDocument.Parse(line).RootElement;
            if (isWanted(json))
            {
                return json;
            }
        }

        throw new InvalidOperationException($"The program ended: {await process.StandardError.ReadToEndAsync(limit.Token)}");
    }

    // A policy service in the test's own process.
    private sealed class Judge : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public Judge()
        {
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _ = Task.Run(ServeAsync);
        }

        public int Port { get; }

        public Func<string, string?> Answer { get; set; } = static _ => null;

        public void Says(string effect) => Answer = request =>
        {
            string one = $$"""{"effect":"{{effect}}","rule":"r1","rationale":"Because."}""";
            string body = $$"""{"schema":"sourceos.policy-answer/v1alpha1","policy_id":"p","version":"1","answers":[{{string.Join(',', Enumerable.Repeat(one, request.Split("\"question\":").Length - 1))}}]}""";
            return $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        };

        public void Dispose() => _listener.Stop();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    _ = AnswerAsync(await _listener.AcceptSocketAsync());
                }
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The listener was stopped.
                return;
            }
        }

        private async Task AnswerAsync(Socket socket)
        {
            using Socket owned = socket;
            try
            {
                byte[] buffer = new byte[1 << 16];
                int length = 0;
                while (!Encoding.UTF8.GetString(buffer, 0, length).EndsWith("]}", StringComparison.Ordinal))
                {
                    int count = await socket.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None);
                    if (count == 0)
                    {
                        return;
                    }

                    length += count;
                }

                if (Answer(Encoding.UTF8.GetString(buffer, 0, length)) is { } answer)
                {
                    await socket.SendAsync(Encoding.ASCII.GetBytes(answer), SocketFlags.None);
                }
            }
            catch (SocketException)
            {
                // The program hung up before the answer.
                return;
            }
        }
    }
}
