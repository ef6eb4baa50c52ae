// Why this file exists: the real system calls do what the seam promises, with raw results. Invariants: each test works in its own
// directory and removes it.

using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Files;

public sealed class LinuxFileOpsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private static LinuxFileOps Ops => LinuxFileOps.Instance;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Bytes_written_at_an_offset_are_read_back_and_described()
    {
        string path = _directory.PathOf("a");
        int fd = Ops.Open(path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive, 0x1A0);
        Assert.True(fd >= 0);
        Assert.Equal(5, Ops.PWrite(fd, "hello"u8, 4095));
        Assert.Equal(0, Ops.FDataSync(fd));
        Assert.Equal(0, Ops.FSync(fd));

        byte[] buffer = new byte[8];
        Assert.Equal(5, Ops.PRead(fd, buffer, 4095));
        Assert.Equal("hello"u8, buffer.AsSpan(0, 5));
        Assert.Equal(0, Ops.PRead(fd, buffer, 4100));

        Assert.Equal(0, Ops.FStat(fd, out FileStatus status));
        FileInfo info = new(path);
        Assert.Equal(4100, status.SizeBytes);
        Assert.Equal(FileKind.File, status.Kind);
        Assert.Equal(0x1A0 & ~0x12, status.Mode & 0x1FF & ~0x12);
        Assert.Equal(1, status.Links);
        Assert.Equal((info.LastWriteTimeUtc - DateTime.UnixEpoch).Ticks, status.ModifiedUnixNs / 100);
        Assert.Equal(0, Ops.Stat(path, out FileStatus byPath));
        Assert.Equal((status.Device, status.Inode), (byPath.Device, byPath.Inode));

        Assert.Equal(0, Ops.FTruncate(fd, 10));
        Assert.Equal(0, Ops.FStat(fd, out status));
        Assert.Equal(10, status.SizeBytes);
        int reserved = Ops.Fallocate(fd, 0, 100_000);
        Assert.True(reserved is 0 or -Errno.EOPNOTSUPP);
        Assert.Equal(0, Ops.Close(fd));
        Assert.Equal(-Errno.EBADF, Ops.Close(fd));
    }

    [Fact]
    public void Failures_come_back_as_negative_error_numbers()
    {
        string path = _directory.PathOf("a");
        Assert.Equal(-Errno.ENOENT, Ops.Open(path, OpenOptions.Read, 0));
        File.WriteAllText(path, "x");
        Assert.Equal(-Errno.EEXIST, Ops.Open(path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive, 0x1A0));
        Assert.Equal(-Errno.ENOTDIR, Ops.Open(path, OpenOptions.Read | OpenOptions.Directory, 0));
        File.CreateSymbolicLink(_directory.PathOf("link"), path);
        Assert.Equal(-Errno.ELOOP, Ops.Open(_directory.PathOf("link"), OpenOptions.Read | OpenOptions.NoFollow, 0));
        Assert.Equal(0, Ops.Stat(_directory.PathOf("link"), out FileStatus link));
        Assert.Equal(FileKind.SymbolicLink, link.Kind);
        Assert.Equal(-Errno.EBADF, Ops.PRead(-1, new byte[1], 0));
        Assert.Equal(-Errno.ENOTEMPTY, Ops.RmDir(_directory.Path));
        Assert.Throws<ArgumentException>(() => Ops.Unlink("a\0b"));
    }

    [Fact]
    public void Names_are_created_listed_renamed_and_removed()
    {
        string directory = _directory.PathOf("d");
        Assert.Equal(0, Ops.MkDir(directory, 0x1E8));
        Assert.Equal(-Errno.EEXIST, Ops.MkDir(directory, 0x1E8));
        for (int i = 0; i < 2000; i++)
        {
            File.WriteAllText(System.IO.Path.Combine(directory, $"file-with-a-longer-name-{i:D6}-é"), "");
        }

        Directory.CreateDirectory(System.IO.Path.Combine(directory, "sub"));
        List<DirectoryEntry> entries = StoreDirectory.List(Ops, directory);
        Assert.Equal(2001, entries.Count);
        Assert.Equal("file-with-a-longer-name-000007-é", entries[7].Name);
        Assert.Equal(FileKind.File, entries[7].Kind);
        Assert.Equal(FileKind.Directory, entries[2000].Kind);
        Assert.Equal(0, Ops.Stat(System.IO.Path.Combine(directory, entries[7].Name), out FileStatus status));
        Assert.Equal(status.Inode, entries[7].Inode);

        string from = System.IO.Path.Combine(directory, entries[0].Name);
        string to = _directory.PathOf("moved");
        File.WriteAllText(to, "replaced");
        Assert.Equal(0, Ops.Rename(from, to));
        Assert.False(Ops.Exists(from));
        Assert.True(Ops.Exists(to));
        Assert.Equal(0, new FileInfo(to).Length);
        Assert.Equal(0, Ops.FSyncDirectory(directory));
        Assert.Equal(0, Ops.Unlink(to));
        Assert.Equal(-Errno.ENOENT, Ops.Unlink(to));
        Assert.Equal(0, Ops.RmDir(System.IO.Path.Combine(directory, "sub")));
    }

    [Fact]
    public void A_lock_excludes_another_descriptor_until_it_is_given_back()
    {
        string path = _directory.PathOf("LOCK");
        using StoreFile first = StoreFile.Open(Ops, path, OpenOptions.ReadWrite | OpenOptions.Create);
        using StoreFile second = StoreFile.Open(Ops, path, OpenOptions.ReadWrite);
        Assert.True(first.TryLock(FileLockKind.Exclusive));
        Assert.False(second.TryLock(FileLockKind.Shared));
        Assert.True(first.TryLock(FileLockKind.Unlock));
        Assert.True(second.TryLock(FileLockKind.Shared));
        Assert.True(first.TryLock(FileLockKind.Shared));
        Assert.False(first.TryLock(FileLockKind.Exclusive));
    }

    [Fact]
    public void Free_space_is_what_the_system_says()
    {
        FileSystemSpace space = StoreDirectory.GetSpace(Ops, _directory.Path);
        DriveInfo drive = new(_directory.Path);
        Assert.Equal(drive.TotalSize, space.TotalBytes);
        Assert.InRange(space.AvailableBytes, 0, space.TotalBytes);
    }
}
