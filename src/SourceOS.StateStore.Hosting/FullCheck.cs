// Why this file exists: the quick check reads what changed last; what rotted further back shows when somebody reads it, or here. Invariants: one check at a time, on one core; a store that was found damaged is looked at again soon, so
// that a repair is seen; a check that cannot be made is said once and changes nothing.

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Hosting;

/// <summary>Verifies the whole store from time to time.</summary>
internal sealed partial class FullCheck(StateStoreAccess access, ILogger<FullCheck> logger) : BackgroundService
{
    private const int DamagedAgainMs = 15_000;
    private VerificationVerdict? _last;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (access.Options.FullCheckMinutes == 0)
        {
            return;
        }

        while (true)
        {
            bool isSound = await Task.Run(() => Look(stoppingToken), stoppingToken).ConfigureAwait(false);
            await Task.Delay(isSound ? TimeSpan.FromMinutes(access.Options.FullCheckMinutes) : TimeSpan.FromMilliseconds(DamagedAgainMs), stoppingToken).ConfigureAwait(false);
        }
    }

    private bool Look(CancellationToken stoppingToken)
    {
        if (!Directory.Exists(access.Options.StorePath))
        {
            return false;
        }

        VerificationReport report = access.RunFullCheck(stoppingToken);
        if (report.Verdict != _last)
        {
            _last = report.Verdict;
            if (report.Verdict == VerificationVerdict.Clean)
            {
                LogClean(logger, access.Options.StorePath, report.BytesChecked);
            }
            else
            {
                LogDamaged(logger, access.Options.StorePath, report.Verdict, report.FindingCount, report.Findings.Count > 0 ? report.Findings[0].Message : "");
            }
        }

        return report.Verdict == VerificationVerdict.Clean;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Verified the whole store {Path}: {Bytes} bytes are sound.")]
    private static partial void LogClean(ILogger logger, string path, long bytes);

    [LoggerMessage(Level = LogLevel.Error, Message = "The store {Path} is {Verdict}: {Findings} findings, the first: {First}")]
    private static partial void LogDamaged(ILogger logger, string path, VerificationVerdict verdict, long findings, string first);
}
