// Why this file exists: a process whose system calls are counted. Invariants: marks frame what is counted; between the marks of commits, exactly so many
// commits, one after the other; between the marks of reads, no commit.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Commits alone, then reads.</summary>
internal static class TracedChild
{
    internal const string Commits = "MARK commits";
    internal const string Reads = "MARK reads";
    internal const string End = "MARK end";

    internal static async Task RunAsync(string path, int count)
    {
        await using StateStore store = StateStore.Create(path, new StateStoreOptions { ReserveBytes = 0, ConfirmAfterIdleMs = 1 });
        StateSession session = store.OpenSession(Bodies.Identity);
        _ = await session.CommitAsync(Batches.Of([Batches.Put("object:first", 1, 100)]));
        ChildOutput.Say(Commits);
        for (int i = 0; i < count; i++)
        {
            _ = await session.CommitAsync(Batches.Of([Batches.Put($"object:{i}", i, 100 + (i * 40))]));
            if (i % 4 == 3)
            {
                // Long enough for the confirmation of an idle group, which must not sync.
                await Task.Delay(5);
            }
        }

        ChildOutput.Say(Reads);
        for (int i = 0; i < count; i++)
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            _ = snapshot.Get(RecordKind.Object, $"object:{i}") ?? throw new InvalidOperationException("A record is missing.");
            _ = snapshot.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile)).ToList(10);
            _ = snapshot.History(RecordKind.Object, $"object:{i}").Count();
        }

        ChildOutput.Say(End);
    }
}
