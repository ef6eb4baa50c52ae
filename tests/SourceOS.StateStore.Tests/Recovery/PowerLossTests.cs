// Why this file exists: the state is written without syncs of its own, so a power loss may leave any mixture of its pages: some of the last snapshot, some of an older one, some
// never written. Invariants: such a file is never believed; what is shown after the open is what was acknowledged; a mixture that no page check can see is seen by the digest.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
using SourceOS.StateStore.State;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Tests;

public sealed class PowerLossTests : IDisposable
{
    private const int PageBytes = 4096;
    private const int Objects = 24;
    private const int RandomMixtures = 60;
    private readonly TestDirectory _directory = new();

    private string Live => Path.Combine(_directory.Root, "live");

    private string Case => Path.Combine(_directory.Root, "case");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_header_of_an_older_snapshot_before_newer_tables_is_seen_and_the_state_is_rebuilt()
    {
        using TestDirectory directory = new();
        await CommitObjectsAsync(StateStore.Create(directory.StorePath, RoundTripTests.SmallOptions()), 0, 5);
        string data = Directory.GetFiles(Path.Combine(directory.StorePath, "state"), "data.mdb", SearchOption.AllDirectories).Single();
        byte[] older = HeaderIn(data);
        await CommitObjectsAsync(StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions()), 5, 1);
        byte[] newer = HeaderIn(data);
        Assert.Equal(older.Length, newer.Length);

        // As if one page had not been written: the digest and every table are the newer ones.
        byte[] bytes = File.ReadAllBytes(data);
        int replaced = 0;
        for (int at; (at = bytes.AsSpan().IndexOf(newer)) >= 0; replaced++)
        {
            older.CopyTo(bytes, at);
        }

        Assert.True(replaced > 0);
        File.WriteAllBytes(data, bytes);
        StoreCopy.AdoptInode(directory.StorePath);
        StoreCopy.ChangeBoot(directory.StorePath);
        await using StateStore store = StateStore.Open(directory.StorePath, RoundTripTests.SmallOptions());
        Assert.True(store.Recovery!.StateRebuilt);
        Assert.Equal(6UL, store.GetStatus().LiveCount(RecordKind.Object));
    }

    private static async Task CommitObjectsAsync(StateStore store, int from, int count)
    {
        await using (store)
        {
            StateSession session = store.OpenSession(new SessionIdentity("actor:test"));
            for (int i = from; i < from + count; i++)
            {
                await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"header:{i}", RoundTripTests.ObjectBody("note", $"{i}")));
            }
        }
    }

    private static byte[] HeaderIn(string data)
    {
        using MappedFile map = MappedFile.Open(data);
        Assert.True(StateRoots.TryLoad(map, null, null, out StateRoots? roots, out _));
        byte[] header = new byte[roots!.Header.EncodedLengthBytes];
        roots.Header.Encode(header);
        return header;
    }

    [Fact]
    public async Task Pages_of_an_older_snapshot_among_newer_ones_are_seen_and_the_state_is_rebuilt()
    {
        (byte[] older, byte[] newer, Dictionary<string, string> expected) = await MakeAsync();
        Dictionary<string, int> reasons = [];
        int pages = newer.Length / PageBytes;
        Random random = new(20260326);
        for (int i = 0; i < pages + RandomMixtures; i++)
        {
            // Each page alone, then random sets of them: a third, a half or most of the file did not reach the medium.
            int share = 2 + (i % 3);
            byte[] mixed = Mix(older, newer, page => i < pages ? page == i : random.Next(share) == 0);
            if (!mixed.AsSpan().SequenceEqual(newer))
            {
                string reason = OpenMixed(mixed, expected);
                reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
            }
        }

        Assert.True(reasons.Where(static pair => pair.Key.Length > 0).Sum(static pair => pair.Value) > 60, string.Join('\n', reasons));

        // Sound pages, each in a place where it may stand: only the sums over all entries tell that some are of yesterday.
        Assert.Contains(reasons.Keys, static reason => reason.Contains("do not sum to the digest", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Pages_that_were_never_written_are_seen_too()
    {
        (_, byte[] newer, Dictionary<string, string> expected) = await MakeAsync();
        for (int page = 0; page < newer.Length / PageBytes; page++)
        {
            byte[] mixed = [.. newer];
            mixed.AsSpan(page * PageBytes, PageBytes).Clear();
            _ = OpenMixed(mixed, expected);
        }
    }

    /// <summary>Opens a store whose state has these pages, under another boot of the kernel, and holds it to what was acknowledged.</summary>
    /// <returns>Why the state was rebuilt; empty when it was not.</returns>
    private string OpenMixed(byte[] pages, Dictionary<string, string> expected)
    {
        StoreCopy.CopyLive(Live, Case);
        File.WriteAllBytes(Path.Combine(Case, "state", "g1", "data.mdb"), pages);
        StoreCopy.ChangeBoot(Case);
        string reason;

        // Larger states than the bound are proven after a power loss all the same.
        using (StateStore store = StateStore.Open(Case, LiveStore.Options(proveUpToBytes: 0)))
        {
            RecoveryReport report = store.Recovery!;
            Assert.True(report.StateProven || report.StateRebuilt);
            using ReadSnapshot snapshot = store.OpenSnapshot();
            Assert.Equal(expected, snapshot.Range(RecordKind.Object).ToList().ToDictionary(static record => record.Id, static record => Convert.ToHexString(record.Body.Span)));
            reason = report.StateRebuilt ? report.StateReason : "";
        }

        Directory.Delete(Case, recursive: true);
        return reason;
    }

    // Objects are changed many times, so that pages are reused and the same page holds the same table at two times.
    private async Task<(byte[] Older, byte[] Newer, Dictionary<string, string> Expected)> MakeAsync()
    {
        byte[] older = [];
        Dictionary<string, string> expected = [];
        await using StateStore store = StateStore.Create(_directory.StorePath, LiveStore.Options());
        StateSession session = store.OpenSession(LiveStore.Identity);
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < Objects; i++)
            {
                byte[] body = RoundTripTests.ObjectBody("note", $"round {round} {new string((char)('a' + (i % 26)), 120)}", $"p/{i}");
                Assert.True((await session.CommitAsync(new CommitBatch().Put(RecordKind.Object, $"note:{i:D2}", body))).IsCommitted);
                expected[$"note:{i:D2}"] = Convert.ToHexString(body);
            }

            if (round == 7)
            {
                older = StoreCopy.ReadUnlocked(StatePath());
            }
        }

        StoreCopy.CopyLive(_directory.StorePath, Live);
        return (older, File.ReadAllBytes(Path.Combine(Live, "state", "g1", "data.mdb")), expected);
    }

    private string StatePath() => Path.Combine(_directory.StorePath, "state", "g1", "data.mdb");

    private static byte[] Mix(byte[] older, byte[] newer, Func<int, bool> isOld)
    {
        byte[] mixed = [.. newer];
        for (int page = 0; page < newer.Length / PageBytes; page++)
        {
            if (isOld(page))
            {
                int at = page * PageBytes;
                Span<byte> target = mixed.AsSpan(at, PageBytes);
                target.Clear();
                older.AsSpan(Math.Min(at, older.Length), Math.Clamp(older.Length - at, 0, PageBytes)).CopyTo(target);
            }
        }

        return mixed;
    }
}
