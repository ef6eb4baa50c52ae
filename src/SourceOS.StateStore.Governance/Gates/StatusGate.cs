// Why this file exists: plans, transactions, conflicts and migrations have a life, and a status that skips a step would hide that nobody approved, ran or resolved it.
// Invariants: the moves are the tables below and nothing else; a proposal is never approved by the one who proposed it.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Governance.Records;

namespace SourceOS.StateStore.Governance.Gates;

/// <summary>Legal moves of status.</summary>
internal sealed class StatusGate(GateContext context) : ICommitGate
{
    private static readonly Dictionary<RecordKind, Life> s_lives = new()
    {
        [RecordKind.Plan] = new(RecordKind.Plan, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["planned"] = ["blocked", "running", "cancelled"],
            ["blocked"] = ["planned", "running", "cancelled"],
            ["running"] = ["completed", "failed", "blocked", "cancelled"],
            ["failed"] = ["planned", "blocked", "running", "cancelled"],
            ["completed"] = [],
            ["cancelled"] = [],
        }),
        [RecordKind.Transaction] = new(RecordKind.Transaction, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["draft"] = ["proposed", "rejected"],
            ["proposed"] = ["approved", "rejected", "draft"],
            ["approved"] = ["applied", "rejected"],
            ["applied"] = ["reverted"],
            ["rejected"] = [],
            ["reverted"] = [],
        }),
        [RecordKind.Conflict] = new(RecordKind.Conflict, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["open"] = ["resolved", "closed"],
            ["resolved"] = ["closed"],
            ["closed"] = [],
        }),
        [RecordKind.Migration] = new(RecordKind.Migration, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["planned"] = ["running", "applied", "cancelled"],
            ["running"] = ["applied", "failed"],
            ["failed"] = ["planned", "running", "cancelled", "rolled_back"],
            ["applied"] = ["rolled_back"],
            ["cancelled"] = [],
            ["rolled_back"] = [],
        }),
    };

    private static readonly int s_transactionActor = Slots.Of(RecordKind.Transaction, "actor_id");
    private static readonly int[] s_sealed = [.. new[] { "changes", "base_sequences", "actor_id", "profile_id", "object_ids" }.Select(static name => Slots.Of(RecordKind.Transaction, name))];

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        foreach (ProposedChange change in commit.Changes)
        {
            if (change.Action == EventAction.Put && s_lives.TryGetValue(change.Kind, out Life? life) && Judge(commit, change, state, life) is { } refusal)
            {
                return GateDecision.Deny(refusal);
            }
        }

        return GateDecision.Allow;
    }

    private CommitRefusal? Judge(ProposedCommit commit, in ProposedChange change, IStateView state, Life life)
    {
        RecordBodyView proposed = Slots.Open(change.Body);
        string to = Slots.Text(proposed, life.StatusSlot);
        bool isThere = state.TryGet(change.Kind, change.Id, out RecordView record) && !record.IsTombstone;
        string from = isThere ? Slots.Text(record.Body, life.StatusSlot) : "";
        if (change.Kind == RecordKind.Transaction && isThere && IsSealed(from) && !SameContent(record.Body, proposed))
        {
            return Refusals.Of("transaction.sealed", $"{Refusals.Name(change)} is {from}; what it changes is what was approved and cannot be altered any more.", "Draft another transaction.", change);
        }

        if (to.Length == 0 || to == from)
        {
            return null;
        }

        if (!life.Moves.ContainsKey(to))
        {
            return Refusals.Of("status.unknown", $"'{to}' is not a status of a {RecordKinds.Get(change.Kind).Name}.", $"Use one of: {string.Join(", ", life.Moves.Keys)}.", change);
        }

        if (from.Length > 0 && life.Moves.TryGetValue(from, out string[]? next) && !next.Contains(to, StringComparer.Ordinal))
        {
            string possible = next.Length == 0 ? "It is final." : $"From there it can become: {string.Join(", ", next)}.";
            return Refusals.Of("status.move", $"{Refusals.Name(change)} is {from} and cannot become {to}.", possible, change);
        }

        return JudgeAuthority(commit, change, state, new Move(from, to, Slots.Text(proposed, s_transactionActor)));
    }

    private static bool IsSealed(string status) => status is "approved" or "applied" or "reverted" or "rejected";

    // Whoever approved saw these bytes; an approval must not cover others.
    private static bool SameContent(RecordBodyView old, RecordBodyView proposed)
    {
        foreach (int slot in s_sealed)
        {
            if (old.TagOf(slot) != proposed.TagOf(slot) || !old.RawValue(slot).SequenceEqual(proposed.RawValue(slot)))
            {
                return false;
            }
        }

        return true;
    }

    private CommitRefusal? JudgeAuthority(ProposedCommit commit, in ProposedChange change, IStateView state, in Move move)
    {
        string? needed = (change.Kind, move.To) switch
        {
            (RecordKind.Transaction, "approved" or "applied" or "reverted") => Capabilities.Merge,
            (RecordKind.Conflict, "resolved" or "closed") => Capabilities.Merge,
            _ => null,
        };
        if (needed is null)
        {
            return null;
        }

        ActorFacts? actor = context.Actors.Find(state, commit.Session.ActorId);
        if (actor is null || !new Rights(context, state, actor, context.Now(commit)).Holds(needed))
        {
            return Refusals.Of("actor.capability", $"Making {Refusals.Name(change)} {move.To} needs the capability '{needed}'.", $"Act as an actor that holds '{needed}'.", change);
        }

        bool own = change.Kind == RecordKind.Transaction && move.To == "approved" && move.Owner == actor.Id;
        return own && !actor.IsHuman
            ? Refusals.Of("transaction.self-approval", $"Actor '{actor.Id}' proposed {Refusals.Name(change)} and cannot approve it itself.", "Have a person approve it.", change)
            : null;
    }

    private readonly record struct Move(string From, string To, string Owner);

    private sealed record Life(RecordKind Kind, Dictionary<string, string[]> Moves)
    {
        public int StatusSlot { get; } = Slots.Of(Kind, "status");
    }
}
