// Why this file exists: the policy service as a commit meets it, over real sockets: it allows, denies, is slow, hangs up, talks nonsense, too much, or sends elsewhere. Invariants: each
// refusal is audited and nothing else changed.

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Plans;
using SourceOS.StateStore.Governance.Policy;
using SourceOS.StateStore.Governance.Tests.Gates;
using static SourceOS.StateStore.Governance.Tests.Gates.GovernedFixture;

namespace SourceOS.StateStore.Governance.Tests.Policy;

public sealed class PolicyServiceTests : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly GovernedFixture _store = new();
    private volatile Func<Socket, string, Task> _answer = static (_, _) => Task.CompletedTask;

    public PolicyServiceTests()
    {
        _listener.Start();
        _ = Task.Run(ServeAsync);
    }

    public void Dispose()
    {
        _listener.Stop();
        _store.Dispose();
    }

    [Fact]
    public void What_the_service_allows_happens_and_what_it_denies_is_refused_by_its_rule()
    {
        Says("allow");
        Load();
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        Assert.Contains("\"question\":\"write\",\"actor_id\":\"actor:admin\"", Assert.Single(_requests), StringComparison.Ordinal);
        Says("deny");
        Assert.Contains("Because.", _store.Refused(_store.Session(), Batch(GovernedFixture.Object("object:b")), "policy.service.r1").Reason, StringComparison.Ordinal);
        Says("review_required");
        Assert.Equal(CommitStatus.ReviewRequired, Try(_store.Session(), Batch(GovernedFixture.Object("object:b"))).Status);
    }

    [Theory]
    [InlineData("hang up")]
    [InlineData("503")]
    [InlineData("slow")]
    public void A_service_that_cannot_be_reached_is_tried_again_and_then_means_no_for_what_fails_closed(string how)
    {
        Load(timeoutMs: how == "slow" ? 100 : 2000);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        _requests.Clear();
        _answer = how switch
        {
            "slow" => static (_, _) => Task.Delay(400),
            "503" => static (socket, _) => SendAsync(socket, "HTTP/1.1 503 Later\r\n\r\n"),
            _ => _answer,
        };
        _store.Refused(_store.Session(), new CommitBatch().Delete(RecordKind.Object, "object:a"), "policy.service-unreachable");
        Assert.Equal(3, _requests.Count);
        Done(_store.Session(), Batch(GovernedFixture.Object("object:b")));
        CommitBatch secure = new CommitBatch().PutJson(Encoding.UTF8.GetBytes(GovernedFixture.Object("object:c")), new ChangeOptions { Lane = Lane.Secure });
        _store.Refused(_store.Session(), secure, "policy.service-unreachable");
    }

    [Theory]
    [InlineData("SSH-2.0-x\r\n\r\n")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")]
    [InlineData("HTTP/1.1 404 No\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nyes")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n{\"schema\":\"sourceos.policy-answer/v1alpha1\",\"policy_id\":\"p\",\"version\":\"1\",\"answers\":[]}")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n{\"schema\":\"sourceos.policy-answer/v1alpha1\",\"policy_id\":\"p\",\"version\":\"1\",\"answers\":[{\"effect\":\"allow\",\"effect\":\"allow\",\"rule\":\"r\",\"rationale\":\"x\"}]}")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")]
    [InlineData("huge")]
    public void An_answer_that_is_none_means_no_and_is_not_asked_for_again(string answer)
    {
        Load();
        string sent = answer == "huge" ? "HTTP/1.1 200 OK\r\n\r\n" + new string(' ', (1 << 20) + 65_536) : answer;
        _answer = (socket, _) => SendAsync(socket, sent);
        _store.Refused(_store.Session(), Batch(GovernedFixture.Object("object:a")), "policy.service-answer");
        Assert.Single(_requests);

        // The way out stays open: another policy can be loaded.
        Done(_store.Session(), PolicyBatch(""));
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
    }

    [Fact]
    public void A_truncated_answer_is_never_taken_for_a_short_one()
    {
        Load();
        _answer = static (socket, _) => SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}");
        Done(_store.Session(), Batch(GovernedFixture.Object("object:a")));
        Assert.Equal(3, _requests.Count);
    }

    [Fact]
    public async Task A_plan_asks_the_service_and_explaining_tells_its_last_recorded_word_and_asks_nobody()
    {
        Says("allow");
        Load();
        Done(_store.Session(), Batch(Shared("object:a"), Shared("object:b")));
        Assert.Equal("unknown", Answer("object:a", 5).Value);
        Assert.Contains("was not asked about it yet", Answer("object:a", 5).Sentence, StringComparison.Ordinal);
        int asked = _requests.Count;

        PlanResult plan = Plan();
        Assert.Equal(["object:a", "object:b"], plan.Objects);
        Assert.Equal(asked + 1, _requests.Count);
        Assert.Contains("\"question\":\"leave_device\"", _requests.Last(), StringComparison.Ordinal);
        Assert.Equal("yes", Answer("object:a", 5).Value);
        Assert.Contains("allowed it at", Answer("object:a", 6).Sentence, StringComparison.Ordinal);

        Says("deny");
        PlanResult denied = Plan();
        Assert.Equal("blocked", denied.Status);
        Assert.All(denied.Blocked, static block => Assert.Equal("policy.service.r1", block.Rule));
        StoredRecord decision = _store.Get(RecordKind.Decision, _store.Get(RecordKind.Plan, denied.Id)!.Text("policy_decision_ref")!)!;
        Assert.Equal("deny", decision.Text("effect"));
        Assert.Equal("p", decision.Text("policy_id"));
        Assert.Equal("leave_device", decision.Text("question"));
        Assert.Equal("no", Answer("object:a", 5).Value);
        Assert.Equal("policy.service.r1", Answer("object:a", 6).Value);
        asked = _requests.Count;
        Assert.Contains("said deny", Answer("object:b", 6).Sentence, StringComparison.Ordinal);
        Assert.Equal(asked, _requests.Count);

        // What the service said of another version of the object decides nothing any more.
        Says("allow");
        Done(_store.Session(), Batch(Shared("object:a", ""","title":"new" """)));
        Assert.Equal("unknown", Answer("object:a", 5).Value);
        PlanResult again = (await PlanRoom.RetryAsync(_store.Store, _store.Session(), denied.Id, DateTimeOffset.UtcNow))!;
        Assert.Equal("planned", again.Status);
        Assert.Equal(denied.Id, again.Id);
        Assert.Equal("yes", Answer("object:a", 5).Value);
    }

    [Theory]
    [InlineData("hang up", "policy.service-unreachable")]
    [InlineData("slow", "policy.service-unreachable")]
    [InlineData("garbage", "policy.service-answer")]
    public void A_plan_whose_service_is_not_heard_lets_nothing_leave(string how, string rule)
    {
        Says("allow");
        Load(timeoutMs: how == "slow" ? 100 : 2000);
        Done(_store.Session(), Batch(Shared("object:a")));
        _answer = how switch
        {
            "slow" => static (_, _) => Task.Delay(400),
            "garbage" => static (socket, _) => SendAsync(socket, "HTTP/1.1 200 OK\r\n\r\nyes"),
            _ => static (_, _) => Task.CompletedTask,
        };
        PlanResult plan = Plan();
        Assert.Equal("blocked", plan.Status);
        Assert.Equal(rule, Assert.Single(plan.Blocked).Rule);
        Assert.Equal("no", Answer("object:a", 5).Value);
        Assert.Contains("http://127.0.0.1", Answer("object:a", 6).Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_rules_block_is_not_told_to_the_service_and_an_old_plan_blocks_nothing_by_itself()
    {
        Says("allow");
        Load();
        Done(_store.Session(), Batch(Shared("object:a"), GovernedFixture.Object("object:local", more: ""","sync_visibility":"local_only" """)));
        _requests.Clear();
        Assert.Equal("object:local", Assert.Single(Plan().Blocked).ObjectId);
        Assert.DoesNotContain("object:local", Assert.Single(_requests), StringComparison.Ordinal);

        Says("deny");
        Assert.Equal("blocked", Plan().Status);
        Done(_store.Session(), PolicyBatch(""));
        Assert.Equal("yes", Answer("object:a", 5).Value);
        Assert.Equal(["object:a"], Plan().Objects);
    }

    private static string Shared(string id, string more = "") => GovernedFixture.Object(id, more: $""","sync_visibility":"workspace"{more}""");

    private PlanResult Plan()
    {
        PlanResult plan = PlanRoom.CreateAsync(_store.Store, _store.Session(), new PlanRequest("replicate", null, "workspace:w", null), DateTimeOffset.UtcNow).GetAwaiter().GetResult()!;
        Assert.True(plan.Receipt.IsCommitted, plan.Receipt.Refusal?.Reason);
        return plan;
    }

    private ExplainAnswer Answer(string id, int number)
    {
        using ReadSnapshot snapshot = _store.Store.OpenSnapshot();
        return ObjectExplainer.Explain(snapshot, id)!.Answers[number - 1];
    }

    [Theory]
    [InlineData("http://192.0.2.1:80/")]
    [InlineData("https://127.0.0.1:80/")]
    [InlineData("http://example.com/")]
    [InlineData("http://u@127.0.0.1:80/")]
    [InlineData("http://127.0.0.1:80/?q=1")]
    public void A_service_that_is_not_on_loopback_is_refused_with_the_document(string url)
    {
        Assert.False(PolicyRules.TryParse(Encoding.UTF8.GetBytes(Document($$""" "service":{"url":"{{url}}"},""")), out _, out PolicyFault? fault));
        Assert.Equal("/service/url", fault!.Place);
    }

    private void Says(string effect) => _answer = (socket, request) =>
    {
        int count = request.Split("\"question\":").Length - 1;
        string one = $$"""{"effect":"{{effect}}","rule":"r1","rationale":"Because.","remedy":"Ask."}""";
        string body = $$"""{"schema":"sourceos.policy-answer/v1alpha1","policy_id":"p","version":"1","answers":[{{string.Join(',', Enumerable.Repeat(one, count))}}]}""";
        return SendAsync(socket, $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    };

    private void Load(int timeoutMs = 2000)
    {
        int port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        Done(_store.Session(), PolicyBatch($$""" "service":{"url":"http://127.0.0.1:{{port}}/policy","timeout_ms":{{timeoutMs}}},"""));
    }

    private static CommitBatch PolicyBatch(string service) => Batch(
        $$$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"policy:local","object_type":"policy_document","attributes":{"policy":{{{Document(service)}}}}}""");

    private static string Document(string service) =>
        $$"""{"schema":"sourceos.policy-rules/v1alpha1","policy_id":"t","version":"v1",{{service}}"defaults":{"write":"allow","delete":"allow","leave_device":"allow","sync_workspace":"allow"},"rules":[]}""";

    private static async Task SendAsync(Socket socket, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent), SocketFlags.None).ConfigureAwait(false);
        }
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                _ = AnswerAsync(await _listener.AcceptSocketAsync().ConfigureAwait(false));
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The listener was stopped with its test.
            return;
        }
    }

    private async Task AnswerAsync(Socket socket)
    {
        using Socket owned = socket;
        try
        {
            string request = await ReadAsync(socket).ConfigureAwait(false);
            _requests.Enqueue(request);
            await _answer(socket, request).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // The engine hung up on an answer that it would not read to its end.
            return;
        }
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        byte[] buffer = new byte[1 << 16];
        int length = 0;
        while (true)
        {
            string text = Encoding.UTF8.GetString(buffer, 0, length);
            if (text.EndsWith("]}", StringComparison.Ordinal))
            {
                return text;
            }

            int count = await socket.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None).ConfigureAwait(false);
            if (count == 0)
            {
                return text;
            }

            length += count;
        }
    }
}
