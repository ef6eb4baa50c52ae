// Why this file exists: the process that is killed. Several callers commit what the plan says, and each acknowledged commit is told before the caller's
// next one. Invariants: everything committed follows from seed, round, caller and number; nothing else is written.

using System.Globalization;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Commits until it is killed.</summary>
internal static class CommittingChild
{
    internal const string Ready = "ready";
    internal const string Acknowledged = "ack ";

    internal static async Task RunAsync(string path, int seed, int round)
    {
        StateStoreOptions options = KillPlan.Options(seed, round);
        using StateStore store = File.Exists(Path.Combine(path, "STORE")) ? StateStore.Open(path, options) : StateStore.Create(path, options);
        StateSession session = store.OpenSession(Bodies.Identity);
        ChildOutput.Say(Ready);
        List<Task> callers = [];
        for (int caller = 0; caller < KillPlan.Callers(seed, round); caller++)
        {
            int number = caller;
            callers.Add(Task.Run(() => CommitForEverAsync(session, new CommitName(round, number, 0), seed)));
        }

        await await Task.WhenAny(callers);
    }

    private static async Task CommitForEverAsync(StateSession session, CommitName name, int seed)
    {
        Random pauses = new(unchecked((seed * 31) + (name.Round * 7) + name.Caller));
        for (; ; name = name with { Number = name.Number + 1 })
        {
            CommitReceipt receipt = await session.CommitAsync(KillPlan.Batch(seed, name));
            if (!receipt.IsCommitted)
            {
                throw new InvalidOperationException($"Commit {name} was refused: {receipt.Refusal}");
            }

            ChildOutput.Say(string.Create(CultureInfo.InvariantCulture, $"{Acknowledged}{name.Round} {name.Caller} {name.Number} {receipt.FirstSequence} {receipt.LastSequence}"));
            if (pauses.Next(6) == 0)
            {
                await Task.Delay(pauses.Next(20));
            }
        }
    }
}
