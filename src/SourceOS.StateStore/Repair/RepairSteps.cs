// Why this file exists: turns what was seen of a store into the steps of a plan. Invariants: no I/O; the same facts give the same steps, so the plan's hash is stable; what the
// facts do not answer becomes a sentence for a person, never a step.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;

namespace SourceOS.StateStore;

/// <summary>Makes plans from facts.</summary>
internal static class RepairSteps
{
    /// <summary>The plan for a store as it was seen.</summary>
    internal static RepairPlan Plan(RepairFacts facts)
    {
        List<RepairStep> steps = [];
        List<string> review = [];
        if (facts.SuperblockFlaw.Length > 0)
        {
            steps.Add(new RepairStep(1, RepairAction.RebuildSuperblock, StoreLayout.SuperblockName, "the log and the state", $"both slots of the superblock ({facts.SuperblockFlaw})", "the superblock as it is, if there is one", false));
        }

        foreach (SegmentHeal heal in facts.Parity.Heals)
        {
            steps.Add(heal.Step(steps.Count + 1));
        }

        if (facts.Fence is FencePlan fence)
        {
            steps.Add(fence.Step(steps.Count + 1));
            review.Add(fence.Review());
            return new RepairPlan(steps, fence.LostEvents, fence.LostRecordsAtMost, review, facts.Fingerprint) { LostRanges = fence.Lost };
        }

        if (!facts.Found.Decision.MayWrite)
        {
            review.Add(Review(facts.Found));
            return new RepairPlan(steps, 0, 0, review, facts.Fingerprint);
        }

        foreach (HeadFlaw flaw in facts.Heads)
        {
            steps.Add(flaw.Step(steps.Count + 1));
        }

        AddSteps(steps, facts);
        if (facts.Parity.Remake.Count + facts.Parity.Remove.Count > 0)
        {
            steps.Add(facts.Parity.MakeStep(steps.Count + 1));
        }

        if (facts.Checkpoints.HasWork)
        {
            steps.Add(facts.Checkpoints.Step(steps.Count + 1));
        }

        ulong known = Math.Max(facts.State.Header?.LastSequence ?? 0, facts.Found.Slots.Newest?.Descriptor.LastSequence ?? 0);
        ulong lost = known > facts.Found.Tip.LastSequence ? known - facts.Found.Tip.LastSequence : 0;
        return new RepairPlan(steps, lost, 0, review, facts.Fingerprint);
    }

    private static void AddSteps(List<RepairStep> steps, RepairFacts facts)
    {
        LogRecoveryResult found = facts.Found;
        if (found.Healing is FoundSlot slot)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.HealBlock, StoreLayout.EventsName, "everything outside one 4 KiB block", $"the block at log address {slot.Descriptor.BlockAddress} from its tail slot's copy", "the block as it is", false));
        }

        if (found.Decision.CutTail)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.CutTornTail, StoreLayout.EventsName, "every acknowledged commit", "", $"the bytes behind log address {found.Tip.Address}", false));
        }

        string state = $"{StoreLayout.StateName}/{StoreLayout.GenerationName(facts.Superblock.StateGeneration)}";
        if (found.State.Checkpoint is ulong checkpoint)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.RebuildState, state, "the log", $"all records and indexes from the checkpoint at sequence {checkpoint} and the frames behind it ({found.State.Reason})", "", false));
        }
        else if (found.Decision.State == StateAction.Rebuild)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.RebuildState, state, "the log", $"all records and indexes from {found.Tip.FrameCount} frames ({found.State.Reason})", "", false));
        }
        else if (found.Decision.State == StateAction.Replay)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.ReplayState, state, "the log and every record", "the records of commits that the state lacks", "", false));
        }
    }

    private static string Review(LogRecoveryResult found)
    {
        string missing = string.Create(CultureInfo.InvariantCulture, $"sequences from {found.Tip.LastSequence + 1} on are missing from the log, which is sound up to address {found.Tip.Address} and was durable up to {found.DurableAddress} ({found.Scan.StopReason})");
        return found.Decision.Case switch
        {
            RecoveryCase.RolledBackLog => $"The log is older than the state folded from it: {missing}.",
            RecoveryCase.ForkedLog => "The state was folded from another history than the log's; one of the two belongs to another copy of this store.",
            RecoveryCase.LostTail => $"The log's end is gone: {missing}.",
            _ => $"The durable log is damaged: {missing}.",
        };
    }
}
