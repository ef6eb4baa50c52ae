// Why this file exists: when log and state are both damaged, every record that anything sound still holds is saved, what is lost is named, and nothing is made up. Invariants: what must be there follows from which frames are sound, found out by this file on its own:
// each note is one commit, so a note is lost only if its one frame is.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class SalvageTests
{
    private const int Data = 32768;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_record_that_a_sound_frame_or_a_checkpoint_holds_is_saved(bool withCheckpoint)
    {
        Random random = new(withCheckpoint ? 11 : 12);
        for (int round = 0; round < 4; round++)
        {
            using TestDirectory directory = withCheckpoint ? await StateCheckpointTests.WithCheckpointsAsync() : await FencedStores.MakeAsync(220);
            string path = directory.StorePath;
            Dictionary<string, string> before = FencedStores.Records(path);
            DamageLog(path, random, 1 + round);
            Directory.Delete(Path.Combine(path, "state"), recursive: true);
            HashSet<ulong> sound = SoundSequences(path);
            RepairPlan plan = StoreRepair.Plan(path);
            if (withCheckpoint && plan.Steps.All(static step => step.Action != RepairAction.SalvageLog))
            {
                // Everything behind the checkpoint is sound, so the state is whole again and the fence an ordinary one.
                Assert.Equal(0UL, plan.LostRecords);
                continue;
            }

            Assert.Equal(RepairAction.SalvageLog, Assert.Single(plan.Steps).Action);
            Assert.True(plan.IsDestructive);
            ulong last = plan.LostRanges[^1].Last;
            Assert.All(plan.LostRanges, range => Assert.All(Enumerable.Range(0, (int)range.Count), i => Assert.DoesNotContain(range.First + (ulong)i, sound)));
            RepairOutcome outcome = await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
            Assert.Equal("repaired", outcome.Outcome);
            FencedStores.AssertClean(path);
            Dictionary<string, string> after = FencedStores.Records(path);
            ulong missing = 0;
            foreach ((string id, string value) in before)
            {
                if (after.TryGetValue(id, out string? now) && now == value)
                {
                    continue;
                }

                missing++;
                Assert.True(IsLost(id, plan), $"{id} stood in a sound frame and is not there");
            }

            Assert.True(missing <= plan.LostRecords, $"{missing} records are not as they were, at most {plan.LostRecords} were announced");
            Assert.True(last > 0);
            Assert.False(Directory.Exists(Path.Combine(path, "quarantine", StoreRepair.ListQuarantine(path).First(static entry => entry.CanRollBack).Id, "salvage")));
        }
    }

    [Fact]
    public async Task One_lost_frame_leaves_the_tree_exact_and_more_leave_it_so_when_a_frontier_follows()
    {
        foreach ((int frames, bool keepsFrontiers, bool isExact) in new[] { (1, false, true), (4, true, true), (4, false, false) })
        {
            using TestDirectory directory = await FencedStores.MakeAsync(220);
            string path = directory.StorePath;
            Hash256 root = RootOf(path);
            Zero(path, 20, frames);
            Directory.Delete(Path.Combine(path, "state"), recursive: true);
            if (!keepsFrontiers)
            {
                Directory.Delete(Path.Combine(path, "checkpoints"), recursive: true);
            }

            RepairPlan plan = await FenceTests.FenceAsync(path);
            Assert.Equal(RepairAction.SalvageLog, Assert.Single(plan.Steps).Action);
            Superblock superblock = SuperblockReader.Read(new StoreLayout(path)).Newest!;
            MerkleFrontier frontier = new();
            frontier.Set(superblock.BaseFrame, superblock.BaseFrontier);
            Assert.Equal(isExact, frontier.Root() == root);
            Assert.Equal((ulong)frames, plan.LostEvents);
            FencedStores.AssertClean(path);
        }
    }

    [Fact]
    public async Task A_lost_end_is_known_from_the_slots_and_no_sequence_is_used_again()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(220);
        string path = directory.StorePath;
        (long address, _) = Frames(path)[^3];
        Zero(path, Frames(path).Count - 3, 3);
        Directory.Delete(Path.Combine(path, "state"), recursive: true);
        RepairPlan plan = await FenceTests.FenceAsync(path);
        Assert.Equal([new SequenceRange(219, 221)], plan.LostRanges);
        await using StateStore store = StateStore.Open(path, FencedStores.Options());
        CommitReceipt receipt = await store.OpenSession(FencedStores.Me).CommitAsync(new CommitBatch().Append("app.later"));
        Assert.True(receipt.FirstSequence > 221);
        Assert.True(address > 0);
    }

    [Fact]
    public async Task A_salvage_can_be_undone_and_says_in_the_log_what_it_was()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(150);
        string path = directory.StorePath;
        Zero(path, 30, 2);
        Directory.Delete(Path.Combine(path, "state"), recursive: true);
        byte[] segment = File.ReadAllBytes(FencedStores.Segment(path, 0));
        RepairPlan plan = await FenceTests.FenceAsync(path);
        await using (StateStore store = StateStore.Open(path, FencedStores.Options()))
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            string told = "";
            await foreach (StoredEvent item in store.SubscribeAsync(0))
            {
                if (item.Type == "sync.repair.fenced")
                {
                    told = System.Text.Encoding.UTF8.GetString(item.DataJson.Span);
                    break;
                }
            }

            Assert.Contains("\"salvaged\":true", told, StringComparison.Ordinal);
        }

        StoreRepair.Rollback(path, StoreRepair.ListQuarantine(path).Single(static entry => entry.CanRollBack).Id);
        Assert.Equal(segment, File.ReadAllBytes(FencedStores.Segment(path, 0)));
        Assert.Equal(plan.LostRanges, StoreRepair.Plan(path).LostRanges);
    }

    [Fact]
    public async Task A_report_never_says_that_every_record_is_as_it_was_when_some_may_be_lost()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(150);
        string path = directory.StorePath;
        Zero(path, 30, 2);
        Directory.Delete(Path.Combine(path, "state"), recursive: true);
        RepairPlan plan = await FenceTests.FenceAsync(path);
        Assert.Equal(2UL, plan.LostRecords);
        string report = System.Text.Encoding.UTF8.GetString(StoreRepair.ReadReports(path)[^1]);
        Assert.Contains("Up to 2 records are missing", report, StringComparison.Ordinal);
        Assert.DoesNotContain("every record is as it was", report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_sound_at_all_is_left_to_a_person()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(20);
        string path = directory.StorePath;
        foreach (string segment in Directory.GetFiles(Path.Combine(path, "events")))
        {
            byte[] bytes = File.ReadAllBytes(segment);
            new Random(3).NextBytes(bytes.AsSpan(Data));
            File.WriteAllBytes(segment, bytes);
        }

        Directory.Delete(Path.Combine(path, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(path);
        Assert.True(plan.IsBlocked);
        await Assert.ThrowsAsync<StateStoreException>(() => StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true));
    }

    private static bool IsLost(string id, RepairPlan plan)
    {
        // note:NNNN is written by sequence NNNN + 1; the deletion of note:0001 is the last of them; what came later has its own commits.
        int number = int.Parse(id[(id.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);
        List<ulong> made = id.Contains("note:", StringComparison.Ordinal) ? [(ulong)number + 1] : number < 1100 ? [(ulong)(222 + number - 1000)] : [(ulong)(237 + number - 1100)];
        if (id.EndsWith("note:0001", StringComparison.Ordinal))
        {
            made = [221];
        }

        return made.Exists(sequence => plan.LostRanges.Any(range => sequence >= range.First && sequence <= range.Last));
    }

    /// <summary>Offset, in the first segment, of a byte in a frame's body.</summary>
    internal static long OffsetOfFrame(string path, int frame) => Data + Frames(path)[frame].Address + 300;

    private static Hash256 RootOf(string path)
    {
        using StateStore store = StateStore.OpenRead(path);
        return Hash256.TryParse(store.GetStatus().LogRoot, out Hash256 root) ? root : default;
    }

    private static List<(long Address, ulong Sequence)> Frames(string path)
    {
        Superblock superblock = SuperblockReader.Read(new StoreLayout(path)).Newest!;
        using LogReader reader = new(new StoreLayout(path), new LogGeometry(superblock.PageBits, superblock.SegmentBits));
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock));
        List<(long, ulong)> frames = [];
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            frames.Add((scanner.Header.Address, scanner.Header.FirstSequence));
        }

        return frames;
    }

    // Whole frames go, headers too, so that their hashes are not known any more.
    private static void Zero(string path, int first, int count)
    {
        List<(long Address, ulong Sequence)> frames = Frames(path);
        Superblock superblock = SuperblockReader.Read(new StoreLayout(path)).Newest!;
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        for (int i = first; i < first + count; i++)
        {
            long address = frames[i].Address;
            string segment = FencedStores.Segment(path, geometry.SegmentOf(address));
            byte[] bytes = File.ReadAllBytes(segment);
            bytes.AsSpan((int)geometry.FileOffsetOf(address) + 4, 300).Fill(0xA5);
            File.WriteAllBytes(segment, bytes);
        }

        Directory.Delete(Path.Combine(path, "parity"), recursive: true);
    }

    private static void DamageLog(string path, Random random, int blocks)
    {
        string[] segments = Directory.GetFiles(Path.Combine(path, "events")).Order(StringComparer.Ordinal).ToArray();
        for (int i = 0; i < blocks; i++)
        {
            string segment = segments[random.Next(segments.Length - 1)];
            byte[] bytes = File.ReadAllBytes(segment);
            int at = Data + (random.Next((bytes.Length - Data) / 4096) * 4096);
            random.NextBytes(bytes.AsSpan(at, 4096));
            File.WriteAllBytes(segment, bytes);
        }

        Directory.Delete(Path.Combine(path, "parity"), recursive: true);
    }

    private static HashSet<ulong> SoundSequences(string path)
    {
        Superblock superblock = SuperblockReader.Read(new StoreLayout(path)).Newest!;
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        using LogReader reader = new(new StoreLayout(path), geometry);
        HashSet<ulong> sound = [];
        long at = 0;
        while (FrameSearch.FindFrameAfter(reader, superblock.StoreId, at, geometry.SegmentStart(64), out FrameCandidate candidate))
        {
            FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.Unlinked(candidate.Address));
            if (scanner.MoveNext() == ScanOutcome.Frame)
            {
                sound.Add(scanner.Header.FirstSequence);
            }

            at = candidate.Address + 4;
        }

        return sound;
    }
}
