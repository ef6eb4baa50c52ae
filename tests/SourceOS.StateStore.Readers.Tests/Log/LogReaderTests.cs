// Why this file exists: a log address finds its byte in whatever segment file holds it. Invariants: the data of each test segment is
// a function of the address, so a byte from the wrong place shows.

using System.Buffers.Binary;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class LogReaderTests : IDisposable
{
    private static readonly LogGeometry _geometry = new(16, 17);
    private readonly TemporaryDirectory _directory = new();
    private readonly StoreLayout _layout;

    public LogReaderTests()
    {
        _layout = new StoreLayout(_directory.Path);
        Directory.CreateDirectory(_layout.EventsPath);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_read_crosses_segments()
    {
        WriteSegments(0, 1, 2);
        using LogReader reader = new(_layout, _geometry);
        byte[] buffer = new byte[_geometry.SegmentBytes + 16];
        long from = _geometry.SegmentStart(1) - 8;
        Assert.Equal(ReadStatus.Ok, reader.ReadExactly(from, buffer, out int count));
        Assert.Equal(buffer.Length, count);
        Assert.Equal(from, BinaryPrimitives.ReadInt64LittleEndian(buffer));
        Assert.Equal(from + buffer.Length - 8, BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(buffer.Length - 8)));
    }

    [Fact]
    public void A_missing_or_short_segment_ends_the_read_where_it_is_missing()
    {
        WriteSegments(0, 2);
        using LogReader reader = new(_layout, _geometry);
        byte[] buffer = new byte[64];
        Assert.Equal(ReadStatus.NotFound, reader.ReadExactly(_geometry.SegmentStart(1) - 8, buffer, out int count));
        Assert.Equal(8, count);

        // A segment that appears later is seen: a writer makes them while readers run.
        WriteSegments(1);
        Assert.Equal(ReadStatus.Ok, reader.ReadExactly(_geometry.SegmentStart(1) - 8, buffer, out _));

        using FileStream file = new(_layout.SegmentPath(2), FileMode.Open);
        file.SetLength(LogGeometry.DataOffset + 100);
        Assert.Equal(ReadStatus.EndOfFile, reader.ReadExactly(_geometry.SegmentStart(2) + 96, buffer, out count));
        Assert.Equal(4, count);
    }

    [Fact]
    public void Addresses_beyond_the_address_space_are_out_of_range()
    {
        using LogReader reader = new(_layout, _geometry);
        Assert.Equal(ReadStatus.OutOfRange, reader.ReadExactly(-8, new byte[8], out _));
        Assert.Equal(ReadStatus.OutOfRange, reader.ReadExactly(long.MaxValue, new byte[8], out _));
        Assert.Equal(ReadStatus.OutOfRange, reader.ReadExactly(LogGeometry.MaxAddress - 4, new byte[8], out _));
        Assert.Equal(ReadStatus.NotFound, reader.ReadExactly(LogGeometry.MaxAddress - 8, new byte[8], out _));
    }

    [Fact]
    public void Only_so_many_files_stay_open_and_none_after_dispose()
    {
        WriteSegments(0, 1, 2, 3, 4);
        FaultyFiles files = new();
        using (LogReader reader = new(_layout, _geometry, files, maxOpenSegments: 2))
        {
            byte[] buffer = new byte[8];
            foreach (int segment in new int[] { 0, 1, 0, 2, 0, 3, 0, 4 })
            {
                long address = _geometry.SegmentStart(segment) + 8;
                Assert.Equal(ReadStatus.Ok, reader.ReadExactly(address, buffer, out _));
                Assert.Equal(address, BinaryPrimitives.ReadInt64LittleEndian(buffer));
                Assert.InRange(files.StillOpen, 1, 2);
            }

            // Segment 0 was used between all others, so it was opened once.
            Assert.Equal(5, files.Opened);
            reader.CloseIdle();
            Assert.Equal(0, files.StillOpen);
            Assert.Equal(ReadStatus.Ok, reader.ReadExactly(64, buffer, out _));
        }

        Assert.Equal(0, files.StillOpen);
    }

    [Fact]
    public void Threads_share_a_reader_that_may_hold_one_file()
    {
        WriteSegments(0, 1, 2);
        FaultyFiles files = new();
        using (LogReader reader = new(_layout, _geometry, files, maxOpenSegments: 1))
        {
            Parallel.For(0, 600, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            {
                byte[] buffer = new byte[8];
                long address = _geometry.SegmentStart(i % 3) + (i * 8);
                Assert.Equal(ReadStatus.Ok, reader.ReadExactly(address, buffer, out _));
                Assert.Equal(address, BinaryPrimitives.ReadInt64LittleEndian(buffer));
            });
        }

        Assert.Equal(0, files.StillOpen);
    }

    private void WriteSegments(params int[] numbers)
    {
        foreach (int number in numbers)
        {
            byte[] bytes = new byte[_geometry.SegmentFileBytes];
            for (int i = 0; i < _geometry.SegmentBytes; i += 8)
            {
                BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(LogGeometry.DataOffset + i), _geometry.SegmentStart(number) + i);
            }

            File.WriteAllBytes(_layout.SegmentPath(number), bytes);
        }
    }
}
