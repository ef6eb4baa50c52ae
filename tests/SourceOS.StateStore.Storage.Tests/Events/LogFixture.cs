// Why this file exists: the tests of the log share a small log in a directory of its own. Invariants: smallest page and segment
// sizes unless told otherwise; the model of the bytes is computed from the format's page, not from the code under test.

using System.Buffers.Binary;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

/// <summary>An entry of given bytes.</summary>
internal readonly struct BytesEntry(byte[] bytes) : IEventLogEntry
{
    public int LengthBytes => bytes.Length;

    public void Write(Span<byte> destination) => bytes.CopyTo(destination);
}

internal sealed class LogFixture : IDisposable
{
    public const int PageBits = 16;
    public const int PageBytes = 1 << PageBits;
    public const int SegmentBits = 17;
    public const int SegmentBytes = 1 << SegmentBits;

    private readonly TemporaryDirectory _directory = new();

    public LogFixture()
    {
        Ops = new FaultingFileOps(LinuxFileOps.Instance);
    }

    public FaultingFileOps Ops { get; }

    public string Directory => _directory.Path;

    public static EventLogOptions Options => new(PageBits, MemoryPages: 4);

    public static void FillHeader(int segment, Span<byte> header)
    {
        "HEADER"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], segment);
    }

    public static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public SegmentFiles OpenFiles(int maxOpenFiles = 64) => SegmentFiles.OpenForWriting(Ops, Directory, SegmentBits, FillHeader, maxOpenFiles);

    public string SegmentPath(int segment) => System.IO.Path.Combine(Directory, SegmentLayout.FileName(segment));

    /// <summary>Reserves, appends and returns the address.</summary>
    public static long Append(EventLog log, byte[] bytes)
    {
        log.Reserve([bytes.Length]);
        long predicted = log.NextAddressFor(bytes.Length);
        Assert.True(log.TryAppend(new BytesEntry(bytes), out long address));
        Assert.Equal(predicted, address);
        return address;
    }

    /// <summary>All data bytes of the segments, read around the code under test.</summary>
    public byte[] RawLog()
    {
        List<byte> bytes = [];
        for (int segment = 0; File.Exists(SegmentPath(segment)); segment++)
        {
            bytes.AddRange(File.ReadAllBytes(SegmentPath(segment)).AsSpan(SegmentLayout.PrologueBytes));
        }

        return [.. bytes];
    }

    public void Dispose() => _directory.Dispose();
}
