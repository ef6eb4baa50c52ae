// Why this file exists: the tracker believes that a free-page record is unchanged when its value stands on the same page as one transaction ago. If that were ever wrong, an older copy of a page would be
// believed, or a sound page called damage. Invariants: after every transaction the tracked set is compared, page by page, with one that was read from the whole list.

using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.Storage.Lmdb;

namespace SourceOS.StateStore.Readers.Tests.Lmdb;

public sealed class FreePageTrackerLaws
{
    private const long MapBytes = 1L << 33;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_is_tracked_equals_what_the_whole_list_says(int seed)
    {
        Random random = new(seed);
        using LmdbSample sample = new("records");
        using MappedFile map = MappedFile.Open(sample.DataPath, MapBytes);
        FreePageTracker tracker = new();
        LmdbReadPin? pin = null;
        int most = 0;
        for (int round = 0; round < 250; round++)
        {
            sample.Apply(Changes(sample, random));
            if (random.Next(20) == 0)
            {
                // A transaction that the tracker does not see: it has to notice.
                sample.Apply(Changes(sample, random));
            }

            if (random.Next(12) == 0)
            {
                // A reader keeps records of the list from being used up, so that there are many of them for a while.
                pin?.Dispose();
                pin = random.Next(3) == 0 ? null : sample.Environment.Pin();
            }

            most = Math.Max(most, Compare(map, tracker));
        }

        pin?.Dispose();
        Assert.True(most > 500, $"At most {most} pages were free, so the law proved little.");
    }

    [Fact]
    public void A_list_that_is_damaged_is_a_fault_and_the_next_sound_one_is_read_whole()
    {
        Random random = new(5);
        using LmdbSample sample = new("records");
        for (int i = 0; i < 20; i++)
        {
            sample.Apply(Changes(sample, random));
        }

        byte[] sound = sample.ReadFile();
        using MappedFile map = MappedFile.Open(sample.DataPath, MapBytes);
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        FreePageTracker tracker = new();
        ulong root = meta.Free.Root;
        using (Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(sample.DataPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            RandomAccess.Write(file, new byte[4096], (long)root * 4096);
            Assert.True(tracker.TryAdvance(new LmdbReader<MappedPages>(map.Snapshot(in meta), meta.LastPage), in meta, out _).IsFault);
            RandomAccess.Write(file, sound.AsSpan((int)root * 4096, 4096), (long)root * 4096);
        }

        Assert.True(Compare(map, tracker) > 0);
    }

    private static int Compare(MappedFile map, FreePageTracker tracker)
    {
        Assert.False(map.ReadMetas().TryNewest(out LmdbMeta meta).IsFault);
        LmdbReader<MappedPages> reader = new(map.Snapshot(in meta), meta.LastPage);
        Assert.False(FreePageSet.TryRead(reader, in meta, out FreePageSet whole).IsFault);
        Assert.False(tracker.TryAdvance(reader, in meta, out FreePageSet tracked).IsFault);
        Assert.Equal(whole.Count, tracked.Count);
        for (ulong page = 0; page <= meta.LastPage; page++)
        {
            Assert.Equal(whole.Contains(page), tracked.Contains(page));
        }

        return whole.Count;
    }

    private static List<(string Database, byte[] Key, byte[]? Value)> Changes(LmdbSample sample, Random random)
    {
        List<(string, byte[], byte[]?)> changes = [];
        int count = random.Next(10) == 0 ? 800 : random.Next(1, 6);
        HashSet<int> used = [];
        for (int i = 0; i < count; i++)
        {
            int number = random.Next(4000);
            if (used.Add(number))
            {
                byte[] key = LmdbSample.Key(number, 40);
                bool isDelete = random.Next(3) == 0 && sample.Model["records"].ContainsKey(key);
                changes.Add(("records", key, isDelete ? null : LmdbSample.Value(number, random.Next(8) == 0 ? 9000 : random.Next(400))));
            }
        }

        return changes;
    }
}
