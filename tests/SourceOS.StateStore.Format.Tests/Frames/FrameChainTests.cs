// Why this file exists: the chain is what shows a lost, doubled or reordered frame; each rule must be able to fail alone.

namespace SourceOS.StateStore.Format.Tests;

public sealed class FrameChainTests
{
    private static readonly Hash256 Hash = MerkleHash.Leaf("hash"u8);

    private static readonly FrameHeader First = Samples.Header() with { EventCount = 3, BodyAreaLengthBytes = 20, IsLastOfCommit = false };

    private static readonly FrameHeader Inside = First with
    {
        FrameNumber = First.FrameNumber + 1, IndexInCommit = First.IndexInCommit + 1, FirstSequence = First.FirstSequence + 3,
        PreviousHash = Hash, Address = First.Address + 5000,
    };

    private static readonly FrameHeader Last = First with { IsLastOfCommit = true };

    private static readonly FrameHeader NewCommit = Inside with { CommitId = First.CommitId + 1, IndexInCommit = 0, CommitTimeMicros = 1, WriterEpoch = 9 };

    [Fact]
    public void Frames_that_follow_each_other_pass()
    {
        Assert.Equal(FaultCode.None, FrameChain.Check(First, Hash, Inside));
        Assert.Equal(FaultCode.None, FrameChain.Check(Last, Hash, NewCommit));
    }

    [Fact]
    public void Each_rule_can_fail_alone()
    {
        Assert.Equal(FaultCode.WrongStore, FrameChain.Check(First, Hash, Inside with { StoreId = default }));
        Assert.Equal(FaultCode.FrameNumberGap, FrameChain.Check(First, Hash, Inside with { FrameNumber = Inside.FrameNumber + 1 }));
        Assert.Equal(FaultCode.ChainBroken, FrameChain.Check(First, Hash, Inside with { PreviousHash = default }));
        Assert.Equal(FaultCode.SequenceGap, FrameChain.Check(First, Hash, Inside with { FirstSequence = Inside.FirstSequence + 1 }));
        Assert.Equal(FaultCode.EpochOrder, FrameChain.Check(Last, Hash, NewCommit with { WriterEpoch = 2 }));
        Assert.Equal(FaultCode.WrongPlace, FrameChain.Check(First, Hash, Inside with { Address = First.Address }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(First, Hash, Inside with { WriterEpoch = 4 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(First, Hash, Inside with { CommitTimeMicros = 4 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(First, Hash, Inside with { IndexInCommit = 0 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(First, Hash, NewCommit));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(Last, Hash, Inside));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(Last, Hash, NewCommit with { CommitId = 7 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.Check(Last, Hash, NewCommit with { IndexInCommit = 1 }));
    }

    [Fact]
    public void The_first_frame_continues_the_base()
    {
        Superblock superblock = Superblock.CreateNew(Samples.StoreId, 22, 24, 0, "x");
        FrameHeader first = Samples.Header() with
        {
            FrameNumber = 0, FirstSequence = 1, CommitId = 1, IndexInCommit = 0, Address = 64, PreviousHash = superblock.BaseChainHead,
        };
        Assert.Equal(FaultCode.None, FrameChain.CheckFirst(superblock, first));
        Assert.Equal(FaultCode.WrongStore, FrameChain.CheckFirst(superblock, first with { StoreId = default }));
        Assert.Equal(FaultCode.FrameNumberGap, FrameChain.CheckFirst(superblock, first with { FrameNumber = 1 }));
        Assert.Equal(FaultCode.ChainBroken, FrameChain.CheckFirst(superblock, first with { PreviousHash = default }));
        Assert.Equal(FaultCode.SequenceGap, FrameChain.CheckFirst(superblock, first with { FirstSequence = 2 }));
        Assert.Equal(FaultCode.WrongPlace, FrameChain.CheckFirst(superblock, first with { Address = 68 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.CheckFirst(superblock, first with { CommitId = 2 }));
        Assert.Equal(FaultCode.CommitOrder, FrameChain.CheckFirst(superblock, first with { IndexInCommit = 1 }));
    }
}
