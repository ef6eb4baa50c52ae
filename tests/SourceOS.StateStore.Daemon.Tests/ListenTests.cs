// Why this file exists: where the door listens is a promise: loopback or a socket of the owner's alone, nothing else, and nothing of anybody else's is removed to get there.

using System.Net.Sockets;
using SourceOS.StateStore.Daemon.Http;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class ListenTests
{
    [Theory]
    [InlineData("0.0.0.0:80")]
    [InlineData("[::]:80")]
    [InlineData("192.168.1.1:80")]
    [InlineData("example.org:80")]
    [InlineData("localhost.example.org:80")]
    [InlineData(":80")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:70000")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("unix:")]
    [InlineData("")]
    public async Task No_other_address_is_taken(string address)
    {
        Assert.False(ListenAddress.TryParse(address, out _, out string reason));
        Assert.NotEqual("", reason);
        using DaemonStore store = new();
        (int exit, string errors) = await DaemonProcess.RunAsync("--store", store.Path, "--listen", address);
        Assert.Equal(2, exit);
        Assert.Contains("statestored: ", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:0")]
    [InlineData("127.9.9.9:1")]
    [InlineData("localhost:65535")]
    [InlineData("[::1]:1")]
    [InlineData("http://127.0.0.1:1/")]
    public void Loopback_is_taken(string address) => Assert.True(ListenAddress.TryParse(address, out _, out _));

    [Theory]
    [InlineData("--store", "")]
    [InlineData("--actor", "")]
    [InlineData("--actor", "a\nb")]
    [InlineData("--nothing")]
    [InlineData("--policy", "x.json")]
    [InlineData("mcp")]
    public async Task Wrong_words_end_it_before_anything_is_opened(params string[] arguments)
    {
        using DaemonStore store = new(isInitialised: false);
        (int exit, string errors) = await DaemonProcess.RunAsync(arguments[0] == "--store" ? arguments : [.. arguments, "--store", store.Path]);
        Assert.True(exit == 2, errors);
        Assert.Empty(Directory.EnumerateFileSystemEntries(store.Root));
    }

    [Fact]
    public async Task A_socket_is_its_owners_alone_serves_is_taken_over_when_dead_and_removed_at_the_end()
    {
        using DaemonStore store = new();
        string path = System.IO.Path.Combine(store.Root, "http.sock");
        using (DaemonProcess killed = await DaemonProcess.StartAsync(store.Path, "--listen", $"unix:{path}"))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            Assert.Equal(200, (await killed.GetAsync("/readyz")).Status);
            (int exit, string errors) = await DaemonProcess.RunAsync("--store", store.Path, "--listen", $"unix:{path}");
            Assert.Equal(7, exit);
            Assert.Contains("listens", errors, StringComparison.Ordinal);
            Assert.Equal(200, (await killed.GetAsync("/readyz")).Status);
            await killed.StopAsync("KILL");
        }

        Assert.True(File.Exists(path));
        using DaemonProcess daemon = await DaemonProcess.StartAsync(store.Path, "--listen", $"unix:{path}");
        Assert.Equal(200, (await daemon.GetAsync("/readyz")).Status);
        Assert.Equal(0, await daemon.StopAsync());
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task What_is_no_socket_is_left_as_it_is()
    {
        using DaemonStore store = new();
        string file = System.IO.Path.Combine(store.Root, "precious");
        File.WriteAllText(file, "");
        string link = System.IO.Path.Combine(store.Root, "link");
        File.CreateSymbolicLink(link, file);
        string directory = System.IO.Path.Combine(store.Root, "directory");
        Directory.CreateDirectory(directory);
        foreach (string path in (string[])[file, link, directory])
        {
            (int exit, string errors) = await DaemonProcess.RunAsync("--store", store.Path, "--listen", $"unix:{path}");
            Assert.Equal(7, exit);
            Assert.Contains("not a socket", errors, StringComparison.Ordinal);
            Assert.True(System.IO.Path.Exists(path));
        }
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_it_with_the_reason()
    {
        using DaemonStore store = new();
        using TcpListener taken = new(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        (int exit, string errors) = await DaemonProcess.RunAsync("--store", store.Path, "--listen", taken.LocalEndpoint.ToString()!);
        Assert.Equal(7, exit);
        Assert.Contains("in use", errors, StringComparison.Ordinal);
    }
}
