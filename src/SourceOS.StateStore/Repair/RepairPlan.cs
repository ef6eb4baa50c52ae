// Why this file exists: what a repair would do, as data that a person can read and a program can check. Invariants: making a plan changes
// nothing; the hash names exactly these steps on exactly this store, so that nobody applies a plan to something else.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore;

/// <summary>What one step of a repair does.</summary>
public enum RepairAction
{
    /// <summary>Writes a new superblock from what segments and frames say.</summary>
    RebuildSuperblock = 1,

    /// <summary>Lays a tail slot's copy over the block that it copies.</summary>
    HealBlock = 2,

    /// <summary>Sets never acknowledged bytes behind the log's end aside and cuts them.</summary>
    CutTornTail = 3,

    /// <summary>Folds commits that the state lacks.</summary>
    ReplayState = 4,

    /// <summary>Builds the state again from the log beside the old one and swaps it in.</summary>
    RebuildState = 5,

    /// <summary>Writes a segment's header again from what the superblock says.</summary>
    RebuildSegmentHeader = 6,

    /// <summary>Sets a tail slot, or reserved bytes of a segment's head, that do not verify aside and makes them zero.</summary>
    ClearSlot = 7,

    /// <summary>Gives a segment's file the length it has to have.</summary>
    RestoreSegmentLength = 8,

    /// <summary>Gives up a damaged log: sets it aside whole and writes every record of the sound state into a log that starts behind it.</summary>
    FenceLog = 9,

    /// <summary>Finishes putting a store in place that an earlier repair made and did not get to put in place.</summary>
    FinishSwap = 10,

    /// <summary>Finishes an erasure that was begun before.</summary>
    FinishErasure = 11,

    /// <summary>Computes rotten blocks of a sealed log segment again from its parity.</summary>
    HealSegment = 12,

    /// <summary>Makes the parity of sealed log segments, where it is missing or not sound.</summary>
    MakeParity = 13,

    /// <summary>Takes checkpoints of the state and frontiers of the log's tree away that do not prove or are of no use, and makes them again.</summary>
    RemakeCheckpoints = 14,

    /// <summary>Gives up a damaged log whose state does not hold everything either: sets both aside whole and writes every record that a checkpoint, the state or a sound frame still holds into a log that starts behind it.</summary>
    SalvageLog = 15,
}

/// <summary>One step of a repair.</summary>
/// <param name="Order">Its place, from 1.</param>
/// <param name="Action">What it does.</param>
/// <param name="Target">What it touches, relative to the store.</param>
/// <param name="Preserves">What it keeps as it is, in words.</param>
/// <param name="Rebuilds">What it makes again, in words; empty for nothing.</param>
/// <param name="Quarantines">What it sets aside, in words; empty for nothing.</param>
/// <param name="IsDestructive">Whether it gives up durable data.</param>
public sealed record RepairStep(
    int Order, RepairAction Action, string Target, string Preserves, string Rebuilds, string Quarantines, bool IsDestructive);

/// <summary>A repair that could be applied. Immutable.</summary>
/// <param name="Steps">Its steps; empty when there is nothing to do.</param>
/// <param name="LostEvents">Acknowledged events that are lost whatever is done.</param>
/// <param name="LostRecords">Records that are lost whatever is done.</param>
/// <param name="HumanReview">What no step may decide; each a sentence. When it is not empty the plan cannot be applied, unless it has a destructive step that says what to do, and the caller accepts the loss.</param>
/// <param name="Basis">What the plan was made from, for its hash.</param>
public sealed record RepairPlan(
    IReadOnlyList<RepairStep> Steps, ulong LostEvents, ulong LostRecords, IReadOnlyList<string> HumanReview, string Basis)
{
    /// <summary>The sequences whose events are lost; empty when none are.</summary>
    public IReadOnlyList<SequenceRange> LostRanges { get; init; } = [];

    /// <summary>Whether it gives up durable data, so that applying it needs the loss to be accepted.</summary>
    public bool IsDestructive => Steps.Any(static step => step.IsDestructive);

    /// <summary>Whether a person must decide something that no step does.</summary>
    public bool IsBlocked => HumanReview.Count > 0 && !IsDestructive;

    /// <summary>SHA-256 over basis and steps, 64 lower-case hex digits.</summary>
    public string PlanHash
    {
        get
        {
            StringBuilder text = new();
            text.Append(Basis).Append('\n');
            foreach (RepairStep step in Steps)
            {
                text.Append(CultureInfo.InvariantCulture, $"{step.Order}|{step.Action}|{step.Target}|{step.IsDestructive}\n");
            }

            foreach (string review in HumanReview)
            {
                text.Append("review|").Append(review).Append('\n');
            }

            return Checksum.Sha256(Encoding.UTF8.GetBytes(text.ToString())).ToString();
        }
    }
}

/// <summary>What an applied repair did. Immutable.</summary>
/// <param name="PlanHash">The plan that was applied.</param>
/// <param name="Outcome">`repaired`, or `nothing-to-do`.</param>
/// <param name="ReportId">The report record that holds it; empty when there was nothing to do.</param>
/// <param name="Recovery">What opening the store found and did; null when there was nothing to do.</param>
public sealed record RepairOutcome(string PlanHash, string Outcome, string ReportId, RecoveryReport? Recovery);
