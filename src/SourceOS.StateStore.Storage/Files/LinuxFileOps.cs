// Why this file exists: the seam's real implementation over libc. Invariants: one call of libc for one operation (a directory
// sync and a listing need three), no retry, no exception for an operating-system error, no finalizer. Structures are read by offset
// from the kernel's architecture-neutral layouts (statx, getdents64) instead of libc's per-architecture ones.

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace SourceOS.StateStore.Storage.Files;

/// <summary>File operations of the running Linux kernel. Stateless, so one instance serves everyone.</summary>
public sealed unsafe partial class LinuxFileOps : FileOps
{
    private const string Libc = "libc";

    private const int AccessReadOnly = 0;
    private const int AccessReadWrite = 2;
    private const int OpenCreate = 0x40;
    private const int OpenExclusive = 0x80;
    private const int OpenCloseOnExec = 0x80000;

    // Without it, opening a pipe that somebody put in a file's place waits for its other end. Files do not know the difference.
    private const int OpenNonBlocking = 0x800;

    // These two differ between the architectures that use the generic numbers and Arm.
    private static readonly int OpenDirectory = IsArm ? 0x4000 : 0x10000;
    private static readonly int OpenNoFollow = IsArm ? 0x8000 : 0x20000;

    private const int AtCurrentDirectory = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const int AtEmptyPath = 0x1000;
    private const uint StatxBasicStats = 0x7FF;
    private const int StatxSizeBytes = 256;

    private const int LockShared = 1;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int LockUnlock = 8;

    private const int ListBufferBytes = 32 * 1024;

    private LinuxFileOps()
    {
    }

    /// <summary>The instance.</summary>
    public static LinuxFileOps Instance { get; } = new();

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <inheritdoc/>
    public override int Open(string path, OpenOptions flags, int mode)
    {
        ThrowIfNotAPath(path);
        int native = OpenCloseOnExec | OpenNonBlocking | (flags.HasFlag(OpenOptions.ReadWrite) ? AccessReadWrite : AccessReadOnly);
        native |= flags.HasFlag(OpenOptions.Create) ? OpenCreate : 0;
        native |= flags.HasFlag(OpenOptions.Exclusive) ? OpenExclusive : 0;
        native |= flags.HasFlag(OpenOptions.Directory) ? OpenDirectory : 0;
        native |= flags.HasFlag(OpenOptions.NoFollow) ? OpenNoFollow : 0;
        return Result(open(path, native, (uint)mode));
    }

    /// <inheritdoc/>
    public override int Close(int fd) => Result(close(fd));

    /// <inheritdoc/>
    public override nint PRead(int fd, Span<byte> buffer, long offset)
    {
        fixed (byte* pointer = buffer)
        {
            return Result(pread(fd, pointer, (nuint)buffer.Length, offset));
        }
    }

    /// <inheritdoc/>
    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset)
    {
        fixed (byte* pointer = buffer)
        {
            return Result(pwrite(fd, pointer, (nuint)buffer.Length, offset));
        }
    }

    /// <inheritdoc/>
    public override int FDataSync(int fd) => Result(fdatasync(fd));

    /// <inheritdoc/>
    public override int FSync(int fd) => Result(fsync(fd));

    /// <inheritdoc/>
    public override int FTruncate(int fd, long lengthBytes) => Result(ftruncate(fd, lengthBytes));

    /// <inheritdoc/>
    public override int Fallocate(int fd, long offset, long lengthBytes) => Result(fallocate(fd, 0, offset, lengthBytes));

    /// <inheritdoc/>
    public override int FStat(int fd, out FileStatus status) => Statx(fd, "", AtEmptyPath, out status);

    /// <inheritdoc/>
    public override int Stat(string path, out FileStatus status)
    {
        ThrowIfNotAPath(path);
        return Statx(AtCurrentDirectory, path, AtSymlinkNoFollow, out status);
    }

    /// <inheritdoc/>
    public override int Rename(string source, string target)
    {
        ThrowIfNotAPath(source);
        ThrowIfNotAPath(target);
        return Result(rename(source, target));
    }

    /// <inheritdoc/>
    public override int Unlink(string path)
    {
        ThrowIfNotAPath(path);
        return Result(unlink(path));
    }

    /// <inheritdoc/>
    public override int MkDir(string path, int mode)
    {
        ThrowIfNotAPath(path);
        return Result(mkdir(path, (uint)mode));
    }

    /// <inheritdoc/>
    public override int RmDir(string path)
    {
        ThrowIfNotAPath(path);
        return Result(rmdir(path));
    }

    /// <inheritdoc/>
    public override int List(string path, ICollection<DirectoryEntry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        int fd = Open(path, OpenOptions.Read | OpenOptions.Directory, 0);
        if (fd < 0)
        {
            return fd;
        }

        byte[] buffer = new byte[ListBufferBytes];
        nint count;
        fixed (byte* pointer = buffer)
        {
            while ((count = Result(getdents64(fd, pointer, (nuint)buffer.Length))) > 0)
            {
                AddEntries(buffer.AsSpan(0, (int)count), entries);
            }
        }

        int closed = Close(fd);
        return count < 0 ? (int)count : closed;
    }

    /// <inheritdoc/>
    public override int FLock(int fd, FileLockKind kind)
    {
        int operation = kind switch
        {
            FileLockKind.Shared => LockShared | LockNonBlocking,
            FileLockKind.Exclusive => LockExclusive | LockNonBlocking,
            FileLockKind.Unlock => LockUnlock,
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
        return Result(flock(fd, operation));
    }

    /// <inheritdoc/>
    public override int FSyncDirectory(string path)
    {
        int fd = Open(path, OpenOptions.Read | OpenOptions.Directory, 0);
        if (fd < 0)
        {
            return fd;
        }

        int synced = FSync(fd);
        int closed = Close(fd);
        return synced < 0 ? synced : closed;
    }

    /// <inheritdoc/>
    public override int StatFileSystem(string path, out FileSystemSpace space)
    {
        ThrowIfNotAPath(path);

        // struct statvfs on 64-bit Linux: eleven words, of which these are numbers 1, 2 and 4, and then spare room.
        ulong* words = stackalloc ulong[32];
        int result = Result(statvfs(path, words));
        long fragmentBytes = (long)words[1];
        space = result < 0 ? default : new FileSystemSpace(Scale(words[2], fragmentBytes), Scale(words[4], fragmentBytes));
        return result;
    }

    private static long Scale(ulong blocks, long blockBytes)
        => blockBytes <= 0 || blocks > (ulong)(long.MaxValue / blockBytes) ? long.MaxValue : (long)blocks * blockBytes;

    private static int Statx(int directory, string path, int flags, out FileStatus status)
    {
        byte* raw = stackalloc byte[StatxSizeBytes];
        int result = Result(statx(directory, path, flags, StatxBasicStats, raw));
        if (result < 0)
        {
            status = default;
            return result;
        }

        ReadOnlySpan<byte> bytes = new(raw, StatxSizeBytes);
        ulong device = ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[136..]) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(bytes[140..]);
        long seconds = BinaryPrimitives.ReadInt64LittleEndian(bytes[112..]);
        uint nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(bytes[120..]);
        status = new FileStatus(
            SizeBytes: BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            AllocatedBytes: BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]) * 512,
            Device: device,
            Inode: BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]),
            Mode: BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]),
            ModifiedUnixNs: unchecked((seconds * 1_000_000_000) + nanoseconds),
            Links: BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]));
        return 0;
    }

    // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name with its NUL.
    private static void AddEntries(ReadOnlySpan<byte> buffer, ICollection<DirectoryEntry> entries)
    {
        while (buffer.Length > 19)
        {
            int recordLength = BinaryPrimitives.ReadUInt16LittleEndian(buffer[16..]);
            ReadOnlySpan<byte> name = buffer[19..recordLength];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                FileKind kind = buffer[18] switch
                {
                    4 => FileKind.Directory,
                    8 => FileKind.File,
                    10 => FileKind.SymbolicLink,
                    _ => FileKind.Other,
                };
                entries.Add(new DirectoryEntry(Encoding.UTF8.GetString(name), kind, BinaryPrimitives.ReadUInt64LittleEndian(buffer)));
            }

            buffer = buffer[recordLength..];
        }
    }

    private static void ThrowIfNotAPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A path cannot hold NUL.", nameof(path));
        }
    }

    private static int Result(int result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    private static nint Result(nint result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint pread(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint pwrite(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int fdatasync(int fd);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int ftruncate(int fd, long length);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int fallocate(int fd, int mode, long offset, long length);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* result);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string source, string target);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, uint mode);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rmdir(string path);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint getdents64(int fd, byte* buffer, nuint count);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int flock(int fd, int operation);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statvfs(string path, ulong* result);
}
