// Why this file exists: the door stands on a machine with browsers, other users' programs and mistakes. Whatever comes in gets an answer of the 4xx kind, and the next good request is answered as if nothing had been.

using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using SourceOS.StateStore.Daemon.Http;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class HttpGuardTests : IAsyncLifetime, IDisposable
{
    private readonly DaemonStore _store = new();
    private DaemonProcess _daemon = null!;

    public async Task InitializeAsync() => _daemon = await DaemonProcess.StartAsync(_store.Path);

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _daemon.Dispose();
        _store.Dispose();
    }

    [Fact]
    public async Task Only_reading_is_served()
    {
        foreach (string method in (string[])["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECTED"])
        {
            using HttpRequestMessage request = new(new HttpMethod(method), "/events");
            using HttpResponseMessage answer = await _daemon.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
            Assert.Equal("GET, HEAD", string.Join(", ", answer.Content.Headers.Allow));
        }

        using HttpRequestMessage head = new(HttpMethod.Head, "/healthz");
        using HttpResponseMessage length = await _daemon.Client.SendAsync(head);
        Assert.Equal(HttpStatusCode.OK, length.StatusCode);
        Assert.True(length.Content.Headers.ContentLength > 0);
        await StillAnswersAsync();
    }

    [Theory]
    [InlineData("Host", "evil.example", 421)]
    [InlineData("Host", "127.0.0.1.evil.example:80", 421)]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("Sec-Fetch-Site", "cross-site", 403)]
    [InlineData("Sec-Fetch-Site", "same-origin", 200)]
    [InlineData("Host", "localhost:1", 200)]
    public async Task Another_sites_page_reads_nothing(string header, string value, int status)
    {
        string host = header == "Host" ? value : "127.0.0.1";
        string answer = await _daemon.SendRawAsync(Encoding.ASCII.GetBytes($"GET /events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{(header == "Host" ? "" : $"{header}: {value}\r\n")}\r\n"));
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Equal(status == 200, answer.Contains("evt-00000001", StringComparison.Ordinal));
    }

    public static TheoryData<string> Hostile =>
    [
        "", "\0\0\0\0", "GET", "GET / HTTP/9.9\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /events?from=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /events?limit=1001 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /events?limit=1&limit=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /events?form=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /events?from=99999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /events/0 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /events/evt-x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /events/18446744073709551615 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /objects/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /objects/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /objects/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /objects/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /objects/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: soon\r\n\r\n", "GET /objects/" + new string('a', 300) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /" + new string('a', 9_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + new string('a', 20_000) + "\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task Hostile_bytes_are_refused_and_the_door_goes_on(string bytes)
    {
        string answer = await _daemon.SendRawAsync(Encoding.Latin1.GetBytes(bytes));

        // The preface of HTTP/2 is answered by a frame that says "HTTP/1.1 required" (RFC 9113, 7): it begins with a zero.
        Assert.True(answer.Length == 0 || answer[0] == '\0' || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 505", StringComparison.Ordinal), answer);
        Assert.DoesNotContain("   at ", answer, StringComparison.Ordinal);
        await StillAnswersAsync();
    }

    [Fact]
    public async Task A_thousand_slow_clients_hold_no_more_than_their_share_and_leave_nothing_behind()
    {
        const int clients = 1000;
        const int maxConnections = 128;
        await StillAnswersAsync();
        int before = Descriptors();
        Uri uri = new(_daemon.Address);
        List<Socket> open = [];
        try
        {
            for (int i = 0; i < clients; i++)
            {
                Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                open.Add(socket);
                await socket.ConnectAsync(uri.Host, uri.Port);
            }

            int most = 0;
            foreach (byte letter in "GET /healthz HT"u8.ToArray())
            {
                foreach (Socket socket in open)
                {
                    try
                    {
                        await socket.SendAsync(new[] { letter });
                    }
                    catch (SocketException)
                    {
                        // Thrown out already, which is one way to be refused.
                        continue;
                    }
                }

                most = Math.Max(most, Descriptors());
            }

            // The two that a connection can take for a moment while it is being closed are not what the bound is about.
            Assert.InRange(most, before, before + maxConnections + 64);
        }
        finally
        {
            open.ForEach(static socket => socket.Dispose());
        }

        using CancellationTokenSource bound = new(DaemonProcess.BoundMs);
        while (Descriptors() > before + 4)
        {
            await Task.Delay(50, bound.Token);
        }

        await StillAnswersAsync();
    }

    private int Descriptors() => Directory.GetFileSystemEntries($"/proc/{_daemon.Id}/fd").Length;

    [Fact]
    public async Task More_than_it_can_do_is_refused_and_not_queued_for_ever()
    {
        Assert.True(ListenAddress.TryParse("127.0.0.1:0", out ListenAddress? address, out _));
        await using WebApplication app = HttpDoor.Build(new StateStoreHostOptions { StorePath = _store.Path, FullCheckMinutes = 0 }, address!, maxPerSecond: 10);
        await app.StartAsync();
        using HttpClient client = new(new SocketsHttpHandler { MaxConnectionsPerServer = 16 }) { BaseAddress = new Uri(app.Urls.First()) };
        HttpStatusCode[] statuses = await Task.WhenAll(Enumerable.Range(0, 400).Select(async _ =>
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri("/healthz", UriKind.Relative));
            Assert.Equal(answer.StatusCode == HttpStatusCode.TooManyRequests, answer.Headers.RetryAfter is not null);
            return answer.StatusCode;
        }));
        Assert.Contains(HttpStatusCode.OK, statuses);
        Assert.Contains(HttpStatusCode.TooManyRequests, statuses);
        Assert.All(statuses, static status => Assert.True(status is HttpStatusCode.OK or HttpStatusCode.TooManyRequests, $"{status}"));
        await app.StopAsync();
    }

    [Fact]
    public async Task The_page_encodes_what_others_wrote_and_asks_nobody_for_anything()
    {
        string page = await _daemon.Client.GetStringAsync(new Uri("/", UriKind.Relative));
        Assert.Contains("healthy", page, StringComparison.Ordinal);
        Assert.Contains("note:shown", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        Assert.DoesNotContain("src=", page, StringComparison.Ordinal);
        Assert.DoesNotContain("href=", page, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme", page, StringComparison.Ordinal);
        using HttpResponseMessage answer = await _daemon.Client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Contains("default-src 'none'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    private async Task StillAnswersAsync()
    {
        (int status, System.Text.Json.JsonElement answer) = await _daemon.GetAsync("/objects/note:shown");
        Assert.Equal(200, status);
        Assert.Equal("note:shown", answer.GetProperty("id").GetString());
    }
}
