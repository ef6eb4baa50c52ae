// Why this file exists: what an erasure would take, or took, as data for people, programs and the report that stays in the store. Invariants: it names sequences and sums, never
// a byte of what is gone.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>What an erasure covers. Immutable.</summary>
public sealed record ErasureReport
{
    /// <summary>Records that purge events of the log name, or that the caller asked about.</summary>
    public required long Records { get; init; }

    /// <summary>Events whose bodies and salts go.</summary>
    public required ulong Events { get; init; }

    /// <summary>Frames that hold them.</summary>
    public required ulong Frames { get; init; }

    /// <summary>Bytes of the log that are written again.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Frames whose remaining events do not fit where the frame stands once the others are gone (format-spec/frames.md); nothing is erased while there is one.</summary>
    public required ulong FramesThatDoNotFit { get; init; }

    /// <summary>The sequences of the erased events, at most 1,024 ranges.</summary>
    public required IReadOnlyList<SequenceRange> Sequences { get; init; }

    /// <summary>SHA-256 over the stored leaf hashes of the erased events in order of their sequences: the leaves stay in the log, so anyone can compute it again.</summary>
    public required Hash256 LeavesHash { get; init; }

    /// <summary>Chain head of the log, which an erasure does not change.</summary>
    public required Hash256 ChainHead { get; init; }

    /// <summary>Names in the quarantine: what repairs set aside can hold the same bytes, and goes with them.</summary>
    public required IReadOnlyList<string> Quarantined { get; init; }

    /// <summary>Whether there is anything to erase.</summary>
    public bool IsEmpty => Events == 0;
}
