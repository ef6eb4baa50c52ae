// Why this file exists: whether this process may write a file, without trying to.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore;

internal static partial class FileRights
{
    private const int WriteAccess = 2;

    /// <summary>Whether the kernel would let this process write the file, mounts included.</summary>
    internal static bool CanWrite(string path) => Access(path, WriteAccess) == 0;

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}
