// Why this file exists: a read outside a page source must fail a test, not pass unnoticed because the memory next door happens to exist.
// Invariants: the bytes end right before an inaccessible page and start right after one, so any access outside kills the test process.

using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

/// <summary>Bytes between two inaccessible pages. The length is a multiple of the machine's page size.</summary>
internal sealed unsafe partial class GuardedBytes : IDisposable
{
    private const int Guard = 65536;
    private readonly nint _region;
    private readonly nuint _regionLength;

    internal GuardedBytes(ReadOnlySpan<byte> bytes)
    {
        Assert.Equal(0, bytes.Length % Environment.SystemPageSize);
        Length = bytes.Length;
        _regionLength = (nuint)(bytes.Length + (2 * Guard));
        _region = mmap(0, _regionLength, 0, 0x22, -1, 0);
        Assert.NotEqual(-1, _region);
        if (Length > 0)
        {
            Assert.Equal(0, mprotect(_region + Guard, (nuint)Length, 3));
        }

        bytes.CopyTo(Bytes);
    }

    internal byte* Start => (byte*)_region + Guard;

    internal int Length { get; }

    internal Span<byte> Bytes => new(Start, Length);

    public void Dispose() => munmap(_region, _regionLength);

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);
}
