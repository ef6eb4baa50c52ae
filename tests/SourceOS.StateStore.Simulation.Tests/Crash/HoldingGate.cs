// Why this file exists: groups form by timing; a gate that holds the writer makes them form by decision.

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Allows everything, but not before it is released. Bounded, so that a test cannot hang on it.</summary>
internal sealed class HoldingGate : ICommitGate
{
    private volatile bool _holds;

    public GateDecision Evaluate(ProposedCommit commit, IStateView state)
    {
        _ = SpinWait.SpinUntil(() => !_holds, TimeSpan.FromSeconds(10));
        return GateDecision.Allow;
    }

    internal void Hold() => _holds = true;

    internal void Release() => _holds = false;
}
