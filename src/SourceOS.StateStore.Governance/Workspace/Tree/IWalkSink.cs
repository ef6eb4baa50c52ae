// Why this file exists: what a walk hands on, apart from what is done with it, so that the same walk adopts, counts and is tested.
// Invariants: calls come from the walking thread only.

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>Receives what a walk finds.</summary>
internal interface IWalkSink
{
    /// <summary>Takes a batch of names over; may wait when there is too much to do.</summary>
    void Take(WalkBatch batch);

    /// <summary>A name that is not handed on.</summary>
    /// <param name="path">Its path below the root, raw bytes.</param>
    /// <param name="reason">Why, one of <see cref="SkipReason"/>.</param>
    /// <param name="hidesContent">Whether a whole folder stays unseen, so that nothing below it may count as removed.</param>
    void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent);

    /// <summary>A name that an ignore rule or a built-in rule leaves out.</summary>
    void Ignore();
}
