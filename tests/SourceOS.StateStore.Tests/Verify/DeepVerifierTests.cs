// Why this file exists: a state can agree with itself in every digest and still not be what the log says, after a defect or by somebody's hand. The deep level finds that and nothing else does; on a sound store, beside a writer too, it finds nothing.

using System.Text;
using SourceOS.StateStore.Fold;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Storage.Files;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Verify;

namespace SourceOS.StateStore.Tests.Verify;

public sealed class DeepVerifierTests
{
    private static readonly SessionIdentity s_me = new("actor:test", "device:test", "profile:test", "workspace:test");

    [Fact]
    public async Task A_sound_store_is_clean_also_beside_its_writer_and_leaves_no_scratch_behind()
    {
        using TestDirectory directory = new();
        string scratch = Directory.CreateDirectory(Path.Combine(directory.Root, "scratch")).FullName;
        await using (StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            await FillAsync(store);
            using CancellationTokenSource stop = new();
            Task writer = WriteAsync(store, stop.Token);
            for (int i = 0; i < 5; i++)
            {
                VerificationReport beside = DeepVerifier.Run(directory.StorePath, scratchParent: scratch);
                Assert.True(beside.Verdict == VerificationVerdict.Clean, string.Join("; ", beside.Findings.Select(static finding => finding.Message)));
                Assert.Equal(VerificationLevel.Deep, beside.Level);
            }

            await stop.CancelAsync();
            await writer;
        }

        VerificationReport report = DeepVerifier.Run(directory.StorePath, scratchParent: scratch);
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        Assert.Empty(report.NotChecked);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch));
    }

    [Fact]
    public async Task A_state_that_agrees_with_itself_and_not_with_the_log_is_found_named_and_mended()
    {
        using TestDirectory directory = new();
        await using (StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            await FillAsync(store);
        }

        Forge(directory.StorePath);
        Assert.Equal(VerificationVerdict.Clean, StoreVerifier.Run(directory.StorePath).Verdict);
        VerificationReport deep = DeepVerifier.Run(directory.StorePath);
        Assert.Equal(VerificationVerdict.Damaged, deep.Verdict);
        Finding finding = Assert.Single(deep.Findings, static item => item.Code == "state.fold.differs");
        Assert.Equal("note:00003", finding.Place.Record);

        // What the finding says to do is done, and mends it.
        Directory.Delete(Path.Combine(directory.StorePath, "state"), recursive: true);
        RepairPlan plan = StoreRepair.Plan(directory.StorePath);
        await StoreRepair.ApplyAsync(directory.StorePath, plan.PlanHash, s_me);
        Assert.Equal(VerificationVerdict.Clean, DeepVerifier.Run(directory.StorePath).Verdict);
    }

    [Fact]
    public async Task A_log_that_is_not_sound_is_not_folded_and_a_call_can_be_ended()
    {
        using TestDirectory directory = new();
        await using (StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()))
        {
            await FillAsync(store);
        }

        using CancellationTokenSource ended = new();
        await ended.CancelAsync();
        Assert.ThrowsAny<OperationCanceledException>(() => DeepVerifier.Run(directory.StorePath, cancellation: ended.Token));
        string segment = Directory.EnumerateFiles(Path.Combine(directory.StorePath, "events")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(segment);
        bytes[Array.FindIndex(bytes, 20_000, static value => value != 0) + 40] ^= 1;
        File.WriteAllBytes(segment, bytes);
        VerificationReport report = DeepVerifier.Run(directory.StorePath);
        Assert.Equal(VerificationVerdict.Unsafe, report.Verdict);
        Assert.Contains(report.NotChecked, static left => left.What == "the fold of the log");
    }

    private static async Task FillAsync(StateStore store)
    {
        StateSession session = store.OpenSession(s_me);
        for (int i = 0; i < 60; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i:D5}", RoundTripTests.ObjectBody("note", $"title {i}", $"dir/{i}")));
        }

        await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "note:00007"));
    }

    private static async Task WriteAsync(StateStore store, CancellationToken stop)
    {
        StateSession session = store.OpenSession(s_me);
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i % 60:D5}", RoundTripTests.ObjectBody("note", $"later {i}", $"dir/{i}")), cancellationToken: CancellationToken.None);
        }
    }

    // Puts another body under a record's key, with everything that vouches for it: envelope, digest.
    private static void Forge(string storePath)
    {
        string generation = Directory.EnumerateDirectories(Path.Combine(storePath, "state")).Single();
        using StateEnvironment state = StateEnvironment.Open(generation, LinuxFileOps.Instance, 1L << 30);
        StateView view = new(state.Published);
        StateHeader header = new();
        StateDigest digest = new();
        view.ReadHeader(header);
        view.ReadDigest(digest);
        byte[] key = new byte[64];
        key = key[..Tables.RecordKey((byte)RecordKind.Object, Encoding.UTF8.GetBytes("note:00003"), key)];
        Assert.True(view.TryGetRecord(key, out RecordEnvelope old));
        Assert.True(view.TryGet(StateTable.Records, key, out ReadOnlySpan<byte> stored));
        digest.Remove(StateTable.Records, key, stored);
        byte[] body = RoundTripTests.ObjectBody("note", "title X", "dir/3");
        MutationSet mutations = new();
        Span<byte> value = mutations.Put((byte)StateTable.Records, key, RecordEnvelope.LengthBytes + body.Length);
        RecordEnvelope.Write(key, old.IsTombstone, old.IsBootCritical, old.Sequence, old.Surrogate, body, value);
        digest.Add(StateTable.Records, key, value);
        using LmdbWriteTransaction transaction = state.Apply(mutations, header, digest);
        transaction.Commit();
        state.Sync();
    }
}
