// Why this file exists: makes one state of everything that still stands sound: the newest state or checkpoint that proves, and over it every sound frame of the log, over damage (format-spec/fences.md). Invariants: the damaged store is only read; a frame is folded only after
// all of it was checked; what comes out is a scratch store that can be read and nothing else, below the fence's folder.

using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore;

/// <summary>Builds the state that is saved.</summary>
internal sealed class SalvageFold(StoreLayout layout, Superblock superblock, StateStoreOptions options, FileOps ops)
{
    private const int BatchArenaBytes = 16 << 20;
    private const int BatchMutations = 100_000;
    private readonly TimeProvider _clock = options.Clock ?? TimeProvider.System;

    /// <summary>Builds it.</summary>
    /// <param name="path">Where; what is there is removed first.</param>
    /// <param name="plan">From what.</param>
    /// <param name="endOfSegments">Log address behind the last segment.</param>
    internal void Run(string path, SalvagePlan plan, long endOfSegments)
    {
        StoreTree.Remove(ops, path);
        StoreDirectory.Create(ops, path);
        StoreLayout made = new(path);
        Superblock scratch = superblock.Next() with { StateGeneration = 1 };
        StateGenerations.Create(made, scratch, 1, ops);
        using (StateEnvironment state = StateEnvironment.Open(made.GenerationPath(1), ops, options.StateQuotaBytes))
        {
            LoadStart(made, state, plan);
            StateView view = new(state.Published);
            StateHeader header = new();
            StateDigest digest = new();
            view.ReadHeader(header);
            view.ReadDigest(digest);
            StateFold fold = new(view, header, digest);
            using (LogReader reader = new(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), new SeamStoreFiles(ops)))
            {
                Fold(reader, fold, state, plan, endOfSegments);
            }

            SetPlace(fold.Header, plan.Place);
            Commit(state, fold);
            state.Sync();
        }

        byte[] file = new byte[Superblock.FileLengthBytes];
        _ = scratch.EncodeNewFile(file);
        StoreTree.WriteWhole(ops, made.SuperblockPath, file);
    }

    private void LoadStart(StoreLayout made, StateEnvironment state, SalvagePlan plan)
    {
        if (plan.Start?.Header is null)
        {
            return;
        }

        if (plan.Start.Checkpoint is ulong checkpoint)
        {
            new CheckpointStart(layout, superblock, ops).Load(state, checkpoint);
            return;
        }

        // The live state goes through the form of a checkpoint, which proves it once more on both ways.
        using StateStore live = StateStore.OpenRead(layout.StorePath, new StateStoreOptions { Files = options.Files, SnapshotMaxAgeMs = 3_600_000 });
        using ReadSnapshot snapshot = live.OpenSnapshot();
        new CheckpointMaker(ops, made, superblock, _clock).Make(snapshot.View);
        new CheckpointStart(made, superblock, ops).Load(state, snapshot.Sequence);
        CheckpointFolder.DropAll(ops, made);
    }

    private void Fold(LogReader reader, StateFold fold, StateEnvironment state, SalvagePlan plan, long endOfSegments)
    {
        FrameSweep sweep = new(reader, superblock, endOfSegments);
        FrameScanner again = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), endOfSegments) { Visitor = new Applier(fold) };
        ulong folded = plan.StartSequence;
        while (sweep.MoveNext())
        {
            FrameScanner scanner = sweep.Scanner;
            ulong last = scanner.Header.LastSequence;
            if (last <= folded || last > plan.FoldUntil)
            {
                continue;
            }

            // The scan hands events out while it checks them; this frame was sound to its end, and only now is it folded.
            again.Restart(ScanStart.Unlinked(scanner.Header.Address), scanner.Position);
            if (again.MoveNext() != ScanOutcome.Frame)
            {
                throw new StateStoreException(StateStoreErrorCode.InputOutput, "A frame that was sound is not any more when it is read again.", $"log address {scanner.Header.Address}", "Check the device, and run the repair again.", isRetryable: true);
            }

            folded = last;
            if (fold.Mutations.ArenaBytes >= BatchArenaBytes || fold.Mutations.Count >= BatchMutations)
            {
                Commit(state, fold);
            }
        }
    }

    private static void SetPlace(StateHeader header, StateHeader place)
    {
        header.LogPosition = place.LogPosition;
        header.LastSequence = place.LastSequence;
        header.LastCommitId = place.LastCommitId;
        header.WriterEpoch = place.WriterEpoch;
        header.CommitTimeMicros = place.CommitTimeMicros;
        header.ChainHead = place.ChainHead;
        header.Frontier.CopyFrom(place.Frontier);
    }

    private static void Commit(StateEnvironment state, StateFold fold)
    {
        using (LmdbWriteTransaction transaction = state.Apply(fold.Mutations, fold.Header, fold.Digest))
        {
            transaction.Commit();
        }

        state.Publish();
        fold.Rebase(new StateView(state.Published));
    }

    private sealed class Applier(StateFold fold) : IFrameEventVisitor
    {
        public void Visit(in FrameHeader header, in FrameEvent frameEvent, in EventView view) => fold.Apply(view);
    }
}
