// Why this file exists: the answer to a commit. Invariants: an accepted commit's receipt exists only after its frames were synced;
// a refused commit changed nothing but, at most, the audit event that records the refusal.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>What became of a commit.</summary>
public enum CommitStatus
{
    /// <summary>The commit is durable.</summary>
    Committed = 1,

    /// <summary>A record did not have the expected sequence; nothing changed.</summary>
    Conflict = 2,

    /// <summary>A gate refused the commit; nothing changed.</summary>
    Denied = 3,

    /// <summary>A gate wants a person to decide; nothing changed.</summary>
    ReviewRequired = 4,

    /// <summary>A record that the commit deletes does not exist; nothing changed.</summary>
    NotFound = 5,
}

/// <summary>How far a durable commit got before its receipt was given.</summary>
public enum CommitStage
{
    /// <summary>The commit was refused and is nowhere.</summary>
    None = 1,

    /// <summary>The log has it on the medium; snapshots do not show it yet.</summary>
    Durable = 2,

    /// <summary>The log has it on the medium and every new snapshot shows it.</summary>
    Visible = 3,
}

/// <summary>Which of the two points a caller waits for.</summary>
public enum CommitWait
{
    /// <summary>Wait until new snapshots show the commit.</summary>
    Visible = 1,

    /// <summary>Wait until the log has the commit on the medium.</summary>
    Durable = 2,
}

/// <summary>Why a commit was refused, in a form programs and people can use.</summary>
/// <param name="Rule">The rule that refused, a stable dotted name such as `engine.expected-sequence`.</param>
/// <param name="Reason">What the rule found, in a sentence.</param>
/// <param name="Remedy">What would make it pass, in a sentence.</param>
/// <param name="Kind">The record concerned, when there is one.</param>
/// <param name="Id">Its identifier, or empty.</param>
/// <param name="ExpectedSequence">For conflicts: what the caller expected.</param>
/// <param name="ActualSequence">For conflicts: what the record has; 0 when it does not exist.</param>
public sealed record CommitRefusal(
    string Rule,
    string Reason,
    string Remedy,
    RecordKind? Kind = null,
    string Id = "",
    ulong ExpectedSequence = 0,
    ulong ActualSequence = 0);

/// <summary>The result of a commit. Immutable.</summary>
public sealed record CommitReceipt
{
    /// <summary>What became of the commit.</summary>
    public required CommitStatus Status { get; init; }

    /// <summary>How far it got.</summary>
    public required CommitStage Stage { get; init; }

    /// <summary>The commit's number in the log; 0 when refused.</summary>
    public ulong CommitId { get; init; }

    /// <summary>Sequence of its first event; 0 when refused.</summary>
    public ulong FirstSequence { get; init; }

    /// <summary>Sequence of its last event; 0 when refused.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>Commit time in the log; the default value when refused.</summary>
    public DateTimeOffset CommittedAt { get; init; }

    /// <summary>Why it was refused; null when it was not.</summary>
    public CommitRefusal? Refusal { get; init; }

    /// <summary>Sequence of the first event that records a refusal; 0 when the commit was not refused, or the refusal is not recorded.</summary>
    public ulong AuditSequence { get; init; }

    /// <summary>The receipt of a commit that did not happen.</summary>
    /// <param name="status">How it was refused.</param>
    /// <param name="refusal">Why.</param>
    /// <returns>The receipt.</returns>
    public static CommitReceipt Refused(CommitStatus status, CommitRefusal refusal) => new() { Status = status, Stage = CommitStage.None, Refusal = refusal };

    /// <summary>Whether the commit is durable.</summary>
    public bool IsCommitted => Status == CommitStatus.Committed;
}
