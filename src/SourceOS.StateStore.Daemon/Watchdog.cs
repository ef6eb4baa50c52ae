// Why this file exists: systemd's watchdog restarts a daemon that hangs. Invariants: it is told so only after the store answered, so a daemon whose reads hang is restarted; a store that is missing or damaged is an answer, because a
// restart would not mend it.

using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon;

/// <summary>Feeds systemd's watchdog (sd_watchdog_enabled(3)).</summary>
internal sealed class Watchdog(StateStoreAccess access, ISystemdNotifier? notifier = null) : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (notifier is not { IsEnabled: true } || Interval() is not { } interval)
        {
            return;
        }

        using PeriodicTimer timer = new(interval);
        do
        {
            if (await AnswersAsync().ConfigureAwait(false))
            {
                notifier.Notify(new ServiceState("WATCHDOG=1"));
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    /// <summary>Half of what systemd waits.</summary>
    /// <returns>The interval; null when it does not watch this process.</returns>
    internal static TimeSpan? Interval()
    {
        string? pid = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        bool isForUs = string.IsNullOrEmpty(pid) || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return isForUs && long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long micros) && micros is > 2_000 and < 86_400_000_000
            ? TimeSpan.FromMicroseconds(micros / 2.0) : null;
    }

    private Task<bool> AnswersAsync() => Task.Run(() =>
    {
        try
        {
            return access.Read(static snapshot => snapshot.Sequence < ulong.MaxValue);
        }
        catch (StateStoreException)
        {
            return true;
        }
    });
}
