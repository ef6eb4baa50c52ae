// Why this file exists: child and parent must agree on every byte without telling each other. Invariants: a commit is a function of seed, round, caller and
// number; its first event carries that name, so that the log alone tells which commit it is; a delete names a record of the caller's commit before.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Which commit.</summary>
internal readonly record struct CommitName(int Round, int Caller, int Number)
{
    internal string ToJson() => string.Create(CultureInfo.InvariantCulture, $"[{Round},{Caller},{Number}]");

    internal static CommitName Parse(ReadOnlySpan<byte> json)
    {
        string[] parts = Encoding.ASCII.GetString(json).Trim('[', ']').Split(',');
        return new CommitName(Numbers.Parse(parts[0]), Numbers.Parse(parts[1]), Numbers.Parse(parts[2]));
    }
}

/// <summary>What is committed.</summary>
internal static class KillPlan
{
    internal const string EventType = "app.kill.commit";

    internal static StateStoreOptions Options(int seed, int round)
    {
        Random random = new(unchecked((seed * 17) + round));
        StateStoreOptions options = Bodies.Options(random.Next(2) == 0 ? 0 : 16 << 20);
        options.GroupCommits = random.Next(3) == 0 ? 1 : 256;
        options.ConfirmAfterIdleMs = random.Next(1, 12);
        return options;
    }

    internal static int Callers(int seed, int round) => new Random(unchecked((seed * 13) + round)).Next(1, 9);

    /// <summary>The changes of a commit behind its first event.</summary>
    internal static List<ModelChange> Changes(int seed, CommitName name)
    {
        Random random = Random(seed, name);
        List<ModelChange> changes = [];
        int shared = random.Next(3);
        for (int i = 0; i < shared; i++)
        {
            int size = random.Next(25) == 0 ? 30_000 : random.Next(50, 1500);
            changes.Add(Batches.Put($"shared:{name.Caller}:{(random.Next(4) * 3) + i}", random.Next(), size));
        }

        changes.Add(Batches.Put(Single(name), random.Next(), random.Next(20, 400)));
        if (name.Number > 0)
        {
            changes.Add(Batches.Delete(Single(name with { Number = name.Number - 1 })));
        }

        // A long commit now and then, so that it spans frames, pages and segments.
        int more = random.Next(40) == 0 ? 12 : 0;
        for (int i = 0; i < more; i++)
        {
            changes.Add(Batches.Put($"long:{name.Caller}:{i}", random.Next(), 15_000));
        }

        return changes;
    }

    internal static CommitBatch Batch(int seed, CommitName name) => Batch(name, Changes(seed, name));

    /// <summary>Changes with the event that names their commit.</summary>
    internal static CommitBatch Batch(CommitName name, IEnumerable<ModelChange> changes)
    {
        CommitBatch batch = new CommitBatch().Append(EventType, options: new ChangeOptions { DataJson = Encoding.ASCII.GetBytes(name.ToJson()) });
        foreach (ModelChange change in changes)
        {
            _ = change.Action == EventAction.Put ? batch.Put(change.Kind, change.Id, change.Body) : batch.Delete(change.Kind, change.Id);
        }

        return batch;
    }

    private static string Single(CommitName name) => string.Create(CultureInfo.InvariantCulture, $"single:{name.Caller}:{name.Round}:{name.Number}");

    private static Random Random(int seed, CommitName name) => new(unchecked((((((seed * 486187739) + name.Round) * 486187739) + name.Caller) * 486187739) + name.Number));
}
