// Why this file exists: proofs of a real store hold against its checkpoints and against no other root, and every forgery of them is refused: each bit of the file, truncations, splices,
// reorderings, older roots.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Proofs;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Tests.Proofs;

public sealed class ProofTests(ITestOutputHelper output)
{
    private static readonly SessionIdentity s_me = new("actor:test");

    [Fact]
    public async Task Every_event_and_record_is_proven_against_the_checkpoint_of_its_moment()
    {
        using TestDirectory directory = new();
        await using StateStore store = await FillAsync(directory, 13);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Prover prover = new(store, snapshot);
        Checkpoint checkpoint = prover.MakeCheckpoint();
        Assert.Equal(snapshot.Sequence, checkpoint.Sequence);
        Assert.Equal(store.GetStatus().LogRoot, checkpoint.Root.ToString());
        for (ulong sequence = 1; sequence <= snapshot.Sequence; sequence++)
        {
            AssertHolds(prover.ProveEvent(sequence)!, checkpoint);
        }

        Assert.Null(prover.ProveEvent(0));
        Assert.Null(prover.ProveEvent(snapshot.Sequence + 1));
        foreach (StoredRecord record in snapshot.Range(RecordKind.Object, includeTombstones: true).ToList())
        {
            RecordProof proof = prover.ProveRecord(record.Kind, record.Id)!;
            AssertHolds(proof, checkpoint);
            Assert.True(RecordLeaf.TryDecode(proof.Record.Span, out RecordLeaf leaf));
            Assert.Equal((record.Id, record.Sequence, record.IsTombstone), (leaf.Id, leaf.Sequence, leaf.IsTombstone));
            Assert.Equal(record.Body.ToArray(), leaf.Body.ToArray());
        }

        Assert.Null(prover.ProveRecord(RecordKind.Object, "nobody"));
    }

    [Fact]
    public async Task Any_log_is_shown_to_grow_out_of_any_earlier_one_and_events_are_proven_at_every_size()
    {
        using TestDirectory directory = new();
        await using StateStore store = await FillAsync(directory, 11);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Prover prover = new(store, snapshot);
        for (ulong size = 1; size <= prover.Size; size++)
        {
            Checkpoint later = new(Checkpoint.OriginOf(store.Id), size, prover.ProveConsistency(size, size).Root);
            AssertHolds(prover.ProveEvent(1, size)!, later);
            for (ulong earlier = 1; earlier <= size; earlier++)
            {
                ConsistencyProof proof = prover.ProveConsistency(earlier, size);
                AssertHolds(proof, later);
                AssertHolds(proof, later with { Size = earlier, Root = proof.EarlierRoot });
                Assert.Equal(MinimumRootVerdict.Continues, MinimumRoot.Compare(later, store.Id, prover.Size, at => prover.ProveConsistency(at, at).Root));
            }
        }

        Checkpoint newest = prover.MakeCheckpoint();
        Assert.Equal(MinimumRootVerdict.RolledBack, MinimumRoot.Compare(newest with { Size = newest.Size + 1 }, store.Id, prover.Size, at => prover.ProveConsistency(at, at).Root));
        Assert.Equal(MinimumRootVerdict.Forked, MinimumRoot.Compare(newest with { Root = MerkleHash.Empty }, store.Id, prover.Size, at => prover.ProveConsistency(at, at).Root));
        Assert.Equal(MinimumRootVerdict.OtherStore, MinimumRoot.Compare(newest, Guid.NewGuid(), prover.Size, _ => newest.Root));
        Assert.Equal(MinimumRootVerdict.Unknown, MinimumRoot.Compare(newest, store.Id, prover.Size, _ => null));
    }

    [Fact]
    public async Task Forged_proofs_and_foreign_or_older_roots_are_refused()
    {
        using TestDirectory directory = new();
        await using StateStore store = await FillAsync(directory, 9);
        using ReadSnapshot snapshot = store.OpenSnapshot();
        Prover prover = new(store, snapshot);
        Checkpoint checkpoint = prover.MakeCheckpoint();
        EventProof item = prover.ProveEvent(3)!;
        StateProof[] proofs = [item, prover.ProveConsistency(3, prover.Size), prover.ProveConsistency(4, prover.Size), prover.ProveRecord(RecordKind.Object, "note:1")!];
        int tried = 0;
        foreach (StateProof proof in proofs)
        {
            byte[] file = ProofJson.Encode(proof);
            for (int bit = 0; bit < (file.Length - 1) * 8; bit++)
            {
                byte[] forged = [.. file];
                forged[bit / 8] ^= (byte)(1 << (bit % 8));
                tried++;
                Assert.False(Holds(forged, checkpoint), $"{proof.GetType().Name}, bit {bit}: {System.Text.Encoding.UTF8.GetString(forged)}");
            }

            for (int length = 0; length < file.Length - 1; length++)
            {
                tried++;
                Assert.False(Holds(file.AsSpan(0, length), checkpoint));
            }

            Assert.False(Holds([.. file, (byte)' '], checkpoint));
            Assert.False(proof.Check(checkpoint with { Origin = Checkpoint.OriginOf(Guid.NewGuid()) }).Holds);
            Assert.False((proof with { Path = [.. proof.Path, MerkleHash.Empty] }).Check(checkpoint).Holds);
            Assert.False((proof with { Path = [.. proof.Path.Skip(1)] }).Check(checkpoint).Holds);
            Assert.False((proof with { Path = [.. proof.Path.Reverse()] }).Check(checkpoint).Holds);
        }

        tried += Splice([.. proofs.Select(ProofJson.Encode)], checkpoint);
        string books = $"forged proofs: {tried} tried, {tried} held";
        output.WriteLine(books);
        if (Environment.GetEnvironmentVariable("STATESTORE_REPORT") is { Length: > 0 } report)
        {
            await File.AppendAllTextAsync(report, books + Environment.NewLine);
        }

        Assert.True(tried > 50_000, books);
        Checkpoint older = new(checkpoint.Origin, 4, prover.ProveConsistency(4, 4).Root);
        Assert.False(item.Check(older).Holds);
        Assert.False(proofs[3].Check(older).Holds);
        Assert.False((item with { Sequence = 4 }).Check(checkpoint).Holds);
        Assert.False((item with { FrameHeader = prover.ProveEvent(9)!.FrameHeader }).Check(checkpoint).Holds);
        Assert.False((item with { Event = prover.ProveEvent(9)!.Event }).Check(checkpoint).Holds);
        Assert.False((item with { Leaf = MerkleHash.Leaf([.. item.Salt.Span, .. item.Event.Span]) }).Check(checkpoint).Holds);
        EventProof erased = item with { Leaf = MerkleHash.Leaf([.. item.Salt.Span, .. item.Event.Span]), Salt = default, Event = default };
        AssertHolds(erased, checkpoint);
        Assert.Contains("erased", erased.Check(checkpoint).Statement, StringComparison.Ordinal);
    }

    // Parts of one proof in another, parts that changed places, several bytes at once.
    private static int Splice(byte[][] files, Checkpoint checkpoint)
    {
        Random random = new(41);
        int tried = 0;
        int wanted = (int)(28_000 * CutCalls.Scale);
        for (int i = 0; i < wanted; i++)
        {
            byte[] forged = [.. files[random.Next(files.Length)]];
            byte[] other = random.Next(3) == 0 ? forged : files[random.Next(files.Length)];
            int length = random.Next(1, 120);
            int from = random.Next(other.Length - length);
            int to = random.Next(forged.Length - length);
            byte[] moved = other[from..(from + length)];
            if (ReferenceEquals(other, forged))
            {
                forged.AsSpan(to, length).CopyTo(forged.AsSpan(from));
            }

            moved.CopyTo(forged, to);
            if (!Array.Exists(files, file => file.AsSpan().SequenceEqual(forged)))
            {
                tried++;
                Assert.False(Holds(forged, checkpoint), System.Text.Encoding.UTF8.GetString(forged));
            }
        }

        return tried;
    }

    private static void AssertHolds(StateProof proof, Checkpoint checkpoint)
    {
        ProofVerdict verdict = proof.Check(checkpoint);
        Assert.True(verdict.Holds, verdict.Statement);
        byte[] file = ProofJson.Encode(proof);
        Assert.True(ProofJson.TryDecode(file, out StateProof? back, out string reason), reason);
        Assert.True(back.Check(checkpoint).Holds);
        Assert.Equal(file, ProofJson.Encode(back));
    }

    private static bool Holds(ReadOnlySpan<byte> file, Checkpoint checkpoint) => ProofJson.TryDecode(file, out StateProof? proof, out _) && proof.Check(checkpoint).Holds;

    private static async Task<StateStore> FillAsync(TestDirectory directory, int commits)
    {
        StateStore store = StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions());
        StateSession session = store.OpenSession(s_me);
        for (int i = 0; i < commits; i++)
        {
            CommitBatch batch = new();
            for (int j = 0; j <= i % 3; j++)
            {
                batch.PutJson(System.Text.Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"note:{{(i + j) % 7}}","object_type":"note","title":"{{i}}"}"""));
            }

            Assert.True((await session.CommitAsync(batch)).IsCommitted);
        }

        Assert.True((await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "note:2"))).IsCommitted);
        return store;
    }
}
