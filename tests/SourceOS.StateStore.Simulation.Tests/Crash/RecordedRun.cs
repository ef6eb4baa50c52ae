// Why this file exists: one run of the engine over a recording device, with everything needed to know what each moment's crash may leave.
// Invariants: the store is durable and closed when recording begins; an acknowledged commit is marked before the next one is submitted;
// liblmdb's writes are not recorded but captured whole, with the step they belong to.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>The state's file as it was at a step.</summary>
internal sealed record StateCapture(int Step, byte[] Content);

/// <summary>A commit's acknowledgement, as a mark in the trace.</summary>
internal sealed record Acknowledged(ulong LastSequence);

/// <summary>Records a scenario.</summary>
internal sealed class RecordedRun
{
    private readonly List<StateCapture> _captures = [];
    private readonly string _path;
    private RecordingFileOps? _ops;
    private StateStoreOptions _options = Bodies.Options();

    private RecordedRun(string path, StoreModel model)
    {
        _path = path;
        Model = model;
    }

    internal StoreModel Model { get; }

    internal StateStore Store { get; private set; } = null!;

    internal StateSession Session { get; private set; } = null!;

    internal CrashTrace Trace => _ops!.Trace;

    internal IReadOnlyList<StateCapture> Captures => _captures;

    /// <summary>The path of the store while it is recorded.</summary>
    internal string StorePath => _path;

    /// <summary>Makes a store, lets it be prepared unrecorded, then records the scenario.</summary>
    internal static async Task<RecordedRun> RecordAsync(Scratch scratch, Scenario scenario)
    {
        string path = scratch.Next("recorded");
        RecordedRun run = new(path, new StoreModel());
        StateStoreOptions options = Bodies.Options();
        options.ConfirmAfterIdleMs = scenario.ConfirmAfterIdleMs;
        run.Store = StateStore.Create(path, options);
        run.Session = run.Store.OpenSession(Bodies.Identity);
        await scenario.PrepareAsync(run);
        await run.Store.DisposeAsync();
        scenario.Damage(path);

        await run.RecordAsync(scenario);
        return run;
    }

    /// <summary>Closes and opens the recorded store.</summary>
    internal async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Capture();
        Open();
    }

    private async Task RecordAsync(Scenario scenario)
    {
        _ops = new RecordingFileOps(LinuxFileOps.Instance, _path);
        Capture();
        _ops.Mark(new Acknowledged(Model.Commits.Select(commit => commit.Last).DefaultIfEmpty().Max()));
        _options = Bodies.Options();
        _options.ConfirmAfterIdleMs = scenario.ConfirmAfterIdleMs;
        _options.CheckpointEveryEvents = scenario.CheckpointEveryEvents;
        _options.Files = new StateCapturingOps(_ops, _path);
        foreach (ICommitGate gate in scenario.Gates)
        {
            _options.Gates.Add(gate);
        }

        Open();
        await scenario.RunAsync(this);
        await Store.DisposeAsync();
        Capture();
        Model.Seal();
    }

    private void Open()
    {
        Store = StateStore.Open(_path, _options);
        Session = Store.OpenSession(Bodies.Identity);
    }

    /// <summary>Commits, notes the acknowledgement, and captures the state.</summary>
    internal async Task CommitAsync(IReadOnlyList<ModelChange> changes)
    {
        await CommitUncapturedAsync(changes);
        Capture();
    }

    /// <summary>Commits and notes the acknowledgement.</summary>
    internal async Task CommitUncapturedAsync(IReadOnlyList<ModelChange> changes)
    {
        CommitReceipt receipt = await Session.CommitAsync(Batches.Of(changes));
        Assert.Equal(CommitStatus.Committed, receipt.Status);
        _ = Model.Add(receipt, changes);
        _ops?.Mark(new Acknowledged(receipt.LastSequence));
    }

    /// <summary>Notes the log's root behind the last commit; only while nothing else commits.</summary>
    internal void NoteRoot() => Model.Commits[^1].LogRoot = Store.GetStatus().LogRoot;

    internal void Capture()
    {
        string state = Path.Combine(_path, "state");
        string? data = Directory.Exists(state) ? Directory.EnumerateFiles(state, "data.mdb", SearchOption.AllDirectories).FirstOrDefault() : null;
        if (data is not null && _ops is not null)
        {
            _captures.Add(new StateCapture(_ops.Trace.Steps.Count, File.ReadAllBytes(data)));
        }
    }
}
