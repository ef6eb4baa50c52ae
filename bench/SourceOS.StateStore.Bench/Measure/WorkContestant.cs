// Why this file exists: most contestants are one piece of work over something that the comparison owns.

namespace SourceOS.StateStore.Bench.Measure;

/// <summary>A contestant made of a function.</summary>
/// <param name="name">Its name.</param>
/// <param name="role">What it stands for.</param>
/// <param name="run">Its work.</param>
public sealed class WorkContestant(string name, Role role, Func<int, OpTimer, ValueTask> run) : Contestant(name, role)
{
    /// <summary>Makes one from a function that waits for nothing.</summary>
    public static WorkContestant Of(string name, Role role, Action<int, OpTimer> run) => new(name, role, (operations, timer) =>
    {
        run(operations, timer);
        return default;
    });

    /// <inheritdoc/>
    public override ValueTask RunAsync(int operations, OpTimer timer) => run(operations, timer);
}
