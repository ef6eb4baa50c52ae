// Why this file exists: the walk's real system calls. Invariants: one method is one call, retried only when a signal interrupted it;
// structures are read by offset from the kernel's architecture-neutral layouts (statx); every descriptor is closed on exec.

using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Governance.Workspace.Tree;

/// <summary>The system calls of a walk, on the running Linux kernel. Stateless and safe for concurrent use.</summary>
internal sealed unsafe partial class LinuxTreeCalls : TreeCalls
{
    private const string Libc = "libc";

    private const int OpenNonBlocking = 0x800;
    private const int OpenCloseOnExec = 0x80000;

    private const int AtCurrentDirectory = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const int AtEmptyPath = 0x1000;
    private const uint StatxBasicStats = 0x7FF;
    private const int StatxSizeBytes = 256;
    private const int AdviceSequential = 2;

    // These two differ between the architectures that use the generic numbers and Arm.
    private static readonly int OpenDirectory = IsArm ? 0x4000 : 0x10000;
    private static readonly int OpenNoFollow = IsArm ? 0x8000 : 0x20000;

    private LinuxTreeCalls()
    {
    }

    /// <summary>The instance.</summary>
    public static LinuxTreeCalls Instance { get; } = new();

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <inheritdoc/>
    public override int OpenRoot(string path)
    {
        byte[] bytes = new byte[System.Text.Encoding.UTF8.GetByteCount(path) + 1];
        System.Text.Encoding.UTF8.GetBytes(path, bytes);
        return OpenAt(AtCurrentDirectory, bytes, OpenDirectory);
    }

    /// <inheritdoc/>
    public override int OpenFolder(int parent, ReadOnlySpan<byte> nameWithNul) => OpenAt(parent, nameWithNul, OpenDirectory | OpenNoFollow);

    /// <inheritdoc/>
    public override int OpenFile(int parent, ReadOnlySpan<byte> nameWithNul) => OpenAt(parent, nameWithNul, OpenNoFollow | OpenNonBlocking);

    /// <inheritdoc/>
    public override int List(int fd, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            nint result;
            do
            {
                result = Result(getdents64(fd, pointer, (nuint)buffer.Length));
            }
            while (result == -TreeErrno.EINTR);
            return (int)result;
        }
    }

    /// <inheritdoc/>
    public override int Stat(int parent, ReadOnlySpan<byte> nameWithNul, out TreeStatus status) =>
        Statx(parent, nameWithNul, AtSymlinkNoFollow, out status);

    /// <inheritdoc/>
    public override int StatOpen(int fd, out TreeStatus status) => Statx(fd, "\0"u8, AtEmptyPath, out status);

    /// <inheritdoc/>
    public override int ReadLink(int parent, ReadOnlySpan<byte> nameWithNul, Span<byte> buffer)
    {
        fixed (byte* name = nameWithNul)
        fixed (byte* pointer = buffer)
        {
            return (int)Result(readlinkat(parent, name, pointer, (nuint)buffer.Length));
        }
    }

    /// <inheritdoc/>
    public override int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            nint result;
            do
            {
                result = Result(read(fd, pointer, (nuint)buffer.Length));
            }
            while (result == -TreeErrno.EINTR);
            return (int)result;
        }
    }

    /// <inheritdoc/>
    public override void AdviseSequential(int fd) => _ = posix_fadvise(fd, 0, 0, AdviceSequential);

    /// <inheritdoc/>
    public override void Close(int fd) => _ = close(fd);

    private static int OpenAt(int parent, ReadOnlySpan<byte> nameWithNul, int flags)
    {
        fixed (byte* name = nameWithNul)
        {
            int result;
            do
            {
                result = (int)Result(openat(parent, name, flags | OpenCloseOnExec, 0));
            }
            while (result == -TreeErrno.EINTR);
            return result;
        }
    }

    private static int Statx(int parent, ReadOnlySpan<byte> nameWithNul, int flags, out TreeStatus status)
    {
        byte* raw = stackalloc byte[StatxSizeBytes];
        fixed (byte* name = nameWithNul)
        {
            int result = (int)Result(statx(parent, name, flags, StatxBasicStats, raw));
            if (result < 0)
            {
                status = default;
                return result;
            }
        }

        ReadOnlySpan<byte> bytes = new(raw, StatxSizeBytes);
        int mode = BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]);
        EntryKind kind = (mode & 0xF000) switch
        {
            0x8000 => EntryKind.File,
            0x4000 => EntryKind.Folder,
            0xA000 => EntryKind.Link,
            _ => EntryKind.Special,
        };
        status = new TreeStatus(
            kind,
            SizeBytes: BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            Mode: mode & 0xFFF,
            ModifiedUnixNs: ReadTime(bytes[112..]),
            ChangedUnixNs: ReadTime(bytes[96..]),
            Device: ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[136..]) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(bytes[140..]),
            Inode: BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]));
        return 0;
    }

    // A statx time is seconds and nanoseconds; hostile file systems give any value, so the product may wrap.
    private static long ReadTime(ReadOnlySpan<byte> bytes) => unchecked(
        (BinaryPrimitives.ReadInt64LittleEndian(bytes) * 1_000_000_000) + BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));

    private static nint Result(nint result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int openat(int directory, byte* path, int flags, uint mode);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint getdents64(int fd, byte* buffer, nuint count);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int statx(int directory, byte* path, int flags, uint mask, byte* result);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint readlinkat(int directory, byte* path, byte* buffer, nuint count);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport(Libc)]
    private static partial int posix_fadvise(int fd, long offset, long length, int advice);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial int close(int fd);
}
