// Why this file exists: the runs whose crashes are examined, each built around one way in which bytes reach the medium.

using System.Globalization;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>What a recorded run does.</summary>
internal abstract class Scenario
{
    internal virtual int ConfirmAfterIdleMs => 10_000;

    internal virtual IReadOnlyList<ICommitGate> Gates => [];

    /// <summary>Events after which a checkpoint of the state is due.</summary>
    internal virtual int CheckpointEveryEvents => 250_000;

    /// <summary>Whether the state in an image is what the trace says; otherwise it is chosen among the captured ones.</summary>
    internal virtual bool StateIsRecorded => false;

    /// <summary>Unrecorded, on a fresh store.</summary>
    internal virtual Task PrepareAsync(RecordedRun run) => Task.CompletedTask;

    /// <summary>Unrecorded, on the closed store's files.</summary>
    internal virtual void Damage(string path)
    {
    }

    /// <summary>Recorded.</summary>
    internal abstract Task RunAsync(RecordedRun run);

    private protected static string Id(int number) => string.Create(CultureInfo.InvariantCulture, $"object:{number:D4}");

    private protected static async Task SmallCommitsAsync(RecordedRun run, int from, int count)
    {
        for (int i = from; i < from + count; i++)
        {
            await run.CommitAsync([Batches.Put(Id(i), i, 150)]);
            run.NoteRoot();
        }
    }
}

/// <summary>Lone commits, each with its own sync; puts, replacements, deletes and plain events.</summary>
internal sealed class LoneCommits : Scenario
{
    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 3);

    internal override async Task RunAsync(RecordedRun run)
    {
        await SmallCommitsAsync(run, 3, 5);
        await run.CommitAsync([Batches.Put(Id(1), 1001, 3000)]);
        await run.CommitAsync([Batches.Delete(Id(2))]);
        await run.CommitAsync([Batches.Append(), Batches.PutActor("actor:one", 1)]);
        await SmallCommitsAsync(run, 8, 4);
    }
}

/// <summary>Lone commits with pauses in which the last group is confirmed.</summary>
internal sealed class IdleConfirmations : Scenario
{
    internal override int ConfirmAfterIdleMs => 1;

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int i = 0; i < 6; i++)
        {
            await run.CommitAsync([Batches.Put(Id(i), i, i % 2 == 0 ? 200 : 5000)]);
            run.NoteRoot();
            await Task.Delay(15);
        }
    }
}

/// <summary>Several commits share one sync: a gate holds the writer until all of them wait.</summary>
internal sealed class GroupCommits : Scenario
{
    private readonly HoldingGate _gate = new();

    internal override IReadOnlyList<ICommitGate> Gates => [_gate];

    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 2);

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int round = 0; round < 3; round++)
        {
            _gate.Hold();
            List<Task> commits = [run.CommitUncapturedAsync([Batches.Put(Id(100 * round), round, 100)])];
            for (int i = 1; i <= 8; i++)
            {
                int number = (100 * round) + i;
                commits.Add(run.CommitUncapturedAsync([Batches.Put(Id(number), number, 300), Batches.Put(Id(number + 50), number, 200)]));
            }

            _gate.Release();
            await Task.WhenAll(commits);
            run.Capture();
        }
    }
}

/// <summary>Commits fill pages and cross from one segment into the next.</summary>
internal sealed class SegmentRoll : Scenario
{
    internal override async Task PrepareAsync(RecordedRun run)
    {
        for (int i = 0; i < 3; i++)
        {
            await run.CommitAsync([Batches.Put(Id(i), i, 25_000)]);
        }
    }

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int i = 3; i < 9; i++)
        {
            await run.CommitAsync([Batches.Put(Id(i), i, i % 2 == 0 ? 33_000 : 20_000)]);
            run.NoteRoot();
        }
    }
}

/// <summary>Commits that span frames, pages and a segment's end.</summary>
internal sealed class LongCommits : Scenario
{
    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 2);

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int round = 0; round < 3; round++)
        {
            int first = 10 + (round * 10);
            await run.CommitAsync([.. Enumerable.Range(first, 6).Select(i => Batches.Put(Id(i), i, 20_000))]);
            run.NoteRoot();
            await run.CommitAsync([Batches.Put(Id(first), first + 1, 100)]);
        }
    }
}

/// <summary>One commit that is longer than several segments.</summary>
internal sealed class CommitOverSegments : Scenario
{
    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 2);

    internal override async Task RunAsync(RecordedRun run)
    {
        await run.CommitAsync([.. Enumerable.Range(10, 22).Select(i => Batches.Put(Id(i), i, 40_000))]);
        run.NoteRoot();
        await run.CommitAsync([Batches.Put(Id(1), 5, 100)]);
    }
}

/// <summary>Closes and opens again, and again, with few commits between.</summary>
internal sealed class CleanCloses : Scenario
{
    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 2);

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int i = 0; i < 3; i++)
        {
            await run.CommitAsync([Batches.Put(Id(10 + i), i, 400)]);
            run.NoteRoot();
            await run.ReopenAsync();
        }
    }
}

/// <summary>Recovery itself crashes: the store was left open, with bytes behind its end that nobody acknowledged.</summary>
internal class RecoveryOfTornTail : Scenario
{
    private string _live = "";

    internal override async Task PrepareAsync(RecordedRun run)
    {
        await SmallCommitsAsync(run, 0, 4);
        await run.CommitAsync([Batches.Put(Id(4), 4, 9000)]);
        run.NoteRoot();
        _live = run.StorePath + ".live";
        StoreCopy.CopyLive(run.StorePath, _live);
    }

    internal override void Damage(string path)
    {
        Scratch.Remove(path);
        Directory.Move(_live, path);
        string segment = Path.Combine(path, "events", "segment-00000000.log");
        byte[] bytes = File.ReadAllBytes(segment);
        int end = Array.FindLastIndex(bytes, value => value != 0) + 1;
        using FileStream file = new(segment, FileMode.Open, FileAccess.Write);
        file.Position = (end + 3) & ~3;
        file.Write(bytes.AsSpan(40_000, 6_000));
    }

    internal override Task RunAsync(RecordedRun run) => SmallCommitsAsync(run, 20, 2);
}

/// <summary>The same, and the state is missing too, so that it is rebuilt and swapped in.</summary>
internal sealed class RecoveryWithRebuild : RecoveryOfTornTail
{
    internal override bool StateIsRecorded => true;

    internal override void Damage(string path)
    {
        base.Damage(path);
        Scratch.Remove(Path.Combine(path, "state", "g1"));
    }
}

/// <summary>Checkpoints, frontiers and parity are made while commits go on: none of it may be in the way of what is promised, whole or torn.</summary>
internal sealed class ProtectiveFiles : Scenario
{
    internal override int CheckpointEveryEvents => 3;

    internal override Task PrepareAsync(RecordedRun run) => SmallCommitsAsync(run, 0, 3);

    internal override async Task RunAsync(RecordedRun run)
    {
        for (int i = 3; i < 11; i++)
        {
            await run.CommitAsync([Batches.Put(Id(i), i, i % 3 == 0 ? 200 : 38_000)]);
            run.NoteRoot();
            if (i % 2 == 0)
            {
                // Whether the background has come this far does not matter to what must hold; that it has some time makes the images more.
                await Task.Delay(20);
            }
        }

        await run.ReopenAsync();
        await SmallCommitsAsync(run, 11, 3);
    }
}
