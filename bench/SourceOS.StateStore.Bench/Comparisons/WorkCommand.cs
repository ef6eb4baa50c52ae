// Why this file exists: the `work` verb: one kind of work of the store, alone and for a number of seconds, so that a profiler sees nothing else. Invariants: it does what the
// comparison of the same name does; it prints how much was done and what it allocated, and compares nothing.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using SourceOS.StateStore.Bench.Peers;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Bench.Comparisons;

/// <summary>Runs the store alone.</summary>
public static class WorkCommand
{
    /// <summary>How it is called.</summary>
    public const string Usage = """
        SourceOS.StateStore.Bench work commit|commit-async|ingest|append|list|read|verify [--seconds N] [--objects N]
            Does one kind of work with the store alone, for a profiler: prints what was done, the time and the allocations of each.
        """;

    /// <summary>Runs the verb.</summary>
    /// <param name="args">Its arguments.</param>
    /// <param name="output">Where the result goes.</param>
    /// <returns>0, or 2 for arguments that make no sense.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(output);
        int seconds = 10;
        int objects = 20_000;
        bool isSound = args.Count % 2 == 1;
        for (int i = 1; i + 1 < args.Count && isSound; i += 2)
        {
            isSound = int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0 && args[i] is "--seconds" or "--objects";
            (seconds, objects) = args[i] == "--seconds" ? (value, objects) : (seconds, value);
        }

        if (!isSound || args[0] is not ("commit" or "commit-async" or "ingest" or "append" or "list" or "read" or "verify"))
        {
            await output.WriteLineAsync(Usage);
            return 2;
        }

        using BenchContext context = new(Scale.Full, null);
        ChangeOrder order = new(objects, inserts: args[0] == "ingest");
        await using SubjectStore store = SubjectStore.Create(context.NewPath("store"));
        await store.LoadAsync(order.Preload());
        Func<Task<int>> work = args[0] switch
        {
            "commit" => () => Task.FromResult(Done(store.Commit(order.Next(), CommitWait.Visible))),
            "commit-async" => async () => Done(await store.CommitAsync(order.Next(), CommitWait.Visible)),
            "ingest" => async () => Done(await store.CommitAsync(order.Next(SubjectStore.LoadBatch))),
            "append" => Append(store, order),
            "verify" => () => Task.FromResult(Verify(store.Store.Path)),
            "list" => () => Task.FromResult(List(store, objects)),
            _ => () => Task.FromResult(Read(store, [.. order.Preload().Select(item => item.IdUtf8)])),
        };
        await output.WriteLineAsync(await MeasureAsync(args[0], seconds, work));
        return 0;
    }

    private static async Task<string> MeasureAsync(string name, int seconds, Func<Task<int>> work)
    {
        long done = 0;
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        Stopwatch watch = Stopwatch.StartNew();
        while (watch.Elapsed.TotalSeconds < seconds)
        {
            done += await work();
        }

        double microseconds = watch.Elapsed.TotalMicroseconds / done;
        allocated = (GC.GetTotalAllocatedBytes(precise: true) - allocated) / done;
        return string.Create(CultureInfo.InvariantCulture, $"{name}: {done} done, {microseconds:F2} us and {allocated} B each");
    }

    private static int Done(CommitReceipt receipt)
    {
        SubjectStore.Require(receipt);
        return (int)(receipt.LastSequence - receipt.FirstSequence + 1);
    }

    private static Func<Task<int>> Append(SubjectStore store, ChangeOrder order)
    {
        SampleObject[] about = order.Next(SubjectStore.LoadBatch);
        byte[] data = Encoding.UTF8.GetBytes($$"""{"application":"editor","window":3,"note":"{{new string('n', 120)}}"}""");
        return async () =>
        {
            CommitBatch batch = new();
            foreach (SampleObject item in about)
            {
                batch.Append("app.document.opened", RecordKind.Object, item.Id, new ChangeOptions { DataJson = data });
            }

            return Done(await store.Session.CommitAsync(batch));
        };
    }

    private static int Verify(string path)
    {
        VerificationReport report = StoreVerifier.Run(path);
        return report.Verdict == VerificationVerdict.Clean ? (int)(report.BytesChecked >> 20) : throw new InvalidOperationException("The store is damaged.");
    }

    private static int List(SubjectStore store, int objects)
    {
        const int Lists = 100;
        using ReadSnapshot snapshot = store.Store.OpenSnapshot();
        int directories = Math.Max(1, objects / 4 / SampleObject.ObjectsPerDirectory);
        long bytes = 0;
        for (int i = 0; i < Lists; i++)
        {
            foreach (RecordView record in snapshot.ByIndex(IndexQuery.WorkspacePath("workspace:0", SampleObject.Directory(i * 31 % directories))))
            {
                bytes += record.BodyBytes.Length;
            }
        }

        return bytes > 0 ? Lists : throw new InvalidOperationException("The lists are empty.");
    }

    private static int Read(SubjectStore store, byte[][] ids)
    {
        using ReadSnapshot snapshot = store.Store.OpenSnapshot();
        foreach (byte[] id in ids)
        {
            if (!snapshot.TryGet(RecordKind.Object, id, out _))
            {
                throw new InvalidOperationException("A record is missing.");
            }
        }

        return ids.Length;
    }
}
