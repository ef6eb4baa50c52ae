// Why this file exists: one run of everything that makes a store call the kernel, with faults or without. Invariants: what must hold after each failure is
// checked where it happens; what a run did is a function of its faults, but for the moment of idle confirmations; never asserts a time.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Creates, commits, rolls, idles, closes, opens, recovers and reads one store.</summary>
internal sealed class FaultScenario(string directory, FaultingFileOps ops)
{
    private const int Commits = 9;
    private readonly KillLedger _ledger = new(Changes);
    private int _next;

    /// <summary>Path of the store; a second one is the first as kill -9 would have left it.</summary>
    internal string StorePath { get; private set; } = Path.Combine(directory, "store");

    /// <summary>What the faults did, for the summary.</summary>
    internal string Outcome { get; private set; } = "unharmed";

    /// <summary>Runs it, heals what the faults broke, and looks at everything.</summary>
    /// <returns>Null when every promise was kept.</returns>
    internal string? Run()
    {
        Directory.CreateDirectory(directory);
        string? problem = Create() ?? Work(untilCommit: 6) ?? Work(untilCommit: 7) ?? Recover() ?? Read();
        ops.Clear();
        return problem ?? CheckHealed() ?? (ops.OpenDescriptors == 0 ? null : $"{ops.OpenDescriptors} descriptors stay open");
    }

    private static List<ModelChange> Changes(CommitName name)
    {
        int number = name.Number;
        List<ModelChange> changes = [Batches.Put($"object:{number}", number, 200), Batches.Put("object:same", 100 + number, 300)];
        if (number is 3 or 6)
        {
            changes.AddRange(Enumerable.Range(0, 4).Select(i => Batches.Put($"large:{i}", (number * 10) + i, 26_000)));
        }

        if (number is 2 or 5)
        {
            changes.Add(Batches.Delete($"object:{number - 1}"));
        }

        return changes;
    }

    private StateStoreOptions Options(FileOps files)
    {
        StateStoreOptions options = Bodies.Options(proveUpToBytes: 0);
        options.ReserveBytes = 1;
        options.ConfirmAfterIdleMs = 1;
        options.Files = files;
        return options;
    }

    private string? Create()
    {
        bool failed = false;
        try
        {
            StateStore.Create(StorePath, Options(ops)).Dispose();
        }
        catch (StateStoreException exception)
        {
            Outcome = $"create: {exception.Code}";
            failed = true;
        }

        if (!failed)
        {
            return null;
        }

        // Either nothing is left, or the store is whole: the name appears when everything is there.
        ops.Clear();
        if (File.Exists(Path.Combine(StorePath, "STORE")))
        {
            return null;
        }

        if (Directory.Exists(StorePath))
        {
            return "a failed creation left a directory that is no store";
        }

        StateStore.Create(StorePath, Options(ops)).Dispose();
        return null;
    }

    private StateStore? Open(string stage)
    {
        try
        {
            return StateStore.Open(StorePath, Options(ops));
        }
        catch (StateStoreException exception)
        {
            Outcome = $"{stage}: {exception.Code}";
            ops.Clear();
            return null;
        }
    }

    private string? Work(int untilCommit)
    {
        using StateStore? opened = Open("open");
        using StateStore store = opened ?? StateStore.Open(StorePath, Options(ops));
        return CommitUpTo(store, untilCommit);
    }

    private string? CommitUpTo(StateStore store, int untilCommit)
    {
        StateSession session = store.OpenSession(Bodies.Identity);
        for (; _next < untilCommit; _next++)
        {
            if (Commit(session) is not StateStoreException failure)
            {
                continue;
            }

            Outcome = $"commit: {failure.Code}{(store.Fault is null ? "" : ", latched")}";
            if (store.Fault is not null)
            {
                return CheckLatched(store, session, untilCommit);
            }

            // Nothing of it may be there, and as soon as the device is well the same commit goes through.
            ops.Clear();
            if (Commit(session) is StateStoreException again)
            {
                // A segment that could not be made for a reason that may be final is asked for again by the next open only.
                if (!failure.IsRetryable && !again.IsRetryable)
                {
                    return Reopen(store, untilCommit);
                }

                return $"a commit that failed without latching fails again on a sound device: {again.Code} {again.Summary}";
            }
        }

        if (untilCommit == 6)
        {
            // Idle until the last group is confirmed, however long that takes.
            SpinWait.SpinUntil(() => ops.Count(FileCallKinds.PWrite) != 0, 5);
            Thread.Sleep(4);
        }

        return CompareReads(store);
    }

    private StateStoreException? Commit(StateSession session)
    {
        CommitName name = new(0, 0, _next);
        try
        {
            Task<CommitReceipt> commit = session.CommitAsync(KillPlan.Batch(name, Changes(name))).AsTask();
            CommitReceipt receipt = commit.GetAwaiter().GetResult();
            if (receipt.IsCommitted)
            {
                _ledger.Acknowledge(name, receipt.FirstSequence, receipt.LastSequence);
                return null;
            }

            throw new InvalidOperationException($"Commit {name} was refused: {receipt.Refusal}");
        }
        catch (StateStoreException exception)
        {
            return exception;
        }
    }

    private string? Reopen(StateStore store, int untilCommit)
    {
        Outcome += ", reopened";
        store.Dispose();
        using StateStore reopened = StateStore.Open(StorePath, Options(ops));
        return _ledger.FindDifference(reopened, fromStart: true) ?? CommitUpTo(reopened, untilCommit);
    }

    private string? CheckLatched(StateStore store, StateSession session, int untilCommit)
    {
        ops.Clear();
        ulong before = store.VisibleSequence;
        StateStoreException? refused = Commit(session);
        if (refused?.Code != StateStoreErrorCode.Latched || store.VisibleSequence != before)
        {
            return $"a latched store answered {refused?.Code.ToString() ?? "a commit"} to the next one";
        }

        string? difference = CompareReads(store);
        store.Dispose();
        if (difference is not null)
        {
            return difference;
        }

        // The commit in doubt is there or not, as recovery decides; the books must know before the next one.
        using StateStore reopened = StateStore.Open(StorePath, Options(ops));
        difference = _ledger.FindDifference(reopened, fromStart: true);
        CommitName doubtful = new(0, 0, _next);
        if (_ledger.Find(doubtful) is (ulong first, ulong last))
        {
            _ledger.Acknowledge(doubtful, first, last);
            _next++;
        }

        return difference ?? CommitUpTo(reopened, Math.Max(_next, untilCommit));
    }

    // What a snapshot shows is always a prefix of what was committed, also after a fault.
    private string? CompareReads(StateStore store)
    {
        try
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            for (int i = 0; i < _next; i++)
            {
                _ = snapshot.Get(RecordKind.Object, $"object:{i}");
            }

            return snapshot.Sequence <= store.DurableSequence ? null : "a snapshot shows more than is durable";
        }
        catch (StateStoreException exception)
        {
            Outcome = $"read: {exception.Code}";
            return null;
        }
    }

    // The store is opened, written and left as by a kill; its copy is recovered under the same faults.
    private string? Recover()
    {
        string copy = StorePath + ".killed";
        StateStore? store = Open("open");
        using (store ??= StateStore.Open(StorePath, Options(ops)))
        {
            string? problem = CommitUpTo(store, Math.Max(_next, 8));
            StoreCopy.CopyLive(StorePath, copy);
            if (problem is not null)
            {
                return problem;
            }
        }

        Scratch.Remove(StorePath);
        StorePath = copy;
        StoreCopy.ChangeBoot(copy);
        return Work(Commits);
    }

    private string? Read()
    {
        try
        {
            using StateStore store = StateStore.OpenRead(StorePath, Options(ops));
            return _ledger.FindDifference(store, fromStart: true);
        }
        catch (StateStoreException exception)
        {
            Outcome = $"read: {exception.Code}";
            return null;
        }
    }

    private string? CheckHealed()
    {
        StateStoreOptions options = Options(LinuxFileOps.Instance);
        using (StateStore store = StateStore.Open(StorePath, options))
        {
            if (_ledger.FindDifference(store, fromStart: true) is string difference)
            {
                return difference;
            }

            if (_ledger.Acknowledged != Commits)
            {
                return $"{_ledger.Acknowledged} commits of {Commits} were acknowledged in the end";
            }
        }

        using StateStore again = StateStore.Open(StorePath, options);
        return again.Recovery!.Case == RecoveryCase.Clean ? null : $"opened as {again.Recovery.Case} after a clean close";
    }
}
