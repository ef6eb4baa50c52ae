// Why this file exists: everything that a plan is made from, collected once, so that planning and applying see the same. Invariants: reads only; the fingerprint names the
// store and what was seen of it, so that a plan for another situation has another hash.

using System.Globalization;
using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>What was seen of a store.</summary>
/// <param name="Superblock">The superblock, read or derived.</param>
/// <param name="SuperblockFlaw">What is wrong with its file; empty when nothing is.</param>
/// <param name="State">The state.</param>
/// <param name="Found">What recovery says.</param>
/// <param name="Heads">Parts of segment heads that do not verify; empty where a fence replaces the log anyway.</param>
/// <param name="Parity">What parity heals, and what must be done for it; everything else is about the log as it is once it is healed.</param>
/// <param name="Checkpoints">What must be done for checkpoints and frontiers; nothing while the log is damaged.</param>
/// <param name="Fence">The fence that answers damage of the log; null when none is needed, or none may be set.</param>
internal sealed record RepairFacts(
    Superblock Superblock, string SuperblockFlaw, StateInspection State, LogRecoveryResult Found, IReadOnlyList<HeadFlaw> Heads, ParityFacts Parity, CheckpointFacts Checkpoints, FencePlan? Fence)
{
    /// <summary>Names the store and what was seen.</summary>
    internal string Fingerprint => string.Create(
        CultureInfo.InvariantCulture,
        $"{Superblock.StoreId}|{Superblock.UpdateCounter}|{SuperblockFlaw}|{Found.Tip.Address}|{Found.Tip.ChainHead}|{Found.Slots.Newest?.Descriptor.Generation ?? 0}|{State.Reason}|{State.Header?.ChainHead}|{State.Header?.LogPosition}|{Fence?.Survey.WholeUntil}|{(Fence is null ? "" : string.Join(',', Fence.Lost))}{Parity.Fingerprint(Fence is not null)}{Checkpoints.Fingerprint}{Fence?.Salvage?.Fingerprint}");

    /// <summary>Looks at a store.</summary>
    internal static RepairFacts Collect(StoreLayout layout, FileOps ops, StoreFiles files, StateStoreOptions options)
    {
        (Superblock superblock, string flaw) = ReadOrDerive(layout, files);
        StateInspection state = StateInspection.Run(layout, superblock, needsProof: true, options.ProveStateUpToBytes);
        ParityFacts parity = ParityRepair.Find(layout, superblock, files);
        StoreFiles healed = ParityRepair.Healed(layout, superblock, files, parity.Heals);
        LogRecovery recovery = new(layout, superblock, healed);
        LogRecoveryResult found = state.Header is null ? new CheckpointStart(layout, superblock, ops).Decide(recovery, state) : recovery.Run(state);
        FencePlan? fence = FencePlan.TryMake(layout, superblock, ops, healed, state, found);
        IReadOnlyList<HeadFlaw> heads = fence is null && found.Decision.MayWrite ? HeadRepair.Find(layout, superblock, healed) : [];
        CheckpointFacts checkpoints = fence is null && found.Decision.MayWrite ? CheckpointRepair.Find(layout, superblock, healed, found.Tip) : CheckpointFacts.None;
        return new RepairFacts(superblock, flaw, state, found, heads, parity, checkpoints, fence);
    }

    internal static (Superblock Superblock, string Flaw) ReadOrDerive(StoreLayout layout, StoreFiles files)
    {
        try
        {
            Superblock superblock = SuperblockFile.Read(layout, files, out bool needsTwin);
            if (!BelongsToSegments(layout, files, superblock) && SuperblockDerivation.TryDerive(layout, files) is Superblock other)
            {
                return (other, "it belongs to another store");
            }

            bool isLong = SuperblockReader.Read(layout, files).LengthBytes != Superblock.FileLengthBytes;
            return (superblock, needsTwin ? "one slot is not valid" : isLong ? "its length is wrong" : "");
        }
        catch (StateStoreException exception) when (exception.Code is StateStoreErrorCode.SuperblockDamaged or StateStoreErrorCode.NotInitialized)
        {
            if (SuperblockDerivation.TryDerive(layout, files) is not Superblock derived)
            {
                throw;
            }

            return (derived, "neither slot is valid");
        }
    }

    private static bool BelongsToSegments(StoreLayout layout, StoreFiles files, Superblock superblock)
    {
        foreach (int number in SegmentCatalog.List(layout, files).Segments)
        {
            SegmentInfo info = SegmentInfo.Read(layout, number, null, null, files);
            if (!info.HeaderFault.IsFault && info.Header.StoreId == superblock.StoreId)
            {
                return true;
            }
        }

        return false;
    }
}
