// Why this file exists: every message the engine logs, with its event id, in one place. Invariants: source-generated, so that a disabled level costs one check.

using Microsoft.Extensions.Logging;

namespace SourceOS.StateStore;

internal static partial class EngineLog
{
    [LoggerMessage(1, LogLevel.Information, "Opened {Path}: {Case}, sequence {Sequence}. {Summary}")]
    internal static partial void Opened(ILogger logger, string path, RecoveryCase @case, ulong sequence, string summary);

    [LoggerMessage(2, LogLevel.Error, "The store at {Path} takes no more commits until it is opened again")]
    internal static partial void Latched(ILogger logger, string path, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "Rebuilding the state of {Path}: {Reason}")]
    internal static partial void Rebuilding(ILogger logger, string path, string reason);

    [LoggerMessage(4, LogLevel.Information, "Closed {Path} at sequence {Sequence}")]
    internal static partial void Closed(ILogger logger, string path, ulong sequence);

    [LoggerMessage(6, LogLevel.Warning, "No parity was made of log segment {Segment} of {Path}; the next open or a repair tries again")]
    internal static partial void ParityFailed(ILogger logger, string path, int segment, Exception exception);

    [LoggerMessage(7, LogLevel.Warning, "No checkpoint was made of the state of {Path}; the writer tries again later")]
    internal static partial void CheckpointFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(5, LogLevel.Error, "Closing {Path} failed; the next open recovers")]
    internal static partial void CloseFailed(ILogger logger, string path, Exception exception);
}
