// Why this file exists: what the parent knows of a store whose writers were killed, and the judgement of what it finds there. Invariants: knows only
// the plan and what was told as acknowledged; an unacknowledged commit may be there whole, as its caller's next one, or not at all.

using System.Globalization;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>The books of one store.</summary>
internal sealed class KillLedger(Func<CommitName, List<ModelChange>> plan)
{
    private readonly Dictionary<CommitName, (ulong First, ulong Last)> _acknowledged = [];
    private readonly Dictionary<(int Round, int Caller), int> _lastAcknowledged = [];
    private readonly Dictionary<CommitName, (ulong First, ulong Last)> _found = [];
    private readonly Dictionary<(RecordKind Kind, string Id), ModelRecord> _records = [];
    private ulong _checked;
    private ulong _commits;

    internal int Acknowledged => _acknowledged.Count;

    internal ulong LastSequence => _checked;

    /// <summary>Takes a child's lines; answers what is wrong with them.</summary>
    internal string? Hear(IReadOnlyList<string> lines)
    {
        foreach (string line in lines)
        {
            string[] parts = line.Split(' ');
            if (parts is ["ack", string round, string caller, string number, string first, string last])
            {
                CommitName name = new(Numbers.Parse(round), Numbers.Parse(caller), Numbers.Parse(number));
                Acknowledge(name, ulong.Parse(first, CultureInfo.InvariantCulture), ulong.Parse(last, CultureInfo.InvariantCulture));
            }
            else if (line != CommittingChild.Ready)
            {
                return $"a child said: {line}";
            }
        }

        return null;
    }

    /// <summary>Notes that a commit was acknowledged.</summary>
    internal void Acknowledge(CommitName name, ulong first, ulong last)
    {
        _acknowledged.Add(name, (first, last));
        _lastAcknowledged[(name.Round, name.Caller)] = name.Number;
    }

    /// <summary>Where a commit was found.</summary>
    internal (ulong First, ulong Last)? Find(CommitName name) => _found.TryGetValue(name, out (ulong First, ulong Last) place) ? place : null;

    /// <summary>Holds an open store against the books.</summary>
    /// <param name="store">The store.</param>
    /// <param name="fromStart">Whether to read the whole log again instead of what is new.</param>
    internal string? FindDifference(StateStore store, bool fromStart)
    {
        if (fromStart)
        {
            _found.Clear();
            _records.Clear();
            (_checked, _commits) = (0, 0);
        }

        using ReadSnapshot snapshot = store.OpenSnapshot();
        if (snapshot.Sequence < _checked)
        {
            return $"sequence {snapshot.Sequence} is below {_checked}, which was there before";
        }

        return ReadLog(snapshot) ?? FindLost() ?? FindUnasked() ?? Expectation.FindRecordDifference(snapshot, _records);
    }

    private string? ReadLog(ReadSnapshot snapshot)
    {
        List<StoredEvent> commit = [];
        foreach (StoredEvent item in snapshot.ReadEvents(_checked + 1))
        {
            if (item.Sequence != _checked + (ulong)commit.Count + 1)
            {
                return $"event {item.Sequence} follows {_checked + (ulong)commit.Count}";
            }

            if (commit.Count > 0 && commit[0].CommitId != item.CommitId)
            {
                if (Take(commit) is string difference)
                {
                    return difference;
                }

                commit.Clear();
            }

            commit.Add(item);
        }

        return (commit.Count == 0 ? null : Take(commit))
            ?? (_checked == snapshot.Sequence ? null : $"events end at {_checked}, the snapshot at {snapshot.Sequence}");
    }

    private string? Take(List<StoredEvent> events)
    {
        if (events[0].Type != KillPlan.EventType || events[0].CommitId != ++_commits)
        {
            return $"commit {events[0].CommitId} begins with {events[0].Type}, {_commits} commits before";
        }

        CommitName name = CommitName.Parse(events[0].DataJson.Span);
        List<ModelChange> changes = plan(name);
        if (events.Count != changes.Count + 1)
        {
            return $"commit {name} has {events.Count} events, {changes.Count + 1} were committed";
        }

        for (int i = 0; i < changes.Count; i++)
        {
            StoredEvent item = events[i + 1];
            ModelChange change = changes[i];
            bool isSame = item.Action == change.Action && item.SubjectKind == change.Kind && item.SubjectId == change.Id
                && (change.Action != EventAction.Put || item.Image.Span.SequenceEqual(change.Body));
            if (!isSame)
            {
                return $"commit {name}, event {i + 1}, is not the one that was committed";
            }

            ulong surrogate = _records.TryGetValue((change.Kind, change.Id), out ModelRecord? old) ? old.Surrogate : item.Sequence;
            _records[(change.Kind, change.Id)] = new ModelRecord(item.Sequence, surrogate, change.Action == EventAction.Tombstone, change.Body);
        }

        _found.Add(name, (events[0].Sequence, events[^1].Sequence));
        _checked = events[^1].Sequence;
        return null;
    }

    private string? FindLost()
    {
        foreach ((CommitName name, (ulong First, ulong Last) place) in _acknowledged)
        {
            if (!_found.TryGetValue(name, out (ulong First, ulong Last) found) || found != place)
            {
                return $"commit {name} was acknowledged at {place} and is {(found.Last == 0 ? "lost" : $"at {found}")}";
            }
        }

        return null;
    }

    private string? FindUnasked()
    {
        foreach (CommitName name in _found.Keys.Where(name => !_acknowledged.ContainsKey(name)))
        {
            int next = _lastAcknowledged.TryGetValue((name.Round, name.Caller), out int last) ? last + 1 : 0;
            if (name.Number != next)
            {
                return $"commit {name} is there, its caller's next one was {next}";
            }
        }

        return null;
    }
}
