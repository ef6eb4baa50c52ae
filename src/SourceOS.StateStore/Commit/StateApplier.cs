// Why this file exists: what a group changes in the state is put into LMDB while the next group's log is written: it is needed for no promise but "visible". Invariants: one group is in here at a time, and
// groups go in in their order; from Begin to Thaw the fold reads through the frozen changes, which nobody alters; an application that fails latches the store, because the log has the group already.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Commit;

/// <summary>Applies durable groups to the state, on the thread that asks or on its own. Driven by whoever has the writer's role.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Stop ends the thread and gives back what it waits on; it is called once, by the loop.")]
internal sealed class StateApplier
{
    private readonly StateEnvironment _state;
    private readonly StateFold _fold;
    private readonly Action<StateHeader> _published;
    private readonly Action<Exception> _latch;
    private readonly Thread _thread;
    private readonly SemaphoreSlim _work = new(0);
    private readonly ManualResetEventSlim _idle = new(true);
    private readonly StateHeader _header = new();
    private readonly StateDigest _digest = new();
    private readonly AbsenceMemory _absent = new();
    private List<(CommitWork Work, CommitReceipt Receipt)> _waiters = [];
    private bool _isFrozen;
    private volatile bool _hasFailed;
    private volatile bool _isStopping;

    /// <summary>Prepares the applier; <see cref="Start"/> starts its thread.</summary>
    /// <param name="state">The state.</param>
    /// <param name="fold">The fold over it; it reads through a view of this applier from now on.</param>
    /// <param name="published">Hears the header of each state that new snapshots see.</param>
    /// <param name="latch">Hears why an application failed.</param>
    internal StateApplier(StateEnvironment state, StateFold fold, Action<StateHeader> published, Action<Exception> latch)
    {
        _state = state;
        _fold = fold;
        _published = published;
        _latch = latch;
        _fold.Rebase(new StateView(state.Published, memory: _absent));
        _thread = new Thread(Run) { IsBackground = true, Name = "statestore-state" };
    }

    internal void Start() => _thread.Start();

    /// <summary>Takes the fold's changes over. The group before must have been thawed.</summary>
    /// <param name="group">The group; its members who wait for the medium alone were answered already.</param>
    internal void Freeze(List<(CommitWork Work, CommitReceipt Receipt)> group)
    {
        _waiters.Clear();
        foreach ((CommitWork Work, CommitReceipt Receipt) member in group)
        {
            if (member.Work.Wait == CommitWait.Visible)
            {
                _waiters.Add(member);
            }
        }

        _header.CopyFrom(_fold.Header);
        _digest.CopyFrom(_fold.Digest);
        _fold.Freeze();
        _isFrozen = true;
    }

    /// <summary>Applies the frozen group here and thaws.</summary>
    internal void ApplyHere()
    {
        Apply();
        Thaw();
    }

    /// <summary>Lets the applier's thread apply the frozen group.</summary>
    internal void ApplyThere()
    {
        _idle.Reset();
        _work.Release();
    }

    /// <summary>When the group that was last begun is in the state, lets the fold read from there.</summary>
    internal void ThawIfDone()
    {
        if (_isFrozen && _idle.IsSet)
        {
            Thaw();
        }
    }

    /// <summary>Waits until the group that was last begun is in the state, or has failed to get there, and thaws.</summary>
    internal void WaitAndThaw()
    {
        if (_isFrozen)
        {
            _idle.Wait();
            Thaw();
        }
    }

    /// <summary>Ends the thread. Nothing may be under way.</summary>
    internal void Stop()
    {
        _isStopping = true;
        _work.Release();
        _thread.Join();
        _work.Dispose();
        _idle.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            _work.Wait();
            if (_isStopping)
            {
                return;
            }

            Apply();
            _idle.Set();
        }
    }

    private void Apply()
    {
        CommitStage stage = CommitStage.Visible;
        try
        {
            using LmdbWriteTransaction transaction = _state.Apply(_fold.Frozen, _header, _digest);
            transaction.Commit();
            _state.Publish();
            _published(_header);
        }
        catch (Exception exception)
        {
            // Durable, not visible: the log has the group, and the next open folds it.
            _hasFailed = true;
            _latch(exception);
            stage = CommitStage.Durable;
        }

        foreach ((CommitWork work, CommitReceipt receipt) in _waiters)
        {
            work.Complete(stage == receipt.Stage || !receipt.IsCommitted ? receipt : receipt with { Stage = stage });
        }
    }

    private void Thaw()
    {
        // What failed to reach the state stays frozen: the fold still describes the log, and the latched store takes no more commits.
        if (_hasFailed)
        {
            return;
        }

        _isFrozen = false;
        _absent.Clear();
        _fold.Thaw(new StateView(_state.Published, memory: _absent));
    }
}
