// Why this file exists: what a writer says about an event, without arrays. Invariants: holds references to the caller's bytes, so it lives no longer than they do.

namespace SourceOS.StateStore.Format;

/// <summary>The fields of one event to be written. Empty text means unknown or not applicable.</summary>
public ref struct EventFields
{
    /// <summary>The lane.</summary>
    public Lane Lane { get; set; }

    /// <summary>What the event does to its subject.</summary>
    public EventAction Action { get; set; }

    /// <summary>The subject's kind; the default value when the event has no subject.</summary>
    public RecordKind SubjectKind { get; set; }

    /// <summary>The event's sequence; 0 until it is known, see <see cref="EventWriter.PatchSequence"/>.</summary>
    public ulong Sequence { get; set; }

    /// <summary>Sequence of the last event that changed the same subject; 0 when there is none.</summary>
    public ulong PreviousSequence { get; set; }

    /// <summary>When it happened, in microseconds since 1970 UTC; 0 unknown.</summary>
    public long OccurredAtMicros { get; set; }

    /// <summary>What is said about the image beside its bytes.</summary>
    public ImageMarks ImageMarks { get; set; }

    /// <summary>The type, a dotted name of 1 to 128 bytes.</summary>
    public ReadOnlySpan<byte> Type { get; set; }

    /// <summary>The acting actor.</summary>
    public ReadOnlySpan<byte> Actor { get; set; }

    /// <summary>The device it happened on.</summary>
    public ReadOnlySpan<byte> Device { get; set; }

    /// <summary>The profile it happened in.</summary>
    public ReadOnlySpan<byte> Profile { get; set; }

    /// <summary>The workspace it belongs to.</summary>
    public ReadOnlySpan<byte> Workspace { get; set; }

    /// <summary>The subject's identifier; empty exactly when there is no subject.</summary>
    public ReadOnlySpan<byte> SubjectId { get; set; }

    /// <summary>The policy decision that allowed it.</summary>
    public ReadOnlySpan<byte> DecisionId { get; set; }

    /// <summary>One JSON value, or nothing; at most 65,536 bytes.</summary>
    public ReadOnlySpan<byte> Data { get; set; }

    /// <summary>The subject's new body; present exactly for the actions put and tombstone.</summary>
    public ReadOnlySpan<byte> Image { get; set; }
}
