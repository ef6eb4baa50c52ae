// Why this file exists: a scan must know what the first frame it meets has to continue. Invariants: a start either names the frame
// before, or the store's base, or says that nothing is known and the first frame is taken as it is.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>Where a scan starts and what its first frame must continue. Immutable.</summary>
public sealed class ScanStart
{
    private readonly Superblock? _base;
    private readonly FrameHeader _previous;
    private readonly Hash256 _previousHash;
    private readonly bool _hasPrevious;

    private ScanStart(long address, Superblock? atBase, bool hasPrevious, in FrameHeader previous, in Hash256 previousHash)
    {
        Address = address;
        _base = atBase;
        _hasPrevious = hasPrevious;
        _previous = previous;
        _previousHash = previousHash;
    }

    /// <summary>Log address where the first entry is looked for.</summary>
    public long Address { get; }

    /// <summary>A scan of the whole log, from its base.</summary>
    /// <param name="superblock">The store's superblock.</param>
    /// <returns>The start.</returns>
    public static ScanStart AtBase(Superblock superblock)
    {
        ArgumentNullException.ThrowIfNull(superblock);
        return new ScanStart(superblock.BaseAddress, superblock, false, default, superblock.BaseChainHead);
    }

    /// <summary>A scan behind a frame that is known.</summary>
    /// <param name="previous">That frame's header.</param>
    /// <param name="previousHash">Its hash.</param>
    /// <returns>The start.</returns>
    public static ScanStart After(in FrameHeader previous, in Hash256 previousHash) =>
        new(previous.Address + LogGeometry.EntryPrefixBytes + previous.EntryLengthBytes, null, true, previous, previousHash);

    /// <summary>A scan behind a commit of which only the summary is known: a state's header, a tail slot.</summary>
    /// <param name="storeId">The store's id.</param>
    /// <param name="address">Log address behind the commit's last frame.</param>
    /// <param name="frameCount">Number of the next frame, at least 1.</param>
    /// <param name="lastSequence">Sequence of the commit's last event.</param>
    /// <param name="commitId">The commit's id.</param>
    /// <param name="writerEpoch">Writer epoch of its last frame; 0 when not known.</param>
    /// <param name="chainHead">Hash of its last frame.</param>
    /// <returns>The start.</returns>
    public static ScanStart AfterCommit(StoreId storeId, long address, ulong frameCount, ulong lastSequence, ulong commitId, ulong writerEpoch, in Hash256 chainHead)
    {
        ArgumentOutOfRangeException.ThrowIfZero(frameCount);
        ArgumentOutOfRangeException.ThrowIfZero(lastSequence);

        // Only the fields that the next frame is held against matter; one event that is the last one stands for all of them.
        FrameHeader summary = new()
        {
            StoreId = storeId,
            FrameNumber = frameCount - 1,
            FirstSequence = lastSequence,
            EventCount = 1,
            CommitId = commitId,
            WriterEpoch = writerEpoch,
            IsLastOfCommit = true,
            Address = address - 1,
        };
        return new ScanStart(address, null, true, summary, chainHead);
    }

    /// <summary>A scan of which nothing is known: its first frame is taken as it is, provided that it is whole and stands where it says.</summary>
    /// <param name="address">Log address of an entry.</param>
    /// <returns>The start.</returns>
    public static ScanStart Unlinked(long address) => new(address, null, false, default, default);

    /// <summary>Whether a frame may be the first one.</summary>
    internal FaultCode Check(in FrameHeader first) =>
        _base is not null ? FrameChain.CheckFirst(_base, first)
        : _hasPrevious ? FrameChain.Check(_previous, _previousHash, first)
        : FaultCode.None;
}
