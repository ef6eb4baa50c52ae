// Why this file exists: health at a glance, from the state's header alone, so that asking costs the same at any size.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>The store's health in one word.</summary>
public enum StoreHealth
{
    /// <summary>Everything known is sound.</summary>
    Healthy = 1,

    /// <summary>The store works, but something needs attention.</summary>
    Degraded = 2,

    /// <summary>A repair is under way.</summary>
    Repairing = 3,

    /// <summary>The store cannot be trusted as it is.</summary>
    Unsafe = 4,

    /// <summary>There is no store.</summary>
    Uninitialized = 5,
}

/// <summary>One lane's counts.</summary>
/// <param name="Lane">The lane.</param>
/// <param name="Events">Events in it.</param>
/// <param name="LastSequence">The last one's sequence; 0 when there is none.</param>
/// <param name="LastEventAt">When the last one happened; null when there is none.</param>
public sealed record LaneStatus(Lane Lane, ulong Events, ulong LastSequence, DateTimeOffset? LastEventAt);

/// <summary>Counts of one record kind.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Live">Records that exist.</param>
/// <param name="Tombstones">Records of which only the tombstone is left.</param>
public sealed record KindStatus(RecordKind Kind, ulong Live, ulong Tombstones);

/// <summary>A store at a glance. Immutable.</summary>
public sealed record StateStoreStatus
{
    /// <summary>The store's id.</summary>
    public required Guid StoreId { get; init; }

    /// <summary>The format version it is written in.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>Its health.</summary>
    public required StoreHealth Health { get; init; }

    /// <summary>One sentence on what to do next; empty when there is nothing to do.</summary>
    public required string NextAction { get; init; }

    /// <summary>Highest sequence that snapshots show.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>Highest sequence known to be on the medium.</summary>
    public required ulong DurableSequence { get; init; }

    /// <summary>Number of frames in the log.</summary>
    public required ulong FrameCount { get; init; }

    /// <summary>Root of the log tree at that size, 64 lower-case hex digits.</summary>
    public required string LogRoot { get; init; }

    /// <summary>Generation of the state.</summary>
    public required ulong StateGeneration { get; init; }

    /// <summary>Counts by kind, only kinds that occur.</summary>
    public required IReadOnlyList<KindStatus> Kinds { get; init; }

    /// <summary>All lanes.</summary>
    public required IReadOnlyList<LaneStatus> Lanes { get; init; }

    /// <summary>Bytes the log holds.</summary>
    public required long LogLengthBytes { get; init; }

    /// <summary>Bytes the state database holds.</summary>
    public required long StateLengthBytes { get; init; }

    /// <summary>When the last commit was written; null when there is none.</summary>
    public required DateTimeOffset? LastCommitAt { get; init; }

    /// <summary>Live records of a kind.</summary>
    /// <param name="kind">The kind.</param>
    /// <returns>How many exist.</returns>
    public ulong LiveCount(RecordKind kind)
    {
        foreach (KindStatus status in Kinds)
        {
            if (status.Kind == kind)
            {
                return status.Live;
            }
        }

        return 0;
    }
}
