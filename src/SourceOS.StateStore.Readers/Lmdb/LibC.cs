// Why this file exists: the few calls to the C library that have no managed counterpart: a read-only map at a fixed, large size.
// Invariants: nothing outside this room calls them; errors come back as errno.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Readers.Lmdb;

/// <summary>Calls to the C library.</summary>
internal static unsafe partial class LibC
{
    internal const int ProtRead = 1;
    internal const int MapShared = 1;
    internal const int MapNoReserve = 0x4000;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint Map(nint address, nuint length, int protection, int flags, int fileDescriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    internal static partial int Unmap(nint address, nuint length);
}
