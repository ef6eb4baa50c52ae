// Why this file exists: the daemon as a process of its own, and a client for it. Invariants: it is gone when the test is; what it said on standard error is in the message of whatever fails.

using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace SourceOS.StateStore.Daemon.Tests;

internal sealed class DaemonProcess : IDisposable
{
    public const int BoundMs = 60_000;
    private readonly StringBuilder _errors = new();
    private readonly Process _process;

    private DaemonProcess(Process process) => _process = process;

    public static string Program => System.IO.Path.Combine(AppContext.BaseDirectory, "statestored");

    public int Id => _process.Id;

    public string Address { get; private set; } = "";

    public HttpClient Client { get; private set; } = new();

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Starts the daemon and waits until it listens.</summary>
    public static async Task<DaemonProcess> StartAsync(string store, params string[] arguments)
    {
        bool isGiven = arguments.Contains("--listen");
        return await ConnectAsync(Launch(Program, ["--store", store, .. isGiven ? arguments : [.. arguments, "--listen", "127.0.0.1:0"]]));
    }

    /// <summary>Starts the daemon by the command line's `serve`.</summary>
    public static Task<DaemonProcess> ServeAsync(string store, params string[] arguments) =>
        ConnectAsync(Launch(System.IO.Path.Combine(AppContext.BaseDirectory, "statestore"), ["--store", store, "serve", "--listen", "127.0.0.1:0", .. arguments]));

    private static async Task<DaemonProcess> ConnectAsync(DaemonProcess daemon)
    {
        string? line = await daemon._process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMilliseconds(BoundMs));
        Assert.True(line?.StartsWith("Listening on ", StringComparison.Ordinal), $"{line} {daemon.Errors}");
        daemon.Address = line!["Listening on ".Length..];
        daemon.Client = ClientOf(daemon.Address);
        return daemon;
    }

    /// <summary>Runs the daemon with arguments that end it.</summary>
    public static async Task<(int Exit, string Errors)> RunAsync(params string[] arguments)
    {
        using DaemonProcess daemon = Launch(Program, arguments);
        return (await daemon.ExitAsync(), daemon.Errors);
    }

    public async Task<(int Status, JsonElement Json)> GetAsync(string path)
    {
        using HttpResponseMessage answer = await Client.GetAsync(new Uri(path, UriKind.Relative));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
        return ((int)answer.StatusCode, JsonDocument.Parse(text).RootElement);
    }

    /// <summary>Sends bytes as they are and reads what comes back until the other side closes, or has answered and waits for more.</summary>
    public async Task<string> SendRawAsync(byte[] bytes)
    {
        Uri uri = new(Address);
        using TcpClient client = new();
        await client.ConnectAsync(uri.Host, uri.Port);
        NetworkStream stream = client.GetStream();
        using CancellationTokenSource bound = new(BoundMs);
        byte[] buffer = new byte[64 << 10];
        StringBuilder answer = new();
        try
        {
            await stream.WriteAsync(bytes, bound.Token);
            if (!Encoding.Latin1.GetString(bytes).Contains("\r\n\r\n", StringComparison.Ordinal))
            {
                // An unfinished request would be waited for; its end is that nothing more comes.
                client.Client.Shutdown(SocketShutdown.Send);
            }

            while (true)
            {
                int length = await stream.ReadAsync(buffer, bound.Token);
                answer.Append(Encoding.Latin1.GetString(buffer, 0, length));
                if (length == 0 || IsWhole(answer.ToString()))
                {
                    return answer.ToString();
                }
            }
        }
        catch (IOException)
        {
            // A server that refuses may reset the connection before all was sent; what it said until then counts.
            return answer.ToString();
        }
    }

    private static bool IsWhole(string answer)
    {
        int end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        int at = answer.IndexOf("Content-Length: ", StringComparison.Ordinal);
        return end >= 0 && at >= 0 && at < end && answer.Length - end - 4 >= int.Parse(answer.AsSpan(at + 16, answer.IndexOf('\r', at) - at - 16), System.Globalization.CultureInfo.InvariantCulture);
    }

    public async Task<int> StopAsync(string signal = "TERM")
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{_process.Id}"]);
        await kill.WaitForExitAsync();
        return await ExitAsync();
    }

    public async Task<int> ExitAsync()
    {
        using CancellationTokenSource bound = new(BoundMs);
        await _process.WaitForExitAsync(bound.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private static HttpClient ClientOf(string address)
    {
        if (!address.StartsWith("unix:", StringComparison.Ordinal))
        {
            return new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 64 }) { BaseAddress = new Uri(address), Timeout = TimeSpan.FromMilliseconds(BoundMs) };
        }

        SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address["unix:".Length..]), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        return new HttpClient(handler) { BaseAddress = new Uri("http://statestored"), Timeout = TimeSpan.FromMilliseconds(BoundMs) };
    }

    private static DaemonProcess Launch(string program, string[] arguments)
    {
        ProcessStartInfo start = new(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        DaemonProcess daemon = new(Process.Start(start)!);
        daemon._process.ErrorDataReceived += (_, line) =>
        {
            lock (daemon._errors)
            {
                daemon._errors.AppendLine(line.Data);
            }
        };
        daemon._process.BeginErrorReadLine();
        return daemon;
    }
}
