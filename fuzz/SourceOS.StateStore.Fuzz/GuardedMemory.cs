// Why this file exists: code that reads through pointers and reads too far reads something, and nobody notices. Here the bytes end where the process's memory ends. Invariants: the byte behind the last one, and the one
// before the first page, are not mapped; reading them kills the process, which is the finding.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Fuzz;

/// <summary>Bytes in memory of their own, which ends where they end.</summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private readonly nint _region;
    private readonly nuint _regionBytes;

    internal GuardedMemory(ReadOnlySpan<byte> bytes)
    {
        int page = Environment.SystemPageSize;
        nuint whole = (nuint)((bytes.Length + page - 1) / page * page);
        _regionBytes = whole + (2 * (nuint)page);
        _region = mmap(0, _regionBytes, 0, PrivateAnonymous, -1, 0);
        Hold.That(_region != -1 && (whole == 0 || mprotect(_region + page, whole, ReadWrite) == 0), "memory is mapped");
        Length = bytes.Length;
        Start = (byte*)_region + page + (int)whole - bytes.Length;
        bytes.CopyTo(new Span<byte>(Start, Length));
    }

    internal byte* Start { get; }

    internal int Length { get; }

    public void Dispose() => _ = munmap(_region, _regionBytes);

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);
}
