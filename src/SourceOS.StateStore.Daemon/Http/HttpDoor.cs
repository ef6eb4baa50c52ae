// Why this file exists: the daemon's HTTP door, put together. Invariants: it listens where it was told and nowhere else, whatever the environment says; limits on line, headers, connections, requests at once and per second; a stop that
// was asked for ends streams, answers what is under way, and closes the store.

using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Daemon.Page;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>The HTTP door.</summary>
internal static class HttpDoor
{
    private const int MaxConnections = 128;
    private const int MaxAtOnce = 16;
    private const int MaxQueued = 64;
    private const int DefaultPerSecond = 500;
    private const int ShutdownMs = 20_000;

    /// <summary>Listens until it is told to stop.</summary>
    /// <param name="options">The store.</param>
    /// <param name="address">Where.</param>
    /// <param name="output">Is told the address once the door is open.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>0.</returns>
    /// <exception cref="IOException">The address cannot be listened on.</exception>
    public static async Task<int> RunAsync(StateStoreHostOptions options, ListenAddress address, TextWriter output, CancellationToken cancellationToken)
    {
        WebApplication app = Build(options, address);
        await using (app.ConfigureAwait(false))
        {
            if (address.SocketPath is { } path)
            {
                SocketFile.RemoveDead(path);
            }

            await app.StartAsync(cancellationToken).ConfigureAwait(false);
            string where = address.SocketPath is { } socket ? $"unix:{socket}" : app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
            await output.WriteLineAsync($"Listening on {where}").ConfigureAwait(false);
            await output.FlushAsync(cancellationToken).ConfigureAwait(false);
            await app.WaitForShutdownAsync(cancellationToken).ConfigureAwait(false);
        }

        return 0;
    }

    /// <summary>Puts the door together.</summary>
    /// <param name="options">The store.</param>
    /// <param name="address">Where it will listen.</param>
    /// <param name="maxPerSecond">How many requests it answers in a second, at least 10.</param>
    public static WebApplication Build(StateStoreHostOptions options, ListenAddress address, int maxPerSecond = DefaultPerSecond)
    {
        // Empty, so that neither the working directory's files nor the environment configure anything.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "statestored" });
        AddLogging(builder.Logging);
        AddSystemd(builder.Services);
        builder.Services.AddStateStore(target => Copy(options, target));
        builder.Services.AddHostedService<Watchdog>();
        builder.Services.AddSingleton(address);
        builder.Services.AddSingleton<RequestCounts>();
        builder.Services.AddSingleton<ProbeEndpoints>();
        builder.Services.AddSingleton<EventEndpoints>();
        builder.Services.AddSingleton<ObjectEndpoints>();
        builder.Services.AddSingleton<StatusPage>();
        builder.Services.AddRoutingCore();
        builder.Services.AddRateLimiter(limiter => Limit(limiter, maxPerSecond));
        builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = TimeSpan.FromMilliseconds(ShutdownMs));
        Listen(builder, address);
        WebApplication app = builder.Build();
        app.UseMiddleware<Guards>();
        app.UseRateLimiter();
        app.UseRouting();
        app.Services.GetRequiredService<ProbeEndpoints>().Map(app);
        app.Services.GetRequiredService<EventEndpoints>().Map(app);
        app.Services.GetRequiredService<ObjectEndpoints>().Map(app);
        app.Services.GetRequiredService<StatusPage>().Map(app);
        app.MapFallback("{**path}", static context => Answers.NotFoundAsync(context, "There is no such page; there are /healthz, /readyz, /statez, /repairz, /metrics, /events, /objects/ID and /.", context.Request.Path));
        return app;
    }

    private static void Copy(StateStoreHostOptions from, StateStoreHostOptions to)
    {
        to.StorePath = from.StorePath;
        to.Owns = from.Owns;
        to.ActorId = from.ActorId;
        to.ProfileId = from.ProfileId;
        to.PolicyFile = from.PolicyFile;
        to.PolicyPollMs = from.PolicyPollMs;
        to.CheckCacheMs = from.CheckCacheMs;
        to.FullCheckMinutes = from.FullCheckMinutes;
    }

    // Whoever sets the variable waits to be told, whether systemd is the parent or something stands between.
    private static void AddSystemd(IServiceCollection services)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is { Length: > 0 })
        {
            services.AddSingleton<ISystemdNotifier, SystemdNotifier>();
            services.AddSingleton<IHostLifetime, SystemdLifetime>();
        }
    }

    private static void AddLogging(ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);

        // Everything to standard error. Under systemd each line carries its priority, so that the journal can filter by it.
        logging.AddConsole(static console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
        {
            logging.AddSystemdConsole();
        }
        else
        {
            logging.AddSimpleConsole(static console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                console.ColorBehavior = Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Disabled;
            });
        }
    }

    private static void Listen(WebApplicationBuilder builder, ListenAddress address)
    {
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.ConfigureEndpointDefaults(static endpoint => endpoint.Protocols = HttpProtocols.Http1);
            server.Limits.MaxRequestLineSize = 8 << 10;
            server.Limits.MaxRequestHeadersTotalSize = 16 << 10;
            server.Limits.MaxRequestHeaderCount = 64;
            server.Limits.MaxRequestBodySize = 0;
            server.Limits.MaxConcurrentConnections = MaxConnections;
            server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            server.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            if (address.SocketPath is { } path)
            {
                server.ListenUnixSocket(path);
            }
            else
            {
                server.Listen(address.EndPoint!);
            }
        });
        builder.Services.Configure<SocketTransportOptions>(static transport =>
            transport.CreateBoundListenSocket = static endpoint => endpoint is UnixDomainSocketEndPoint socket ? SocketFile.Bind(socket.ToString()) : SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint));
    }

    private static void Limit(RateLimiterOptions limiter, int maxPerSecond)
    {
        limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
        limiter.OnRejected = static (context, cancellationToken) =>
        {
            context.HttpContext.Response.Headers.RetryAfter = "1";
            return new ValueTask(Answers.ErrorAsync(context.HttpContext, StatusCodes.Status429TooManyRequests, new DoorError("too_many_requests", "The door answers no more than it can at once.", "", IsRetryable: true, Next: "Ask again in a second.")));
        };

        // A stream is long by nature and has a bound of its own; it must not take a place from requests that end.
        limiter.GlobalLimiter = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, string>(static context => IsStream(context)
                ? RateLimitPartition.GetNoLimiter("streams")
                : RateLimitPartition.GetConcurrencyLimiter("all", static _ => new ConcurrencyLimiterOptions { PermitLimit = MaxAtOnce, QueueLimit = MaxQueued, QueueProcessingOrder = QueueProcessingOrder.OldestFirst })),
            PartitionedRateLimiter.Create<HttpContext, string>(_ => RateLimitPartition.GetTokenBucketLimiter(
                "all", _ => new TokenBucketRateLimiterOptions { TokenLimit = maxPerSecond, TokensPerPeriod = maxPerSecond / 10, ReplenishmentPeriod = TimeSpan.FromMilliseconds(100), QueueLimit = 0, AutoReplenishment = true })));
    }

    private static bool IsStream(HttpContext context) =>
        context.Request.Path == "/events" && (context.Request.Query.ContainsKey("stream") || context.Request.Headers.Accept.ToString().Contains("text/event-stream", StringComparison.Ordinal));
}
