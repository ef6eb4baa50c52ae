// Why this file exists: a second open of one file in one process breaks LMDB's locks (closing either copy drops the fcntl lock of both),
// and the damage is silent. Process-wide state is the only place that can see both opens.
// Invariants: a file is identified by device and inode, so two paths to one file are one file; an entry lives as long as its environment.

using System.Threading;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Storage.Lmdb;

/// <summary>The environments that this process has open.</summary>
internal static class LmdbOpenRegistry
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<(ulong Device, ulong Inode)> Open = [];

    /// <summary>Claims a data file for one environment.</summary>
    /// <param name="files">The system-call seam.</param>
    /// <param name="dataPath">The data file; it exists.</param>
    /// <returns>The claim, to be given back when the environment is closed.</returns>
    internal static (ulong Device, ulong Inode) Claim(FileOps files, string dataPath)
    {
        int result = files.Stat(dataPath, out FileStatus status);
        if (result < 0)
        {
            FileErrors.Throw(result, "stat", dataPath);
        }

        if (status.Kind != FileKind.File)
        {
            throw new StateStoreException(StateStoreErrorCode.InputOutput, "The state's data file is not a regular file.", dataPath);
        }

        (ulong, ulong) identity = (status.Device, status.Inode);
        lock (Gate)
        {
            if (!Open.Add(identity))
            {
                throw new StateStoreException(
                    StateStoreErrorCode.Locked,
                    "This process already has this state open; LMDB allows one open per process.",
                    dataPath,
                    "Share the open store instead of opening it twice.");
            }
        }

        return identity;
    }

    /// <summary>Gives a claim back.</summary>
    internal static void Release((ulong Device, ulong Inode) identity)
    {
        lock (Gate)
        {
            Open.Remove(identity);
        }
    }
}
