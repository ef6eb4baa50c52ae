// Why this file exists: the one writer. Whoever holds its role, the writer's own thread or a caller that commits on its own thread (docs/decisions/0033-the-writers-role.md), takes a group of commits from
// the queue, judges, folds and encodes them, makes the log durable with one sync, answers who waits for that, and hands what it changes in the state to the applier. Invariants: log and fold
// are touched under the role alone; nothing is acknowledged before its sync; a failure before the log was touched fails only the group; a failure after it latches the store.

using System.Diagnostics;
using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Commit;

/// <summary>What the loop works on. It owns the log and the fold; the state is shared with readers.</summary>
internal sealed record CommitLoopParts(
    StateEnvironment State, StateFold Fold, LogWriter Log, StoreId StoreId, StateStoreOptions Options, FileOps Files, string StorePath, TimeProvider Clock, EngineMetrics Metrics, ILogger Logger);

/// <summary>The writer.</summary>
internal sealed class CommitLoop
{
    private const int SpaceCheckIntervalMs = 100;
    private readonly CommitLoopParts _parts;
    private readonly CommitQueue _queue;
    private readonly CommitAdmission _admission;
    private readonly CommitEncoder _encoder;
    private readonly List<(CommitWork Work, CommitReceipt Receipt)> _group = [];
    private readonly StateHeader _savedHeader = new();
    private readonly StateDigest _savedDigest = new();
    private readonly Thread _thread;
    private readonly Lock _role = new();
    private readonly StateApplier _applier;
    private long _nextSpaceCheck;
    private long _groups;
    private bool _sleepsUntilRung;
    private StateStoreException? _spaceFault;
    private StateStoreException? _fault;

    internal CommitLoop(CommitLoopParts parts, Action<StateHeader> published)
    {
        _parts = parts;
        _queue = new CommitQueue(parts.Options.QueueCapacity);
        _admission = new CommitAdmission(parts.Fold, [.. parts.Options.Gates], parts.Options.RefusalAuditor, parts.Options.Amender);
        _encoder = new CommitEncoder(parts.Fold, parts.Log.Layout, parts.StoreId, parts.Log.WriterEpoch);
        _applier = new StateApplier(parts.State, parts.Fold, published, Latch);
        _thread = new Thread(Run) { IsBackground = true, Name = "statestore-writer" };
        DurableSequence = parts.Log.Tip.LastSequence;
    }

    /// <summary>The fault that latched the store; null while there is none.</summary>
    internal StateStoreException? Fault => Volatile.Read(ref _fault);

    /// <summary>Last sequence known to be on the medium.</summary>
    internal ulong DurableSequence { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); }

    internal int QueueLength => _queue.Count;

    internal void Start()
    {
        _applier.Start();
        _thread.Start();
    }

    /// <summary>Submits a commit and waits for its receipt.</summary>
    internal async ValueTask<CommitReceipt> SubmitAsync(CommitWork work, CancellationToken cancellationToken)
    {
        ThrowIfFaulted();
        await _queue.EnqueueAsync(work, cancellationToken).ConfigureAwait(false);

        // From here on the commit happens whatever its caller does, so the wait alone is cancelled.
        return await work.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Submits a commit and does the writer's work on this thread, with whatever else waits: no hand-over to another thread and none back.</summary>
    internal CommitReceipt Submit(CommitWork work, CancellationToken cancellationToken)
    {
        ThrowIfFaulted();
        if (_role.IsHeldByCurrentThread)
        {
            throw new InvalidOperationException("A gate may not commit; it judges a commit that is under way.");
        }

        _queue.Enqueue(work, cancellationToken);
        while (!work.IsTaken)
        {
            lock (_role)
            {
                // Who had the role before may have taken this commit too. If not, it is in the queue, since nobody else takes from it now.
                if (!work.IsTaken && _queue.TryTakeNow(out CommitWork? first))
                {
                    RunGroup(first!, isCaller: true);
                    WakeForConfirmation();
                }
            }
        }

        // Done, or durable and on its way into the state by the applier's thread.
        return work.Completion.GetAwaiter().GetResult();
    }

    /// <summary>Lets no more commits in, waits until the queue is drained, then leaves log and fold to the caller.</summary>
    internal void Stop()
    {
        _queue.Close();
        _thread.Join();
        _applier.Stop();
    }

    private void Run()
    {
        long groups = -1;
        while (true)
        {
            int timeoutMs;
            lock (_role)
            {
                timeoutMs = Fault is null && _parts.Log.NeedsConfirmation ? _parts.Options.ConfirmAfterIdleMs : Timeout.Infinite;
                _sleepsUntilRung = timeoutMs == Timeout.Infinite;
                groups = _groups;
            }

            bool isWoken = _queue.Wait(timeoutMs);
            lock (_role)
            {
                _sleepsUntilRung = false;
                if (_queue.TryTakeNow(out CommitWork? work))
                {
                    RunGroup(work!, isCaller: false);
                }
                else if (_queue.IsFinished)
                {
                    _applier.WaitAndThaw();
                    return;
                }
                else if (!isWoken && groups == _groups && Fault is null && _parts.Log.NeedsConfirmation)
                {
                    Guarded(_parts.Log.Confirm);
                }
            }
        }
    }

    // A group that nothing follows is confirmed by the writer's thread, which may sleep until somebody rings.
    private void WakeForConfirmation()
    {
        if (_sleepsUntilRung)
        {
            _sleepsUntilRung = false;
            _queue.Ring();
        }
    }

    private void RunGroup(CommitWork first, bool isCaller)
    {
        _groups++;
        _applier.ThawIfDone();
        if (Fault is not null)
        {
            first.IsTaken = true;
            first.Fail(LatchedException());
            return;
        }

        long started = _parts.Clock.GetTimestamp();
        using Activity? activity = EngineMetrics.Activities.StartActivity("statestore.commit.group");
        _savedHeader.CopyFrom(_parts.Fold.Header);
        _savedDigest.CopyFrom(_parts.Fold.Digest);
        try
        {
            Gather(first);
            if (_group.Count > 0)
            {
                Write(isCaller);
                _parts.Metrics.GroupCommitted(_group.Count, _parts.Clock.GetElapsedTime(started));
                activity?.SetTag("commits", _group.Count);
                activity?.SetTag("sequence", (long)DurableSequence);
            }
        }
        catch (Exception exception)
        {
            activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
            FailGroup(exception);
        }
        finally
        {
            _group.Clear();
            _encoder.Clear();
        }
    }

    private void Gather(CommitWork first)
    {
        CommitWork? work = first;
        long bytes = 0;
        do
        {
            Admit(work!);
            bytes += work!.Batch.LengthBytes;
        }
        while (_group.Count < _parts.Options.GroupCommits && bytes < _parts.Options.GroupBytes && _queue.TryTakeNow(out work));
    }

    private void Admit(CommitWork work)
    {
        work.IsTaken = true;

        // Commit times never go back, whatever the clock does between two openings: what has run out by the log's own time stays run out.
        DateTimeOffset clock = _parts.Clock.GetUtcNow();
        DateTimeOffset floor = Times.FromMicros(_parts.Fold.Header.CommitTimeMicros);
        DateTimeOffset now = clock > floor ? clock : floor;
        CommitReceipt? refusal;
        CommitBatch? audit;
        try
        {
            (refusal, audit) = _admission.Judge(work, _encoder, now);
        }
        catch (Exception exception)
        {
            // Judging reads only, so the commits before this one in the group are not touched by its failure.
            work.Fail(exception);
            LatchIfStateIsDamaged(exception);
            return;
        }

        if (refusal is not null)
        {
            _parts.Metrics.CommitRefused();
            if (audit is null)
            {
                work.Complete(refusal);
                return;
            }

            // The refused caller waits until the record of its refusal is durable: an audit that a crash can lose is none.
            _group.Add((work, refusal));
            CommitReceipt recorded = _encoder.Encode(new CommitWork(audit, work.Session, work.Wait), now, _parts.Log.DurableFrameCount);
            _group[^1] = (work, refusal with { AuditSequence = recorded.FirstSequence });
            return;
        }

        // From here on a failure fails the group, because the fold may hold a part of this commit.
        _group.Add((work, default!));
        CommitReceipt receipt = _encoder.Encode(work, now, _parts.Log.DurableFrameCount);
        _group[^1] = (work, receipt);
    }

    private void Write(bool isCaller)
    {
        ThrowIfSpaceIsLow();
        _parts.Log.Reserve(_encoder.Tail);
        _parts.State.ThrowIfOverQuota(_parts.Fold.ArenaBytes);
        StateHeader header = _parts.Fold.Header;
        LogTip tip = new(header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.ChainHead);
        try
        {
            foreach (FrameBuilder frame in _encoder.Frames)
            {
                _parts.Log.Append(frame);
            }

            _parts.Log.SyncGroup(tip);
        }
        catch (Exception exception)
        {
            Latch(exception);
            throw;
        }

        DurableSequence = tip.LastSequence;
        CompleteGroup(CommitWait.Durable, CommitStage.Durable);
        ApplyState(isCaller);
    }

    // Whoever waits to see a commit is served soonest on this thread. The applier's thread gets what nobody waits for, and what would hold up the commits that wait already.
    private void ApplyState(bool isCaller)
    {
        _applier.WaitAndThaw();
        if (Fault is not null)
        {
            CompleteGroup(CommitWait.Visible, CommitStage.Durable);
            return;
        }

        bool isWaitedFor = _group.Exists(static member => member.Work.Wait == CommitWait.Visible);
        _applier.Freeze(_group);
        if (_queue.Count == 0 && (isWaitedFor || !isCaller))
        {
            _applier.ApplyHere();
        }
        else
        {
            _applier.ApplyThere();
        }
    }

    private void CompleteGroup(CommitWait wait, CommitStage stage)
    {
        foreach ((CommitWork work, CommitReceipt receipt) in _group)
        {
            if (work.Wait == wait)
            {
                work.Complete(stage == receipt.Stage || !receipt.IsCommitted ? receipt : receipt with { Stage = stage });
            }
        }
    }

    private void FailGroup(Exception exception)
    {
        foreach ((CommitWork work, _) in _group)
        {
            work.Fail(exception);
        }

        LatchIfStateIsDamaged(exception);
        if (exception is not StateStoreException)
        {
            // Whatever this is, it is a defect, and the fold cannot be trusted to describe the state any more.
            Latch(exception);
        }

        _parts.Fold.Revert(_savedHeader, _savedDigest);
    }

    // An unexpected space check every group would cost a system call each; ten times a second is soon enough for a reserve of megabytes.
    private void ThrowIfSpaceIsLow()
    {
        if (_parts.Options.ReserveBytes == 0)
        {
            return;
        }

        long now = Environment.TickCount64;
        if (now >= _nextSpaceCheck)
        {
            _nextSpaceCheck = now + SpaceCheckIntervalMs;
            long available = StoreDirectory.GetSpace(_parts.Files, _parts.StorePath).AvailableBytes;
            _spaceFault = available >= _parts.Options.ReserveBytes ? null : new StateStoreException(
                StateStoreErrorCode.DiskFull,
                $"The device has {available} bytes left; commits need a reserve of {_parts.Options.ReserveBytes}.",
                _parts.StorePath,
                "Free space; the store takes commits again as soon as there is room.",
                isRetryable: true);
        }

        if (_spaceFault is not null)
        {
            throw _spaceFault;
        }
    }

    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception)
        {
            Latch(exception);
        }
    }

    private void LatchIfStateIsDamaged(Exception exception)
    {
        if (exception is StateStoreException { Code: StateStoreErrorCode.StateDamaged or StateStoreErrorCode.LogDamaged or StateStoreErrorCode.Latched })
        {
            Latch(exception);
        }
    }

    private void Latch(Exception exception)
    {
        // The applier's thread may latch too; the first reason stays.
        StateStoreException fault = exception as StateStoreException
            ?? new StateStoreException(StateStoreErrorCode.InputOutput, $"The writer failed: {exception.Message}", _parts.StorePath, "Close the store and open it again.", innerException: exception);
        if (Interlocked.CompareExchange(ref _fault, fault, null) is null)
        {
            EngineLog.Latched(_parts.Logger, _parts.StorePath, fault);
        }
    }

    private void ThrowIfFaulted()
    {
        if (Fault is not null)
        {
            throw LatchedException();
        }
    }

    private StateStoreException LatchedException() => new(
        StateStoreErrorCode.Latched,
        $"The store takes no commits since an earlier failure: {Fault!.Summary}",
        Fault.Place,
        "Close the store and open it again; recovery decides what is durable. Reading goes on meanwhile.",
        innerException: Fault);
}
