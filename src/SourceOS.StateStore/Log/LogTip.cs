// Why this file exists: where the log ends, as one value that recovery produces and the writer carries on. Invariants: always at a commit boundary.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Log;

/// <summary>The end of the log.</summary>
/// <param name="Address">Log address behind the last frame.</param>
/// <param name="FrameCount">Number of the next frame.</param>
/// <param name="LastSequence">Last sequence; one less than the base sequence when there is none.</param>
/// <param name="LastCommitId">Last commit; 0 when there is none.</param>
/// <param name="ChainHead">Hash of the last frame, or the base chain head.</param>
internal sealed record LogTip(long Address, ulong FrameCount, ulong LastSequence, ulong LastCommitId, Hash256 ChainHead);
