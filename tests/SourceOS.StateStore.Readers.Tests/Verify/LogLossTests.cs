// Why this file exists: the verifier tells a crash from damage from loss, with the events that are missing. Invariants: each test makes one
// thing wrong in a sound store and expects its code, class, verdict and sequences.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class LogLossTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_group_that_a_crash_tore_is_no_damage()
    {
        // The slot reached the medium, its data did not, or only in part.
        foreach (int keptBytes in new[] { 0, 100, 512, 900 })
        {
            TestLog log = NewLog();
            log.AddFrame([TestStores.Put(1)]);
            log.WriteSlot();
            log.WriteSlot(confirm: true);
            long durable = log.Tail;
            int folded = log.Frames.Count;
            log.AddFrame(events: 3, dataBytes: 600);
            log.WriteSlot();
            log.At(durable + keptBytes, (int)(log.Tail - durable) - keptBytes).Clear();
            log.Save();
            new TestState(log, folded).Write();
            VerificationReport report = TestStores.Verify(log);
            Assert.Equal(VerificationVerdict.Clean, report.Verdict);
            Assert.Equal(durable, report.DurableAddress);
            Assert.Equal(keptBytes > 0 ? ["log.tail.torn"] : Array.Empty<string>(), report.Findings.Select(static f => f.Code));
        }
    }

    [Fact]
    public void Data_without_its_slot_and_a_torn_slot_are_no_damage()
    {
        TestLog log = NewLog();
        log.AddFrame([TestStores.Put(1)]);
        log.WriteSlot();
        log.AddFrame([TestStores.Put(2)]);
        log.Save();
        new TestState(log, 1).Write();
        VerificationReport report = TestStores.Verify(log);
        TestStores.AssertClean(report);
        Assert.Equal(log.Tail, report.LogEnd);

        log.WriteSlot();
        log.Segments[0].AsSpan(12288, 512).Clear();
        log.Save();
        report = TestStores.Verify(log);
        Assert.Equal(("log.slot.torn", VerificationVerdict.Clean), (Assert.Single(report.Findings).Code, report.Verdict));
    }

    [Fact]
    public void A_commit_without_its_last_frame_is_no_damage()
    {
        TestLog log = NewLog();
        log.AddFrame([TestStores.Put(1)]);
        log.WriteSlot();
        log.AddFrame(events: 2, isLast: false);
        log.AddFrame(events: 2, isLast: false);
        log.Save();
        new TestState(log, 1).Write();
        VerificationReport report = TestStores.Verify(log);
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(("log.tail.open-commit", VerificationVerdict.Clean), (finding.Code, report.Verdict));
        Assert.Equal((2UL, 5UL), (finding.Place.FirstSequence, finding.Place.LastSequence));
    }

    [Fact]
    public void A_durable_tail_that_is_gone_is_lost()
    {
        TestLog log = Confirmed(out int folded);
        TestFrame lost = log.Frames[^3];
        log.At(lost.Address, (int)(log.Tail - lost.Address)).Clear();
        log.Save();
        new TestState(log, folded).Write();
        VerificationReport report = TestStores.Verify(log);
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(("log.tail.lost", VerificationVerdict.Unsafe, FindingClass.Durable), (finding.Code, report.Verdict, finding.Class));
        Assert.Equal((lost.Header.FirstSequence, log.LastSequence), (finding.Place.FirstSequence, finding.Place.LastSequence));
        Assert.Equal((lost.Address, log.Tail), (report.LogEnd, report.DurableAddress));
    }

    [Fact]
    public void A_log_that_is_older_than_its_state_is_rolled_back()
    {
        TestLog log = Confirmed(out _);
        log.Save();
        new TestState(log).Write();

        // The whole events directory as it was before: valid by itself, and shorter.
        TestLog old = new(_directory.PathOf("old"));
        for (int i = 0; i < 3; i++)
        {
            old.AddFrame([TestStores.Put(i)]);
        }

        old.WriteSlot();
        old.WriteSlot(confirm: true);
        old.Save();
        Directory.Delete(log.Layout.EventsPath, recursive: true);
        Directory.Move(old.Layout.EventsPath, log.Layout.EventsPath);
        Directory.Delete(old.Layout.StorePath, recursive: true);
        VerificationReport report = TestStores.Verify(log);
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(("log.rolled-back", VerificationVerdict.Unsafe), (finding.Code, report.Verdict));
        Assert.Equal((4UL, log.LastSequence), (finding.Place.FirstSequence, finding.Place.LastSequence));
    }

    [Fact]
    public void A_state_of_another_history_is_a_fork()
    {
        TestLog log = Confirmed(out _);
        log.Save();
        TestLog other = new(_directory.PathOf("other"));
        foreach (TestFrame frame in log.Frames)
        {
            other.AddFrame([TestStores.Put((int)frame.Header.FrameNumber + 100)]);
        }

        TestState state = new(other);
        state.Header.LogPosition = log.Tail;
        state.Write();
        Directory.Move(other.Layout.StatePath, Path.Combine(_directory.Path, "moved"));
        Directory.Delete(log.Layout.StatePath);
        Directory.Move(Path.Combine(_directory.Path, "moved"), log.Layout.StatePath);
        VerificationReport report = TestStores.Verify(log);
        Assert.Contains(report.Findings, static f => f.Code == "log.forked");
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
    }

    [Fact]
    public void A_damaged_range_is_named_with_its_events_and_what_follows_is_still_read()
    {
        TestLog log = Confirmed(out int folded, frames: 60, titleBytes: 4000);
        TestFrame first = log.Frames[20];
        TestFrame last = log.Frames[24];
        new Random(3).NextBytes(log.At(first.Address + 8, (int)(log.Geometry.SegmentEnd(first.Address) - first.Address - 8 < last.End - first.Address - 8 ? 2000 : last.End - first.Address - 8)));
        log.Save();
        new TestState(log, folded).Write();
        VerificationReport report = TestStores.Verify(log);
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Finding range = Assert.Single(report.Findings, static f => f.Code == "log.range.damaged");
        Assert.Equal(first.Header.FirstSequence, range.Place.FirstSequence);
        Assert.Equal(first.Header.FrameNumber, range.Place.FrameNumber);
        Assert.InRange(range.Place.LastSequence!.Value, first.Header.FirstSequence, last.Header.LastSequence);
        Assert.Equal(first.Address, report.LogEnd);
        Assert.InRange(report.FramesChecked, log.Frames.Count - 5, log.Frames.Count - 1);
        Assert.Equal(log.Frames.Count(f => f.End <= first.Address), (int)report.LogSize);
    }

    [Fact]
    public void Each_deleted_segment_is_named()
    {
        TestLog log = Confirmed(out int folded, frames: 150, titleBytes: 4000);
        Assert.True(log.Segments.Count >= 5);
        for (int segment = 0; segment < log.Segments.Count; segment++)
        {
            // The slots of the last segment go with it, so that only a state that has folded it can vouch for it.
            bool isLast = segment == log.Segments.Count - 1;
            log.Save();
            new TestState(log, isLast ? null : folded).Write();
            File.Delete(log.Layout.SegmentPath(segment));
            VerificationReport report = TestStores.Verify(log);
            Assert.True(report.Verdict == VerificationVerdict.Unsafe, $"{segment}: {TestStores.Describe(report)}");
            Finding missing = Assert.Single(report.Findings, static f => f.Code == "log.segment.missing");
            Assert.Equal($"events/segment-{segment:D8}.log", missing.Place.File);
            List<TestFrame> gone = [.. log.Frames.Where(f => log.Geometry.SegmentOf(f.Address) == segment)];
            Finding range = Assert.Single(report.Findings, f => f.Code is "log.range.damaged" or "log.tail.lost" or "log.rolled-back");
            Assert.Equal(gone[0].Header.FirstSequence, range.Place.FirstSequence);
            if (!isLast)
            {
                Assert.Equal(gone[^1].Header.LastSequence, range.Place.LastSequence);
            }
        }
    }

    [Fact]
    public void A_deleted_last_segment_that_nothing_vouches_for_looks_like_one_that_never_was()
    {
        TestLog log = Confirmed(out int folded, frames: 150, titleBytes: 4000);
        log.Save();
        new TestState(log, folded).Write();
        File.Delete(log.Layout.SegmentPath(log.Segments.Count - 1));
        VerificationReport report = TestStores.Verify(log);
        Assert.True(report.Verdict == VerificationVerdict.Clean, TestStores.Describe(report));

        // A root that someone holds does vouch for it.
        report = TestStores.Verify(log, new VerifyOptions { MinimumRoot = new KnownRoot((ulong)log.Frames.Count, default) });
        Assert.Equal(("store.rolled-back", VerificationVerdict.Unsafe), (Assert.Single(report.Findings).Code, report.Verdict));
    }

    [Fact]
    public void Swapped_stale_and_foreign_segments_are_named()
    {
        TestLog log = Confirmed(out int folded, frames: 90, titleBytes: 4000);
        log.Save();
        new TestState(log, folded).Write();
        string first = log.Layout.SegmentPath(0);
        string second = log.Layout.SegmentPath(1);
        byte[] a = File.ReadAllBytes(first);
        byte[] b = File.ReadAllBytes(second);
        File.WriteAllBytes(first, b);
        File.WriteAllBytes(second, a);
        VerificationReport report = TestStores.Verify(log);
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Assert.Equal(2, report.Findings.Count(static f => f.Code == "log.segment.foreign"));

        // An older copy of a segment: its frames are valid, but later ones are gone.
        File.WriteAllBytes(first, a);
        byte[] stale = [.. b];
        TestFrame kept = log.Frames.First(f => f.Address >= log.Geometry.SegmentStart(1) + 30_000);
        stale.AsSpan((int)log.Geometry.FileOffsetOf(kept.Address)).Clear();
        File.WriteAllBytes(second, stale);
        report = TestStores.Verify(log);
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Finding range = Assert.Single(report.Findings, static f => f.Code == "log.range.damaged");
        Assert.Equal(kept.Header.FirstSequence, range.Place.FirstSequence);
        Assert.Equal(log.Frames.Last(f => log.Geometry.SegmentOf(f.Address) == 1).Header.LastSequence, range.Place.LastSequence);

        // The same segment of another store.
        byte[] foreign = [.. b];
        new SegmentHeader { StoreId = new StoreId(new byte[16] { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 }), SegmentNumber = 1, PageBits = 16, SegmentBits = 17, WriterEpoch = 1 }.Encode(foreign.AsSpan(0, 4096));
        File.WriteAllBytes(second, foreign);
        report = TestStores.Verify(log);
        Assert.Equal(["log.segment.foreign"], report.Findings.Select(static f => f.Code));
    }

    [Fact]
    public void A_segment_cut_at_any_sector_is_damage_below_the_tail_and_repairable_above()
    {
        TestLog log = Confirmed(out int folded, frames: 12);
        log.Save();
        new TestState(log, folded).Write();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        string path = log.Layout.SegmentPath(0);
        byte[] whole = files.Files[path];
        VerifyOptions options = new() { DegreeOfParallelism = 1, Files = files };
        for (int length = 0; length < whole.Length; length += 512 * (length > 40_000 ? 7 : 1))
        {
            files.Files[path] = whole[..length];
            VerificationReport report = TestStores.Verify(log, options);
            bool losesData = length < log.Geometry.FileOffsetOf(log.Tail);
            Assert.True(report.Verdict == (losesData ? VerificationVerdict.Unsafe : VerificationVerdict.Damaged), $"{length}: {TestStores.Describe(report)}");
            Assert.Contains(report.Findings, f => f.Code == (losesData ? "log.segment.short" : "log.segment.length"));
            if (length >= log.Geometry.FileOffsetOf(log.Tail))
            {
                Assert.Equal(log.Tail, report.LogEnd);
            }
        }

        files.Files[path] = [.. whole, 0];
        Assert.Equal("log.segment.length", Assert.Single(TestStores.Verify(log, options).Findings).Code);
    }

    [Fact]
    public void A_slot_that_contradicts_the_frames_is_named_and_one_that_was_cut_away_is_not()
    {
        // Recovery cut a group away and the log went on: the slot of that group is older than what is there now.
        TestLog log = NewLog();
        log.AddFrame([TestStores.Put(1)]);
        log.WriteSlot();
        TestLog torn = NewLog();
        torn.AddFrame([TestStores.Put(1)]);
        torn.WriteSlot();
        torn.AddFrame(events: 1, dataBytes: 100);
        TailSlot cut = torn.WriteSlot();
        byte[] cutBytes = torn.Segments[0].AsSpan(12288, 8192).ToArray();
        log.WriteSlot(confirm: true);
        log.AddFrame(events: 1, dataBytes: 300);
        log.AddFrame(events: 1, dataBytes: 300);
        log.WriteSlot();
        log.Save();
        new TestState(log).Write();
        TestStores.AssertClean(TestStores.Verify(log));
        Assert.True(cut.Tail < log.Tail);

        // The same slot with a generation above all others speaks for now, and what it says is wrong.
        TailSlot liar = cut with { Generation = 99, DurableBefore = 64 };
        byte[] block = new byte[4096];
        cutBytes.AsSpan(4096, liar.BlockLength).CopyTo(block);
        liar.Encode(log.Segments[0].AsSpan(12288, 8192), block);
        log.Save();
        VerificationReport report = TestStores.Verify(log);
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(("log.slot.contradiction", VerificationVerdict.Unsafe), (finding.Code, report.Verdict));
    }

    [Fact]
    public void A_rotten_slot_in_an_older_segment_is_no_torn_write()
    {
        TestLog log = Confirmed(out int folded, frames: 90, titleBytes: 4000);
        int older = log.Segments.Keys.First(k => !log.Segments[k].AsSpan(4096, 8192).ContainsAnyExcept((byte)0) is false);
        log.Segments[older][4096 + 100] ^= 1;
        log.Save();
        new TestState(log, folded).Write();
        VerificationReport report = TestStores.Verify(log);
        Assert.Equal(("log.slot.damaged", VerificationVerdict.Damaged), (Assert.Single(report.Findings).Code, report.Verdict));
    }

    [Fact]
    public void Without_a_superblock_the_log_is_still_read_whole()
    {
        TestLog log = Confirmed(out int folded, frames: 20);
        log.Save();
        new TestState(log, folded).Write();
        File.WriteAllBytes(log.Layout.SuperblockPath, new byte[8192]);
        VerificationReport report = TestStores.Verify(log);
        Assert.Equal(["store.superblock.both", "store.superblock.both"], report.Findings.Select(static f => f.Code));
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Assert.Equal((log.Frames.Count, log.Tail), (report.FramesChecked, report.LogEnd));
        Assert.True(report.RecordsChecked > 0);
    }

    [Fact]
    public void What_cannot_be_read_is_said_and_nothing_throws()
    {
        TestLog log = Confirmed(out int folded, frames: 40, titleBytes: 4000);
        log.Save();
        new TestState(log, folded).Write();
        foreach (string part in new[] { "STORE", "segment-00000000.log", "data.mdb" })
        {
            foreach (ReadStatus status in new[] { ReadStatus.AccessDenied, ReadStatus.InputOutput, ReadStatus.WrongKind, ReadStatus.TooManyFiles })
            {
                FaultyFiles closed = new(onOpen: path => path.EndsWith(part, StringComparison.Ordinal) ? status : ReadStatus.Ok);
                VerificationReport report = TestStores.Verify(log, new VerifyOptions { Files = closed, DegreeOfParallelism = 2 });
                Assert.NotEqual(VerificationVerdict.Clean, report.Verdict);
                Assert.Equal(0, closed.StillOpen);
            }

            FaultyFiles bad = new((string path, long offset, ref int length) =>
                path.EndsWith(part, StringComparison.Ordinal) && offset + length > 5000 ? ReadStatus.InputOutput : ReadStatus.Ok);
            VerificationReport broken = TestStores.Verify(log, new VerifyOptions { Files = bad, DegreeOfParallelism = 2 });
            Assert.NotEqual(VerificationVerdict.Clean, broken.Verdict);
            Assert.Equal(0, bad.StillOpen);
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Random_damage_ends_with_a_report_and_never_calls_a_changed_log_clean(int seed)
    {
        TestLog log = Confirmed(out int folded, frames: 30, titleBytes: 1500);
        log.Save();
        new TestState(log, folded).Write();
        MemoryFiles files = MemoryFiles.Load(_directory.Path);
        Dictionary<string, byte[]> originals = files.Files.ToDictionary(static p => p.Key, static p => p.Value);
        string[] names = [.. originals.Keys.Where(static k => !k.EndsWith("LOCK", StringComparison.Ordinal) && !k.EndsWith("lock.mdb", StringComparison.Ordinal))];
        Random random = new(seed);
        for (int round = 0; round < 150; round++)
        {
            foreach (string name in names)
            {
                files.Files[name] = [.. originals[name]];
            }

            bool hitLog = false;
            for (int i = random.Next(1, 5); i > 0; i--)
            {
                string name = names[random.Next(names.Length)];
                byte[] bytes = files.Files[name];
                int from = random.Next(bytes.Length);
                int length = Math.Min(bytes.Length - from, random.Next(1, 3000));
                switch (random.Next(5))
                {
                    case 0:
                        bytes.AsSpan(from, length).Clear();
                        break;
                    case 1:
                        random.NextBytes(bytes.AsSpan(from, length));
                        break;
                    case 2:
                        bytes.AsSpan(random.Next(bytes.Length - length + 1), length).CopyTo(bytes.AsSpan(from));
                        break;
                    case 3:
                        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Math.Min(from, bytes.Length - 4)), (uint)random.Next());
                        break;
                    default:
                        files.Files[name] = bytes[..from];
                        break;
                }

                bool changed = !files.Files[name].AsSpan().SequenceEqual(originals[name]);
                hitLog |= changed && !name.EndsWith("data.mdb", StringComparison.Ordinal);
            }

            VerificationReport report = TestStores.Verify(log, new VerifyOptions { DegreeOfParallelism = 1, Files = files });
            Assert.True(!hitLog || report.FindingCount > 0 || Restored(files, originals), $"seed {seed} round {round}");
        }
    }

    // Later damage of a round can undo earlier one.
    private static bool Restored(MemoryFiles files, Dictionary<string, byte[]> originals) =>
        originals.All(pair => pair.Key.EndsWith("data.mdb", StringComparison.Ordinal) || files.Files[pair.Key].AsSpan().SequenceEqual(pair.Value));

    private TestLog NewLog()
    {
        if (Directory.Exists(_directory.Path))
        {
            Directory.Delete(_directory.Path, recursive: true);
        }

        Directory.CreateDirectory(_directory.Path);
        return new TestLog(_directory.Path);
    }

    // A log whose every frame was confirmed, with slots in each segment, and a state that has folded the first third.
    private TestLog Confirmed(out int folded, int frames = 12, int titleBytes = 40)
    {
        TestLog log = NewLog();
        int segment = 0;
        for (int i = 0; i < frames; i++)
        {
            log.AddFrame([TestStores.Put(i, titleBytes)]);
            log.DurableFrames = (ulong)i / 2;
            int now = (int)TailSlot.SegmentOf(log.Tail, log.Geometry.SegmentBits);
            if (now != segment || i % 5 == 4)
            {
                log.WriteSlot();
                segment = now;
            }
        }

        log.WriteSlot();
        log.WriteSlot(confirm: true);
        folded = frames / 3;
        return log;
    }
}
