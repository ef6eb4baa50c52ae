// Why this file exists: writes the superblock (format-spec/superblock.md). Invariants: the slot that is overwritten is never the one that counts;
// an update is on the medium before it is believed.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

internal static class SuperblockFile
{
    /// <summary>Reads the superblock or says why it cannot be.</summary>
    internal static Superblock Read(StoreLayout layout, StoreFiles files, out bool needsTwin)
    {
        SuperblockReading reading = SuperblockReader.Read(layout, files);
        switch (reading.Status)
        {
            case ReadStatus.Ok:
            case ReadStatus.EndOfFile:
                break;
            case ReadStatus.NotFound:
                throw new StateStoreException(StateStoreErrorCode.NotInitialized, "There is no store here.", layout.StorePath, "Create one with `statestore init`, or name another directory with --store.");
            case ReadStatus.AccessDenied:
                throw new StateStoreException(StateStoreErrorCode.AccessDenied, "The store may not be read by this user.", layout.SuperblockPath, "Check the owner and the mode of the store's files.");
            case ReadStatus.WrongKind:
                throw new StateStoreException(StateStoreErrorCode.SuperblockDamaged, "Something other than a file stands in the superblock's place.", layout.SuperblockPath, "Look at it and move it away; `statestore repair --apply` rebuilds the superblock from the log.");
            default:
                throw new StateStoreException(StateStoreErrorCode.InputOutput, $"The superblock cannot be read ({reading.Status}).", layout.SuperblockPath, "Check the device and the file, then verify the store.");
        }

        needsTwin = reading.Choice.FirstFault.IsFault || reading.Choice.SecondFault.IsFault;
        if (reading.Newest is Superblock superblock)
        {
            return superblock;
        }

        if (reading.Choice.FirstFault.Code == FaultCode.UnsupportedVersion || reading.Choice.SecondFault.Code == FaultCode.UnsupportedVersion)
        {
            throw new StateStoreException(StateStoreErrorCode.UnsupportedFormat, "The store was written by a newer version.", layout.SuperblockPath, "Use a build that reads its format.");
        }

        throw new StateStoreException(
            StateStoreErrorCode.SuperblockDamaged,
            $"Neither slot of the superblock is valid: {reading.Choice.FirstFault}; {reading.Choice.SecondFault}.",
            layout.SuperblockPath,
            "Run `statestore repair --apply`: the superblock can be rebuilt from the log. If this never was a store, name another directory.");
    }

    /// <summary>Writes an update over the slot that does not count, and syncs.</summary>
    internal static void Write(StoreLayout layout, FileOps ops, Superblock superblock)
    {
        byte[] slot = new byte[Superblock.SlotLengthBytes];
        superblock.Encode(slot);
        using StoreFile file = StoreFile.Open(ops, layout.SuperblockPath, OpenOptions.ReadWrite | OpenOptions.NoFollow);
        file.Write(slot, (long)superblock.SlotIndex * Superblock.SlotLengthBytes);
        file.SyncAll();
    }
}
