// Why this file exists: a call that a signal interrupted is made again, but not for ever: a kernel or a seam that only ever answers EINTR must end as an
// error, not as a hang. Invariants: one budget belongs to one operation; when it is used up, EINTR is an error like any other.

namespace SourceOS.StateStore.Storage.Files;

/// <summary>Counts the interruptions of one operation. A mutable struct: keep it in one local.</summary>
public struct InterruptionBudget
{
    private const int MaxInterruptions = 1_000;
    private int _seen;

    /// <summary>Whether a result asks for the same call again.</summary>
    /// <param name="result">A count or a negative errno.</param>
    /// <returns>True for an interruption while the budget lasts.</returns>
    public bool AsksAgain(long result) => result == -Errno.EINTR && _seen++ < MaxInterruptions;
}
