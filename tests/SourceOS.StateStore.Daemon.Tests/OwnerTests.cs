// Why this file exists: a daemon that owns its store keeps others from writing, obeys a policy file that changes under it, and leaves the store cleanly closed; systemd is told the truth about it.

using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Governance.Policy;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class OwnerTests
{
    [Fact]
    public async Task An_owner_holds_the_lock_and_closes_cleanly()
    {
        using DaemonStore store = new();
        using (DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path, "--own", "--actor", DaemonStore.Admin))
        {
            StateStoreException locked = Assert.Throws<StateStoreException>(() => store.Write(DaemonStore.Object("note:late")));
            Assert.Equal(StateStoreErrorCode.Locked, locked.Code);
            Assert.Equal(200, (await daemon.GetAsync("/objects/note:shown")).Status);
            (int exit, _) = await DaemonProcess.RunAsync("--store", store.Path, "--own", "--listen", "127.0.0.1:0");
            Assert.Equal(5, exit);
            Assert.Equal(0, await daemon.StopAsync());
        }

        using StateStore again = GovernedStore.Open(store.Path);
        Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
    }

    [Fact]
    public async Task The_command_line_starts_it_in_its_own_place()
    {
        using DaemonStore store = new();
        using DaemonProcess daemon = await DaemonProcess.ServeAsync(store.Path, "--actor", DaemonStore.Bot);
        Assert.Equal(200, (await daemon.GetAsync("/objects/note:shown")).Status);
        Assert.Equal(404, (await daemon.GetAsync("/objects/note:secret")).Status);
        Assert.Equal("statestored", File.ReadAllText($"/proc/{daemon.Id}/comm").Trim());
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_policy_file_is_in_force_from_the_start_and_whenever_it_changes_and_a_bad_one_changes_nothing()
    {
        using DaemonStore store = new();
        string file = System.IO.Path.Combine(store.Root, "policy.json");
        File.WriteAllText(file, Policy("1"));
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path, "--own", "--actor", DaemonStore.Admin, "--policy", file);
        await ReachesAsync(store, "1");
        File.WriteAllText(file, "{ this is no policy");
        await SaysAsync(daemon, "was not loaded");
        Assert.Equal("1", VersionOf(store));
        string next = file + ".next";
        File.WriteAllText(next, Policy("2"));
        File.Move(next, file, overwrite: true);
        await ReachesAsync(store, "2");
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task Systemd_is_told_when_it_is_ready_that_it_lives_and_when_it_stops()
    {
        using DaemonStore store = new();
        string path = System.IO.Path.Combine(store.Root, "notify");
        using Socket notify = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notify.Bind(new UnixDomainSocketEndPoint(path));
        ProcessStartInfo start = new("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])["-c", "export SYSTEMD_EXEC_PID=$$; exec \"$0\" --store \"$1\" --listen 127.0.0.1:0", DaemonProcess.Program, store.Path])
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["NOTIFY_SOCKET"] = path;
        start.Environment["WATCHDOG_USEC"] = "400000";
        using Process daemon = Process.Start(start)!;
        try
        {
            Assert.Contains("READY=1", await UntilAsync(notify, "READY=1"), StringComparison.Ordinal);
            Assert.Contains("WATCHDOG=1", await UntilAsync(notify, "WATCHDOG=1"), StringComparison.Ordinal);
            using Process kill = Process.Start("kill", ["-TERM", $"{daemon.Id}"]);
            Assert.Contains("STOPPING=1", await UntilAsync(notify, "STOPPING=1"), StringComparison.Ordinal);
            await daemon.WaitForExitAsync().WaitAsync(TimeSpan.FromMilliseconds(DaemonProcess.BoundMs));
            Assert.Equal(0, daemon.ExitCode);
        }
        finally
        {
            if (!daemon.HasExited)
            {
                daemon.Kill();
            }
        }
    }

    private static async Task<string> UntilAsync(Socket socket, string word)
    {
        byte[] buffer = new byte[4096];
        while (true)
        {
            using CancellationTokenSource bound = new(DaemonProcess.BoundMs);
            int length = await socket.ReceiveAsync(buffer.AsMemory(), bound.Token);
            string text = Encoding.UTF8.GetString(buffer, 0, length);
            if (text.Contains(word, StringComparison.Ordinal))
            {
                return text;
            }
        }
    }

    private static string Policy(string version)
    {
        using System.Text.Json.JsonDocument shipped = System.Text.Json.JsonDocument.Parse(PolicySource.ShippedDocument());
        System.Text.Json.Nodes.JsonObject policy = System.Text.Json.Nodes.JsonObject.Create(shipped.RootElement)!;
        policy["version"] = version;
        return policy.ToJsonString();
    }

    private static string VersionOf(DaemonStore store)
    {
        using StateStore reader = StateStore.OpenRead(store.Path);
        using ReadSnapshot snapshot = reader.OpenSnapshot();
        return PolicySource.Of(snapshot).Rules.Version;
    }

    private static async Task ReachesAsync(DaemonStore store, string version)
    {
        for (int i = 0; VersionOf(store) != version; i++)
        {
            Assert.True(i < 600, $"Policy version {version} never came into force.");
            await Task.Delay(100);
        }
    }

    private static async Task SaysAsync(DaemonProcess daemon, string words)
    {
        for (int i = 0; !daemon.Errors.Contains(words, StringComparison.Ordinal); i++)
        {
            Assert.True(i < 600, daemon.Errors);
            await Task.Delay(100);
        }
    }
}
