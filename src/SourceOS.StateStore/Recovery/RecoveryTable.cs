// Why this file exists: recovery's decision as one pure table (format-spec/recovery.md), so that a test can walk every combination of
// facts. Invariants: no I/O here; every combination meets exactly one row; writing is allowed only where nothing acknowledged can be missing.

namespace SourceOS.StateStore;

/// <summary>The named cases of recovery, see the format specification's recovery page.</summary>
public enum RecoveryCase
{
    /// <summary>The store was closed cleanly and is as it was left.</summary>
    Clean = 1,

    /// <summary>The last writer ended without closing; nothing behind the last commit.</summary>
    Crash = 2,

    /// <summary>Bytes behind the last commit were never acknowledged; they are quarantined and cut.</summary>
    TornTail = 3,

    /// <summary>A block below the durable position was bad and is restored from a tail slot's copy.</summary>
    HealedFromSlot = 4,

    /// <summary>The log ends below a position that was durable.</summary>
    LostTail = 5,

    /// <summary>Bytes below the durable position are bad.</summary>
    Damage = 6,

    /// <summary>The log is older than the state that was folded from it.</summary>
    RolledBackLog = 7,

    /// <summary>The state was folded from another history than the log's.</summary>
    ForkedLog = 8,

    /// <summary>The store was just created.</summary>
    Created = 9,
}

/// <summary>What stands behind the last whole commit.</summary>
internal enum LogStop
{
    Zeroes = 1,
    Bytes = 2,
}

/// <summary>How the state relates to the log.</summary>
internal enum StateRelation
{
    None = 1,
    At = 2,
    Behind = 3,
    Ahead = 4,
    Foreign = 5,
}

/// <summary>What happens to the state.</summary>
internal enum StateAction
{
    Keep = 1,
    Replay = 2,
    Rebuild = 3,
}

/// <summary>The facts that decide. When a slot's copy heals, the others are about the log with the copy laid over its block.</summary>
internal readonly record struct RecoveryFacts(
    bool EndReachesDurable, LogStop Stop, bool CopyHeals, StateRelation State, bool NewestSlotIsCleanAtEnd);

/// <summary>The decision.</summary>
internal readonly record struct RecoveryDecision(RecoveryCase Case, bool MayWrite, bool CutTail, StateAction State);

/// <summary>The table.</summary>
internal static class RecoveryTable
{
    internal static RecoveryDecision Decide(in RecoveryFacts facts)
    {
        if (!facts.EndReachesDurable)
        {
            return facts switch
            {
                { Stop: LogStop.Zeroes, State: StateRelation.Ahead } => Refuse(RecoveryCase.RolledBackLog),
                { Stop: LogStop.Zeroes } => Refuse(RecoveryCase.LostTail),
                _ => Refuse(RecoveryCase.Damage),
            };
        }

        StateAction? action = facts.State switch
        {
            StateRelation.None => StateAction.Rebuild,
            StateRelation.At => StateAction.Keep,
            StateRelation.Behind => StateAction.Replay,
            _ => null,
        };
        if (action is not StateAction state)
        {
            return Refuse(RecoveryCase.ForkedLog);
        }

        bool cutsTail = facts.Stop == LogStop.Bytes;
        RecoveryCase named = facts switch
        {
            { CopyHeals: true } => RecoveryCase.HealedFromSlot,
            { Stop: LogStop.Bytes } => RecoveryCase.TornTail,
            { NewestSlotIsCleanAtEnd: true } => RecoveryCase.Clean,
            _ => RecoveryCase.Crash,
        };
        return new(named, MayWrite: true, cutsTail, state);
    }

    private static RecoveryDecision Refuse(RecoveryCase named) => new(named, MayWrite: false, CutTail: false, StateAction.Keep);
}
