// Why this file exists: reading through libc directly, because it gives the error number without an exception, opens without a lock
// (the runtime's own file API may flock) and never waits on a pipe. Invariants: O_RDONLY, O_CLOEXEC, O_NONBLOCK and never O_CREAT;
// only regular files stay open; EINTR is repeated.

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace SourceOS.StateStore.Readers.Log;

internal sealed unsafe partial class NativePositionalFile : PositionalFile
{
    private const string Libc = "libc";
    private const int OpenReadOnlyCloseOnExecNonBlocking = 0x80000 | 0x800;
    private const int AtEmptyPath = 0x1000;
    private const uint StatxBasicStats = 0x7FF;
    private const int StatxSizeBytes = 256;
    private const int ModeTypeMask = 0xF000;
    private const int ModeRegular = 0x8000;
    private const int MaxCallBytes = 1 << 30;

    private const int EPERM = 1;
    private const int ENOENT = 2;
    private const int EINTR = 4;
    private const int ENXIO = 6;
    private const int EACCES = 13;
    private const int ENOTDIR = 20;
    private const int EISDIR = 21;
    private const int EINVAL = 22;
    private const int ENFILE = 23;
    private const int EMFILE = 24;
    private const int ENAMETOOLONG = 36;
    private const int ELOOP = 40;

    private readonly SafeFileHandle _handle;

    private NativePositionalFile(string path, SafeFileHandle handle)
        : base(path)
    {
        _handle = handle;
    }

    public static new ReadStatus Open(string path, out PositionalFile? file)
    {
        ReadStatus status = OpenHandle(path, out SafeFileHandle? handle);
        file = handle is null ? null : new NativePositionalFile(path, handle);
        return status;
    }

    /// <summary>Opens a regular file; the handle is null unless the status is <see cref="ReadStatus.Ok"/>.</summary>
    internal static ReadStatus OpenHandle(string path, out SafeFileHandle? handle)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        handle = null;
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            return ReadStatus.NotFound;
        }

        int descriptor;
        do
        {
            descriptor = open(path, OpenReadOnlyCloseOnExecNonBlocking, 0);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == EINTR);

        if (descriptor < 0)
        {
            return FromErrno(Marshal.GetLastPInvokeError());
        }

        SafeFileHandle opened = new(descriptor, ownsHandle: true);
        ReadStatus status = Stat(opened, out _);
        if (status != ReadStatus.Ok)
        {
            opened.Dispose();
            return status;
        }

        handle = opened;
        return ReadStatus.Ok;
    }

    public override ReadStatus GetLength(out long lengthBytes) => Stat(_handle, out lengthBytes);

    protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
    {
        nint result;
        fixed (byte* pointer = destination)
        {
            do
            {
                result = pread(_handle, pointer, (nuint)Math.Min(destination.Length, MaxCallBytes), offset);
            }
            while (result < 0 && Marshal.GetLastPInvokeError() == EINTR);
        }

        countBytes = result < 0 ? 0 : (int)result;
        return result < 0 ? FromErrno(Marshal.GetLastPInvokeError()) : ReadStatus.Ok;
    }

    protected override void Dispose(bool disposing) => _handle.Dispose();

    private static ReadStatus Stat(SafeFileHandle handle, out long lengthBytes)
    {
        // struct statx is the same on every architecture: mode at 28, size at 40.
        byte* raw = stackalloc byte[StatxSizeBytes];
        lengthBytes = 0;
        if (statx(handle, "", AtEmptyPath, StatxBasicStats, raw) < 0)
        {
            return FromErrno(Marshal.GetLastPInvokeError());
        }

        ReadOnlySpan<byte> bytes = new(raw, StatxSizeBytes);
        if ((BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]) & ModeTypeMask) != ModeRegular)
        {
            return ReadStatus.WrongKind;
        }

        lengthBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]);
        return lengthBytes < 0 ? ReadStatus.InputOutput : ReadStatus.Ok;
    }

    private static ReadStatus FromErrno(int errno) => errno switch
    {
        ENOENT or ENOTDIR or ENAMETOOLONG => ReadStatus.NotFound,
        EPERM or EACCES => ReadStatus.AccessDenied,
        EISDIR or ENXIO or ELOOP => ReadStatus.WrongKind,
        ENFILE or EMFILE => ReadStatus.TooManyFiles,
        EINVAL => ReadStatus.OutOfRange,
        _ => ReadStatus.InputOutput,
    };

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport(Libc, SetLastError = true)]
    private static partial nint pread(SafeFileHandle file, byte* buffer, nuint count, long offset);

    [LibraryImport(Libc, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, byte* result);
}
