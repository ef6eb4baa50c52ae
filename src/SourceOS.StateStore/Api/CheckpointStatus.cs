// Why this file exists: how making checkpoints of the state goes, for health checks and people.

namespace SourceOS.StateStore;

/// <summary>How making checkpoints of the state goes. Immutable.</summary>
/// <param name="IsOn">Whether this writer makes any.</param>
/// <param name="Made">Checkpoints made since the store was opened.</param>
/// <param name="Failures">Attempts that failed; commits are not touched by them.</param>
/// <param name="LastFailure">Why the last one failed; empty when none did.</param>
/// <param name="LastSequence">The last sequence that the newest checkpoint folds; the one before the log's beginning when there is none.</param>
/// <param name="IsWorking">Whether one is being made.</param>
public sealed record CheckpointStatus(bool IsOn, long Made, long Failures, string LastFailure, ulong LastSequence, bool IsWorking);
