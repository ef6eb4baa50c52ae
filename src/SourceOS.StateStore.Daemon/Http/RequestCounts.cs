// Why this file exists: how many requests the door answered, by class of status. Invariants: counting allocates nothing and takes no lock.

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Counts answers. Thread-safe.</summary>
internal sealed class RequestCounts
{
    private readonly long[] _byClass = new long[6];
    private long _streams;

    /// <summary>Event streams that are open now.</summary>
    public long Streams => Interlocked.Read(ref _streams);

    /// <summary>Counts an answer.</summary>
    /// <param name="status">Its status.</param>
    public void Count(int status) => Interlocked.Increment(ref _byClass[Math.Clamp(status / 100, 0, 5)]);

    /// <summary>Answers of a class.</summary>
    /// <param name="hundreds">1 to 5.</param>
    public long OfClass(int hundreds) => Interlocked.Read(ref _byClass[hundreds]);

    /// <summary>Takes a place for a stream.</summary>
    /// <param name="most">How many there may be.</param>
    /// <returns>Whether there was one.</returns>
    public bool TryEnterStream(int most)
    {
        if (Interlocked.Increment(ref _streams) <= most)
        {
            return true;
        }

        LeaveStream();
        return false;
    }

    /// <summary>Gives a stream's place back.</summary>
    public void LeaveStream() => Interlocked.Decrement(ref _streams);
}
