// Why this file exists: the small values that cross the system-call seam. Invariants: plain data, no behaviour, and no
// numbers of one architecture; LinuxFileOps translates.

namespace SourceOS.StateStore.Storage.Files;

/// <summary>How <see cref="FileOps.Open"/> opens.</summary>
[Flags]
public enum OpenOptions
{
    /// <summary>For reading only.</summary>
    Read = 1,

    /// <summary>For reading and writing.</summary>
    ReadWrite = 2,

    /// <summary>Creates the file when it is not there.</summary>
    Create = 4,

    /// <summary>With <see cref="Create"/>: fails with EEXIST when it is there.</summary>
    Exclusive = 8,

    /// <summary>Fails with ENOTDIR unless it is a directory.</summary>
    Directory = 16,

    /// <summary>Fails with ELOOP when the last part of the path is a symbolic link.</summary>
    NoFollow = 32,
}

/// <summary>What <see cref="FileOps.FLock"/> does.</summary>
public enum FileLockKind
{
    /// <summary>Shares the file with other shared holders.</summary>
    Shared = 1,

    /// <summary>Excludes every other holder.</summary>
    Exclusive = 2,

    /// <summary>Gives the lock back.</summary>
    Unlock = 3,
}

/// <summary>What a directory entry is.</summary>
public enum FileKind
{
    /// <summary>A device, a socket, a pipe, or not told.</summary>
    Other = 1,

    /// <summary>A regular file.</summary>
    File = 2,

    /// <summary>A directory.</summary>
    Directory = 3,

    /// <summary>A symbolic link.</summary>
    SymbolicLink = 4,
}

/// <summary>One entry of a directory.</summary>
/// <param name="Name">Its name; bytes that are not UTF-8 appear as U+FFFD.</param>
/// <param name="Kind">What it is, as far as the directory knows.</param>
/// <param name="Inode">Its inode number.</param>
public readonly record struct DirectoryEntry(string Name, FileKind Kind, ulong Inode);

/// <summary>What the kernel says about a file.</summary>
/// <param name="SizeBytes">Length of the content.</param>
/// <param name="AllocatedBytes">Space it occupies.</param>
/// <param name="Device">The device that holds it; with <paramref name="Inode"/> it identifies the file.</param>
/// <param name="Inode">Its inode number.</param>
/// <param name="Mode">Type and permission bits as in <c>st_mode</c>.</param>
/// <param name="ModifiedUnixNs">Last change of the content, nanoseconds since 1970-01-01 UTC.</param>
/// <param name="Links">Number of names.</param>
public readonly record struct FileStatus(long SizeBytes, long AllocatedBytes, ulong Device, ulong Inode, int Mode, long ModifiedUnixNs, int Links)
{
    /// <summary>What it is.</summary>
    public FileKind Kind => (Mode & 0xF000) switch
    {
        0x8000 => FileKind.File,
        0x4000 => FileKind.Directory,
        0xA000 => FileKind.SymbolicLink,
        _ => FileKind.Other,
    };
}

/// <summary>Space of a file system.</summary>
/// <param name="TotalBytes">All of it.</param>
/// <param name="AvailableBytes">What this process may still use.</param>
public readonly record struct FileSystemSpace(long TotalBytes, long AvailableBytes);
