// Why this file exists: an open store is held against a model in every way its readers can see. Invariants: answers the first difference in words,
// null when there is none; reads only.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Compares stores with models.</summary>
internal static class Expectation
{
    private static readonly RecordKind[] s_kinds = [RecordKind.Object, RecordKind.Actor];

    /// <summary>The store must hold a prefix of the model's commits, at least so many.</summary>
    internal static string? FindDifference(StateStore store, StoreModel model, int atLeastCommits)
    {
        using ReadSnapshot snapshot = store.OpenSnapshot();
        int commits = model.CommitsAt(snapshot.Sequence);
        if (commits < 0)
        {
            return $"sequence {snapshot.Sequence} is not the end of a commit";
        }

        if (commits < atLeastCommits)
        {
            return $"holds {commits} commits, {atLeastCommits} were acknowledged";
        }

        return FindDifference(snapshot, model, commits);
    }

    /// <summary>The snapshot must hold exactly so many commits of the model.</summary>
    internal static string? FindDifference(ReadSnapshot snapshot, StoreModel model, int commits)
    {
        IReadOnlyDictionary<(RecordKind Kind, string Id), ModelRecord> expected = model.At(commits);
        return FindRecordDifference(snapshot, expected) ?? CompareEvents(snapshot, model, commits) ?? CompareStatus(snapshot, model, commits);
    }

    /// <summary>The snapshot must hold exactly these records, in its lists, its lookups and its index.</summary>
    internal static string? FindRecordDifference(ReadSnapshot snapshot, IReadOnlyDictionary<(RecordKind Kind, string Id), ModelRecord> expected) =>
        CompareRecords(snapshot, expected) ?? CompareIndex(snapshot, expected);

    private static string? CompareRecords(ReadSnapshot snapshot, IReadOnlyDictionary<(RecordKind Kind, string Id), ModelRecord> expected)
    {
        int found = 0;
        foreach (RecordKind kind in s_kinds)
        {
            foreach (StoredRecord record in snapshot.Range(kind, includeTombstones: true).ToList())
            {
                found++;
                if (!expected.TryGetValue((kind, record.Id), out ModelRecord? wanted))
                {
                    return $"{kind} '{record.Id}' at {record.Sequence} was never committed";
                }

                if (Compare(record, wanted) is string difference)
                {
                    return difference;
                }
            }
        }

        if (found != expected.Count)
        {
            return $"lists {found} records, {expected.Count} were committed";
        }

        foreach (((RecordKind kind, string id), ModelRecord wanted) in expected)
        {
            StoredRecord? record = snapshot.Get(kind, id);
            if (record is null || Compare(record, wanted) is not null)
            {
                return $"{kind} '{id}' is not found as it is listed";
            }
        }

        return snapshot.Get(RecordKind.Object, "never:there") is null ? null : "a record that never was is found";
    }

    private static string? Compare(StoredRecord record, ModelRecord wanted)
    {
        bool isSame = record.Sequence == wanted.Sequence && record.Surrogate == wanted.Surrogate && record.IsTombstone == wanted.IsTombstone
            && (wanted.IsTombstone || record.Body.Span.SequenceEqual(wanted.Body));
        return isSame ? null : $"'{record.Id}' has sequence {record.Sequence}, tombstone {record.IsTombstone}, {record.Body.Length} bytes; wanted {wanted.Sequence}, {wanted.IsTombstone}, {wanted.Body.Length}";
    }

    private static string? CompareIndex(ReadSnapshot snapshot, IReadOnlyDictionary<(RecordKind Kind, string Id), ModelRecord> expected)
    {
        int live = expected.Count(pair => pair.Key.Kind == RecordKind.Object && !pair.Value.IsTombstone);
        int listed = snapshot.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile)).ToList().Count;
        return listed == live ? null : $"the index lists {listed} live objects, {live} were committed";
    }

    private static string? CompareEvents(ReadSnapshot snapshot, StoreModel model, int commits)
    {
        foreach (ModelCommit commit in model.Commits.Take(commits))
        {
            ulong sequence = commit.First;
            foreach (ModelChange change in commit.Changes)
            {
                StoredEvent? item = snapshot.ReadEvent(sequence);
                bool isSame = item is not null && item.Action == change.Action && item.SubjectId == change.Id
                    && (change.Action != EventAction.Put || item.Image.Span.SequenceEqual(change.Body));
                if (!isSame)
                {
                    return $"the event with sequence {sequence} is not the one that was committed";
                }

                sequence++;
            }
        }

        return null;
    }

    private static string? CompareStatus(ReadSnapshot snapshot, StoreModel model, int commits)
    {
        StateStoreStatus status = snapshot.GetStatus();
        string wanted = commits == 0 ? "" : model.Commits[commits - 1].LogRoot;
        if (wanted.Length > 0 && wanted != status.LogRoot)
        {
            return $"the log's root is {status.LogRoot}, it was {wanted}";
        }

        ulong live = (ulong)model.At(commits).Count(pair => pair.Key.Kind == RecordKind.Object && !pair.Value.IsTombstone);
        return status.LiveCount(RecordKind.Object) == live ? null : $"the header counts {status.LiveCount(RecordKind.Object)} live objects, {live} were committed";
    }
}
