// Why this file exists: a pipe given as an input file is read like any other, but opening one that nobody writes to would wait for ever. Invariants: opening never waits;
// reading waits only while a writer holds the other end.

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Named pipes as input.</summary>
internal static partial class PipeFile
{
    private const int TypeMask = 0xF000;
    private const int TypePipe = 0x1000;
    private const int TypeRegular = 0x8000;
    private const int SetStatusFlags = 4;

    /// <summary>Opens a path without waiting, when it names a pipe; links are followed. Without a writer the pipe reads as empty.</summary>
    /// <param name="path">The path.</param>
    /// <returns>The stream; null when the path names something else or nothing.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static FileStream? TryOpen(string path)
    {
        if (LinuxFileOps.Instance.Stat(path, out FileStatus named) < 0 || (named.Mode & TypeMask) == TypeRegular)
        {
            return null;
        }

        int fd = LinuxFileOps.Instance.Open(path, OpenOptions.Read, 0);
        if (fd < 0)
        {
            return null;
        }

        SafeFileHandle handle = new(fd, ownsHandle: true);
        if (LinuxFileOps.Instance.FStat(fd, out FileStatus status) < 0 || (status.Mode & TypeMask) != TypePipe)
        {
            handle.Dispose();
            return null;
        }

        if (fcntl(handle, SetStatusFlags, 0) < 0)
        {
            handle.Dispose();
            throw new IOException($"error {Marshal.GetLastPInvokeError()}");
        }

        return new FileStream(handle, FileAccess.Read, bufferSize: 0);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, int argument);
}
