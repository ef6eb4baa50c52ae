// Why this file exists: a state that is missing or does not prove is built again from the newest checkpoint that proves, and not from the first frame. Invariants: reads only, until a new generation is filled; a checkpoint that does not prove, or that is of
// another history than the log, is passed over; what is loaded is proven once more while it is loaded.

using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Checkpoints;

/// <summary>Finds where a rebuild starts, and starts it.</summary>
internal sealed class CheckpointStart(StoreLayout layout, Superblock superblock, FileOps ops)
{
    private const int BatchBytes = 16 << 20;
    private const int BatchEntries = 100_000;
    private readonly StoreFiles _files = new SeamStoreFiles(ops);

    /// <summary>What recovery says when the state counts as none: about the newest checkpoint that proves and fits the log, else about the log alone.</summary>
    /// <param name="recovery">Recovery's reading part.</param>
    /// <param name="state">The state, which is not usable.</param>
    internal LogRecoveryResult Decide(LogRecovery recovery, StateInspection state)
    {
        StateHeader? told = state.Told;
        foreach (ulong sequence in CheckpointFolder.List(ops, layout))
        {
            if (TryInspect(sequence, state.Reason, out StateInspection? start, out StateHeader? header))
            {
                LogRecoveryResult found = recovery.Run(start! with { Told = told });
                if (found.Decision.Case != RecoveryCase.ForkedLog)
                {
                    return found;
                }
            }
            else if (header is not null && header.LogPosition > (told?.LogPosition ?? 0))
            {
                told = header;
            }
        }

        return recovery.Run(state with { Told = told });
    }

    /// <summary>Proves a checkpoint.</summary>
    /// <param name="sequence">Its sequence.</param>
    /// <param name="reason">Why the state is not usable.</param>
    /// <param name="start">The checkpoint as recovery sees it, as if it were the state.</param>
    /// <param name="header">What its head says, when that is valid, whatever the rest is.</param>
    /// <returns>Whether it proves and lies behind the log's beginning.</returns>
    internal bool TryInspect(ulong sequence, string reason, out StateInspection? start, out StateHeader? header)
    {
        start = null;
        header = null;
        _ = StateCheckpointFile.Open(layout.CheckpointPath(sequence), superblock.StoreId, _files, out StateCheckpointFile? file, out _);
        using (file)
        {
            if (file is null || file.Header.State.LastSequence != sequence || file.Header.State.LogPosition <= superblock.BaseAddress || file.Header.State.FrameCount <= superblock.BaseFrame)
            {
                return false;
            }

            header = file.Header.State;
            if (file.Run(null, superblock.PageBits) != ReadStatus.Ok || file.Fault.IsFault || file.LastFrame is not { } last)
            {
                return false;
            }

            start = new StateInspection(file.Header.State, last, reason, IsProven: true, file.FirstFrameInPage) { Checkpoint = sequence };
            return true;
        }
    }

    /// <summary>Fills an empty state from a checkpoint.</summary>
    /// <param name="state">The state of a new generation.</param>
    /// <param name="sequence">The checkpoint's sequence.</param>
    /// <exception cref="StateStoreException">InputOutput when the checkpoint is not what it was when it was proven; the generation must be thrown away.</exception>
    internal void Load(StateEnvironment state, ulong sequence)
    {
        string path = layout.CheckpointPath(sequence);
        StateHeader header = new();
        new StateView(state.Published).ReadHeader(header);
        ReadStatus status = StateCheckpointFile.Open(path, superblock.StoreId, _files, out StateCheckpointFile? file, out FormatFault fault);
        using (file)
        {
            if (file is not null)
            {
                ulong generation = header.Generation;
                header.CopyFrom(file.Header.State);
                header.Generation = generation;
                Loader loader = new(state, header, file.Digest);
                status = file.Run(loader, superblock.PageBits);
                fault = file.Fault;
                if (status == ReadStatus.Ok && !fault.IsFault)
                {
                    loader.Commit();
                    return;
                }
            }
        }

        throw new StateStoreException(StateStoreErrorCode.InputOutput, $"A checkpoint that proved before does not any more ({(fault.IsFault ? fault.ToString() : status.ToString())}).", path, "Check the device, and open the store again.", isRetryable: true);
    }

    // The generation counts for nothing before the superblock names it, so the header may run ahead of the entries meanwhile.
    private sealed class Loader(StateEnvironment state, StateHeader header, StateDigest digest) : IStateCheckpointVisitor
    {
        private readonly MutationSet _batch = new();

        public void Visit(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
        {
            value.CopyTo(_batch.Put((byte)table, key, value.Length));
            if (_batch.ArenaBytes >= BatchBytes || _batch.Count >= BatchEntries)
            {
                Commit();
            }
        }

        internal void Commit()
        {
            using (LmdbWriteTransaction transaction = state.Apply(_batch, header, digest))
            {
                transaction.Commit();
            }

            state.Publish();
            _batch.Clear();
        }
    }
}
