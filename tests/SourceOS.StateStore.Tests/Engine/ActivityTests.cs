// Why this file exists: whoever traces a daemon wants to see what opening and committing cost, and why an open failed. Invariants looked at: names and tags as the documentation gives them; nothing of a record in them.

using System.Collections.Concurrent;
using System.Diagnostics;

namespace SourceOS.StateStore.Tests;

public sealed class ActivityTests
{
    [Fact]
    public async Task Opening_and_commits_are_traced_with_what_came_of_them()
    {
        using TestDirectory directory = new();
        ConcurrentQueue<Activity> seen = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == "SourceOS.StateStore",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = seen.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()).DisposeAsync();
        string[] places = [directory.StorePath, "note:traced"];
        ulong sequence;
        await using (StateStore store = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            // The marker tells this store's activities from those of tests that run beside this one.
            StateSession session = store.OpenSession(new SessionIdentity("actor:test", "device:test", "profile:test", "workspace:test"));
            for (int i = 0; i < 57; i++)
            {
                await session.CommitAsync(new CommitBatch().Put(Format.RecordKind.Object, "note:traced", RoundTripTests.ObjectBody("note", $"v{i}")));
            }

            sequence = store.VisibleSequence;
        }

        Assert.Contains(seen, item => item.OperationName == "statestore.open" && (string?)item.GetTagItem("recovery.case") == "Clean" && item.Status != ActivityStatusCode.Error);
        Assert.Contains(seen, item => item.OperationName == "statestore.commit.group" && (int?)item.GetTagItem("commits") == 1 && (long?)item.GetTagItem("sequence") == (long)sequence);
        Assert.DoesNotContain(seen.SelectMany(static item => item.TagObjects), tag => places.Contains(tag.Value?.ToString()));
        Assert.Throws<StateStoreException>(() => StateStore.Open(Path.Combine(directory.Root, "none")));
        Assert.Contains(seen, static item => item.OperationName == "statestore.open" && item.Status == ActivityStatusCode.Error);
    }
}
