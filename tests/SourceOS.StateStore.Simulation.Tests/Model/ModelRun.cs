// Why this file exists: one life of a store under random operations, held against dictionaries. Invariants: what an operation does follows from its number and from what the model holds, so that a
// shorter list of the same numbers is a life too and failures shrink; after each refusal the store holds what it held; every snapshot that is held open shows what it showed at first.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Runs a list of operations on a store and on a model.</summary>
internal sealed class ModelRun(Scratch scratch, Action<string> count)
{
    private const int Names = 14;
    private const int HeldSnapshots = 3;
    private static readonly StateStoreOptions s_options = Bodies.Options();
    private readonly StoreModel _model = new();
    private readonly Dictionary<(RecordKind Kind, string Id), ModelRecord> _now = [];
    private readonly Queue<(ReadSnapshot Snapshot, int Commits)> _held = new();
    private string _path = "";
    private StateStore _store = null!;
    private StateSession _session = null!;

    /// <summary>Runs it.</summary>
    /// <returns>Null when store and model agreed throughout, else what differed.</returns>
    internal async Task<string?> RunAsync(IReadOnlyList<int> operations)
    {
        _path = scratch.Next();
        _store = StateStore.Create(_path, s_options);
        _session = _store.OpenSession(Bodies.Identity);
        try
        {
            for (int i = 0; i < operations.Count; i++)
            {
                if (await StepAsync(new Random(operations[i])).ConfigureAwait(false) is string difference)
                {
                    return $"operation {i} of {operations.Count}: {difference}";
                }
            }

            return Check() ?? await ReopenAsync("clean").ConfigureAwait(false) ?? Verify();
        }
        finally
        {
            GiveBackSnapshots();
            await _store.DisposeAsync().ConfigureAwait(false);
            Scratch.Remove(_path);
        }
    }

    private async Task<string?> StepAsync(Random random) => random.Next(100) switch
    {
        < 34 => await CommitAsync([NewPut(random)], null).ConfigureAwait(false),
        < 44 => await CommitAsync([NewDelete(random)], null).ConfigureAwait(false),
        < 54 => await CommitAsync(NewBatch(random), null).ConfigureAwait(false),
        < 62 => await ExpectAsync(random).ConfigureAwait(false),
        < 70 => await GroupAsync(random).ConfigureAwait(false),
        < 76 => await CommitAsync([Batches.Append()], null).ConfigureAwait(false),
        < 86 => Look(random),
        < 91 => Hold(),
        < 97 => CheckHeld(),
        97 => await ReopenAsync("clean").ConfigureAwait(false),
        98 => await ReopenAsync("crash").ConfigureAwait(false),
        _ => await ReopenAsync(random.Next(2) == 0 ? "no state" : "power loss").ConfigureAwait(false),
    };

    private async Task<string?> CommitAsync(List<ModelChange> changes, ulong? expected)
    {
        CommitStatus wanted = Foresee(changes, expected);
        ulong before = _store.VisibleSequence;
        CommitReceipt receipt = await _session.CommitAsync(Batches.Of(changes, expected)).ConfigureAwait(false);
        count(receipt.Status.ToString());
        if (receipt.Status != wanted)
        {
            return $"a commit ended as {receipt.Status}, expected {wanted}";
        }

        if (!receipt.IsCommitted)
        {
            return _store.VisibleSequence == before ? null : "a refused commit changed the store";
        }

        Take(receipt, changes);
        return receipt.FirstSequence == before + 1 && _store.VisibleSequence == receipt.LastSequence ? null : $"sequences {receipt.FirstSequence} to {receipt.LastSequence} follow {before}";
    }

    // Commits that are on their way together share a group; their order is the log's, and each names what nobody else names.
    private async Task<string?> GroupAsync(Random random)
    {
        List<(List<ModelChange> Changes, Task<CommitReceipt> Receipt)> waiting = [];
        int commits = 2 + random.Next(6);
        for (int i = 0; i < commits; i++)
        {
            List<ModelChange> changes = [Batches.Put($"name:{i * 2}", random.Next(), Size(random)), Batches.Append()];
            waiting.Add((changes, _session.CommitAsync(Batches.Of(changes)).AsTask()));
        }

        List<(List<ModelChange> Changes, CommitReceipt Receipt)> done = [];
        foreach ((List<ModelChange> changes, Task<CommitReceipt> receipt) in waiting)
        {
            done.Add((changes, await receipt.ConfigureAwait(false)));
        }

        foreach ((List<ModelChange> changes, CommitReceipt receipt) in done.OrderBy(static item => item.Receipt.FirstSequence))
        {
            if (!receipt.IsCommitted)
            {
                return $"a commit of a group ended as {receipt.Status}";
            }

            Take(receipt, changes);
        }

        count("group");
        return null;
    }

    private Task<string?> ExpectAsync(Random random)
    {
        ModelChange put = NewPut(random);
        ulong actual = _now.TryGetValue((put.Kind, put.Id), out ModelRecord? known) ? known.Sequence : 0;
        ulong expected = random.Next(4) switch
        {
            0 => actual + 1 + (ulong)random.Next(3),
            1 => (ulong)random.NextInt64((long)actual + 1),
            _ => actual,
        };
        return CommitAsync([put], expected);
    }

    private CommitStatus Foresee(List<ModelChange> changes, ulong? expected)
    {
        foreach (ModelChange change in changes.Where(static change => change.Action != EventAction.None))
        {
            bool exists = _now.TryGetValue((change.Kind, change.Id), out ModelRecord? known);
            if (expected is ulong wanted && wanted != (exists ? known!.Sequence : 0))
            {
                return CommitStatus.Conflict;
            }

            if (change.Action == EventAction.Tombstone && (!exists || known!.IsTombstone))
            {
                return CommitStatus.NotFound;
            }
        }

        return CommitStatus.Committed;
    }

    private void Take(CommitReceipt receipt, List<ModelChange> changes)
    {
        _ = _model.Add(receipt, changes);
        ulong sequence = receipt.FirstSequence;
        foreach (ModelChange change in changes)
        {
            if (change.Action != EventAction.None)
            {
                ulong surrogate = _now.TryGetValue((change.Kind, change.Id), out ModelRecord? old) ? old.Surrogate : sequence;
                _now[(change.Kind, change.Id)] = new ModelRecord(sequence, surrogate, change.Action == EventAction.Tombstone, change.Body);
            }

            sequence++;
        }
    }

    private string? Look(Random random)
    {
        string id = Name(random);
        using ReadSnapshot snapshot = _store.OpenSnapshot();
        StoredRecord? record = snapshot.Get(RecordKind.Object, id);
        bool exists = _now.TryGetValue((RecordKind.Object, id), out ModelRecord? known);
        if ((record is not null) != exists || (record is not null && (record.Sequence != known!.Sequence || record.IsTombstone != known.IsTombstone)))
        {
            return $"'{id}' is {(record is null ? "not there" : $"at {record.Sequence}")}, expected {(exists ? $"at {known!.Sequence}" : "nothing")}";
        }

        List<ulong> history = [.. snapshot.History(RecordKind.Object, id).Select(static item => item.Sequence)];
        List<ulong> wanted = [.. Sequences(id).Reverse()];
        if (!history.SequenceEqual(wanted))
        {
            return $"the history of '{id}' is {string.Join(' ', history)}, expected {string.Join(' ', wanted)}";
        }

        string after = Name(random);
        IEnumerable<string> rest = _now.Where(pair => pair.Key.Kind == RecordKind.Object && !pair.Value.IsTombstone && string.CompareOrdinal(pair.Key.Id, after) > 0).Select(static pair => pair.Key.Id);
        return snapshot.Range(RecordKind.Object, after).ToList().Select(static item => item.Id).SequenceEqual(rest.Order(StringComparer.Ordinal)) ? null : $"the list behind '{after}' differs";
    }

    private IEnumerable<ulong> Sequences(string id)
    {
        foreach (ModelCommit commit in _model.Commits)
        {
            for (int i = 0; i < commit.Changes.Count; i++)
            {
                if (commit.Changes[i].Action != EventAction.None && commit.Changes[i].Kind == RecordKind.Object && commit.Changes[i].Id == id)
                {
                    yield return commit.First + (ulong)i;
                }
            }
        }
    }

    private string? Hold()
    {
        if (_held.Count == HeldSnapshots)
        {
            _held.Dequeue().Snapshot.Dispose();
        }

        _held.Enqueue((_store.OpenSnapshot(), _model.Commits.Count));
        return null;
    }

    private string? CheckHeld()
    {
        _model.Seal();
        foreach ((ReadSnapshot snapshot, int commits) in _held)
        {
            if (Expectation.FindRecordDifference(snapshot, _model.At(commits)) is string difference)
            {
                return $"a snapshot of {commits} commits, {_model.Commits.Count - commits} later: {difference}";
            }
        }

        return null;
    }

    private string? Check()
    {
        _model.Seal();
        return Expectation.FindDifference(_store, _model, _model.Commits.Count);
    }

    private async Task<string?> ReopenAsync(string how)
    {
        GiveBackSnapshots();
        string next = _path;
        if (how is "crash" or "power loss")
        {
            // What a kill leaves: the files as they are now, without a close.
            next = scratch.Next();
            StoreCopy.CopyLive(_path, next);
        }

        await _store.DisposeAsync().ConfigureAwait(false);
        if (next != _path)
        {
            Scratch.Remove(_path);
            _path = next;
        }

        if (how == "power loss")
        {
            StoreCopy.ChangeBoot(_path);
        }

        if (how == "no state")
        {
            Directory.Delete(Path.Combine(_path, "state"), recursive: true);
        }

        _store = StateStore.Open(_path, s_options);
        _session = _store.OpenSession(Bodies.Identity);
        RecoveryCase wanted = how is "crash" or "power loss" ? RecoveryCase.Crash : RecoveryCase.Clean;
        count(how);
        return _store.Recovery!.Case == wanted && _store.Recovery.StateRebuilt == (how == "no state") ? Check() : $"{how}: opened as {_store.Recovery.Case}, {_store.Recovery.Summary}";
    }

    private string? Verify()
    {
        Readers.Verify.VerificationReport report = Readers.Verify.StoreVerifier.Run(_path, new Readers.Verify.VerifyOptions { DegreeOfParallelism = 1 });
        return report.Findings.Count == 0 ? null : $"verification: {report.Findings[0].Code} at {report.Findings[0].Place}";
    }

    private void GiveBackSnapshots()
    {
        while (_held.TryDequeue(out (ReadSnapshot Snapshot, int Commits) held))
        {
            held.Snapshot.Dispose();
        }
    }

    private List<ModelChange> NewBatch(Random random)
    {
        List<ModelChange> changes = [];
        int wanted = 2 + random.Next(5);
        for (int i = 0; i < wanted; i++)
        {
            ModelChange change = random.Next(8) switch
            {
                0 => NewDelete(random),
                1 => Batches.Append(),
                _ => NewPut(random),
            };
            if (change.Action == EventAction.None || !changes.Exists(other => other.Kind == change.Kind && other.Id == change.Id))
            {
                changes.Add(change);
            }
        }

        return changes;
    }

    private static ModelChange NewPut(Random random) =>
        random.Next(6) == 0 ? Batches.PutActor(Name(random), random.Next()) : Batches.Put(Name(random), random.Next(), Size(random));

    private static ModelChange NewDelete(Random random) => Batches.Delete(Name(random));

    private static string Name(Random random) => $"name:{random.Next(Names)}";

    private static int Size(Random random) => random.Next(40) switch { 0 => 20_000 + random.Next(15_000), < 6 => random.Next(3_000), _ => random.Next(200) };
}
