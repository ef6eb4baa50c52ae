// Why this file exists: the claim "durable after the sync" is checked against every disk content that a crash may leave, at this layer: what was
// synced is there byte by byte. Invariants: the model alone says what must be there; a failure names step, seed and choices.

using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Storage.Tests.Events;

public sealed class LogCrashTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Whatever_a_crash_leaves_everything_that_was_synced_is_there(int seed)
    {
        using LogFixture fixture = new();
        RecordingFileOps ops = new(fixture.Ops, fixture.Directory);
        LogModel model = new();
        Random random = new(seed);
        using (SegmentFiles files = SegmentFiles.OpenForWriting(ops, fixture.Directory, LogFixture.SegmentBits, LogFixture.FillHeader))
        using (EventLog log = EventLog.Start(files, LogFixture.Options))
        {
            for (int group = 0; group < 60; group++)
            {
                for (int i = random.Next(1, 4); i > 0; i--)
                {
                    byte[] entry = LogFixture.Bytes(random.Next(), random.Next(8) == 0 ? random.Next(1, 60000) : random.Next(1, 2000));
                    model.Append(entry);
                    LogFixture.Append(log, entry);
                }

                log.Flush();
                byte[] slot = new byte[SegmentLayout.SlotBytes];
                log.TailBlock.CopyTo(slot.AsSpan(4096));
                files.WriteSlot(files.SegmentOf(log.TailAddress - 1), group & 1, slot);
                files.SyncDirty();
                ops.Mark(model.Tail);
            }
        }

        int images = 0;
        foreach (int step in ops.Trace.CrashSteps())
        {
            long durable = ops.Trace.Marks(step).OfType<long>().LastOrDefault(0);
            foreach (CrashImage image in ops.Trace.Images(step, seed, maxImages: 12))
            {
                images++;
                AssertHolds(image, model, durable);
            }
        }

        Assert.True(images > 1500, $"{images} images");
    }

    private static void AssertHolds(CrashImage image, LogModel model, long durable)
    {
        for (long address = 0; address < durable; address += LogFixture.SegmentBytes)
        {
            string name = SegmentLayout.FileName((int)(address / LogFixture.SegmentBytes));
            Assert.True(image.Files.TryGetValue(name, out CrashImageFile? file), $"{name} is missing, {image}");
            int length = (int)Math.Min(LogFixture.SegmentBytes, durable - address);
            byte[] expected = new byte[length];
            model.Read(address, expected);
            int same = file.ToArray().AsSpan(SegmentLayout.PrologueBytes, length).CommonPrefixLength(expected);
            Assert.True(same == length, $"log address {address + same} differs, durable is {durable}, {image}");
        }
    }
}
