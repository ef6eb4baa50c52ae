// Why this file exists: a .NET daemon puts a store into its host with one call; wrong options stop it with a sentence before a file is touched, and the store is closed cleanly when the host stops.

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using SourceOS.StateStore.Governance.Gates;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Tests;

public sealed class HostingTests
{
    [Fact]
    public async Task An_owned_store_is_open_from_start_to_stop_and_governed()
    {
        using DaemonStore store = new();
        using IHost host = HostOf(new() { ["StorePath"] = store.Path, ["Owns"] = "true", ["ActorId"] = DaemonStore.Admin });
        await host.StartAsync();
        StateStore owned = host.Services.GetRequiredService<OwnedStore>().Store;
        CommitReceipt refused = await owned.OpenSession(new SessionIdentity("actor:nobody", "device:here", DaemonStore.Home))
            .CommitAsync(new CommitBatch().PutJson(System.Text.Encoding.UTF8.GetBytes(DaemonStore.Object("note:mine"))));
        Assert.False(refused.IsCommitted);
        HealthReport health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Healthy, health.Status);
        await host.StopAsync();
        Assert.Throws<InvalidOperationException>(() => host.Services.GetRequiredService<OwnedStore>());
        using StateStore again = GovernedStore.Open(store.Path);
        Assert.Equal(RecoveryCase.Clean, again.Recovery!.Case);
    }

    [Fact]
    public async Task A_store_that_is_only_read_may_come_later_and_its_health_follows()
    {
        using DaemonStore store = new(isInitialised: false);
        using IHost host = HostOf(new() { ["StorePath"] = store.Path, ["CheckCacheMs"] = "0" });
        await host.StartAsync();
        HealthCheckService health = host.Services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync()).Status);
        Assert.Throws<InvalidOperationException>(() => host.Services.GetRequiredService<OwnedStore>());
        store.Initialise();
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);
        await host.StopAsync();
    }

    [Theory]
    [InlineData("StorePath", "")]
    [InlineData("ActorId", "a\nb")]
    [InlineData("PolicyPollMs", "1")]
    [InlineData("CheckCacheMs", "-1")]
    [InlineData("PolicyFile", "x.json")]
    public async Task Wrong_options_stop_the_host_before_a_file_is_touched(string key, string value)
    {
        using DaemonStore store = new(isInitialised: false);
        using IHost host = HostOf(new() { ["StorePath"] = store.Path, [key] = value });
        OptionsValidationException fault = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        Assert.Contains(key, fault.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(store.Root));
    }

    private static IHost HostOf(Dictionary<string, string?> values)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(values.Select(static item => new KeyValuePair<string, string?>("StateStore:" + item.Key, item.Value)));
        builder.Services.AddStateStore(builder.Configuration.GetSection("StateStore"));
        return builder.Build();
    }
}
