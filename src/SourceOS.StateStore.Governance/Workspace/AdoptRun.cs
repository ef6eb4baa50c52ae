// Why this file exists: one run: a walker, some workers and a committer, each on its own, joined by bounded queues. Invariants: the first
// failure of any of them ends all of them and is the one that is thrown; when a run ends, no thread, descriptor or buffer of it is left;
// nothing is removed unless the whole tree was walked.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using SourceOS.StateStore.Governance.Workspace.Tree;

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Adopts one tree once.</summary>
internal sealed class AdoptRun(TreeCalls calls, StateStore store, SessionIdentity identity, AdoptOptions options, TimeProvider clock) : IDisposable
{
    private const int BatchesWaiting = 64;
    private const int ProgressIntervalMs = 200;

    private readonly AdoptTally _tally = new(options.MaxSkippedListed);
    private readonly SeenSet _seen = new();
    private readonly BlockingCollection<WalkBatch> _batches = new(BatchesWaiting);

    /// <summary>Runs.</summary>
    public async Task<AdoptReport> RunAsync(string rootPath, IProgress<AdoptProgress>? progress, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        string workspaceId;
        string privacyClass;
        AdoptedChange? workspaceChange;
        bool hasKnown;
        ulong knownUpTo;
        using (ReadSnapshot snapshot = store.OpenSnapshot())
        {
            workspaceId = WorkspaceRecord.Resolve(snapshot, rootPath, options.WorkspaceId);
            privacyClass = WorkspaceRecord.PrivacyClassOf(snapshot, identity.ProfileId);
            workspaceChange = WorkspaceRecord.Change(snapshot, workspaceId, rootPath, privacyClass, identity, clock.GetUtcNow());
            hasKnown = RemovalScan.HasAny(snapshot, new WorkspaceIds(workspaceId));
            knownUpTo = snapshot.Sequence;
        }

        WorkspaceIds ids = new(workspaceId);
        DirectoryHandle root = OpenRoot(rootPath);
        using AdoptCommitter committer = new(store.OpenSession(identity with { WorkspaceId = workspaceId }), _tally, options.BatchObjects);
        try
        {
            WorkerSetting setting = new(calls, root, store, identity, workspaceId, privacyClass, ids, _seen, _tally, options, hasKnown, clock);
            await ScanAsync(setting, committer, workspaceChange, progress, start, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            root.Release();
        }

        if (hasKnown && !_tally.IsRemovalSuspended && committer.Refused is null)
        {
            RemovalScan removals = new(store, workspaceId, ids, _seen, _tally, knownUpTo, options.Scope);
            foreach (List<AdoptedChange> page in removals.Pages(cancellationToken))
            {
                await committer.WriteAsync(page, cancellationToken).ConfigureAwait(false);
            }
        }

        progress?.Report(Progress(start) with { Expected = _tally.FilesDone });
        return Report(workspaceId, rootPath, committer, start);
    }

    /// <inheritdoc/>
    public void Dispose() => _batches.Dispose();

    private async Task ScanAsync(
        WorkerSetting setting, AdoptCommitter committer, AdoptedChange? workspaceChange, IProgress<AdoptProgress>? progress, long start, CancellationToken cancellationToken)
    {
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        CancellationToken token = linked.Token;
        if (workspaceChange is { } change)
        {
            committer.Add(change, token);
        }

        Task[] workers = new Task[options.Workers];
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i] = Start(() => Work(setting, committer, token), linked);
        }

        Task walk = Start(() => Walk(setting, token), linked);
        Task commit = Guard(committer.RunAsync(linked), linked);
        Task working = Guard(CompleteWhenDoneAsync(workers, committer), linked);
        Task estimate = options.EstimateTotal && progress is not null ? Start(() => Estimate(setting, token), linked) : Task.CompletedTask;

        using CancellationTokenSource reporting = new();
        Task report = progress is null ? Task.CompletedTask : ReportAsync(progress, start, reporting.Token);
        Task[] all = [walk, working, commit, .. workers];
        await Task.WhenAll(all).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await reporting.CancelAsync().ConfigureAwait(false);
        await linked.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(report, estimate).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (_batches.TryTake(out WalkBatch? left))
        {
            left.Dispose();
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (FirstFailure(all, isRefused: committer.Refused is not null) is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Walk(WorkerSetting setting, CancellationToken token)
    {
        try
        {
            new TreeWalker(calls, WalkOptionsFor(), new QueueSink(_batches, _tally, token)).Walk(setting.Root.Share(), token);
        }
        finally
        {
            _batches.CompleteAdding();
        }
    }

    private void Work(WorkerSetting setting, AdoptCommitter committer, CancellationToken token)
    {
        using TreeWorker worker = new(setting, change => committer.Add(change, token));
        foreach (WalkBatch batch in _batches.GetConsumingEnumerable(token))
        {
            using (batch)
            {
                worker.Work(batch, token);
            }
        }
    }

    private void Estimate(WorkerSetting setting, CancellationToken token) =>
        new TreeWalker(calls, WalkOptionsFor(), new CountSink(_tally)).Walk(setting.Root.Share(), token);

    private static async Task CompleteWhenDoneAsync(Task[] workers, AdoptCommitter committer)
    {
        try
        {
            await Task.WhenAll(workers).ConfigureAwait(false);
        }
        finally
        {
            committer.Complete();
        }
    }

    private static Task Start(Action action, CancellationTokenSource linked) =>
        Guard(Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default), linked);

    // Whoever fails takes the others along: they may be waiting for it.
    private static async Task Guard(Task task, CancellationTokenSource linked)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch
        {
            await linked.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    // A refused commit cancels the others, and their being cancelled is then no failure.
    private static Exception? FirstFailure(Task[] tasks, bool isRefused) => tasks
        .Where(static task => task.IsFaulted || task.IsCanceled)
        .Select(static task => task.Exception?.InnerException ?? new TaskCanceledException(task))
        .Where(exception => !isRefused || exception is not OperationCanceledException)
        .OrderBy(static exception => exception is OperationCanceledException)
        .FirstOrDefault();

    private WalkOptions WalkOptionsFor()
    {
        int fd = calls.OpenRoot(store.Path);
        (ulong, ulong)? excluded = null;
        if (fd >= 0)
        {
            excluded = calls.StatOpen(fd, out TreeStatus status) == 0 ? (status.Device, status.Inode) : null;
            calls.Close(fd);
        }

        return new WalkOptions { CrossFileSystems = options.CrossFileSystems, IncludeVersionControl = options.IncludeVersionControl, Excluded = excluded, Scope = options.Scope };
    }

    private DirectoryHandle OpenRoot(string path)
    {
        int fd = calls.OpenRoot(path);
        if (fd < 0)
        {
            throw RootFailure(path, fd);
        }

        // An empty mount point in place of a tree would otherwise remove everything that is known of it.
        if (options.ExpectedRoot is { } expected && (calls.StatOpen(fd, out TreeStatus status) < 0 || (status.Device, status.Inode) != expected))
        {
            calls.Close(fd);
            throw new DirectoryNotFoundException($"Another directory is at {path} now.");
        }

        return new DirectoryHandle(calls, fd, []);
    }

    private static Exception RootFailure(string path, int result) => result switch
    {
        -TreeErrno.ENOENT => new DirectoryNotFoundException($"There is nothing at {path}."),
        -TreeErrno.ENOTDIR => new StateStoreException(StateStoreErrorCode.InvalidInput, "Only a directory can be adopted.", path),
        -TreeErrno.EACCES or -TreeErrno.EPERM => new StateStoreException(StateStoreErrorCode.AccessDenied, "The directory cannot be read.", path),
        _ => new StateStoreException(StateStoreErrorCode.InputOutput, $"The directory cannot be opened (error {-result}).", path),
    };

    private async Task ReportAsync(IProgress<AdoptProgress> progress, long start, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(ProgressIntervalMs));
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                progress.Report(Progress(start));
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The scan is over; that is how the reporting is told.
            return;
        }
    }

    private AdoptProgress Progress(long start) =>
        new(_tally.FilesDone, _tally.Bytes, _tally.Objects, _tally.Expected, Stopwatch.GetElapsedTime(start));

    private AdoptReport Report(string workspaceId, string rootPath, AdoptCommitter committer, long start) => new()
    {
        WorkspaceId = workspaceId,
        Root = rootPath,
        Files = _tally.CountsOf(EntryKind.File),
        Folders = _tally.CountsOf(EntryKind.Folder),
        Links = _tally.CountsOf(EntryKind.Link),
        Ignored = _tally.Ignored,
        Bytes = _tally.Bytes,
        Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        Skipped = _tally.Skipped,
        RemovalSuspended = _tally.IsRemovalSuspended,
        Sequence = committer.LastSequence != 0 ? committer.LastSequence : store.VisibleSequence,
        Commits = committer.Commits,
        Refusal = committer.Refused?.Refusal,
        RefusalStatus = committer.Refused?.Status,
    };

    // Hands batches to the workers; waits while they are behind.
    private sealed class QueueSink(BlockingCollection<WalkBatch> batches, AdoptTally tally, CancellationToken cancellationToken) : IWalkSink
    {
        public void Take(WalkBatch batch)
        {
            try
            {
                batches.Add(batch, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                batch.Dispose();
                throw;
            }
        }

        public void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent) => tally.Skip(path, reason, hidesContent);

        public void Ignore() => tally.CountIgnored();
    }

    // Counts files only, so that the end can be foreseen.
    private sealed class CountSink(AdoptTally tally) : IWalkSink
    {
        public void Take(WalkBatch batch)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                if (batch.Kind(i) == EntryKind.File)
                {
                    tally.CountExpected();
                }
            }

            batch.Dispose();
        }

        public void Skip(ReadOnlySpan<byte> path, string reason, bool hidesContent)
        {
        }

        public void Ignore()
        {
        }
    }
}
