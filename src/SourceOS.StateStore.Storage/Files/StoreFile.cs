// Why this file exists: the thin layer that turns the kernel's partial answers into whole ones. Invariants: a transfer is complete
// or throws; a read beyond the end throws; a sync that failed is never tried again on the same object; the
// owner keeps calls and Dispose apart (a descriptor number may be reused by the kernel once it is closed).

using Microsoft.Win32.SafeHandles;

namespace SourceOS.StateStore.Storage.Files;

/// <summary>An open file of the store. Reads and writes may run concurrently; <see cref="Dispose"/> must run alone.</summary>
public sealed class StoreFile : IDisposable
{
    /// <summary>Permission bits of files that the store creates: nobody but the owner and the group.</summary>
    public const int DefaultMode = 0x1A0; // 0640

    private const int ZeroChunkBytes = 256 * 1024;
    private static readonly byte[] Zeroes = new byte[ZeroChunkBytes];

    private readonly FileOps _ops;
    private int _fd;
    private bool _isLocked;
    private StateStoreException? _syncFault;

    private StoreFile(FileOps ops, string path, int fd)
    {
        _ops = ops;
        Path = path;
        _fd = fd;
    }

    /// <summary>The path it was opened by.</summary>
    public string Path { get; }

    /// <summary>The descriptor, for calls that this class does not offer.</summary>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    public int Descriptor
    {
        get
        {
            int fd = _fd;
            ObjectDisposedException.ThrowIf(fd < 0, this);
            return fd;
        }
    }

    /// <summary>Opens a file.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The path.</param>
    /// <param name="flags">How.</param>
    /// <param name="mode">Permission bits when it is created.</param>
    /// <returns>The open file.</returns>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public static StoreFile Open(FileOps ops, string path, OpenOptions flags, int mode = DefaultMode)
    {
        int result = TryOpen(ops, path, flags, out StoreFile? file, mode);
        if (result < 0)
        {
            FileErrors.Throw(result, flags.HasFlag(OpenOptions.Create) ? "create" : "open", path);
        }

        return file!;
    }

    /// <summary>Opens a file, answering an errno instead of throwing.</summary>
    /// <param name="ops">The seam.</param>
    /// <param name="path">The path.</param>
    /// <param name="flags">How.</param>
    /// <param name="file">The open file when the result is 0.</param>
    /// <param name="mode">Permission bits when it is created.</param>
    /// <returns>0, or a negative errno.</returns>
    public static int TryOpen(FileOps ops, string path, OpenOptions flags, out StoreFile? file, int mode = DefaultMode)
    {
        ArgumentNullException.ThrowIfNull(ops);
        InterruptionBudget budget = default;
        int fd;
        do
        {
            fd = ops.Open(path, flags, mode);
        }
        while (budget.AsksAgain(fd));

        file = null;
        if (fd < 0)
        {
            return fd;
        }

        int kind = CheckKind(ops, fd, flags);
        if (kind < 0)
        {
            _ = ops.Close(fd);
            return kind;
        }

        file = new StoreFile(ops, path, fd);
        return 0;
    }

    // A pipe, a socket or a device in a file's place would be read and written as if it kept what it is given.
    private static int CheckKind(FileOps ops, int fd, OpenOptions flags)
    {
        if (flags.HasFlag(OpenOptions.Directory))
        {
            return 0;
        }

        int result = ops.FStat(fd, out FileStatus status);
        return result < 0 ? result : status.Kind switch
        {
            FileKind.File => 0,
            FileKind.Directory => -Errno.EISDIR,
            _ => -Errno.ENXIO,
        };
    }

    /// <summary>Gives the descriptor away, for code that reads through the runtime's streams; this object counts as disposed afterwards.</summary>
    /// <returns>The handle; the caller disposes it.</returns>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    public SafeFileHandle TakeHandle()
    {
        int fd = Interlocked.Exchange(ref _fd, -1);
        ObjectDisposedException.ThrowIf(fd < 0, this);
        return new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>Fills the buffer from an offset.</summary>
    /// <param name="buffer">What to fill.</param>
    /// <param name="offset">Where to start, in bytes.</param>
    /// <exception cref="StateStoreException">The file ends before the buffer is full, or the read failed.</exception>
    public void ReadExactly(Span<byte> buffer, long offset)
    {
        int count = ReadUpTo(buffer, offset);
        if (count < buffer.Length)
        {
            FileErrors.ThrowShortFile(Path, offset + count, buffer.Length - count);
        }
    }

    /// <summary>Reads from an offset until the buffer is full or the file ends.</summary>
    /// <param name="buffer">What to fill.</param>
    /// <param name="offset">Where to start, in bytes.</param>
    /// <returns>The bytes read; fewer than asked only at the end of the file.</returns>
    /// <exception cref="StateStoreException">The read failed.</exception>
    public int ReadUpTo(Span<byte> buffer, long offset)
    {
        int fd = Descriptor;
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        InterruptionBudget budget = default;
        int done = 0;
        while (done < buffer.Length)
        {
            nint count = _ops.PRead(fd, buffer[done..], offset + done);
            if (count == 0)
            {
                break;
            }

            if (count > 0)
            {
                done += (int)count;
            }
            else if (!budget.AsksAgain(count))
            {
                FileErrors.Throw(count, "read", Path, offset + done);
            }
        }

        return done;
    }

    /// <summary>Writes all of the buffer at an offset.</summary>
    /// <param name="buffer">The bytes.</param>
    /// <param name="offset">Where to start, in bytes.</param>
    /// <exception cref="StateStoreException">The write failed; a part may have been written.</exception>
    public void Write(ReadOnlySpan<byte> buffer, long offset)
    {
        long result = TryWrite(buffer, offset, out int done);
        if (result < 0)
        {
            FileErrors.Throw(result, "write", Path, offset + done);
        }
    }

    /// <summary>Writes zeroes in bounded steps.</summary>
    /// <param name="offset">Where to start, in bytes.</param>
    /// <param name="lengthBytes">How many.</param>
    /// <exception cref="StateStoreException">The write failed; a part may have been written.</exception>
    public void WriteZeroes(long offset, long lengthBytes)
    {
        for (long done = 0; done < lengthBytes;)
        {
            int step = (int)Math.Min(ZeroChunkBytes, lengthBytes - done);
            Write(Zeroes.AsSpan(0, step), offset + done);
            done += step;
        }
    }

    /// <summary>Makes the data durable (fdatasync).</summary>
    /// <exception cref="StateStoreException">The sync failed, now or earlier; it is never repeated.</exception>
    public void Sync() => Sync(dataOnly: true);

    /// <summary>Makes data and metadata durable (fsync).</summary>
    /// <exception cref="StateStoreException">The sync failed, now or earlier; it is never repeated.</exception>
    public void SyncAll() => Sync(dataOnly: false);

    /// <summary>Sets the length of the file.</summary>
    /// <param name="lengthBytes">The new length.</param>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public void Truncate(long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        InterruptionBudget budget = default;
        int result;
        do
        {
            result = _ops.FTruncate(Descriptor, lengthBytes);
        }
        while (budget.AsksAgain(result));

        ThrowIfFailed(result, "truncate", lengthBytes);
    }

    /// <summary>Reserves space for a range that lies at or behind the end of the file, and extends the file over it.</summary>
    /// <param name="offset">Start of the range in bytes.</param>
    /// <param name="lengthBytes">Its length, at least 1.</param>
    /// <exception cref="StateStoreException">No space, or the kernel refused.</exception>
    public void Reserve(long offset, long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        InterruptionBudget budget = default;
        int result;
        do
        {
            result = _ops.Fallocate(Descriptor, offset, lengthBytes);
        }
        while (budget.AsksAgain(result));

        if (result is -Errno.EOPNOTSUPP or -Errno.ENOSYS)
        {
            // A file system without preallocation still has to say now, not later, that it is full.
            long end = GetStatus().SizeBytes;
            if (end < offset + lengthBytes)
            {
                long start = Math.Max(end, offset);
                WriteZeroes(start, offset + lengthBytes - start);
            }

            return;
        }

        ThrowIfFailed(result, "reserve space", offset);
    }

    /// <summary>Describes the file.</summary>
    /// <returns>Size, identity, mode and time.</returns>
    /// <exception cref="StateStoreException">The kernel refused.</exception>
    public FileStatus GetStatus()
    {
        ThrowIfFailed(_ops.FStat(Descriptor, out FileStatus status), "read the status", -1);
        return status;
    }

    /// <summary>Takes, converts or gives back the advisory lock, without waiting.</summary>
    /// <param name="kind">Which.</param>
    /// <returns>False when another holder is in the way.</returns>
    /// <exception cref="StateStoreException">The kernel refused for another reason.</exception>
    public bool TryLock(FileLockKind kind)
    {
        InterruptionBudget budget = default;
        int result;
        do
        {
            result = _ops.FLock(Descriptor, kind);
        }
        while (budget.AsksAgain(result));

        if (result == -Errno.EAGAIN)
        {
            return false;
        }

        ThrowIfFailed(result, "lock", -1);
        _isLocked = kind != FileLockKind.Unlock;
        return true;
    }

    /// <summary>Closes the file. What was not synced is as durable as before.</summary>
    public void Dispose()
    {
        int fd = Interlocked.Exchange(ref _fd, -1);
        if (fd >= 0)
        {
            if (_isLocked)
            {
                // A child that is just being started holds a copy of every descriptor until it runs its program, and with it the lock; giving the lock back does not wait for that.
                _ = _ops.FLock(fd, FileLockKind.Unlock);
            }

            // The descriptor is gone whatever close answers, and durability was decided by the syncs.
            _ = _ops.Close(fd);
        }
    }

    internal long TryWrite(ReadOnlySpan<byte> buffer, long offset, out int done)
    {
        int fd = Descriptor;
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        InterruptionBudget budget = default;
        done = 0;
        while (done < buffer.Length)
        {
            nint count = _ops.PWrite(fd, buffer[done..], offset + done);
            if (count > 0)
            {
                done += (int)count;
            }
            else if (count == 0)
            {
                // A regular file that takes no byte and gives no reason would make this loop endless.
                return -Errno.EIO;
            }
            else if (!budget.AsksAgain(count))
            {
                return count;
            }
        }

        return 0;
    }

    private void Sync(bool dataOnly)
    {
        if (_syncFault is { } first)
        {
            FileErrors.ThrowSyncFailedBefore(first);
        }

        int result = dataOnly ? _ops.FDataSync(Descriptor) : _ops.FSync(Descriptor);
        if (result < 0)
        {
            // After a failed sync the kernel may mark the pages clean, so a second sync would succeed over lost data.
            _syncFault = FileErrors.Create(result, "sync", Path);
            throw _syncFault;
        }
    }

    private void ThrowIfFailed(int result, string operation, long offset)
    {
        if (result < 0)
        {
            FileErrors.Throw(result, operation, Path, offset);
        }
    }
}
