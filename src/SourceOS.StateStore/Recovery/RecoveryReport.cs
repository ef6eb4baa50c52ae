// Why this file exists: what opening a store found and did, for people and programs.

namespace SourceOS.StateStore;

/// <summary>What opening found and did. Immutable.</summary>
public sealed record RecoveryReport
{
    /// <summary>The named case, see the format specification's recovery page.</summary>
    public required RecoveryCase Case { get; init; }

    /// <summary>One sentence for people.</summary>
    public required string Summary { get; init; }

    /// <summary>Whether the state was built again from the log.</summary>
    public bool StateRebuilt { get; init; }

    /// <summary>Why it was; empty when it was not.</summary>
    public string StateReason { get; init; } = "";

    /// <summary>The sequence of the checkpoint that the state was built again from; null when it was not, or from the first frame.</summary>
    public ulong? CheckpointSequence { get; init; }

    /// <summary>Whether every page and entry of the state was proven at this open.</summary>
    public bool StateProven { get; init; }

    /// <summary>Frames folded into the state at this open.</summary>
    public ulong FramesFolded { get; init; }

    /// <summary>Bytes set aside at this open.</summary>
    public long QuarantinedBytes { get; init; }

    /// <summary>The last file that holds such bytes; null when there is none.</summary>
    public string? QuarantineFile { get; init; }

    /// <summary>Last sequence of the log.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>Events of an erasure that was begun before and finished at this open.</summary>
    public ulong EventsErased { get; init; }

    /// <summary>For refused cases: the first sequence that is missing; 0 otherwise.</summary>
    public ulong FirstMissingSequence { get; init; }
}
