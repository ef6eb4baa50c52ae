// Why this file exists: faulting and recording share the plumbing of a seam around a seam. Invariants: knows the path of every open descriptor;
// by default everything passes through unchanged.

using System.Collections.Concurrent;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Testing;

/// <summary>A seam that passes everything to another.</summary>
public abstract class FileOpsDecorator(FileOps inner) : FileOps
{
    private readonly ConcurrentDictionary<int, string> _paths = new();

    protected FileOps Inner { get; } = inner;

    /// <summary>Number of descriptors that are open now.</summary>
    public int OpenDescriptors => _paths.Count;

    /// <summary>The path a descriptor was opened by, also after a rename.</summary>
    public string PathOf(int fd) => _paths.TryGetValue(fd, out string? path) ? path : $"fd {fd}";

    public override int Open(string path, OpenOptions flags, int mode)
    {
        int fd = Inner.Open(path, flags, mode);
        if (fd >= 0)
        {
            _paths[fd] = path;
        }

        return fd;
    }

    public override int Close(int fd)
    {
        _paths.TryRemove(fd, out _);
        return Inner.Close(fd);
    }

    public override nint PRead(int fd, Span<byte> buffer, long offset) => Inner.PRead(fd, buffer, offset);

    public override nint PWrite(int fd, ReadOnlySpan<byte> buffer, long offset) => Inner.PWrite(fd, buffer, offset);

    public override int FDataSync(int fd) => Inner.FDataSync(fd);

    public override int FSync(int fd) => Inner.FSync(fd);

    public override int FTruncate(int fd, long lengthBytes) => Inner.FTruncate(fd, lengthBytes);

    public override int Fallocate(int fd, long offset, long lengthBytes) => Inner.Fallocate(fd, offset, lengthBytes);

    public override int FStat(int fd, out FileStatus status) => Inner.FStat(fd, out status);

    public override int Stat(string path, out FileStatus status) => Inner.Stat(path, out status);

    public override int Rename(string source, string target) => Inner.Rename(source, target);

    public override int Unlink(string path) => Inner.Unlink(path);

    public override int MkDir(string path, int mode) => Inner.MkDir(path, mode);

    public override int RmDir(string path) => Inner.RmDir(path);

    public override int List(string path, ICollection<DirectoryEntry> entries) => Inner.List(path, entries);

    public override int FLock(int fd, FileLockKind kind) => Inner.FLock(fd, kind);

    public override int FSyncDirectory(string path) => Inner.FSyncDirectory(path);

    public override int StatFileSystem(string path, out FileSystemSpace space) => Inner.StatFileSystem(path, out space);
}
