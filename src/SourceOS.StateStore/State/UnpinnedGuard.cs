// Why this file exists: reading without write rights, where nothing can be pinned (format-spec/lmdb-layout.md, optimistic reads). Invariants: an
// answer is believed only if the newest transaction is still the snapshot's after the answer was copied.

using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.State;

/// <summary>Tells whether an unpinned snapshot's pages can still be believed.</summary>
internal sealed class UnpinnedGuard(MappedFile map, ulong transactionId)
{
    /// <summary>Throws when the writer has moved on, so that what was read may be mixed.</summary>
    internal void ThrowIfMoved()
    {
        LmdbFault fault = map.ReadMetas().TryNewest(out LmdbMeta newest);
        if (fault.IsFault || newest.TransactionId != transactionId)
        {
            throw new StateStoreException(
                StateStoreErrorCode.SnapshotExpired,
                "The writer went on while this process, which has no right to hold the state still, was reading it.",
                map.FilePath,
                "Try again, or run with write access to the store's directory.",
                isRetryable: true);
        }
    }
}
