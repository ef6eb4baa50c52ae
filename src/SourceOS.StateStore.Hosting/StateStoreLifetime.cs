// Why this file exists: the store's life follows the host's. Invariants: an owned store is open before anything that was registered after it starts, and closed cleanly after everything that was registered after it has stopped.

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace SourceOS.StateStore.Hosting;

/// <summary>Opens and closes the host's store.</summary>
internal sealed partial class StateStoreLifetime(StateStoreAccess access, ILogger<StateStoreLifetime> logger) : IHostedService
{
    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        access.Start();
        if (access.Options.Owns && access.Owned.Recovery is { } recovery)
        {
            LogOpened(logger, access.Options.StorePath, access.Owned.VisibleSequence, recovery.Summary);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await access.DisposeAsync().ConfigureAwait(false);
        LogClosed(logger, access.Options.StorePath);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Opened the store {Path} at sequence {Sequence}. {Recovery}")]
    private static partial void LogOpened(ILogger logger, string path, ulong sequence, string recovery);

    [LoggerMessage(Level = LogLevel.Information, Message = "Closed the store {Path}.")]
    private static partial void LogClosed(ILogger logger, string path);
}
