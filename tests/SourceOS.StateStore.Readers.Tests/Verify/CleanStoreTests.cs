// Why this file exists: a sound store verifies clean, wholly, whatever its shape; a verifier that cries wolf is turned off. Invariants:
// every byte of every file of the store is accounted for.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Tests.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Readers.Tests.Verify;

public sealed class CleanStoreTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(700)]
    public void A_sound_store_is_clean_and_every_byte_is_seen(int objects)
    {
        TestLog log = TestStores.Log(_directory.Path, objects);
        log.Save();
        TestState state = new TestState(log).Write();
        VerificationReport report = TestStores.Verify(log);
        TestStores.AssertClean(report);
        Assert.Equal(log.Frames.Count, report.FramesChecked);
        Assert.Equal((long)log.LastSequence, report.EventsChecked);
        Assert.Equal(state.Entries[StateTable.Records].Count, report.RecordsChecked);
        Assert.Equal(log.Tail, report.LogEnd);
        Assert.Equal(log.Tail, report.DurableAddress);
        Assert.Equal(log.StoreId.ToString(), report.StoreId);
        Assert.False(report.WriterSeen);
        MerkleFrontier tree = new();
        log.Frames.ForEach(frame => tree.AppendFrame(frame.Hash));
        Assert.Equal((tree.Root().ToString(), tree.LeafCount), (report.LogRoot, report.LogSize));
        Assert.Equal(new FileInfo(log.Layout.StateDataPath(1)).Length, report.Files.Single(static f => f.File == "state/g1/data.mdb").OwnedBytes);
        Assert.Equal(log.Segments.Count * log.Geometry.SegmentFileBytes, report.Files.Where(static f => f.File.StartsWith("events/", StringComparison.Ordinal)).Sum(static f => f.SeenBytes));
        Assert.Equal(["records", "index", "surrogates", "frames", "meta"], report.Tables.Select(static t => t.Table));
    }

    [Fact]
    public void Values_of_any_size_are_clean()
    {
        TestLog log = new(_directory.Path, pageBits: 20, segmentBits: 22);
        for (int i = 0; i < 60; i++)
        {
            log.AddFrame([.. Enumerable.Range(0, 3).Select(k => TestStores.Put((i * 3) + k, titleBytes: (i * 7919) % 90_000))], compress: i % 2 == 0);
        }

        log.Close();
        log.Save();
        new TestState(log).Write();
        TestStores.AssertClean(TestStores.Verify(log));
        TestStores.AssertClean(TestStores.Verify(log, new VerifyOptions { DegreeOfParallelism = 1 }));
    }

    [Fact]
    public void A_store_without_any_event_is_clean()
    {
        TestLog log = new(_directory.Path);
        log.Save();
        new TestState(log).Write();
        TestStores.AssertClean(TestStores.Verify(log));
        log.Close();
        log.Save();
        TestStores.AssertClean(TestStores.Verify(log));
    }

    [Fact]
    public void A_state_that_has_not_folded_all_of_the_log_is_clean()
    {
        TestLog log = TestStores.Log(_directory.Path, 40);
        log.Save();
        int frames = log.Frames.FindIndex(20, static f => f.Header.IsLastOfCommit) + 1;
        new TestState(log, frames).Write();
        TestStores.AssertClean(TestStores.Verify(log));
    }

    [Fact]
    public void Erased_events_and_other_page_sizes_are_clean()
    {
        TestLog log = TestStores.Log(_directory.Path, 60, pageBits: 18, segmentBits: 18);
        TestFrame frame = log.Frames[30];
        ulong sequence = frame.Header.FirstSequence + 1;
        Assert.True(FrameEraser.TryErase(log.At(frame.Address + 4, frame.Header.EntryLengthBytes), [1], out _));
        log.Save();
        new TestState(log, erased: [sequence]).Write();
        TestStores.AssertClean(TestStores.Verify(log));
    }

    [Fact]
    public void The_degree_of_parallelism_changes_nothing_and_progress_is_told()
    {
        TestLog log = TestStores.Log(_directory.Path, 300);
        log.Save();
        new TestState(log).Write();
        List<VerificationProgress> told = [];
        foreach (int degree in new[] { 1, 2, 7 })
        {
            VerificationReport report = TestStores.Verify(log, new VerifyOptions { DegreeOfParallelism = degree, Progress = new Recorder(told) });
            TestStores.AssertClean(report);
        }

        Assert.Contains(told, static p => p.Phase == "log");
        Assert.Contains(told, static p => p.Phase == "state");
        Assert.All(told, static p => Assert.True(p.DoneBytes >= 0));
    }

    [Fact]
    public void The_quick_level_is_clean_too_and_reads_little()
    {
        TestLog log = TestStores.Log(_directory.Path, 700);
        log.Save();
        int folded = log.Frames.FindLastIndex(log.Frames.Count - 3, static f => f.Header.IsLastOfCommit) + 1;
        new TestState(log, folded).Write();
        FaultyFiles files = new();
        VerificationReport report = TestStores.Verify(log, new VerifyOptions { Level = VerificationLevel.Quick, Files = files });
        Assert.True(report.Findings.Count == 0 && report.IsComplete, TestStores.Describe(report));
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        Assert.Equal(log.Frames.Count - folded, report.FramesChecked);
        Assert.Equal(log.Tail, report.LogEnd);
        Assert.Equal(0, files.StillOpen);
    }

    [Fact]
    public void Other_names_are_listed_and_change_no_verdict()
    {
        TestLog log = TestStores.Log(_directory.Path, 3);
        log.Save();
        new TestState(log).Write();
        new TestState(log).Write(generation: 9);
        File.WriteAllText(_directory.PathOf("notes.txt"), "x");
        File.WriteAllText(Path.Combine(log.Layout.EventsPath, "segment-00000001.log.new"), "x");
        File.WriteAllText(Path.Combine(log.Layout.EventsPath, "core"), "x");
        File.WriteAllText(Path.Combine(log.Layout.QuarantinePath, "torn-64.bin"), "x");
        File.WriteAllText(Path.Combine(log.Layout.ReportsPath, "recovery.json"), "{}");
        VerificationReport report = TestStores.Verify(log);
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        Assert.Equal(
            ["log.segment.unfinished", "state.other-generation", "store.quarantine", "store.stray", "store.stray"],
            report.Findings.Select(static f => f.Code).Order());
        Assert.All(report.Findings, static f => Assert.Equal(FindingSeverity.Info, f.Severity));
    }

    [Fact]
    public void A_root_that_the_caller_holds_is_checked()
    {
        TestLog log = TestStores.Log(_directory.Path, 10);
        log.Save();
        new TestState(log).Write();
        MerkleFrontier tree = new();
        log.Frames.Take(7).ToList().ForEach(frame => tree.AppendFrame(frame.Hash));
        TestStores.AssertClean(TestStores.Verify(log, new VerifyOptions { MinimumRoot = new KnownRoot(7, tree.Root()) }));
        TestStores.AssertClean(TestStores.Verify(log, new VerifyOptions { MinimumRoot = new KnownRoot(0, MerkleHash.Empty) }));
        foreach (KnownRoot wrong in new[] { new KnownRoot(8, tree.Root()), new KnownRoot(1000, tree.Root()) })
        {
            VerificationReport report = TestStores.Verify(log, new VerifyOptions { MinimumRoot = wrong });
            Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
            Assert.Equal("store.rolled-back", Assert.Single(report.Findings).Code);
        }
    }

    [Fact]
    public void A_cancelled_verification_ends_with_the_usual_exception()
    {
        TestLog log = TestStores.Log(_directory.Path, 10);
        log.Save();
        new TestState(log).Write();
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => StoreVerifier.Run(log.Layout.StorePath, null, source.Token));
    }

    [Fact]
    public void A_directory_that_is_no_store_gives_a_report()
    {
        foreach (string path in new[] { _directory.PathOf("none"), _directory.Path })
        {
            foreach (VerificationLevel level in Enum.GetValues<VerificationLevel>())
            {
                VerificationReport report = StoreVerifier.Run(path, new VerifyOptions { Level = level });
                Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
                Assert.Contains(report.Findings, static f => f.Code == "store.superblock.missing");
                Assert.False(report.IsComplete);
            }
        }
    }

    [Fact]
    public void Codes_are_unique_and_well_formed()
    {
        Assert.Equal(FindingKinds.All.Count, FindingKinds.All.Select(static kind => kind.Code).Distinct().Count());
        Assert.All(FindingKinds.All, static kind => Assert.Matches("^(store|log|state|workspace|checkpoint)(\\.[a-z-]+)+$", kind.Code));
        Assert.True(FindingKinds.All.Count > 50);
    }

    private sealed class Recorder(List<VerificationProgress> told) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value) => told.Add(value);
    }
}
