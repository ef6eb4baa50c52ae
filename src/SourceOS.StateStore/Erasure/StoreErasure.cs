// Why this file exists: makes what purge events took out of the state unreadable in the log too (docs/erasure.md). Invariants: the log alone says what goes; nothing of it is touched before the
// journal of the frames as they shall be is durable; an erasure that was begun is finished by the next open for writing, whoever opens.

using SourceOS.StateStore.Erasure;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;

namespace SourceOS.StateStore;

/// <summary>Erases events. Thread-safe: it keeps nothing.</summary>
public static class StoreErasure
{
    /// <summary>Finds out what an erasure would take; changes nothing. Costs reading the log twice. Works beside a writer, up to what is visible.</summary>
    /// <param name="path">The store's directory.</param>
    /// <param name="targets">Records, as if they were purged now; null for those that the log purges already.</param>
    /// <param name="options">How the store is read; defaults when null.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>What would go.</returns>
    /// <exception cref="StateStoreException">LogDamaged when the log is not sound; as <see cref="StateStore.OpenRead"/>.</exception>
    public static ErasureReport Survey(string path, IEnumerable<(RecordKind Kind, string Id)>? targets = null, StateStoreOptions? options = null, CancellationToken cancellationToken = default)
    {
        RepairPlace place = new(path, options);
        Superblock superblock = SuperblockFile.Read(place.Layout, place.Files, out _);
        LogTip tip;
        using (StateStore store = StateStore.OpenRead(path, options))
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            StateHeader header = snapshot.Header;
            tip = new LogTip(header.LogPosition, header.FrameCount, header.LastSequence, header.LastCommitId, header.ChainHead);
        }

        using LogReader reader = new(place.Layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), place.Files);
        ErasureSurvey survey = new(reader, superblock, tip);
        SubjectSet purged;
        if (targets is null)
        {
            purged = survey.FindPurged(cancellationToken);
        }
        else
        {
            purged = new SubjectSet();
            foreach ((RecordKind kind, string id) in targets)
            {
                purged.Add(kind, id, ulong.MaxValue);
            }
        }

        return survey.Run(purged, null, Quarantined(place), cancellationToken);
    }

    /// <summary>
    /// Begins the erasure of everything that the log's purge events ask for, unless there is nothing left to erase. The next open for writing finishes it; until then `statestore verify` says that it is unfinished.
    /// </summary>
    /// <param name="path">The store's directory; nobody has it open for writing.</param>
    /// <param name="options">How the store is opened; defaults when null.</param>
    /// <param name="dropsQuarantine">Whether what repairs set aside may go with it; without that, a quarantine that holds anything refuses the erasure.</param>
    /// <param name="cancellationToken">Ends the work; nothing is begun then.</param>
    /// <returns>What goes.</returns>
    /// <exception cref="StateStoreException">Locked; ReviewRequired when the quarantine holds bytes, or a frame's other events do not fit; LogDamaged; DiskFull, InputOutput.</exception>
    public static ErasureReport Begin(string path, StateStoreOptions? options = null, bool dropsQuarantine = false, CancellationToken cancellationToken = default)
    {
        RepairPlace place = new(path, options);

        // What recovery does at every open comes first, and so does an erasure that was begun before.
        StateStore.Open(path, place.Options).Dispose();
        using WriterLock writerLock = WriterLock.Acquire(place.Ops, place.Layout.LockPath, place.Clock);
        Superblock superblock = SuperblockFile.Read(place.Layout, place.Files, out _);
        LogRecoveryResult found = new LogRecovery(place.Layout, superblock, place.Files).Run(StateInspection.Run(place.Layout, superblock, needsProof: false, place.Options.ProveStateUpToBytes));
        if (found.Decision.Case != RecoveryCase.Clean)
        {
            throw new StateStoreException(StateStoreErrorCode.Locked, "Somebody wrote to the store in between and did not close it.", path, "Begin again.", isRetryable: true);
        }

        List<string> quarantined = Quarantined(place);
        using LogReader reader = new(place.Layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), place.Files);
        ErasureSurvey survey = new(reader, superblock, found.Tip);
        SubjectSet purged = survey.FindPurged(cancellationToken);
        ErasureReport report = survey.Run(purged, null, quarantined, cancellationToken);
        if (report.IsEmpty)
        {
            return report;
        }

        Check(report, path, dropsQuarantine);
        using JournalWriter journal = new(place.Ops, place.Layout);
        survey.Run(purged, journal.Add, quarantined, cancellationToken);
        journal.Complete(superblock.StoreId);
        return report;
    }

    private static void Check(ErasureReport report, string path, bool dropsQuarantine)
    {
        if (report.FramesThatDoNotFit > 0)
        {
            throw new StateStoreException(
                StateStoreErrorCode.ReviewRequired, $"In {report.FramesThatDoNotFit} frames the events that stay do not fit once the others are gone.", path, "Nothing was erased. Purge the records whose events stand in the same commits too, and erase then.");
        }

        if (report.Quarantined.Count > 0 && !dropsQuarantine)
        {
            throw new StateStoreException(
                StateStoreErrorCode.ReviewRequired, $"The quarantine holds {report.Quarantined.Count} things that repairs set aside, and any of them can hold the same bytes.", Path.Combine(path, StoreLayout.QuarantineName), "Nothing was erased. Look at them with `statestore repair quarantine list`, then accept that they go too.");
        }
    }

    private static List<string> Quarantined(RepairPlace place) => [.. QuarantineEntry.List(place.Ops, place.Layout).Where(static entry => entry.LengthBytes > 0).Select(static entry => entry.Id)];
}
