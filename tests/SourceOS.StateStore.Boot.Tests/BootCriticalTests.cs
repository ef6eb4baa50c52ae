// Why this file exists: what the quick level owes to the tag `boot-critical`: each record that carries it is read and proven, whatever became of it, and no other record and no size costs it anything. Invariants: every answer here comes from the quick level alone.

using System.Text;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Boot;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Storage.Lmdb;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Boot.Tests;

public sealed class BootCriticalTests : IDisposable
{
    private const string Marked = "the release set that this machine boots";
    private const string Other = "something that no boot leans on at all...";
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Any_flipped_byte_of_a_tagged_record_blocks_and_names_it_and_one_of_another_record_costs_nothing()
    {
        string store = await MakeAsync("store", 400);
        byte[] data = File.ReadAllBytes(StateOf(store));
        string copy = Copy(store);
        (int Blocked, int Verified) = (0, 0);
        foreach ((string text, string id) in (IEnumerable<(string, string)>)[(Marked, "object:release-set"), (Other, "object:7")])
        {
            foreach (int at in Places(data, Encoding.UTF8.GetBytes(text)))
            {
                // Envelope, identifier and body lie around the text, on the page that holds it.
                for (int i = at - 60; i < at + text.Length; i++)
                {
                    byte[] flipped = [.. data];
                    flipped[i] ^= 1;
                    File.WriteAllBytes(StateOf(copy), flipped);
                    BootVerdict verdict = Quick(copy);
                    Assert.True(verdict.Decision is BootDecision.Blocked or BootDecision.Verified, $"{text} at {i}: {verdict.DecisionText}: {string.Join("; ", verdict.Reasons)}");
                    if (verdict.Decision == BootDecision.Blocked)
                    {
                        Assert.Equal("object:release-set", id);
                        BootReason reason = Assert.Single(verdict.Reasons);
                        Assert.Equal("state.boot-critical", reason.Code);
                        Assert.Contains("object/object:release-set", reason.Place, StringComparison.Ordinal);
                        Blocked++;
                    }
                    else
                    {
                        Verified++;
                    }
                }
            }
        }

        // The text of each record stands in pages that live and in pages that are free by now; flips of the first kind are counted once each.
        Assert.Equal(60 + Marked.Length, Blocked);
        Assert.True(Verified >= 60 + Other.Length);
    }

    [Fact]
    public async Task Pages_read_grow_with_the_tagged_records_and_not_with_the_store()
    {
        (long small, long smallRecords) = Reads(await MakeAsync("small", 1_000, tagged: 16));
        (long large, long largeRecords) = Reads(await MakeAsync("large", 100_000, tagged: 16));
        Assert.Equal((16, 16), (smallRecords, largeRecords));
        Assert.True(large <= small * 3 / 2, $"{small} pages of 1,000 objects, {large} pages of 100,000");
        (long more, long moreRecords) = Reads(await MakeAsync("more", 1_000, tagged: 160));
        Assert.Equal(160, moreRecords);
        Assert.True(more > small + 5, $"{small} pages for 16 records, {more} for 160: are they read?");
    }

    [Fact]
    public async Task A_tagged_record_that_is_gone_or_an_older_one_blocks_although_every_check_holds()
    {
        string store = await MakeAsync("store", 200);
        byte[] recordKey = [(byte)RecordKind.Object, .. "object:release-set"u8];
        byte[] older = Change(Copy(store), static (transaction, records, key) => transaction.TryGet(records, key, out ReadOnlySpan<byte> value) ? value.ToArray() : [], recordKey);
        await using (StateStore open = StateStore.Open(store, Options()))
        {
            Assert.True((await open.OpenSession(new SessionIdentity("actor:test")).CommitAsync(new CommitBatch().PutJson(Record("object:release-set", "the next one", "\"boot-critical\"")))).IsCommitted);
        }

        Assert.Equal(BootDecision.Verified, Quick(store).Decision);
        string stale = Copy(store);
        Change(stale, (transaction, records, key) => { transaction.Put(records, key, older); return []; }, recordKey);
        BootVerdict verdict = Quick(stale);
        Assert.Equal((BootDecision.Blocked, "state.boot-critical"), (verdict.Decision, Assert.Single(verdict.Reasons).Code));
        Assert.Contains("newest", verdict.Reasons[0].Message, StringComparison.Ordinal);

        string gone = Copy(store);
        Change(gone, static (transaction, records, key) => { Assert.True(transaction.Delete(records, key)); return []; }, recordKey);
        Assert.Equal((BootDecision.Blocked, "state.boot-critical"), (Quick(gone).Decision, Assert.Single(Quick(gone).Reasons).Code));
    }

    [Fact]
    public async Task The_tag_in_the_document_is_the_mark_and_goes_with_it()
    {
        string path = _directory.PathOf("tags");
        await using (StateStore store = StateStore.Create(path, Options()))
        {
            StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
            async Task<bool> PutAsync(string tags)
            {
                Assert.True((await session.CommitAsync(new CommitBatch().PutJson(Record("object:a", "a", tags)))).IsCommitted);
                using ReadSnapshot snapshot = store.OpenSnapshot();
                return snapshot.Get(RecordKind.Object, "object:a")!.IsBootCritical;
            }

            Assert.False(await PutAsync("\"x\""));
            Assert.True(await PutAsync("\"x\",\"boot-critical\""));
            Assert.False(await PutAsync(""));
            Assert.True(await PutAsync("\"boot-critical\""));
            Assert.True((await session.CommitAsync(new CommitBatch().PutJson("""{"schema":"sourceos.device-record/v1alpha1","device_id":"device:a","policy_tags":["boot-critical"]}"""u8))).IsCommitted);
        }

        Assert.Equal(2, Records(path));
        await using (StateStore store = StateStore.Open(path, Options()))
        {
            StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
            Assert.True((await session.CommitAsync(new CommitBatch().Delete(RecordKind.Object, "object:a"))).IsCommitted);
        }

        Assert.Equal(1, Records(path));
        await using (StateStore store = StateStore.Open(path, Options()))
        {
            StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
            Assert.True((await session.CommitAsync(new CommitBatch().Purge(RecordKind.Device, "device:a"))).IsCommitted);
        }

        Assert.Equal(0, Records(path));
        Assert.Equal(VerificationVerdict.Clean, StoreVerifier.Run(path).Verdict);
        Assert.Equal(VerificationVerdict.Clean, SourceOS.StateStore.Verify.DeepVerifier.Run(path).Verdict);
    }

    private static StateStoreOptions Options() => new() { LogPageBits = 20, SegmentBits = 24, ReserveBytes = 0 };

    private static BootVerdict Quick(string store) => BootCheck.Run(new BootCheckOptions { StorePath = store, StandardUpToBytes = 0, BudgetMs = 60_000 });

    private static long Records(string store)
    {
        VerificationReport report = StoreVerifier.Run(store, new VerifyOptions { Level = VerificationLevel.Quick });
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        return report.RecordsChecked;
    }

    private static (long Pages, long Records) Reads(string store)
    {
        CountingFiles files = new();
        VerificationReport report = StoreVerifier.Run(store, new VerifyOptions { Level = VerificationLevel.Quick, Files = files });
        Assert.Equal(VerificationVerdict.Clean, report.Verdict);
        return (files.Pages, report.RecordsChecked);
    }

    private static byte[] Record(string id, string title, string tags) =>
        Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{id}}","object_type":"note","title":"{{title}}","policy_tags":[{{tags}}]}""");

    private static string StateOf(string store) => Path.Combine(store, "state", "g1", "data.mdb");

    private static IEnumerable<int> Places(byte[] data, byte[] wanted)
    {
        for (int at = data.AsSpan().IndexOf(wanted); at >= 0;)
        {
            yield return at;
            int next = data.AsSpan(at + 1).IndexOf(wanted);
            at = next < 0 ? -1 : at + 1 + next;
        }
    }

    // Changes the table of records behind the engine's back, as a page from another time would.
    private static byte[] Change(string store, Func<LmdbWriteTransaction, LmdbDatabase, byte[], byte[]> change, byte[] key)
    {
        using LmdbEnvironment environment = LmdbEnvironment.Open(Path.GetDirectoryName(StateOf(store))!, new LmdbOptions { NoSync = true, MapSizeBytes = 1L << 30 });
        using LmdbWriteTransaction transaction = environment.BeginWrite();
        byte[] answer = change(transaction, transaction.OpenDatabase("records", create: false), key);
        transaction.Commit();
        return answer;
    }

    private string Copy(string store)
    {
        string copy = _directory.PathOf("copy-" + Guid.NewGuid().ToString("N"));
        StoreCopy.CopyLive(store, copy);
        return copy;
    }

    // Tagged records lie among the others by identifier and by time, as they would in a store that lives.
    private async Task<string> MakeAsync(string name, int objects, int tagged = 1)
    {
        string path = _directory.PathOf(name);
        await using StateStore store = StateStore.Create(path, Options());
        StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
        int every = objects / tagged;
        for (int start = 0; start < objects;)
        {
            CommitBatch batch = new();
            for (int end = Math.Min(objects, start + 1000); start < end; start++)
            {
                bool isTagged = start % every == every / 2 && start / every < tagged;
                string id = isTagged ? tagged == 1 ? "object:release-set" : $"object:{start}:tagged" : $"object:{start}";
                batch.PutJson(Record(id, isTagged ? Marked : start == 7 ? Other : $"title {start}", isTagged ? "\"boot-critical\"" : ""));
            }

            Assert.True((await session.CommitAsync(batch)).IsCommitted);
        }

        return path;
    }

    private sealed class CountingFiles : StoreFiles
    {
        public long Pages { get; private set; }

        public override ReadStatus Open(string path, out PositionalFile? file)
        {
            ReadStatus status = Native.Open(path, out PositionalFile? inner);
            file = inner is null ? null : new Counting(this, inner);
            return status;
        }

        public override ReadStatus List(string directory, StoreEntryVisitor visit) => Native.List(directory, visit);

        private sealed class Counting(CountingFiles owner, PositionalFile inner) : PositionalFile(inner.Path)
        {
            public override ReadStatus GetLength(out long lengthBytes) => inner.GetLength(out lengthBytes);

            protected override ReadStatus ReadSome(long offset, Span<byte> destination, out int countBytes)
            {
                owner.Pages += ((offset + destination.Length - 1) / 4096) - (offset / 4096) + 1;
                return inner.Read(offset, destination, out countBytes);
            }

            protected override void Dispose(bool disposing) => inner.Dispose();
        }
    }
}
