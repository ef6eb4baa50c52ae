// Why this file exists: what a store must hold after each commit, kept in plain dictionaries. Invariants: knows nothing of the engine's code;
// commits are in log order once sealed; a prefix of them is the only content that a crash may leave.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>One change of a commit.</summary>
internal sealed record ModelChange(EventAction Action, RecordKind Kind, string Id, byte[] Body);

/// <summary>One commit with what it changed.</summary>
internal sealed record ModelCommit(ulong First, ulong Last, IReadOnlyList<ModelChange> Changes)
{
    /// <summary>The log's root behind it, where it was asked for.</summary>
    internal string LogRoot { get; set; } = "";
}

/// <summary>What is known of a record.</summary>
internal sealed record ModelRecord(ulong Sequence, ulong Surrogate, bool IsTombstone, byte[] Body);

/// <summary>The commits of a store.</summary>
internal sealed class StoreModel
{
    private readonly List<ModelCommit> _commits = [];
    private readonly Lock _gate = new();
    private List<Dictionary<(RecordKind Kind, string Id), ModelRecord>> _states = [[]];

    internal IReadOnlyList<ModelCommit> Commits => _commits;

    internal ModelCommit Add(CommitReceipt receipt, IReadOnlyList<ModelChange> changes)
    {
        ModelCommit commit = new(receipt.FirstSequence, receipt.LastSequence, changes);
        lock (_gate)
        {
            _commits.Add(commit);
        }

        return commit;
    }

    /// <summary>Orders the commits and derives what the store holds behind each of them.</summary>
    internal void Seal()
    {
        _commits.Sort((left, right) => left.First.CompareTo(right.First));
        List<Dictionary<(RecordKind, string), ModelRecord>> states = [[]];
        ulong next = 1;
        foreach (ModelCommit commit in _commits)
        {
            if (commit.First != next)
            {
                throw new InvalidOperationException($"A commit begins at {commit.First}, expected {next}.");
            }

            next = commit.Last + 1;
            states.Add(Apply(states[^1], commit));
        }

        _states = states;
    }

    /// <summary>How many commits end at or before a sequence; -1 when it lies inside one or beyond all.</summary>
    internal int CommitsAt(ulong sequence) => sequence == 0 ? 0 : _commits.FindIndex(commit => commit.Last == sequence) + 1 is int count and > 0 ? count : -1;

    /// <summary>The records behind the first commits.</summary>
    internal IReadOnlyDictionary<(RecordKind Kind, string Id), ModelRecord> At(int commits) => _states[commits];

    private static Dictionary<(RecordKind, string), ModelRecord> Apply(Dictionary<(RecordKind, string), ModelRecord> before, ModelCommit commit)
    {
        Dictionary<(RecordKind, string), ModelRecord> after = new(before);
        ulong sequence = commit.First;
        foreach (ModelChange change in commit.Changes)
        {
            (RecordKind, string) key = (change.Kind, change.Id);
            ulong surrogate = after.TryGetValue(key, out ModelRecord? old) ? old.Surrogate : sequence;
            if (change.Action == EventAction.Put)
            {
                after[key] = new ModelRecord(sequence, surrogate, false, change.Body);
            }
            else if (change.Action == EventAction.Tombstone)
            {
                after[key] = new ModelRecord(sequence, surrogate, true, []);
            }

            sequence++;
        }

        return after;
    }
}
