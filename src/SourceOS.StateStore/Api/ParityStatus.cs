// Why this file exists: making parity never fails a commit, so its failures must be seen somewhere else. Invariants: plain numbers, no I/O.

namespace SourceOS.StateStore;

/// <summary>How an open store's writer does at making parity. Immutable.</summary>
/// <param name="IsOn">Whether it makes any.</param>
/// <param name="Made">Parity files made since the store was opened.</param>
/// <param name="Failures">Segments whose parity could not be made since then; the next open or a repair tries again.</param>
/// <param name="LastFailure">Why the last of them failed; empty when none did.</param>
/// <param name="Waiting">Segments whose turn has not come yet.</param>
public sealed record ParityStatus(bool IsOn, long Made, long Failures, string LastFailure, int Waiting);
