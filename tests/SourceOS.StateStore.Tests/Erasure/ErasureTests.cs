// Why this file exists: what was purged cannot be read from any file of the store, and everything else is as it was: chain, roots, records, proofs made before. Invariants: secrets are
// random text that LZ4 leaves as it is, in the log, in slots, in the state and in what repairs set aside; raw files are searched byte by byte.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SourceOS.StateStore.Backup;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Proofs;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Testing;
using SourceOS.StateStore.Verify;

namespace SourceOS.StateStore.Tests;

public sealed class ErasureTests
{
    [Fact]
    public async Task Erased_bytes_are_in_no_file_and_everything_else_is_as_it_was()
    {
        using Erasable made = await Erasable.MakeAsync();
        await using (StateStore store = StateStore.Open(made.Path, FencedStores.Options()))
        {
            store.MakeStateCheckpoint();
        }

        string root = made.LogRoot();
        Dictionary<string, string> before = FencedStores.Records(made.Path);
        Assert.True(made.Traces() > 0);
        ErasureReport report = StoreErasure.Begin(made.Path, FencedStores.Options());
        Assert.True(report.Events >= 5, $"{report.Events} events");
        Assert.Equal(3, report.Records);
        using (StateStore store = StateStore.Open(made.Path, FencedStores.Options()))
        {
            Assert.Equal(report.Events, store.Recovery!.EventsErased);
            using ReadSnapshot snapshot = store.OpenSnapshot();
            foreach (SequenceRange range in report.Sequences)
            {
                for (ulong sequence = range.First; sequence <= range.Last; sequence++)
                {
                    Assert.True(snapshot.ReadEvent(sequence)!.IsErased);
                }
            }
        }

        Assert.Empty(Directory.GetFiles(Path.Combine(made.Path, "checkpoints")));
        Assert.Equal(0, made.Traces());
        Assert.Equal(root, made.LogRoot());
        Assert.Equal(before, FencedStores.Records(made.Path));
        FencedStores.AssertClean(made.Path);
        VerificationReport deep = DeepVerifier.Run(made.Path);
        Assert.True(deep.Verdict == VerificationVerdict.Clean, string.Join("; ", deep.Findings));
        Assert.False(File.Exists(Path.Combine(made.Path, "erasure.journal")));
        Assert.True(StoreErasure.Begin(made.Path, FencedStores.Options()).IsEmpty);
    }

    [Fact]
    public async Task A_survey_says_what_would_go_and_changes_nothing()
    {
        using Erasable made = await Erasable.MakeAsync();
        string before = Fingerprint(made.Path);
        ErasureReport survey = StoreErasure.Survey(made.Path, [(RecordKind.Object, "kept:0001")], FencedStores.Options());
        Assert.Equal(2UL, survey.Events);
        ErasureReport pending = StoreErasure.Survey(made.Path, null, FencedStores.Options());
        Assert.Equal(3, pending.Records);
        Assert.Equal(before, Fingerprint(made.Path));
        ErasureReport report = StoreErasure.Begin(made.Path, FencedStores.Options());
        Assert.Equal(pending.Sequences, report.Sequences);
        Assert.Equal(pending.LeavesHash, report.LeavesHash);
    }

    [Fact]
    public async Task A_record_made_again_after_its_purge_keeps_what_it_is_now()
    {
        using Erasable made = await Erasable.MakeAsync();
        await using (StateStore store = StateStore.Open(made.Path, FencedStores.Options()))
        {
            StateSession session = store.OpenSession(FencedStores.Me);
            Assert.True((await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "secret:0", RoundTripTests.ObjectBody("note", "a second life")))).IsCommitted);
        }

        StoreErasure.Begin(made.Path, FencedStores.Options());
        await using StateStore after = StateStore.Open(made.Path, FencedStores.Options());
        using ReadSnapshot snapshot = after.OpenSnapshot();
        Assert.Equal("a second life", snapshot.Get(RecordKind.Object, "secret:0")!.Text("title"));
        Assert.Equal(0, made.Traces());
    }

    [Fact]
    public async Task A_purge_of_what_is_not_there_is_refused_and_a_purge_takes_a_tombstone()
    {
        using TestDirectory directory = new();
        await using StateStore store = StateStore.Create(directory.StorePath, FencedStores.Options());
        StateSession session = store.OpenSession(FencedStores.Me);
        Assert.Equal(CommitStatus.NotFound, (await session.CommitAsync(new CommitBatch().Purge(RecordKind.Object, "note:1"))).Status);
        await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "note:1", RoundTripTests.ObjectBody("note", "x")));
        await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "note:1"));
        CommitReceipt receipt = await session.CommitAsync(new CommitBatch().Purge(RecordKind.Object, "note:1"));
        Assert.True(receipt.IsCommitted);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Null(snapshot.Get(RecordKind.Object, "note:1"));
        Assert.Equal("sync.object.purged", snapshot.ReadEvent(receipt.LastSequence)!.Type);
        Assert.DoesNotContain(snapshot.GetStatus().Kinds, static kind => kind.Kind == RecordKind.Object && (kind.Tombstones > 0 || kind.Live > 0));
        Assert.Equal(CommitStatus.NotFound, (await session.CommitAsync(new CommitBatch().Purge(RecordKind.Object, "note:1"))).Status);
    }

    [Fact]
    public async Task Proofs_made_before_stay_valid_and_an_erased_event_is_proven_by_its_leaf()
    {
        using Erasable made = await Erasable.MakeAsync();
        ErasureReport report = StoreErasure.Begin(made.Path, FencedStores.Options());
        StateStore.Open(made.Path, FencedStores.Options()).Dispose();
        using StateStore store = StateStore.OpenRead(made.Path, FencedStores.Options());
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Assert.Equal(made.Checkpoint, new Prover(store, snapshot).MakeCheckpoint() with { RecordsRoot = made.Checkpoint.RecordsRoot });
        byte[] leaves = new byte[32];
        Sha256Hasher hasher = Sha256Hasher.Create();
        foreach (SequenceRange range in report.Sequences)
        {
            for (ulong sequence = range.First; sequence <= range.Last; sequence++)
            {
                hasher.Append(made.Leaves[sequence]);
            }
        }

        hasher.Finish(leaves);
        Assert.Equal(report.LeavesHash.ToString(), Convert.ToHexStringLower(leaves));
    }

    [Fact]
    public async Task What_repairs_set_aside_goes_only_when_that_is_accepted()
    {
        using Erasable made = await Erasable.MakeAsync();
        string aside = Path.Combine(made.Path, "quarantine");
        Directory.CreateDirectory(aside);
        await File.WriteAllTextAsync(Path.Combine(aside, "torn-64-x.bin"), made.Secret);
        string before = Fingerprint(made.Path);
        StateStoreException refused = Assert.Throws<StateStoreException>(() => StoreErasure.Begin(made.Path, FencedStores.Options()));
        Assert.Equal(StateStoreErrorCode.ReviewRequired, refused.Code);
        Assert.False(File.Exists(Path.Combine(made.Path, "erasure.journal")));
        StoreErasure.Begin(made.Path, FencedStores.Options(), dropsQuarantine: true);
        StateStore.Open(made.Path, FencedStores.Options()).Dispose();
        Assert.Equal(0, made.Traces());
        Assert.NotEqual(before, Fingerprint(made.Path));
    }

    [Fact]
    public async Task A_fenced_store_loses_what_the_fence_kept_and_can_still_be_opened()
    {
        using Erasable made = await Erasable.MakeAsync();
        FencedStores.FlipBeyondParity(FencedStores.Segment(made.Path, 0), 32768 + 5000);
        await FenceTests.FenceAsync(made.Path);
        Assert.True(made.Traces() > 0);
        ErasureReport survey = StoreErasure.Survey(made.Path, null, FencedStores.Options());
        Assert.NotEmpty(survey.Quarantined);

        // The fence's log holds no purge, because what was purged was not there to be salvaged; so only something purged since makes an erasure.
        await using (StateStore store = StateStore.Open(made.Path, FencedStores.Options()))
        {
            Assert.True((await store.OpenSession(FencedStores.Me).CommitAsync(new CommitBatch().Purge(RecordKind.Object, "kept:0002"))).IsCommitted);
        }

        StoreErasure.Begin(made.Path, FencedStores.Options(), dropsQuarantine: true);
        StateStore.Open(made.Path, FencedStores.Options()).Dispose();
        Assert.Equal(0, made.Traces());
        FencedStores.AssertClean(made.Path);
    }

    [Fact]
    public async Task Cut_off_at_any_call_an_erasure_is_finished_by_the_next_open()
    {
        using Erasable made = await Erasable.MakeAsync();
        Dictionary<string, string> records = FencedStores.Records(made.Path);
        List<long> steps = await CutCalls.StepsAsync(made.Directory, every: 3, static (copy, ops) =>
        {
            Run(copy, ops);
            return Task.CompletedTask;
        });
        int cut = 0;
        foreach (long step in CutCalls.Chosen(steps, 24))
        {
            string copy = System.IO.Path.Combine(made.Root, string.Create(CultureInfo.InvariantCulture, $"copy-{step}"));
            StoreCopy.CopyLive(made.Path, copy);
            FaultingFileOps ops = CutCalls.FailingFrom(step);
            try
            {
                Run(copy, ops);
            }
            catch (StateStoreException)
            {
                cut++;
            }

            Finish(copy, step);
            Assert.Equal(0, Erasable.Traces(copy, made.Secret));
            FencedStores.AssertClean(copy);
            Assert.Equal(records, FencedStores.Records(copy));
            Directory.Delete(copy, recursive: true);
        }

        Assert.True(cut > 10, $"Only {cut} runs were cut off.");
    }

    [Fact]
    public async Task A_journal_that_is_worth_nothing_is_set_aside_and_changes_nothing_of_the_log()
    {
        using Erasable made = await Erasable.MakeAsync();
        string root = made.LogRoot();
        StoreErasure.Begin(made.Path, FencedStores.Options());
        string journal = System.IO.Path.Combine(made.Path, "erasure.journal");
        byte[] sound = File.ReadAllBytes(journal);
        Random random = new(11);
        for (int i = 0; i < 40; i++)
        {
            byte[] bytes = (byte[])sound.Clone();
            int at = i < 10 ? i * 6 : random.Next(bytes.Length);
            bytes[at] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(journal, i % 5 == 4 ? bytes[..random.Next(bytes.Length)] : bytes);
            StateStore.Open(made.Path, FencedStores.Options()).Dispose();
            Assert.False(File.Exists(journal));
            Assert.Single(Directory.GetFiles(System.IO.Path.Combine(made.Path, "quarantine")));
            Directory.Delete(System.IO.Path.Combine(made.Path, "quarantine"), recursive: true);
            Assert.Equal(root, made.LogRoot());
            Assert.True(made.Traces() > 0);
        }
    }

    [Fact]
    public async Task An_erasure_that_is_not_finished_is_a_finding_a_step_of_repair_and_no_backup()
    {
        using Erasable made = await Erasable.MakeAsync();
        StoreErasure.Begin(made.Path, FencedStores.Options());
        VerificationReport report = StoreVerifier.Run(made.Path);
        Assert.Contains(report.Findings, static finding => finding.Code == "store.erasure.unfinished" && finding.AutoRepair);
        Assert.Equal(StateStoreErrorCode.ReviewRequired, (await Assert.ThrowsAsync<StateStoreException>(() => StoreBackup.CreateAsync(made.Path, System.IO.Path.Combine(made.Root, "backup")))).Code);
        RepairPlan plan = StoreRepair.Plan(made.Path);
        Assert.Equal(RepairAction.FinishErasure, Assert.Single(plan.Steps).Action);
        RepairOutcome outcome = await StoreRepair.ApplyAsync(made.Path, plan.PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.NotEmpty(outcome.ReportId);
        Assert.Equal(0, made.Traces());
        FencedStores.AssertClean(made.Path);
    }

    [Fact]
    public async Task A_reader_beside_an_erasure_sees_each_event_whole_or_erased()
    {
        using Erasable made = await Erasable.MakeAsync();
        StoreErasure.Begin(made.Path, FencedStores.Options());
        using CancellationTokenSource stop = new();
        Task<long> reading = Task.Run(() =>
        {
            long reads = 0;
            while (!stop.IsCancellationRequested || reads == 0)
            {
                using StateStore store = StateStore.OpenRead(made.Path, FencedStores.Options());
                using ReadSnapshot snapshot = store.OpenSnapshot();
                for (ulong sequence = 1; sequence <= snapshot.Sequence; sequence++)
                {
                    StoredEvent item = snapshot.ReadEvent(sequence)!;
                    Assert.True(item.IsErased || item.Type.Length > 0);
                    reads++;
                }
            }

            return reads;
        });
        StateStore.Open(made.Path, FencedStores.Options()).Dispose();
        await stop.CancelAsync();
        Assert.True(await reading > 0);
    }

    private static void Run(string path, FileOps ops)
    {
        StateStoreOptions options = FencedStores.Options();
        options.Files = ops;
        StoreErasure.Begin(path, options);
        StateStoreOptions again = FencedStores.Options();
        again.Files = ops;
        StateStore.Open(path, again).Dispose();
    }

    private static void Finish(string path, long step)
    {
        for (int round = 0; round < 3; round++)
        {
            ErasureReport report = StoreErasure.Begin(path, FencedStores.Options());
            StateStore.Open(path, FencedStores.Options()).Dispose();
            if (report.IsEmpty)
            {
                return;
            }
        }

        Assert.Fail($"The erasure cut off at call {step} does not end.");
    }

    private static string Fingerprint(string path)
    {
        StringBuilder text = new();
        foreach (string file in Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(static file => !file.EndsWith("lock.mdb", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            text.Append(file).Append(' ').AppendLine(Convert.ToHexString(SHA256.HashData(StoreCopy.ReadUnlocked(file))));
        }

        return text.ToString();
    }

    // A store of several segments in which three records with secrets were purged: one deleted before, both changed in every other commit, so that every tail slot holds a piece, one whose only event stands in the last block of the log.
    private sealed class Erasable : IDisposable
    {
        private readonly TestDirectory _directory = new();

        internal TestDirectory Directory => _directory;

        internal string Path => _directory.StorePath;

        internal string Root => _directory.Root;

        internal string Secret { get; } = Convert.ToHexString(RandomNumberGenerator.GetBytes(24));

        internal Checkpoint Checkpoint { get; private set; } = null!;

        internal Dictionary<ulong, byte[]> Leaves { get; } = [];

        internal static async Task<Erasable> MakeAsync()
        {
            Erasable made = new();
            await using StateStore store = StateStore.Create(made.Path, FencedStores.Options());
            StateSession session = store.OpenSession(FencedStores.Me);
            for (int i = 0; i < 60; i++)
            {
                CommitBatch batch = new CommitBatch().Put(RecordKind.Object, $"kept:{i:D4}", RoundTripTests.ObjectBody("note", FencedStores.Title(i) + Convert.ToHexString(RandomNumberGenerator.GetBytes(700))));
                batch.Put(RecordKind.Object, $"secret:{i % 2}", RoundTripTests.ObjectBody("note", $"{made.Secret} {i}"));
                Assert.True((await session.CommitAsync(batch)).IsCommitted);
                Assert.True((await session.CommitAsync(new CommitBatch().Append("app.note.opened", RecordKind.Object, $"kept:{i:D4}"))).IsCommitted);
            }

            await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "secret:0"));
            await session.CommitAsync(new CommitBatch().Append("app.note.opened", RecordKind.Object, "secret:1", new ChangeOptions { DataJson = Encoding.UTF8.GetBytes($"\"{made.Secret}\"") }));
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, "secret:2", RoundTripTests.ObjectBody("note", made.Secret)));
            await session.CommitAsync(new CommitBatch().Purge(RecordKind.Object, "secret:0").Purge(RecordKind.Object, "secret:1").Purge(RecordKind.Object, "secret:2"));
            using ReadSnapshot snapshot = store.OpenSnapshot();
            made.Checkpoint = new Prover(store, snapshot).MakeCheckpoint();
            made.ReadLeaves(snapshot.Sequence);
            return made;
        }

        internal int Traces() => Traces(Path, Secret);

        internal static int Traces(string path, string secret)
        {
            byte[] wanted = Encoding.UTF8.GetBytes(secret);
            return System.IO.Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Count(file => StoreCopy.ReadUnlocked(file).AsSpan().IndexOf(wanted) >= 0);
        }

        internal string LogRoot()
        {
            using StateStore store = StateStore.OpenRead(Path, FencedStores.Options());
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return snapshot.GetStatus().LogRoot.ToString();
        }

        public void Dispose() => _directory.Dispose();

        // From the bytes of the log, by its specification: the leaves follow the 256 bytes of a frame's header.
        private void ReadLeaves(ulong last)
        {
            LogGeometry geometry = new(16, 17);
            Superblock superblock = SuperblockReader.Read(new(Path)).Newest!;
            using LogReader reader = new(new(Path), geometry);
            FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock));
            while (scanner.MoveNext() == ScanOutcome.Frame)
            {
                FrameView frame = scanner.Frame();
                for (int i = 0; i < frame.Header.EventCount; i++)
                {
                    Leaves[frame.Header.FirstSequence + (ulong)i] = frame.LeafHash(i).Bytes.ToArray();
                }
            }

            Assert.Equal((int)last, Leaves.Count);
        }
    }
}
