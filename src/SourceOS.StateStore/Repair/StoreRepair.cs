// Why this file exists: plans and applies repairs (docs/repair.md). Invariants: a dry run changes nothing; applying does exactly what its plan shows, for the store as the plan saw
// it; durable data is given up only when the caller accepts that, and even then it is set aside, not removed; it can be cut off at any point and run again.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Plans and applies repairs. Thread-safe: it keeps nothing.</summary>
public static class StoreRepair
{
    /// <summary>Finds out what a repair would do. Proves the whole state and reads the whole log, so it costs reading all of both; changes nothing.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <returns>The plan; without steps and reviews when the store needs none.</returns>
    /// <exception cref="StateStoreException">NotInitialized, Locked, UnsupportedFormat, AccessDenied, InputOutput, or SuperblockDamaged when not even the segments tell what the superblock held.</exception>
    public static RepairPlan Plan(string path, StateStoreOptions? options = null)
    {
        RepairPlace place = new(path, options);
        WriterLock.ThrowIfHeld(place.Ops, place.Layout.LockPath);
        return PlanOf(place, out _);
    }

    /// <summary>Applies a plan: checks that it still fits, repairs, and records what was done as a report and events.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="planHash">The hash of the plan that was looked at.</param>
    /// <param name="identity">Who repairs.</param>
    /// <param name="options">How the store is opened; defaults when null.</param>
    /// <param name="acceptsLoss">Whether the caller accepts what a destructive plan gives up.</param>
    /// <param name="consent">Judges a destructive plan that the caller accepts, before anything is changed; null lets the caller's word do.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">The hash is not that of the plan for the store as it is now.</exception>
    /// <exception cref="StateStoreException">ReviewRequired when the plan holds something that a person must decide or accept; otherwise as <see cref="StateStore.Open"/>.</exception>
    public static async Task<RepairOutcome> ApplyAsync(string path, string planHash, SessionIdentity identity, StateStoreOptions? options = null, bool acceptsLoss = false, RepairConsent? consent = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentException.ThrowIfNullOrEmpty(planHash);
        RepairPlace place = new(path, options);
        WriterLock.ThrowIfHeld(place.Ops, place.Layout.LockPath);
        RepairPlan plan = PlanOf(place, out RepairFacts? facts);
        Check(plan, planHash, path, acceptsLoss);
        if (plan.Steps.Count == 0)
        {
            return new RepairOutcome(planHash, "nothing-to-do", "", null);
        }

        if (facts is null)
        {
            return plan.Steps[0].Action == RepairAction.FinishErasure ? await OpenAndRecordAsync(place, plan, identity, makesCheckpoint: false).ConfigureAwait(false) : FinishSwap(place, planHash);
        }

        Mend(place, facts);
        return facts.Fence is null ? await OpenAndRecordAsync(place, plan, identity, facts.Checkpoints.RemakesCheckpoint).ConfigureAwait(false) : await new FenceRun(place).RunAsync(plan, identity, consent).ConfigureAwait(false);
    }

    /// <summary>Undoes a fence: puts the store before it back in place, as long as nothing was written behind it.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="id">The fence's id, as <see cref="ListQuarantine"/> gives it.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <exception cref="ArgumentException">The id is not that of a fence.</exception>
    /// <exception cref="StateStoreException">NotInitialized when there is no such fence; ReviewRequired when something was written since; Locked, InputOutput.</exception>
    public static void Rollback(string path, string id, StateStoreOptions? options = null) => new FenceRun(new RepairPlace(path, options)).Undo(id);

    /// <summary>Lists what repairs and recoveries set aside.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <returns>The entries, by name.</returns>
    /// <exception cref="StateStoreException">InputOutput, AccessDenied.</exception>
    public static IReadOnlyList<QuarantineEntry> ListQuarantine(string path, StateStoreOptions? options = null)
    {
        RepairPlace place = new(path, options);
        return QuarantineEntry.List(place.Ops, place.Layout);
    }

    /// <summary>What an entry of the quarantine holds, hashed; for a fence without its base and note, which stay.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="id">The entry's id, as <see cref="ListQuarantine"/> gives it.</param>
    /// <returns>The content.</returns>
    /// <exception cref="StateStoreException">NotInitialized when there is no such entry; InputOutput, AccessDenied.</exception>
    public static QuarantineContent SurveyQuarantine(string path, string id) => QuarantineRelease.Survey(new RepairPlace(path, null), id);

    /// <summary>Lets an entry of the quarantine go: records what goes as an event, then removes it. A fence that was let go cannot be undone, and its history cannot be read any more. Whether the session may is for its caller to judge.</summary>
    /// <param name="session">Who lets it go; of the store that the entry belongs to.</param>
    /// <param name="content">What <see cref="SurveyQuarantine"/> found, so that nothing else goes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The receipt; a refused one changed nothing.</returns>
    /// <exception cref="ArgumentException">The entry is not what was surveyed.</exception>
    /// <exception cref="StateStoreException">NotInitialized, ReviewRequired when a repair is not finished, InputOutput, AccessDenied.</exception>
    public static async Task<CommitReceipt> ReleaseQuarantineAsync(StateSession session, QuarantineContent content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(content);
        RepairPlace place = new(session.Store.Path, null);
        return QuarantineRelease.Survey(place, content.Id) == content
            ? await QuarantineRelease.RunAsync(place, session, content, cancellationToken).ConfigureAwait(false)
            : throw new ArgumentException("The entry is not what was looked at; look again.", nameof(content));
    }

    /// <summary>Says which store a directory holds, also when its superblock is gone.</summary>
    /// <param name="path">The store's directory.</param>
    /// <returns>The store's id.</returns>
    /// <exception cref="StateStoreException">As <see cref="Plan"/>.</exception>
    public static Guid IdOf(string path)
    {
        RepairPlace place = new(path, null);
        return StoreIds.ToGuid(RepairFacts.ReadOrDerive(place.Layout, place.Files).Superblock.StoreId);
    }

    /// <summary>Reads the reports of repairs.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <returns>Each report as its JSON document.</returns>
    /// <exception cref="StateStoreException">InputOutput, AccessDenied.</exception>
    public static IReadOnlyList<byte[]> ReadReports(string path, StateStoreOptions? options = null)
    {
        RepairPlace place = new(path, options);
        return RepairReports.Read(place.Ops, place.Layout);
    }

    private static RepairPlan PlanOf(RepairPlace place, out RepairFacts? facts)
    {
        facts = null;
        if (RepairFolder.FindUnfinished(place.Ops, place.Layout, out string id) is not null)
        {
            RepairStep step = new(1, RepairAction.FinishSwap, $"{StoreLayout.QuarantineName}/{id}", "what was set aside and what was made; both are whole", "the store's place", "", IsDestructive: false);
            return new RepairPlan([step], 0, 0, [], "unfinished|" + id);
        }

        if (place.Ops.Exists(place.Layout.ErasureJournalPath))
        {
            // Its frames may be torn, so nothing can be said of the log before they are whole again.
            RepairStep step = new(1, RepairAction.FinishErasure, StoreLayout.ErasureJournalName, "every event that was not purged", "the frames of the journal, and the state", "", IsDestructive: false);
            return new RepairPlan([step], 0, 0, [], "erasure");
        }

        facts = RepairFacts.Collect(place.Layout, place.Ops, place.Files, place.Options);
        return RepairSteps.Plan(facts);
    }

    private static void Check(RepairPlan plan, string planHash, string path, bool acceptsLoss)
    {
        if (!string.Equals(plan.PlanHash, planHash, StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException("The plan does not fit the store as it is now; plan again, look at it, and apply that one.", nameof(planHash));
        }

        if (plan.IsBlocked)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, $"The repair needs a person's decision: {plan.HumanReview[0]}", path, "Nothing was changed. Restore a backup, or keep reading what is left.");
        }

        if (plan.IsDestructive && !acceptsLoss)
        {
            throw new StateStoreException(StateStoreErrorCode.ReviewRequired, $"The repair gives up durable data: {plan.HumanReview[0]}", path, "Nothing was changed. Restore a backup if there is one; else apply the plan and accept the loss.");
        }
    }

    // Frames and what stands around them come first: opening the store needs both.
    private static void Mend(RepairPlace place, RepairFacts facts)
    {
        bool makesParity = facts.Fence is null && facts.Parity.Remake.Count + facts.Parity.Remove.Count > 0;
        if (facts.SuperblockFlaw.Length == 0 && facts.Heads.Count == 0 && facts.Parity.Heals.Count == 0 && !makesParity && !facts.Checkpoints.HasWork)
        {
            return;
        }

        using WriterLock writerLock = WriterLock.Acquire(place.Ops, place.Layout.LockPath, place.Clock);
        Quarantine quarantine = new(place.Ops, place.Layout.QuarantinePath, place.Clock);
        ParityRepair.Heal(place.Layout, facts.Superblock, place.Ops, quarantine, facts.Parity.Heals);
        if (facts.SuperblockFlaw.Length > 0)
        {
            SuperblockDerivation.Write(place.Layout, place.Ops, quarantine, facts.Superblock);
        }

        HeadRepair.Apply(place.Layout, facts.Superblock, place.Ops, quarantine, facts.Heads, facts.Found.LastEpoch);
        if (makesParity)
        {
            ParityRepair.Make(place.Layout, facts.Superblock, place.Ops, place.Clock, facts.Parity);
        }

        if (facts.Checkpoints.HasWork)
        {
            CheckpointRepair.Apply(place.Layout, facts.Superblock, place.Ops, place.Files, place.Clock, facts.Checkpoints, facts.Found.Tip);
        }
    }

    private static RepairOutcome FinishSwap(RepairPlace place, string planHash)
    {
        using WriterLock writerLock = WriterLock.Acquire(place.Ops, place.Layout.LockPath, place.Clock);
        RepairFolder.FindUnfinished(place.Ops, place.Layout, out _)?.Run();
        return new RepairOutcome(planHash, "repaired", FenceRun.KeepReport(place), null);
    }

    private static async Task<RepairOutcome> OpenAndRecordAsync(RepairPlace place, RepairPlan plan, SessionIdentity identity, bool makesCheckpoint)
    {
        StateStore store = StateStore.Open(place.Layout.StorePath, place.Options);
        await using (store.ConfigureAwait(false))
        {
            RecoveryReport recovery = store.Recovery!;
            string reportId = $"report:repair-{plan.PlanHash[..16]}-{store.VisibleSequence.ToString(CultureInfo.InvariantCulture)}";
            byte[] report = RepairReports.Make(plan, identity, reportId, recovery.Summary, new RepairCounts(recovery.FramesFolded, 0, recovery.QuarantinedBytes, plan.HumanReview.Count), place.Clock.GetUtcNow());
            CommitBatch batch = new CommitBatch()
                .Append("sync.repair.started", RecordKind.Report, reportId, new ChangeOptions { Lane = Lane.Repair })
                .PutJson(report, new ChangeOptions { Lane = Lane.Repair, EventType = "sync.repair.completed" });
            CommitReceipt receipt = await store.OpenSession(identity).CommitAsync(batch).ConfigureAwait(false);
            RepairReports.Keep(place.Ops, place.Layout, reportId, report);
            if (makesCheckpoint)
            {
                _ = store.MakeStateCheckpoint();
            }

            return new RepairOutcome(plan.PlanHash, "repaired", receipt.IsCommitted ? reportId : "", recovery);
        }
    }
}

/// <summary>Where a repair works, and with what.</summary>
internal sealed class RepairPlace
{
    internal RepairPlace(string path, StateStoreOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Options = (options ?? new StateStoreOptions()).ForRepair();
        Layout = new StoreLayout(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        Ops = Options.Files ?? LinuxFileOps.Instance;
        Files = new SeamStoreFiles(Ops);
        Clock = Options.Clock ?? TimeProvider.System;
    }

    internal StateStoreOptions Options { get; }

    internal StoreLayout Layout { get; }

    internal FileOps Ops { get; }

    internal StoreFiles Files { get; }

    internal TimeProvider Clock { get; }
}
