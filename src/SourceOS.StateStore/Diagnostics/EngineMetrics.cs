// Why this file exists: the engine's numbers in the usual .NET way. Invariants: one meter per store instance, disposed with it; names are stable;
// recording costs nothing when nobody listens.

using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace SourceOS.StateStore;

/// <summary>Meter and activity source of one open store; both are named `SourceOS.StateStore`.</summary>
internal sealed class EngineMetrics : IDisposable
{
    internal const string Name = "SourceOS.StateStore";
    private readonly Meter _meter = new(Name);
    private readonly Counter<long> _commits;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _parityMade;
    private readonly Counter<long> _parityFailures;
    private readonly Counter<long> _checkpointsMade;
    private readonly Counter<long> _checkpointFailures;
    private readonly Histogram<double> _groupSeconds;
    private readonly Histogram<long> _groupCommits;

    internal EngineMetrics(string storeId, Func<long> visibleSequence, Func<long> queueLength, Func<long> openSnapshots)
    {
        KeyValuePair<string, object?> store = new("store.id", storeId);
        _commits = _meter.CreateCounter<long>("sourceos.statestore.commits", "{commit}", "Commits acknowledged.", [store]);
        _refusals = _meter.CreateCounter<long>("sourceos.statestore.refusals", "{commit}", "Commits refused by a rule.", [store]);
        _parityMade = _meter.CreateCounter<long>("sourceos.statestore.parity.made", "{segment}", "Log segments whose parity was made.", [store]);
        _parityFailures = _meter.CreateCounter<long>("sourceos.statestore.parity.failures", "{segment}", "Log segments whose parity could not be made.", [store]);
        _checkpointsMade = _meter.CreateCounter<long>("sourceos.statestore.checkpoints.made", "{checkpoint}", "Checkpoints of the state that were made.", [store]);
        _checkpointFailures = _meter.CreateCounter<long>("sourceos.statestore.checkpoints.failures", "{checkpoint}", "Checkpoints or frontiers that could not be made.", [store]);
        _groupSeconds = _meter.CreateHistogram<double>("sourceos.statestore.group.duration", "s", "Time from taking a group to its visibility.", [store]);
        _groupCommits = _meter.CreateHistogram<long>("sourceos.statestore.group.commits", "{commit}", "Commits that shared one sync.", [store]);
        _meter.CreateObservableGauge("sourceos.statestore.sequence", visibleSequence, "{event}", "Highest visible sequence.", [store]);
        _meter.CreateObservableGauge("sourceos.statestore.queue", queueLength, "{commit}", "Commits that wait for the writer.", [store]);
        _meter.CreateObservableGauge("sourceos.statestore.snapshots", openSnapshots, "{snapshot}", "Snapshots that are open.", [store]);
    }

    /// <summary>Activities: `statestore.open` with what recovery found, `statestore.commit.group` with how many commits shared a sync. Neither names a record.</summary>
    internal static ActivitySource Activities { get; } = new(Name);

    internal void GroupCommitted(int commits, TimeSpan elapsed)
    {
        _commits.Add(commits);
        _groupCommits.Record(commits);
        _groupSeconds.Record(elapsed.TotalSeconds);
    }

    internal void ParityMade() => _parityMade.Add(1);

    internal void ParityFailed() => _parityFailures.Add(1);

    internal void CheckpointMade() => _checkpointsMade.Add(1);

    internal void CheckpointFailed() => _checkpointFailures.Add(1);

    internal void CommitRefused() => _refusals.Add(1);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
