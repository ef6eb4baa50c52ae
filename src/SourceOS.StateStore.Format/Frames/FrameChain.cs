// Why this file exists: the rules between a frame and the one before it (format-spec/frames.md), written once for recovery, readers and the verifier.
// Invariants: judges headers only; both have been decoded, so their own rules hold.

namespace SourceOS.StateStore.Format;

/// <summary>The rules between frames. Thread-safe; allocates nothing.</summary>
public static class FrameChain
{
    /// <summary>Whether a frame follows another one.</summary>
    /// <param name="previous">The frame before.</param>
    /// <param name="previousHash">Its hash.</param>
    /// <param name="next">The frame.</param>
    /// <returns><see cref="FaultCode.None"/>, or the first rule that is broken.</returns>
    public static FaultCode Check(in FrameHeader previous, in Hash256 previousHash, in FrameHeader next)
    {
        if (next.StoreId != previous.StoreId)
        {
            return FaultCode.WrongStore;
        }

        if (next.FrameNumber != previous.FrameNumber + 1)
        {
            return FaultCode.FrameNumberGap;
        }

        if (next.PreviousHash != previousHash)
        {
            return FaultCode.ChainBroken;
        }

        if (next.FirstSequence != previous.FirstSequence + (ulong)previous.EventCount)
        {
            return FaultCode.SequenceGap;
        }

        if (next.WriterEpoch < previous.WriterEpoch)
        {
            return FaultCode.EpochOrder;
        }

        if (next.Address <= previous.Address)
        {
            return FaultCode.WrongPlace;
        }

        bool continues = previous.IsLastOfCommit
            ? next.CommitId == previous.CommitId + 1 && next.IndexInCommit == 0
            : next.CommitId == previous.CommitId
                && next.IndexInCommit == previous.IndexInCommit + 1
                && next.WriterEpoch == previous.WriterEpoch
                && next.CommitTimeMicros == previous.CommitTimeMicros;
        return continues ? FaultCode.None : FaultCode.CommitOrder;
    }

    /// <summary>Whether a frame is the first one of a store's log.</summary>
    /// <param name="superblock">The store's superblock.</param>
    /// <param name="first">The frame.</param>
    /// <returns><see cref="FaultCode.None"/>, or the first rule that is broken.</returns>
    public static FaultCode CheckFirst(Superblock superblock, in FrameHeader first)
    {
        ArgumentNullException.ThrowIfNull(superblock);
        return
            first.StoreId != superblock.StoreId ? FaultCode.WrongStore
            : first.FrameNumber != superblock.BaseFrame ? FaultCode.FrameNumberGap
            : first.PreviousHash != superblock.BaseChainHead ? FaultCode.ChainBroken
            : first.FirstSequence != superblock.BaseSequence ? FaultCode.SequenceGap
            : first.Address != superblock.BaseAddress ? FaultCode.WrongPlace
            : first.IndexInCommit != 0 || (superblock.BaseFrame == 0 && first.CommitId != 1) ? FaultCode.CommitOrder
            : FaultCode.None;
    }
}
