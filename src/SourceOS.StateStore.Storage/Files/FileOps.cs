// Why this file exists: every system call that the store makes on files goes through this one seam, so that a test can count,
// record, delay and fail each of them. Invariants: results are raw (a count or a negative errno), nothing here throws for an
// operating-system error, nothing retries, and one method is one operation that can fail as a whole.

namespace SourceOS.StateStore.Storage.Files;

/// <summary>
/// The file operations of the store, as the kernel answers them: a non-negative result, or a negative <see cref="Errno"/>.
/// Use <see cref="StoreFile"/> and <see cref="StoreDirectory"/> for the loops and the exceptions.
/// Implementations are safe for concurrent use as far as the kernel is.
/// </summary>
public abstract class FileOps
{
    /// <summary>Opens a file or a directory; the descriptor is always closed on exec.</summary>
    /// <param name="path">The path, without NUL.</param>
    /// <param name="flags">How to open.</param>
    /// <param name="mode">Permission bits of a created file, before the umask.</param>
    /// <returns>A descriptor, or a negative errno.</returns>
    public abstract int Open(string path, OpenOptions flags, int mode);

    /// <summary>Closes a descriptor. It is gone whatever the result is.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int Close(int fd);

    /// <summary>Reads once at an offset.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="buffer">Where the bytes go.</param>
    /// <param name="offset">The file offset in bytes.</param>
    /// <returns>The bytes read, possibly fewer than asked, 0 at the end of the file; or a negative errno.</returns>
    public abstract nint PRead(int fd, Span<byte> buffer, long offset);

    /// <summary>Writes once at an offset.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="buffer">The bytes.</param>
    /// <param name="offset">The file offset in bytes.</param>
    /// <returns>The bytes written, possibly fewer than asked; or a negative errno.</returns>
    public abstract nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset);

    /// <summary>Makes the data of a file, and the metadata needed to read it, durable.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <returns>0, or a negative errno; never call it again for the same data after an error.</returns>
    public abstract int FDataSync(int fd);

    /// <summary>Makes the data and all metadata of a file durable.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <returns>0, or a negative errno; never call it again for the same data after an error.</returns>
    public abstract int FSync(int fd);

    /// <summary>Sets the length of a file.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="lengthBytes">The new length.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int FTruncate(int fd, long lengthBytes);

    /// <summary>Reserves space, and extends the file when the range ends behind it.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="offset">Start of the range in bytes.</param>
    /// <param name="lengthBytes">Length of the range.</param>
    /// <returns>0, or a negative errno; <see cref="Errno.EOPNOTSUPP"/> when the file system cannot.</returns>
    public abstract int Fallocate(int fd, long offset, long lengthBytes);

    /// <summary>Describes an open file.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="status">The description.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int FStat(int fd, out FileStatus status);

    /// <summary>Describes the object at a path; a symbolic link is described itself, not followed.</summary>
    /// <param name="path">The path.</param>
    /// <param name="status">The description.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int Stat(string path, out FileStatus status);

    /// <summary>Renames; an existing target is replaced in one step.</summary>
    /// <param name="source">The present path.</param>
    /// <param name="target">The new path.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int Rename(string source, string target);

    /// <summary>Removes a file's name.</summary>
    /// <param name="path">The path.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int Unlink(string path);

    /// <summary>Creates a directory.</summary>
    /// <param name="path">The path.</param>
    /// <param name="mode">Permission bits, before the umask.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int MkDir(string path, int mode);

    /// <summary>Removes an empty directory.</summary>
    /// <param name="path">The path.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int RmDir(string path);

    /// <summary>Lists a directory, without "." and "..", in no order.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="entries">Receives the entries; what it held before stays.</param>
    /// <returns>0, or a negative errno; entries may then have been added.</returns>
    public abstract int List(string path, ICollection<DirectoryEntry> entries);

    /// <summary>Takes, converts or gives back an advisory lock on an open file without waiting.</summary>
    /// <param name="fd">The descriptor; the lock belongs to its open file description.</param>
    /// <param name="kind">Which lock.</param>
    /// <returns>0, or a negative errno; <see cref="Errno.EAGAIN"/> when another holder is in the way.</returns>
    public abstract int FLock(int fd, FileLockKind kind);

    /// <summary>Makes the entries of a directory durable.</summary>
    /// <param name="path">The directory.</param>
    /// <returns>0, or a negative errno; never call it again for the same change after an error.</returns>
    public abstract int FSyncDirectory(string path);

    /// <summary>Space of the file system that holds a path.</summary>
    /// <param name="path">Any path on it.</param>
    /// <param name="space">The answer.</param>
    /// <returns>0, or a negative errno.</returns>
    public abstract int StatFileSystem(string path, out FileSystemSpace space);

    /// <summary>Whether something has this path. An error other than "not there" counts as existing, so that nobody overwrites what they could not see.</summary>
    /// <param name="path">The path.</param>
    /// <returns>False only when the kernel says that nothing is there.</returns>
    public bool Exists(string path)
    {
        int result = Stat(path, out _);
        return result != -Errno.ENOENT && result != -Errno.ENOTDIR;
    }
}
