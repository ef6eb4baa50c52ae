// Why this file exists: events that change no record: the log alone, beside the one thing it cannot do without, SHA-256 of the same bytes.

using System.Text;
using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Commits of many plain events beside SHA-256 of their bytes and SQLite.</summary>
public static class EventAppend
{
    private const string EventType = "app.document.opened";
    private const int EventHeaderBytes = 64;

    /// <summary>Runs it.</summary>
    public static async Task<ComparisonResult> RunAsync(BenchContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int size = context.Scale.IngestBatch;
        await using SubjectStore store = SubjectStore.Create(context.NewPath("store"));
        using SqlitePeer sqlite = new(context.NewPath("sqlite.db"));
        SampleObject[] about = new ChangeOrder(0, inserts: true).Next(size);
        byte[] data = Encoding.UTF8.GetBytes($$"""{"application":"editor","window":3,"note":"{{new string('n', 120)}}"}""");
        int texts = EventType.Length + SubjectStore.Me.ActorId.Length + SubjectStore.Me.DeviceId.Length + SubjectStore.Me.ProfileId.Length + SubjectStore.Me.WorkspaceId.Length;
        byte[] bytes = new byte[size * (EventHeaderBytes + texts + about[0].IdUtf8.Length + data.Length)];
        Random.Shared.NextBytes(bytes);
        long appended = 0;

        Contestant[] contestants =
        [
            new WorkContestant("store", Role.Subject, async (operations, timer) =>
            {
                for (int i = 0; i < operations; i++)
                {
                    timer.Begin();
                    CommitBatch batch = new();
                    foreach (SampleObject item in about)
                    {
                        batch.Append(EventType, RecordKind.Object, item.Id, new ChangeOptions { DataJson = data });
                    }

                    CommitReceipt receipt = await store.Session.CommitAsync(batch);
                    timer.End(size);
                    SubjectStore.Require(receipt);
                    appended += size;
                }
            }),
            WorkContestant.Of("SHA-256 of the same bytes, one thread", Role.Floor, (operations, timer) => Repeat(operations, size, timer, () => GC.KeepAlive(Checksum.Sha256(bytes)))),
            WorkContestant.Of("SQLite, WAL, synchronous=FULL", Role.Peer, (operations, timer) => Repeat(operations, size, timer, () => sqlite.CommitEvents(about, data))),
        ];
        ComparisonResult result = await PairedRun.RunAsync($"Event append, {size:N0} events a commit", "one event", context.Scale.Ingest, contestants);
        Agreement.RequireEqual("events", appended, (long)store.Store.VisibleSequence);
        Agreement.RequireEqual("events", appended, sqlite.EventCount());
        return result;
    }

    private static void Repeat(int operations, int size, OpTimer timer, Action work)
    {
        for (int i = 0; i < operations; i++)
        {
            timer.Begin();
            work();
            timer.End(size);
        }
    }
}
