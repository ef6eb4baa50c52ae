// Why this file exists: every choice of a watch in one validated place. Invariants: read once when the watch starts; units stand at the end of names.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>How a tree is watched. Read once by the call that takes it.</summary>
public sealed record WatchOptions
{
    /// <summary>How long nothing must have happened before a round starts, in milliseconds, 1 to 60,000. Default 300.</summary>
    public int QuietMs { get; init; } = 300;

    /// <summary>How long a round may be put off by events that go on, in milliseconds, 1 to 3,600,000. Default 5,000.</summary>
    public int MaxWaitMs { get; init; } = 5_000;

    /// <summary>How often the whole tree is looked at whatever the watcher says, in milliseconds, 100 to 86,400,000. Default ten minutes.</summary>
    public int RescanMs { get; init; } = 600_000;

    /// <summary>How often the whole tree is looked at when it cannot be watched, in milliseconds, 100 to 86,400,000. Default 30,000.</summary>
    public int PollMs { get; init; } = 30_000;

    /// <summary>How long a round waits for another writer to let the store go, in milliseconds, 0 to 3,600,000. Default 30,000.</summary>
    public int LockWaitMs { get; init; } = 30_000;

    /// <summary>How long the watch waits for a root that is gone to come back, in milliseconds, 0 to 86,400,000. Default 10,000.</summary>
    public int RootWaitMs { get; init; } = 10_000;

    /// <summary>Paths that are kept apart between two rounds, 1 to 1,000,000; beyond them the whole tree is looked at. Default 16,384.</summary>
    public int MaxTouched { get; init; } = 16_384;

    /// <summary>Checks every value and throws <see cref="ArgumentOutOfRangeException"/> for the first that is out of range.</summary>
    public void Validate()
    {
        const int hourMs = 3_600_000, dayMs = 86_400_000;
        Check(QuietMs, 1, 60_000, nameof(QuietMs));
        Check(MaxWaitMs, 1, hourMs, nameof(MaxWaitMs));
        Check(RescanMs, 100, dayMs, nameof(RescanMs));
        Check(PollMs, 100, dayMs, nameof(PollMs));
        Check(LockWaitMs, 0, hourMs, nameof(LockWaitMs));
        Check(RootWaitMs, 0, dayMs, nameof(RootWaitMs));
        Check(MaxTouched, 1, 1_000_000, nameof(MaxTouched));
    }

    private static void Check(int value, int least, int most, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, least, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, most, name);
    }
}
