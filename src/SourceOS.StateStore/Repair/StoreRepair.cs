// Why this file exists: plans and applies repairs of what is derived: superblock, torn tail, state. Damage of the durable log that neither slot
// copies nor the table can answer is reported for review, never touched. Invariants: a dry run changes nothing; applying does what
// the table of format-spec/recovery.md does at every open, after proving the whole state; it can be cut off at any point and run again.

using System.Globalization;
using System.Text.Json;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Plans and applies repairs. Thread-safe: it keeps nothing.</summary>
public static class StoreRepair
{
    /// <summary>Finds out what a repair would do. Proves the whole state, so it costs reading all of it; changes nothing.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <returns>The plan; without steps and reviews when the store needs none.</returns>
    /// <exception cref="StateStoreException">NotInitialized, Locked, UnsupportedFormat, AccessDenied, InputOutput, or SuperblockDamaged when not even the segments tell what the superblock held.</exception>
    public static RepairPlan Plan(string path, StateStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options = (options ?? new StateStoreOptions()).ForRepair();
        StoreLayout layout = new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        FileOps ops = options.Files ?? LinuxFileOps.Instance;
        StoreFiles files = new SeamStoreFiles(ops);
        WriterLock.ThrowIfHeld(ops, layout.LockPath);
        List<RepairStep> steps = [];
        List<string> review = [];
        Superblock superblock = ReadOrDerive(layout, files, steps, out bool isDerived);
        StateInspection state = StateInspection.Run(layout, superblock, needsProof: true, options.ProveStateUpToBytes);
        LogRecoveryResult found = new LogRecovery(layout, superblock, files).Run(state);
        if (found.Decision.MayWrite)
        {
            AddSteps(steps, found, superblock);
        }
        else
        {
            AddReview(review, found);
        }

        ulong lost = review.Count == 0 ? 0 : LostEvents(found, state);
        string basis = string.Create(
            CultureInfo.InvariantCulture,
            $"{superblock.StoreId}|{superblock.UpdateCounter}|{isDerived}|{found.Tip.Address}|{found.Tip.ChainHead}|{found.Slots.Newest?.Descriptor.Generation ?? 0}|{state.Reason}");
        return new RepairPlan(steps, lost, 0, review, basis);
    }

    /// <summary>Applies a plan: takes the writer lock, checks that the plan still fits, repairs, and records what was done as a report and events.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="planHash">The hash of the plan that was looked at.</param>
    /// <param name="identity">Who repairs.</param>
    /// <param name="options">How the store is opened; defaults when null.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">The hash is not that of the plan for the store as it is now.</exception>
    /// <exception cref="StateStoreException">ReviewRequired when the plan holds something that a person must decide; otherwise as <see cref="StateStore.Open"/>.</exception>
    public static async Task<RepairOutcome> ApplyAsync(string path, string planHash, SessionIdentity identity, StateStoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentException.ThrowIfNullOrEmpty(planHash);
        RepairPlan plan = Plan(path, options);
        if (!string.Equals(plan.PlanHash, planHash, StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException("The plan does not fit the store as it is now; plan again, look at it, and apply that one.", nameof(planHash));
        }

        if (plan.HumanReview.Count > 0)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, $"The repair needs a person's decision: {plan.HumanReview[0]}", path, "Nothing was changed. Restore a backup, or keep reading what is left.");
        }

        if (plan.Steps.Count == 0)
        {
            return new RepairOutcome(planHash, "nothing-to-do", "", null);
        }

        StateStoreOptions repairing = (options ?? new StateStoreOptions()).ForRepair();
        if (plan.Steps[0].Action == RepairAction.RebuildSuperblock)
        {
            RebuildSuperblock(path, repairing);
        }

        StateStore store = StateStore.Open(path, repairing);
        await using (store.ConfigureAwait(false))
        {
            string reportId = await RecordAsync(store, plan, identity).ConfigureAwait(false);
            return new RepairOutcome(planHash, "repaired", reportId, store.Recovery);
        }
    }

    private static Superblock ReadOrDerive(StoreLayout layout, StoreFiles files, List<RepairStep> steps, out bool isDerived)
    {
        try
        {
            isDerived = false;
            Superblock superblock = SuperblockFile.Read(layout, files, out bool needsTwin);
            if (needsTwin)
            {
                steps.Add(new RepairStep(1, RepairAction.RebuildSuperblock, StoreLayout.SuperblockName, "the valid slot", "the other slot of the superblock", "", false));
            }

            return superblock;
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.SuperblockDamaged or StateStoreErrorCode.NotInitialized)
        {
            if (SuperblockDerivation.TryDerive(layout, files) is not Superblock derived)
            {
                throw;
            }

            isDerived = true;
            steps.Add(new RepairStep(1, RepairAction.RebuildSuperblock, StoreLayout.SuperblockName, "the log and the state", "both slots of the superblock, from the segment headers and the first frame", "the damaged superblock, if there is one", false));
            return derived;
        }
    }

    private static void AddSteps(List<RepairStep> steps, LogRecoveryResult found, Superblock superblock)
    {
        if (found.Healing is FoundSlot slot)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.HealBlock, StoreLayout.EventsName, "everything outside one 4 KiB block", $"the block at log address {slot.Descriptor.BlockAddress} from its tail slot's copy", "the block as it is", false));
        }

        if (found.Decision.CutTail)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.CutTornTail, StoreLayout.EventsName, "every acknowledged commit", "", $"the bytes behind log address {found.Tip.Address}", false));
        }

        string state = $"{StoreLayout.StateName}/{StoreLayout.GenerationName(superblock.StateGeneration)}";
        if (found.Decision.State == StateAction.Rebuild)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.RebuildState, state, "the log", $"all records and indexes from {found.Tip.FrameCount} frames ({found.State.Reason})", "", false));
        }
        else if (found.Decision.State == StateAction.Replay)
        {
            steps.Add(new RepairStep(steps.Count + 1, RepairAction.ReplayState, state, "the log and every record", "the records of commits that the state lacks", "", false));
        }
    }

    private static void AddReview(List<string> review, LogRecoveryResult found)
    {
        string missing = $"sequences from {found.Tip.LastSequence + 1} on are missing from the log, which is sound up to address {found.Tip.Address} and was durable up to {found.DurableAddress} ({found.Scan.StopReason})";
        review.Add(found.Decision.Case switch
        {
            RecoveryCase.RolledBackLog => $"The log is older than the state folded from it: {missing}.",
            RecoveryCase.ForkedLog => "The state was folded from another history than the log's; one of the two belongs to another copy of this store.",
            RecoveryCase.LostTail => $"The log's end is gone: {missing}.",
            _ => $"The durable log is damaged: {missing}.",
        });
    }

    private static ulong LostEvents(LogRecoveryResult found, StateInspection state)
    {
        ulong known = Math.Max(state.Header?.LastSequence ?? 0, found.Slots.Newest?.Descriptor.LastSequence ?? 0);
        return known > found.Tip.LastSequence ? known - found.Tip.LastSequence : 0;
    }

    private static void RebuildSuperblock(string path, StateStoreOptions options)
    {
        FileOps ops = options.Files ?? LinuxFileOps.Instance;
        TimeProvider clock = options.Clock ?? TimeProvider.System;
        StoreLayout layout = new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        StoreFiles files = new SeamStoreFiles(ops);
        if (SuperblockReader.Read(layout, files).Newest is not null)
        {
            // One slot is valid: opening writes the other again.
            return;
        }

        using WriterLock writerLock = WriterLock.Acquire(ops, layout.LockPath, clock);
        Superblock derived = SuperblockDerivation.TryDerive(layout, files)
            ?? throw new StateStoreException(StateStoreErrorCode.SuperblockDamaged, "The segments do not tell what the superblock held.", layout.EventsPath, "Restore a backup.");
        SuperblockDerivation.Write(layout, ops, new Quarantine(ops, layout.QuarantinePath, clock), derived);
    }

    private static async Task<string> RecordAsync(StateStore store, RepairPlan plan, SessionIdentity identity)
    {
        string reportId = $"report:repair-{plan.PlanHash[..16]}-{store.VisibleSequence.ToString(CultureInfo.InvariantCulture)}";
        StateSession session = store.OpenSession(identity);
        byte[] document = Report(store, plan, identity, reportId);
        CommitBatch batch = new CommitBatch()
            .Append("sync.repair.started", RecordKind.Report, reportId, new ChangeOptions { Lane = Lane.Repair })
            .PutJson(document, new ChangeOptions { Lane = Lane.Repair, EventType = "sync.repair.completed" });
        CommitReceipt receipt = await session.CommitAsync(batch).ConfigureAwait(false);
        return receipt.IsCommitted ? reportId : "";
    }

    private static byte[] Report(StateStore store, RepairPlan plan, SessionIdentity identity, string reportId)
    {
        System.Buffers.ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            string now = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
            writer.WriteStartObject();
            writer.WriteString("schema", RecordKinds.Get(RecordKind.Report).Schema);
            writer.WriteString("report_id", reportId);
            writer.WriteString("report_type", "repair");
            writer.WriteString("status", "completed");
            writer.WriteString("actor_id", identity.ActorId);
            writer.WriteString("created_at", now);
            writer.WriteString("completed_at", now);
            writer.WriteString("summary", store.Recovery!.Summary);
            writer.WriteString("plan_hash", "sha256:" + plan.PlanHash);
            writer.WriteStartArray("steps");
            foreach (RepairStep step in plan.Steps)
            {
                writer.WriteStartObject();
                writer.WriteNumber("order", step.Order);
                writer.WriteString("action", step.Action.ToString());
                writer.WriteString("target", step.Target);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartObject("counts");
            writer.WriteNumber("framesFolded", store.Recovery.FramesFolded);
            writer.WriteNumber("quarantinedBytes", store.Recovery.QuarantinedBytes);
            writer.WriteEndObject();
            writer.WriteStartObject("loss");
            writer.WriteNumber("events", plan.LostEvents);
            writer.WriteNumber("records", plan.LostRecords);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
