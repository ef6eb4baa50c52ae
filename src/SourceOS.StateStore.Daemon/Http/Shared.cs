// Why this file exists: work that is dear is done once for all who ask for it at the same time or shortly after. Invariants: one run at a time; a run that failed is not kept; whoever goes away does not end it for others.

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>A shared answer. Thread-safe.</summary>
/// <typeparam name="T">The answer.</typeparam>
/// <param name="maxAgeMs">For how long it counts, in ms.</param>
internal sealed class Shared<T>(int maxAgeMs)
{
    private readonly Lock _gate = new();
    private Task<T>? _run;
    private long _startedAt;

    /// <summary>The answer.</summary>
    /// <param name="make">Makes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<T> GetAsync(Func<T> make, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_run is null || _run.IsFaulted || (_run.IsCompleted && TimeProvider.System.GetElapsedTime(_startedAt).TotalMilliseconds >= maxAgeMs))
            {
                _startedAt = TimeProvider.System.GetTimestamp();
                _run = Task.Run(make, CancellationToken.None);
            }

            return _run.WaitAsync(cancellationToken);
        }
    }
}
