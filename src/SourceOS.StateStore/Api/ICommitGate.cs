// Why this file exists: the one seam through which governance reaches into a commit. Invariants: a gate sees a whole proposed
// commit before a byte is written; it runs on the writer thread, reads through the commit's own view of the state, and must
// not block or keep anything it was given.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>When a gate is asked.</summary>
public enum GateStage
{
    /// <summary>Before existence and expected sequences are looked at, so that who may not see a record does not learn whether it is there.</summary>
    Scope = 1,

    /// <summary>After them, so that it judges a commit that could otherwise happen.</summary>
    Content = 2,
}

/// <summary>A rule that every commit must pass. Implementations are called on the writer thread only, one call at a time.</summary>
public interface ICommitGate
{
    /// <summary>When the gate is asked; after existence and expected sequences unless it says otherwise.</summary>
    GateStage Stage => GateStage.Content;

    /// <summary>Judges a proposed commit.</summary>
    /// <param name="commit">The commit; valid during the call.</param>
    /// <param name="state">The state as this commit would find it, earlier commits of its group included; valid during the call.</param>
    /// <returns>The decision.</returns>
    GateDecision Evaluate(ProposedCommit commit, IStateView state);
}

/// <summary>A gate that must ask something which takes time. It asks before the commit enters the queue and judges on the writer thread, from what it was told.</summary>
public interface IPreparedGate : ICommitGate
{
    /// <summary>Asks. Called on the thread of whoever commits, many calls at a time, before the commit is queued; the writer thread does not wait for it.</summary>
    /// <param name="store">The store, to read what is visible now; the commit may find a newer state.</param>
    /// <param name="session">Who commits.</param>
    /// <param name="changes">What is proposed; valid until the commit completes.</param>
    /// <param name="cancellationToken">Withdraws the commit.</param>
    /// <returns>What the gate finds again with <see cref="ProposedCommit.PreparedBy"/>; null when there was nothing to ask.</returns>
    ValueTask<object?> PrepareAsync(StateStore store, SessionIdentity session, IReadOnlyList<ProposedChange> changes, CancellationToken cancellationToken);
}

/// <summary>A gate's answer.</summary>
public enum GateOutcome
{
    /// <summary>The commit may go on to the next gate.</summary>
    Allow = 1,

    /// <summary>The commit is refused.</summary>
    Deny = 2,

    /// <summary>The commit is refused until a person decides.</summary>
    ReviewRequired = 3,
}

/// <summary>A gate's answer with its reason.</summary>
/// <param name="Outcome">The answer.</param>
/// <param name="Refusal">Why, when it is not <see cref="GateOutcome.Allow"/>.</param>
public readonly record struct GateDecision(GateOutcome Outcome, CommitRefusal? Refusal)
{
    /// <summary>The commit may go on.</summary>
    public static GateDecision Allow => new(GateOutcome.Allow, null);

    /// <summary>The commit is refused.</summary>
    /// <param name="refusal">Why, and what would make it pass.</param>
    /// <returns>The decision.</returns>
    public static GateDecision Deny(CommitRefusal refusal) => new(GateOutcome.Deny, refusal);

    /// <summary>The commit waits for a person.</summary>
    /// <param name="refusal">Why, and what would make it pass.</param>
    /// <returns>The decision.</returns>
    public static GateDecision Review(CommitRefusal refusal) => new(GateOutcome.ReviewRequired, refusal);
}

/// <summary>One change of a proposed commit.</summary>
/// <param name="Action">What happens to the record; <see cref="EventAction.None"/> for a plain event.</param>
/// <param name="Kind">The record's kind; meaningless for an event without a subject.</param>
/// <param name="Id">The record's identifier; empty for an event without a subject.</param>
/// <param name="Body">The new body; empty unless the action is put.</param>
/// <param name="Options">What else the change carries.</param>
/// <param name="EventType">The event's type when the caller gave one.</param>
public readonly record struct ProposedChange(
    EventAction Action, RecordKind Kind, string Id, ReadOnlyMemory<byte> Body, ChangeOptions Options, string? EventType);

/// <summary>A whole commit as its caller proposed it.</summary>
/// <param name="Session">Who proposes it.</param>
/// <param name="Changes">Its changes, in order.</param>
/// <param name="ProposedAt">The commit time it will carry.</param>
public sealed record ProposedCommit(SessionIdentity Session, IReadOnlyList<ProposedChange> Changes, DateTimeOffset ProposedAt)
{
    internal IReadOnlyDictionary<ICommitGate, object>? Prepared { get; init; }

    /// <summary>What a gate was told before this commit entered the queue.</summary>
    /// <param name="gate">The gate.</param>
    /// <returns>What its <see cref="IPreparedGate.PrepareAsync"/> gave; null when it asked nothing.</returns>
    public object? PreparedBy(ICommitGate gate)
    {
        ArgumentNullException.ThrowIfNull(gate);
        return Prepared is not null && Prepared.TryGetValue(gate, out object? found) ? found : null;
    }
}

/// <summary>Sets what a caller does not choose, before any gate sees the commit. Called on the writer thread only; must not block.</summary>
public interface ICommitAmender
{
    /// <summary>Amends the body of a record that a commit would put.</summary>
    /// <param name="session">Who proposes it.</param>
    /// <param name="change">The change; its action is put.</param>
    /// <param name="state">The state as the commit would find it; valid during the call.</param>
    /// <param name="proposedAt">The commit time it will carry.</param>
    /// <returns>The body to write instead, valid for the kind; null to leave it as it is.</returns>
    byte[]? Amend(SessionIdentity session, in ProposedChange change, IStateView state, DateTimeOffset proposedAt);
}

/// <summary>Turns a gate's refusal into what the store remembers of it. Called on the writer thread only.</summary>
public interface IRefusalAuditor
{
    /// <summary>Describes a refusal.</summary>
    /// <param name="commit">What was refused; valid during the call.</param>
    /// <param name="refusal">The refusal.</param>
    /// <param name="state">The state as the commit found it; valid during the call.</param>
    /// <returns>Events and records that are committed in the refused session's name without asking the gates, or null to remember nothing. The
    /// refused caller gets its receipt when they are durable.</returns>
    CommitBatch? Describe(ProposedCommit commit, CommitReceipt refusal, IStateView state);
}

/// <summary>Reads records of one state. What it returns is valid until the call that handed it out ends.</summary>
public interface IStateView
{
    /// <summary>The last sequence of the state; 0 when nothing was ever committed.</summary>
    ulong Sequence { get; }

    /// <summary>Counts live records in constant time.</summary>
    /// <param name="kind">Their kind.</param>
    /// <returns>How many there are, tombstones not counted.</returns>
    ulong CountLive(RecordKind kind);

    /// <summary>Finds a record.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="id">Its identifier.</param>
    /// <param name="record">The record when found.</param>
    /// <returns>Whether it exists; a tombstone exists.</returns>
    bool TryGet(RecordKind kind, string id, out RecordView record);
}
