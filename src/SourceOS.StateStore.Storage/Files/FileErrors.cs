// Why this file exists: one translation of error numbers into the store's exception, so that "disk full" is the same answer
// wherever it is met. Invariants: always throws; names the operation, the path and the offset; full disks are retryable.

using System.Diagnostics.CodeAnalysis;

namespace SourceOS.StateStore.Storage.Files;

/// <summary>Turns negative results of <see cref="FileOps"/> into <see cref="StateStoreException"/>.</summary>
public static class FileErrors
{
    /// <summary>Throws for a failed operation.</summary>
    /// <param name="result">The negative errno.</param>
    /// <param name="operation">What was tried, as a verb: "open", "write".</param>
    /// <param name="path">The file.</param>
    /// <param name="offset">The offset in bytes, or a negative number when none applies.</param>
    /// <exception cref="StateStoreException">Always.</exception>
    [DoesNotReturn]
    public static void Throw(long result, string operation, string path, long offset = -1)
        => throw Create(result, operation, path, offset);

    /// <summary>Builds the exception for a failed operation.</summary>
    /// <param name="result">The negative errno.</param>
    /// <param name="operation">What was tried, as a verb.</param>
    /// <param name="path">The file.</param>
    /// <param name="offset">The offset in bytes, or a negative number when none applies.</param>
    /// <returns>The exception to throw.</returns>
    public static StateStoreException Create(long result, string operation, string path, long offset = -1)
    {
        int errno = (int)-result;
        (StateStoreErrorCode code, string next, bool isRetryable) = errno switch
        {
            Errno.ENOSPC or Errno.EDQUOT => (StateStoreErrorCode.DiskFull, "Free space on the device or raise the quota, then try again.", true),
            Errno.EACCES or Errno.EPERM => (StateStoreErrorCode.AccessDenied, "Check the owner and the mode of the store's files and directories.", false),
            Errno.EROFS => (StateStoreErrorCode.AccessDenied, "The file system is mounted read-only; look in the kernel log for the reason before mounting it for writing.", false),
            Errno.EEXIST => (StateStoreErrorCode.AlreadyExists, "Something already has this name; look at it before removing it.", false),
            Errno.ENOENT => (StateStoreErrorCode.InputOutput, "The file is not there; verify the store to see what else is missing.", false),
            Errno.EMFILE or Errno.ENFILE => (StateStoreErrorCode.InputOutput, "Too many files are open; raise the limit or close some.", true),
            Errno.EFBIG => (StateStoreErrorCode.InputOutput, "The file would pass a size limit; raise RLIMIT_FSIZE.", false),
            Errno.ELOOP => (StateStoreErrorCode.InputOutput, "A symbolic link stands where the store keeps a file; nothing was followed.", false),
            Errno.EISDIR or Errno.ENXIO => (StateStoreErrorCode.InputOutput, "Something other than a file stands where the store keeps one; look at it before removing it.", false),
            Errno.EIO => (StateStoreErrorCode.InputOutput, "The device reported an error; check the kernel log and the device, then verify the store.", false),
            _ => (StateStoreErrorCode.InputOutput, "Check the kernel log and the file system, then verify the store.", false),
        };
        return new StateStoreException(code, $"Cannot {operation}: {Errno.Describe(errno)}.", Place(path, offset), next, isRetryable);
    }

    /// <summary>Throws for a file that ends before the bytes asked for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="offset">Where the missing bytes begin.</param>
    /// <param name="missingBytes">How many are missing.</param>
    /// <exception cref="StateStoreException">Always.</exception>
    [DoesNotReturn]
    public static void ThrowShortFile(string path, long offset, long missingBytes)
        => throw new StateStoreException(
            StateStoreErrorCode.InputOutput,
            $"The file ends {missingBytes} bytes before the range that was asked for.",
            Place(path, offset),
            "The file was cut short; verify the store.");

    /// <summary>Throws because an earlier sync of this file failed and its dirty pages can no longer be trusted.</summary>
    /// <param name="first">The first failure.</param>
    /// <exception cref="StateStoreException">Always.</exception>
    [DoesNotReturn]
    public static void ThrowSyncFailedBefore(StateStoreException first)
    {
        ArgumentNullException.ThrowIfNull(first);
        throw new StateStoreException(
            StateStoreErrorCode.Latched,
            "An earlier sync of this file failed, so the kernel may have dropped the data that it should have written.",
            first.Place,
            "Close the store and open it again; recovery decides what is durable.",
            innerException: first);
    }

    /// <summary>A path with an offset, for <see cref="StateStoreException.Place"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="offset">The offset, or a negative number.</param>
    /// <returns>For example "events/segment-00000003.log at 32768".</returns>
    public static string Place(string path, long offset) => offset < 0 ? path : $"{path} at {offset}";
}
