// Why this file exists: one way of doing the work of a comparison. Invariants: each contestant does the same logical work in the same round; what
// it does outside its timed spans is preparation that a caller would not pay for.

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>What a contestant stands for.</summary>
public enum Role
{
    /// <summary>The store.</summary>
    Subject,

    /// <summary>Another way to do the same work.</summary>
    Peer,

    /// <summary>The least that any way must do.</summary>
    Floor,
}

/// <summary>One side of a comparison.</summary>
/// <param name="name">Its name in tables.</param>
/// <param name="role">What it stands for.</param>
public abstract class Contestant(string name, Role role) : IAsyncDisposable
{
    /// <summary>Its name in tables.</summary>
    public string Name { get; } = name;

    /// <summary>What it stands for.</summary>
    public Role Role { get; } = role;

    /// <summary>Does a round's work.</summary>
    /// <param name="operations">How many operations.</param>
    /// <param name="timer">Receives the times.</param>
    public abstract ValueTask RunAsync(int operations, OpTimer timer);

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return default;
    }
}
