// Why this file exists: the segment files keep their promises under faults, crashes and concurrency. Invariants: a file under its final name is whole in
// every disk content that a crash may leave; what a failed creation leaves behind never stops the next one.

using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class SegmentFilesTests : IDisposable
{
    private readonly LogFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    private static void AssertWhole(byte[] content, int segment)
    {
        byte[] header = new byte[SegmentLayout.HeaderBytes];
        LogFixture.FillHeader(segment, header);
        Assert.Equal(SegmentLayout.PrologueBytes + LogFixture.SegmentBytes, content.Length);
        Assert.Equal(header, content.AsSpan(0, header.Length).ToArray());
        Assert.Equal(-1, content.AsSpan(header.Length).IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(0, "segment-00000000.log")]
    [InlineData(7, "segment-00000007.log")]
    [InlineData(123456789, "segment-123456789.log")]
    public void A_segment_has_one_name(int segment, string name)
    {
        Assert.Equal(name, SegmentLayout.FileName(segment));
        Assert.True(SegmentLayout.TryParseFileName(name, out int parsed));
        Assert.Equal(segment, parsed);
    }

    [Theory]
    [InlineData("segment-7.log")]
    [InlineData("segment-000000007.log")]
    [InlineData("segment-00000007.log.new")]
    [InlineData("segment--0000007.log")]
    [InlineData("segment-+0000007.log")]
    [InlineData("segment-99999999999.log")]
    [InlineData("segment-.log")]
    [InlineData("segment.log")]
    [InlineData("Segment-00000007.log")]
    public void Other_names_are_not_segments(string name) => Assert.False(SegmentLayout.TryParseFileName(name, out _));

    [Fact]
    public void A_segment_is_created_whole_and_found_again()
    {
        using (SegmentFiles files = _fixture.OpenFiles())
        {
            Assert.Equal((0, -1, 0), (files.SegmentCount, files.FirstSegment, files.EndSegment));
            files.CreateSegment(4);
            files.CreateSegment(5);
        }

        File.WriteAllText(Path.Combine(_fixture.Directory, "segment-00000009.log.new"), "rest");
        using SegmentFiles again = SegmentFiles.OpenForReading(_fixture.Ops, _fixture.Directory, LogFixture.SegmentBits);
        Assert.Equal((2, 4, 6), (again.SegmentCount, again.FirstSegment, again.EndSegment));
        AssertWhole(File.ReadAllBytes(_fixture.SegmentPath(4)), 4);
        Assert.Throws<InvalidOperationException>(() => again.CreateSegment(6));
        Assert.Throws<InvalidOperationException>(() => again.Write(4L * LogFixture.SegmentBytes, [1]));
    }

    [Fact]
    public void Every_single_failing_call_during_creation_leaves_nothing_or_everything()
    {
        int held = 0;
        for (int nth = 1; ; nth++)
        {
            using LogFixture fixture = new();
            using SegmentFiles files = fixture.OpenFiles();
            FaultRule rule = fixture.Ops.Fail(FileCallKinds.All & ~FileCallKinds.Close, nth % 2 == 0 ? Errno.ENOSPC : Errno.EIO, nth: nth);
            StateStoreException? fault = Record.Exception(() => files.CreateSegment(0)) as StateStoreException;
            fixture.Ops.Clear();
            bool isThere = File.Exists(fixture.SegmentPath(0));
            if (isThere)
            {
                AssertWhole(File.ReadAllBytes(fixture.SegmentPath(0)), 0);
            }

            // Only an unlink of the temporary file may fail and leave it; the next creation clears it.
            if (!isThere)
            {
                Assert.NotNull(fault);
                files.CreateSegment(0);
                Assert.Equal([fixture.SegmentPath(0)], Directory.GetFiles(fixture.Directory));
            }

            Assert.Equal(0, fixture.Ops.OpenDescriptors);
            held++;
            if (!rule.Fired)
            {
                Assert.Null(fault);
                break;
            }
        }

        Assert.True(held > 8);
    }

    [Fact]
    public void Every_disk_content_after_a_crash_during_creation_holds_a_whole_segment_or_none()
    {
        RecordingFileOps ops = new(_fixture.Ops, _fixture.Directory);
        using (SegmentFiles files = SegmentFiles.OpenForWriting(ops, _fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader))
        {
            files.CreateSegment(0);
            ops.Mark("created");
        }

        int seen = 0;
        foreach (int step in ops.Trace.CrashSteps())
        {
            bool isCreated = ops.Trace.Marks(step).Any();
            foreach (CrashImage image in ops.Trace.Images(step, seed: 1, maxImages: 60))
            {
                seen++;
                bool isThere = image.Files.TryGetValue("segment-00000000.log", out CrashImageFile? file);
                Assert.True(isThere || !isCreated, image.ToString());
                if (isThere)
                {
                    AssertWhole(file!.ToArray(), 0);
                }
            }
        }

        Assert.True(seen > 100);
    }

    [Fact]
    public void Zeroes_are_written_over_a_new_segment_and_not_only_reserved()
    {
        RecordingFileOps ops = new(_fixture.Ops, _fixture.Directory);
        using (SegmentFiles files = SegmentFiles.OpenForWriting(ops, _fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader))
        {
            files.CreateSegment(0);
        }

        bool[] written = new bool[SegmentLayout.PrologueBytes + LogFixture.SegmentBytes];
        foreach (TraceStep.Write write in ops.Trace.Steps.OfType<TraceStep.Write>())
        {
            written.AsSpan((int)write.Offset, write.Data.Length).Fill(true);
        }

        Assert.Equal(-1, Array.IndexOf(written, false));
    }

    [Fact]
    public void Opening_for_writing_makes_names_durable_that_a_killed_writer_left()
    {
        RecordingFileOps ops = new(_fixture.Ops, _fixture.Directory);
        FaultingFileOps faults = new(ops);
        faults.Fail(FileCallKinds.FSyncDirectory, Errno.EIO, nth: 2);
        using (SegmentFiles killed = SegmentFiles.OpenForWriting(faults, _fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader))
        {
            Assert.Throws<StateStoreException>(() => killed.CreateSegment(0));
        }

        using (SegmentFiles files = SegmentFiles.OpenForWriting(faults, _fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader))
        {
            files.Write(100, [1, 2, 3]);
            files.SyncDirty();
        }

        foreach (CrashImage image in ops.Trace.Images(ops.Trace.Steps.Count, 1, 50))
        {
            Assert.Equal([1, 2, 3], image.Files["segment-00000000.log"].ToArray().AsSpan(SegmentLayout.PrologueBytes + 100, 3).ToArray());
        }
    }

    [Fact]
    public void Reads_and_writes_cross_segments_and_only_touched_files_are_synced_lowest_first()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        for (int segment = 0; segment < 4; segment++)
        {
            files.CreateSegment(segment);
        }

        byte[] data = LogFixture.Bytes(1, LogFixture.SegmentBytes + 100);
        long address = (2L * LogFixture.SegmentBytes) - 50;
        files.Write(address, data);
        files.WriteSlot(3, 1, LogFixture.Bytes(2, SegmentLayout.SlotBytes));
        byte[] read = new byte[data.Length];
        files.ReadExactly(address, read);
        Assert.Equal(data, read);
        byte[] slot = new byte[SegmentLayout.SlotBytes];
        files.ReadSlot(3, 1, slot);
        Assert.Equal(LogFixture.Bytes(2, SegmentLayout.SlotBytes), slot);
        Assert.Equal(slot, File.ReadAllBytes(_fixture.SegmentPath(3)).AsSpan(12288, 8192).ToArray());

        List<string> synced = [];
        _fixture.Ops.Before = call =>
        {
            if (call.Kind == FileCallKinds.FDataSync)
            {
                synced.Add(Path.GetFileName(call.Path));
            }
        };
        files.Sync(0);
        files.SyncDirty();
        files.SyncDirty();
        Assert.Equal(["segment-00000001.log", "segment-00000002.log", "segment-00000003.log"], synced);
    }

    [Fact]
    public void A_range_is_zeroed_across_segments_and_nothing_beside_it()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        files.CreateSegment(0);
        files.CreateSegment(1);
        byte[] data = LogFixture.Bytes(1, 2 * LogFixture.SegmentBytes);
        files.Write(0, data);
        files.WriteZeroes(1000, LogFixture.SegmentBytes + 5);
        data.AsSpan(1000, LogFixture.SegmentBytes + 5).Clear();
        Assert.Equal(data, _fixture.RawLog());
    }

    [Fact]
    public void Missing_short_long_and_linked_segments_are_exact_errors()
    {
        using (SegmentFiles files = _fixture.OpenFiles())
        {
            files.CreateSegment(0);
            files.CreateSegment(1);
            files.CreateSegment(2);
        }

        using (FileStream stream = new(_fixture.SegmentPath(0), FileMode.Open))
        {
            stream.SetLength(stream.Length - 1);
        }

        using (FileStream stream = new(_fixture.SegmentPath(1), FileMode.Open))
        {
            stream.SetLength(stream.Length + 1);
        }

        File.Move(_fixture.SegmentPath(2), _fixture.SegmentPath(9));
        File.CreateSymbolicLink(_fixture.SegmentPath(2), _fixture.SegmentPath(9));
        using SegmentFiles reader = SegmentFiles.OpenForReading(_fixture.Ops, _fixture.Directory, LogFixture.SegmentBits);
        Assert.Equal(StateStoreErrorCode.LogDamaged, Fault(0).Code);
        Assert.Equal(StateStoreErrorCode.LogDamaged, Fault(1).Code);
        Assert.Equal(StateStoreErrorCode.InputOutput, Fault(2).Code);
        Assert.Equal(StateStoreErrorCode.LogDamaged, Fault(3).Code);
        Assert.Equal(_fixture.SegmentPath(3), Fault(3).Place);
        Assert.False(File.Exists(_fixture.SegmentPath(3)));
        Assert.Equal(0, _fixture.Ops.OpenDescriptors);

        StateStoreException Fault(int segment) => Assert.Throws<StateStoreException>(() => reader.ReadExactly((long)segment * LogFixture.SegmentBytes, new byte[8]));
    }

    [Fact]
    public void A_failed_sync_latches_and_is_never_repeated()
    {
        using SegmentFiles files = _fixture.OpenFiles();
        files.CreateSegment(0);
        files.Write(0, [1]);
        _fixture.Ops.Fail(FileCallKinds.FDataSync, Errno.EIO);
        Assert.Equal(StateStoreErrorCode.InputOutput, Assert.Throws<StateStoreException>(files.SyncDirty).Code);
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(files.SyncDirty).Code);
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(() => files.Sync(0)).Code);
        Assert.Equal(StateStoreErrorCode.Latched, Assert.Throws<StateStoreException>(() => files.Write(0, [2])).Code);
        Assert.Equal(1, _fixture.Ops.Count(FileCallKinds.FDataSync));
        byte[] read = new byte[1];
        files.ReadExactly(0, read);
        Assert.Equal(1, read[0]);
    }

    [Fact]
    public void Descriptors_are_bounded_but_unsynced_files_stay_open()
    {
        using SegmentFiles files = _fixture.OpenFiles(maxOpenFiles: 3);
        for (int segment = 0; segment < 10; segment++)
        {
            files.CreateSegment(segment);
        }

        byte[] buffer = new byte[1];
        for (int round = 0; round < 30; round++)
        {
            files.ReadExactly((long)(round % 10) * LogFixture.SegmentBytes, buffer);
            Assert.True(_fixture.Ops.OpenDescriptors <= 3);
        }

        for (int segment = 0; segment < 5; segment++)
        {
            files.Write((long)segment * LogFixture.SegmentBytes, [7]);
        }

        for (int round = 0; round < 30; round++)
        {
            files.ReadExactly((long)(round % 10) * LogFixture.SegmentBytes, buffer);
        }

        long opens = _fixture.Ops.Count(FileCallKinds.Open);
        files.SyncDirty();
        Assert.Equal(opens, _fixture.Ops.Count(FileCallKinds.Open));
        Assert.Equal(5, _fixture.Ops.Count(FileCallKinds.FDataSync));
        files.Dispose();
        Assert.Equal(0, _fixture.Ops.OpenDescriptors);
        Assert.Throws<ObjectDisposedException>(() => files.ReadExactly(0, buffer));
    }

    [Fact]
    public void A_file_that_is_being_read_is_not_closed_by_others()
    {
        using SegmentFiles files = _fixture.OpenFiles(maxOpenFiles: 2);
        for (int segment = 0; segment < 6; segment++)
        {
            files.CreateSegment(segment);
        }

        using ManualResetEventSlim isReading = new();
        using ManualResetEventSlim mayGoOn = new();
        _fixture.Ops.Before = call =>
        {
            if (call.Kind == FileCallKinds.PRead && call.Path.EndsWith("segment-00000000.log", StringComparison.Ordinal))
            {
                isReading.Set();
                mayGoOn.Wait(TimeSpan.FromSeconds(60));
            }
        };
        Thread reader = new(() => files.ReadExactly(0, new byte[1]));
        reader.Start();
        Assert.True(isReading.Wait(TimeSpan.FromSeconds(60)));
        long closes = _fixture.Ops.Count(FileCallKinds.Close);
        for (int segment = 1; segment < 6; segment++)
        {
            files.ReadExactly((long)segment * LogFixture.SegmentBytes, new byte[1]);
        }

        Assert.Equal(closes + 4, _fixture.Ops.Count(FileCallKinds.Close));
        Assert.Equal(2, _fixture.Ops.OpenDescriptors);
        files.Dispose();
        Assert.Equal(1, _fixture.Ops.OpenDescriptors);
        mayGoOn.Set();
        Assert.True(reader.Join(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, _fixture.Ops.OpenDescriptors);
    }

    [Fact]
    public void Readers_on_many_threads_never_read_another_segment_while_files_are_evicted()
    {
        using SegmentFiles files = _fixture.OpenFiles(maxOpenFiles: 2);
        for (int segment = 0; segment < 12; segment++)
        {
            files.CreateSegment(segment);
            files.Write(((long)segment * LogFixture.SegmentBytes) + 8, [(byte)(segment + 1)]);
        }

        files.SyncDirty();
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, thread =>
        {
            Random random = new(thread);
            byte[] buffer = new byte[1];
            for (int i = 0; i < 3000; i++)
            {
                int segment = random.Next(12);
                files.ReadExactly(((long)segment * LogFixture.SegmentBytes) + 8, buffer);
                Assert.Equal(segment + 1, buffer[0]);
            }
        });
    }
}
