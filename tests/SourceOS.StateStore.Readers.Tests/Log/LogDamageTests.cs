// Why this file exists: whatever happens to a log, a scan ends, throws nothing, and never takes changed bytes for a frame. Invariants:
// every changed bit of a small log is tried; random damage replays from its seed.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Log;

public sealed class LogDamageTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Every_flipped_bit_of_a_frame_stops_the_scan_in_front_of_that_frame()
    {
        TestLog log = new(_directory.Path);
        log.AddFrame(events: 2, dataBytes: 60);
        log.AddFrame(events: 3, dataBytes: 100, isLast: false, compress: true);
        log.AddFrame(events: 1, dataBytes: 8);
        log.Save();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        byte[] segment = files.Files[log.Layout.SegmentPath(0)];
        using LogReader reader = log.OpenReader(files);
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 4096);
        int tried = 0;
        for (long address = 64; address < log.Tail; address++)
        {
            int frame = log.Frames.FindIndex(f => address < f.End);
            for (int bit = 0; bit < 8; bit++)
            {
                ref byte target = ref segment[log.Geometry.FileOffsetOf(address)];
                target ^= (byte)(1 << bit);
                scanner.Restart(ScanStart.AtBase(log.Superblock));
                for (int i = 0; i < frame; i++)
                {
                    Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
                    Assert.Equal(log.Frames[i].Hash, scanner.Hash);
                }

                if (scanner.MoveNext() != ScanOutcome.Fault || scanner.Fault.EntryAddress != log.Frames[frame].Address)
                {
                    Assert.Fail($"Bit {bit} of address {address} in frame {frame} gave {scanner.Fault}.");
                }

                target ^= (byte)(1 << bit);
                tried++;
            }
        }

        Assert.True(tried > 8000);
    }

    [Fact]
    public void A_log_cut_at_any_sector_gives_the_frames_before_the_cut()
    {
        TestLog log = new(_directory.Path);
        while (log.Tail < 40_000)
        {
            log.AddFrame(events: 2, dataBytes: 700);
        }

        log.Save();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        string path = log.Layout.SegmentPath(0);
        byte[] whole = files.Files[path];
        for (int length = 0; length <= whole.Length; length += 512)
        {
            files.Files[path] = whole[..length];
            using LogReader reader = log.OpenReader(files);
            FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 1 << 16);
            int frames = 0;
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                frames++;
            }

            long available = length - LogGeometry.DataOffset;
            int expected = log.Frames.Count(f => f.End <= available);
            Assert.Equal(expected, frames);
            if (available >= log.Tail + 4)
            {
                // The page's rest is not needed to know that a zero stands there, but looking for a filler needs it.
                Assert.True(scanner.Fault.Code is LogFaultCode.None or LogFaultCode.SegmentShort);
            }
            else
            {
                Assert.Equal(LogFaultCode.SegmentShort, scanner.Fault.Code);
            }
        }
    }

    [Fact]
    public void A_cleared_sector_never_hides_a_frame_and_never_invents_one()
    {
        TestLog log = new(_directory.Path);
        while (log.Tail < 20_000)
        {
            log.AddFrame(events: 1, dataBytes: 900);
        }

        log.Save();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        byte[] segment = files.Files[log.Layout.SegmentPath(0)];
        byte[] whole = [.. segment];
        using LogReader reader = log.OpenReader(files);
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        for (long sector = 0; sector < log.Tail; sector += 512)
        {
            segment.AsSpan((int)log.Geometry.FileOffsetOf(sector), 512).Clear();
            scanner.Restart(ScanStart.AtBase(log.Superblock));
            int frames = 0;
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                frames++;
            }

            Assert.Equal(log.Frames.Count(f => f.End <= sector), frames);
            whole.CopyTo(segment, 0);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(512)]
    public void Words_that_changed_places_are_seen_as_no_checksum_by_exclusive_or_sees_them(int wordBytes)
    {
        TestLog log = new(_directory.Path);
        while (log.Tail < 4_000)
        {
            log.AddFrame(events: 1, dataBytes: 900);
        }

        log.Save();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        byte[] segment = files.Files[log.Layout.SegmentPath(0)];
        byte[] whole = [.. segment];
        using LogReader reader = log.OpenReader(files);
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock));
        int swaps = 0;
        for (long at = 64; at + (2 * wordBytes) <= log.Tail; at += wordBytes)
        {
            Span<byte> first = segment.AsSpan((int)log.Geometry.FileOffsetOf(at), wordBytes);
            Span<byte> second = segment.AsSpan((int)log.Geometry.FileOffsetOf(at) + wordBytes, wordBytes);
            if (first.SequenceEqual(second))
            {
                continue;
            }

            byte[] kept = first.ToArray();
            second.CopyTo(first);
            kept.CopyTo(second);
            scanner.Restart(ScanStart.AtBase(log.Superblock));
            int frames = 0;
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                frames++;
            }

            int firstDifference = whole.AsSpan().CommonPrefixLength(segment);
            Assert.Equal(log.Frames.Count(f => log.Geometry.FileOffsetOf(f.Address) + (f.End - f.Address) <= firstDifference), frames);
            Assert.NotEqual(LogFaultCode.None, scanner.Fault.Code);
            whole.CopyTo(segment, 0);
            swaps++;
        }

        Assert.True(swaps > 3);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_damage_ends_without_an_exception_and_without_a_changed_frame(int seed)
    {
        TestLog log = new(_directory.Path);
        for (int i = 0; i < 30; i++)
        {
            log.AddFrame(events: 1 + (i % 4), dataBytes: 500 + (i * 100), compress: i % 3 == 0);
        }

        log.Save();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        Dictionary<string, byte[]> originals = files.Files.ToDictionary(static p => p.Key, static p => p.Value);
        Dictionary<ulong, Hash256> hashes = log.Frames.ToDictionary(static f => f.Header.FrameNumber, static f => f.Hash);
        Random random = new(seed);
        for (int round = 0; round < 400; round++)
        {
            foreach ((string path, byte[] bytes) in originals)
            {
                files.Files[path] = [.. bytes];
            }

            for (int i = random.Next(1, 8); i > 0; i--)
            {
                Damage(random, files.Files[log.Layout.SegmentPath(random.Next(log.Segments.Count))], log);
            }

            using LogReader reader = log.OpenReader(files);
            FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 4096 << random.Next(6));
            int steps = 0;
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                Assert.Equal(hashes[scanner.Header.FrameNumber], scanner.Hash);
                Assert.True(++steps <= log.Frames.Count, $"seed {seed}, round {round}");
            }

            // Behind the damage, whatever is found is one of the frames that were written.
            long at = scanner.Position;
            for (int i = 0; i <= log.Frames.Count && FrameSearch.FindFrameAfter(reader, log.StoreId, at, log.Tail, out FrameCandidate found); i++)
            {
                Assert.Contains(log.Frames, f => f.Header == found.Header);
                at = found.Address + 4;
            }
        }
    }

    [Fact]
    public void A_read_error_anywhere_is_a_fault_at_the_entry_that_needs_it()
    {
        TestLog log = new(_directory.Path);
        while (log.Tail < 30_000)
        {
            log.AddFrame(events: 2, dataBytes: 900);
        }

        log.Save();
        for (long bad = 0; bad < log.Tail; bad += 4096)
        {
            long badFrom = log.Geometry.FileOffsetOf(bad);
            FaultyFiles files = new((string _, long offset, ref int length) =>
                offset < badFrom + 4096 && offset + length > badFrom ? ReadStatus.InputOutput : ReadStatus.Ok);
            using LogReader reader = log.OpenReader(files);
            FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 1 << 16);
            int frames = 0;
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                frames++;
            }

            // A read that touches the bad block fails as a whole, so the frames are exactly those that need none of it.
            Assert.Equal(log.Frames.Count(f => f.End <= bad), frames);
            Assert.Equal((LogFaultCode.Unreadable, ReadStatus.InputOutput), (scanner.Fault.Code, scanner.Fault.Status));
        }
    }

    [Fact]
    public void Memory_does_not_follow_a_length_that_a_valid_header_does_not_confirm()
    {
        TestLog log = new(_directory.Path, pageBits: 26, segmentBits: 26);
        log.AddFrame();
        BinaryPrimitives.WriteInt32LittleEndian(log.At(log.Tail, 4), (1 << 26) - 4096);
        log.Save();
        using LogReader reader = log.OpenReader();
        FrameScanner scanner = new(reader, log.StoreId, ScanStart.AtBase(log.Superblock), readAheadBytes: 4096);
        Assert.Equal(ScanOutcome.Frame, scanner.MoveNext());
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(ScanOutcome.Fault, scanner.MoveNext());
        Assert.Equal(LogFaultCode.Header, scanner.Fault.Code);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 65_536);
    }

    private static void Damage(Random random, byte[] segment, TestLog log)
    {
        int from = random.Next(LogGeometry.DataOffset, segment.Length - 4096);
        switch (random.Next(6))
        {
            case 0:
                segment[from] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                segment.AsSpan(from & -512, 512 << random.Next(4)).Clear();
                break;
            case 2:
                random.NextBytes(segment.AsSpan(from, random.Next(1, 2000)));
                break;
            case 3:
                segment.AsSpan(random.Next(LogGeometry.DataOffset, segment.Length - 4096), 2048).CopyTo(segment.AsSpan(from));
                break;
            case 4:
                BinaryPrimitives.WriteInt32LittleEndian(segment.AsSpan(from & -4), random.Next());
                break;
            default:
                TestFrame frame = log.Frames[random.Next(log.Frames.Count)];
                frame.Header.Encode(segment.AsSpan(from & -4, FrameHeader.LengthBytes));
                break;
        }
    }
}
