// Why this file exists: the way into a store for its writer, step by step (format-spec/recovery.md). Invariants: nothing is written before the
// lock is held and the table allows writing; each part that was opened is given back when a later one fails.

using System.Diagnostics;
using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Erasure;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Locking;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Everything a writer needs, opened.</summary>
internal sealed record OpenedStore(
    StoreLayout Layout, StoreFiles Files, Superblock Superblock, WriterLock Lock, LogWriter Log, StateEnvironment State, RecoveryReport Report);

/// <summary>Opens stores for writing.</summary>
internal sealed class StoreOpening(string path, StateStoreOptions options, FileOps ops)
{
    private readonly StoreLayout _layout = new(path);
    private readonly StoreFiles _files = new SeamStoreFiles(ops);
    private readonly TimeProvider _clock = options.Clock ?? TimeProvider.System;

    internal OpenedStore Open()
    {
        using Activity? activity = EngineMetrics.Activities.StartActivity("statestore.open");
        try
        {
            OpenedStore opened = OpenTraced();
            activity?.SetTag("recovery.case", opened.Report.Case.ToString());
            activity?.SetTag("recovery.state_rebuilt", opened.Report.StateRebuilt);
            activity?.SetTag("sequence", (long)opened.Log.Tip.LastSequence);
            return opened;
        }
        catch (StateStoreException exception)
        {
            activity?.SetStatus(ActivityStatusCode.Error, exception.Summary);
            throw;
        }
    }

    private OpenedStore OpenTraced()
    {
        Superblock superblock = SuperblockFile.Read(_layout, _files, out _);
        WriterLock writerLock = WriterLock.Acquire(ops, _layout.LockPath, _clock);
        try
        {
            // Read again under the lock: the writer before may have swapped the state since.
            superblock = SuperblockFile.Read(_layout, _files, out bool needsTwin);
            return OpenLocked(superblock, needsTwin, writerLock);
        }
        catch
        {
            writerLock.Dispose();
            throw;
        }
    }

    private OpenedStore OpenLocked(Superblock superblock, bool needsTwin, WriterLock writerLock)
    {
        StateGenerations.CheckPlaces(_layout, superblock.StateGeneration, ops);
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        ulong epoch = 0;
        SegmentFiles segments = SegmentFiles.OpenForWriting(ops, _layout.EventsPath, superblock.SegmentBits, (number, header) => WriteHeader(superblock, number, epoch, header));
        try
        {
            Quarantine quarantine = new(ops, _layout.QuarantinePath, _clock);
            ErasureReplay? erasure = ErasureReplay.Run(ops, _layout, superblock, segments, _clock);
            LogRecovery recovery = new(_layout, superblock, _files);
            LogRecoveryResult found = Decide(recovery, superblock, erasure is null ? Inspect(superblock, geometry, writerLock) : StateInspection.None("it may hold what was erased"));
            ThrowIfRefused(found, mustRebuild: erasure is not null);
            epoch = found.LastEpoch + 1;
            if (needsTwin)
            {
                superblock = superblock.Next();
                SuperblockFile.Write(_layout, ops, superblock);
            }

            LogWriter log = OpenLog(superblock, geometry, segments, quarantine, recovery, found, epoch);
            try
            {
                if (erasure is not null)
                {
                    log.ClearOtherSlots();
                }

                return OpenState(superblock, geometry, writerLock, log, quarantine, found, erasure);
            }
            catch
            {
                log.Dispose();
                throw;
            }
        }
        catch
        {
            segments.Dispose();
            throw;
        }
    }

    private LogRecoveryResult Decide(LogRecovery recovery, Superblock superblock, StateInspection state) =>
        state.Header is null ? new CheckpointStart(_layout, superblock, ops).Decide(recovery, state) : recovery.Run(state);

    private StateInspection Inspect(Superblock superblock, LogGeometry geometry, WriterLock writerLock) => writerLock.Previous.IsStateUnsynced
        ? StateInspection.None("its last sync failed, so what can be read of it may not be on the medium")
        : StateInspection.Run(_layout, superblock, NeedsProof(superblock, geometry, writerLock), options.ProveStateUpToBytes);

    // The state is proven unless the newest slot says that it was closed cleanly or this kernel still has every page that the last writer wrote.
    private bool NeedsProof(Superblock superblock, LogGeometry geometry, WriterLock writerLock)
    {
        SegmentCatalog catalog = SegmentCatalog.List(_layout, _files);
        FoundSlot? newest = SlotSet.Read(_layout, catalog, superblock.StoreId, geometry, _files).Newest;
        return writerLock.AsksForProof(newest is { Descriptor.IsCleanClose: true });
    }

    private LogWriter OpenLog(Superblock superblock, LogGeometry geometry, SegmentFiles segments, Quarantine quarantine, LogRecovery recovery, LogRecoveryResult found, ulong epoch)
    {
        long tail = found.Tip.Address;
        using LogReader reader = new(_layout, geometry, _files);
        if (found.Decision.Case != RecoveryCase.Clean)
        {
            if (found.Healing is FoundSlot slot)
            {
                new BlockHealer(segments, quarantine).Heal(slot);
            }

            TailRepair repair = new(segments, reader, quarantine);
            if (found.Decision.CutTail)
            {
                repair.Cut(tail, found.EndOfSegments, found.Scan.StopReason);
            }

            repair.Rewrite(Math.Max(superblock.BaseAddress, found.Slots.DurableBefore), tail, found.Slots.Newest);
            ThrowIfChanged(found, recovery.Run(found.State));
        }

        EventLogOptions logOptions = new(superblock.PageBits, options.LogMemoryPages);
        EventLog log = tail == superblock.BaseAddress && tail == FormatLimits.FirstLogAddress
            ? EventLog.Start(segments, logOptions)
            : EventLog.Recover(segments, logOptions, tail, (address, destination) => ReadVerified(reader, address, destination));
        try
        {
            FoundSlot? newest = found.Slots.Newest;
            SlotKeeper slots = newest is null
                ? new SlotKeeper(0, -1, 0)
                : new SlotKeeper(newest.Descriptor.Generation, newest.Descriptor.SegmentNumber, newest.Descriptor.SlotIndex);
            LogWriter writer = new(segments, log, slots, superblock.StoreId, epoch, found.Tip, _clock);

            // From here on the store counts as open: the slot takes the clean flag away before anything changes.
            writer.WriteSyncedSlot(isCleanClose: false, 0, 0);
            return writer;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    // After a sync that failed, the page cache may show bytes that no disk has, and drop them at any moment: between the scan and the writing again,
    // too. What is on the medium now is read once more, before a slot vouches for it (format-spec/model found what happens otherwise).
    private static void ThrowIfChanged(LogRecoveryResult found, LogRecoveryResult again)
    {
        if (again.Tip != found.Tip || again.Scan.Stop != LogStop.Zeroes || again.Healing is not null)
        {
            throw new StateStoreException(
                StateStoreErrorCode.InputOutput,
                $"The log changed while it was recovered: it ended at {found.Tip.Address}, and at {again.Tip.Address} when it was read again.",
                $"log address {Math.Min(found.Tip.Address, again.Tip.Address)}",
                "Nothing that was acknowledged is concerned. Open the store again; if it happens twice, check the device.",
                isRetryable: true);
        }
    }

    private OpenedStore OpenState(Superblock superblock, LogGeometry geometry, WriterLock writerLock, LogWriter log, Quarantine quarantine, LogRecoveryResult found, ErasureReplay? erasure)
    {
        bool rebuilds = MustRebuild(found);
        using LogReader reader = new(_layout, geometry, _files);
        ulong folded = 0;
        Superblock current = superblock;
        StateEnvironment? state = null;
        try
        {
            if (rebuilds)
            {
                current = superblock.Next() with { StateGeneration = superblock.StateGeneration + 1 };
                StateGenerations.RemoveOthers(_layout, superblock.StateGeneration, ops);
                StateGenerations.Create(_layout, current, current.StateGeneration, ops);
            }

            state = StateEnvironment.Open(_layout.GenerationPath(current.StateGeneration), ops, options.StateQuotaBytes);
            state.ReaderCheck();
            if (rebuilds && found.State.Checkpoint is ulong checkpoint)
            {
                new CheckpointStart(_layout, superblock, ops).Load(state, checkpoint);
            }

            folded = new StateFolder(state, reader, superblock.StoreId).FoldTo(superblock, log.Tip);
            if (rebuilds)
            {
                state.Sync();
                SuperblockFile.Write(_layout, ops, current);
            }

            StateGenerations.RemoveOthers(_layout, current.StateGeneration, ops);
            erasure?.Finish(current.StateGeneration);
            writerLock.NoteBoot(_clock);
            return new OpenedStore(_layout, _files, current, writerLock, log, state, Report(found, quarantine, rebuilds, folded) with { EventsErased = erasure?.Head.ErasedEvents ?? 0 });
        }
        catch
        {
            state?.Dispose();
            throw;
        }
    }

    // A checkpoint that stands in for the state has to become one, whether the log goes on behind it or not.
    private static bool MustRebuild(LogRecoveryResult found) => found.Decision.State == StateAction.Rebuild || found.State.Checkpoint is not null;

    private static RecoveryReport Report(LogRecoveryResult found, Quarantine quarantine, bool rebuilds, ulong folded)
    {
        string summary = found.Decision.Case switch
        {
            RecoveryCase.Clean => "The store was closed cleanly.",
            RecoveryCase.Crash => "The last writer ended without closing; nothing acknowledged is missing.",
            RecoveryCase.TornTail => $"Bytes that were never acknowledged were cut at log address {found.Tip.Address} and kept in quarantine.",
            RecoveryCase.HealedFromSlot => "A torn block was restored from a tail slot's copy.",
            _ => found.Scan.StopReason,
        };
        return new RecoveryReport
        {
            Case = found.Decision.Case,
            Summary = !rebuilds ? summary
                : found.State.Checkpoint is ulong from ? $"{summary} The state was rebuilt from the checkpoint at sequence {from} and the log: {found.State.Reason}."
                : $"{summary} The state was rebuilt from the log: {found.State.Reason}.",
            CheckpointSequence = rebuilds ? found.State.Checkpoint : null,
            StateRebuilt = rebuilds,
            StateReason = found.State.Reason,
            StateProven = rebuilds || found.State.IsProven,
            FramesFolded = folded,
            QuarantinedBytes = quarantine.LengthBytes,
            QuarantineFile = quarantine.LastFile,
            LastSequence = found.Tip.LastSequence,
        };
    }

    private void ThrowIfRefused(LogRecoveryResult found, bool mustRebuild)
    {
        if (!found.Decision.MayWrite)
        {
            ulong missing = found.Tip.LastSequence + 1;
            (StateStoreErrorCode code, string what) = found.Decision.Case switch
            {
                RecoveryCase.RolledBackLog => (StateStoreErrorCode.LogRolledBack, "The log is older than the state that was folded from it"),
                RecoveryCase.LostTail => (StateStoreErrorCode.LogRolledBack, "The log ends before a position that was durable"),
                RecoveryCase.ForkedLog => (StateStoreErrorCode.ReviewRequired, "The state was folded from another history than the log's"),
                _ => (StateStoreErrorCode.LogDamaged, $"The log is damaged below a position that was durable: {found.Scan.StopReason}"),
            };
            throw new StateStoreException(
                code,
                $"{what}. Sequences from {missing} on are missing; the log is sound up to address {found.Tip.Address}, durable was {found.DurableAddress}.",
                $"log address {found.Scan.StopAddress}",
                "Nothing was changed. Run `statestore verify`; open for reading to see what the state still holds; restore a backup or repair after review.");
        }

        if (MustRebuild(found) && !options.RebuildStateAtOpen && !mustRebuild)
        {
            throw new StateStoreException(StateStoreErrorCode.StateDamaged, $"The state must be rebuilt: {found.State.Reason}.", _layout.StatePath, "Run `statestore repair --apply`, or open with RebuildStateAtOpen.");
        }
    }

    private void WriteHeader(Superblock superblock, int number, ulong epoch, Span<byte> header)
    {
        SegmentHeader value = new()
        {
            StoreId = superblock.StoreId,
            SegmentNumber = number,
            PageBits = superblock.PageBits,
            SegmentBits = superblock.SegmentBits,
            CreatedAtMicros = Times.MicrosOf(_clock.GetUtcNow()),
            WriterEpoch = epoch,
        };
        value.Encode(header);
    }

    private static void ReadVerified(LogReader reader, long address, Span<byte> destination)
    {
        ReadStatus status = reader.ReadExactly(address, destination, out _);
        if (status != ReadStatus.Ok)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The log's last page cannot be read ({status}).", $"log address {address}", "Check the device.");
        }
    }
}
