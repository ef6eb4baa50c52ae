// Why this file exists: "never a wrong byte" for readers, bit by bit: a bit of the state's file flips while a process reads through snapshots. Invariants: each
// answer is the right one or a typed fault; a record that is there is never "not found", a list is never short; nothing else is thrown, nobody dies.

using System.Globalization;
using System.Text;
using SourceOS.StateStore.Format;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class StateFlipTests(ITestOutputHelper output)
{
    private const int FlipsInCi = 4_000;
    private const int EveryBitInCi = 8_000;
    private const int Objects = 120;
    private const int FewObjects = 26;
    private const int Lanes = 2;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flipped_bit_is_answered_right_or_not_at_all(bool keepsStoreOpen)
    {
        Campaign campaign = new(keepsStoreOpen ? "flip-under-open-store" : "flip-before-open", output);
        using Scratch scratch = new();
        string made = scratch.Next();
        await MakeAsync(made, Objects);
        Expected expected = Expected.Read(made, Objects);
        int flips = Campaign.Size(keepsStoreOpen ? FlipsInCi : FlipsInCi / 8);
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            Copy(made, copy);
            using FileStream file = new(DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            StateStore? kept = keepsStoreOpen ? StateStore.OpenRead(copy, Options()) : null;
            long bits = file.Length * 8;
            Random random = new(Campaign.Seed + lane);
            for (int i = lane; i < flips; i += Lanes)
            {
                // A spread over the whole file, and a random place beside it.
                long bit = i % 2 == 0 ? (long)(bits * (double)i / flips) : random.NextInt64(bits);
                if (campaign.Replay is string replay)
                {
                    bit = long.Parse(replay, CultureInfo.InvariantCulture);
                }

                campaign.Try(bit.ToString(CultureInfo.InvariantCulture), () => Flipped(file, bit, () => Look(copy, kept, expected, campaign)));
            }

            kept?.Dispose();
        });
        campaign.Finish(atLeast: Math.Min(500, flips));
    }

    // A store of few objects still has every kind of page: metas, a root of branches, leaves, overflow pages, free pages. A part of its bits in CI, evenly
    // spread and each time others; all of them, each once, with a scale that reaches the file's bits.
    [Fact]
    public async Task Every_bit_of_a_small_state_file()
    {
        Campaign campaign = new("flip-every-bit", output);
        using Scratch scratch = new();
        string made = scratch.Next();
        await MakeAsync(made, FewObjects);
        Expected expected = Expected.Read(made, FewObjects);
        long bits = new FileInfo(DataPath(made)).Length * 8;
        long flips = Math.Min(bits, Campaign.Size(EveryBitInCi));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{flips} of {bits} bits"));
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            Copy(made, copy);
            using FileStream file = new(DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using StateStore store = StateStore.OpenRead(copy, Options());
            Random random = new(Campaign.Seed + lane);
            for (long i = lane; i < flips; i += Lanes)
            {
                long first = (long)((Int128)bits * i / flips), next = (long)((Int128)bits * (i + 1) / flips);
                long bit = campaign.Replay is string replay ? long.Parse(replay, CultureInfo.InvariantCulture) : random.NextInt64(first, next);
                campaign.Try(bit.ToString(CultureInfo.InvariantCulture), () => Flipped(file, bit, () => Look(copy, store, expected, campaign)));
            }
        });
        campaign.Finish(atLeast: (int)Math.Min(500, flips));
    }

    // One flipped bit of a pointer reaches few pages; here each pointer leads to each page: an older copy of the right one, a sound one of another place, any kind.
    [Fact]
    public async Task A_page_pointer_that_leads_to_any_other_page()
    {
        Campaign campaign = new("flip-pointers", output);
        using Scratch scratch = new();
        string made = scratch.Next();
        await MakeAsync(made, FewObjects);
        Expected expected = Expected.Read(made, FewObjects);
        byte[] sound = File.ReadAllBytes(DataPath(made));
        List<long> pointers = PagePointers.Find(sound);
        Assert.True(pointers.Count > 20, $"{pointers.Count} pointers");
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            Copy(made, copy);
            using FileStream file = new(DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using StateStore store = StateStore.OpenRead(copy, Options());
            for (int i = lane; i < pointers.Count; i += Lanes)
            {
                for (uint page = 2; page < sound.Length / PagePointers.PageBytes; page++)
                {
                    string name = string.Create(CultureInfo.InvariantCulture, $"{pointers[i]}-{page}");
                    if (campaign.Replay is null || campaign.Replay == name)
                    {
                        campaign.Try(name, () => PagePointers.Pointing(file, pointers[i], page, () => Look(copy, store, expected, campaign)));
                    }
                }
            }
        });
        campaign.Finish(atLeast: 500);
    }

    private static string? Look(string path, StateStore? kept, Expected expected, Campaign campaign)
    {
        StateStore? store = kept;
        try
        {
            store ??= StateStore.OpenRead(path, Options());
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return expected.FindDifference(snapshot, out bool faulted) is string wrong ? wrong : Count(campaign, faulted ? "faults" : "right in all");
        }
        catch (StateStoreException)
        {
            return Count(campaign, "refused");
        }
        finally
        {
            if (kept is null)
            {
                store?.Dispose();
            }
        }
    }

    private static string? Count(Campaign campaign, string what)
    {
        campaign.Count(what);
        return null;
    }

    private static string? Flipped(FileStream file, long bit, Func<string?> look)
    {
        Span<byte> one = stackalloc byte[1];
        file.Position = bit / 8;
        file.ReadExactly(one);
        byte sound = one[0];
        one[0] ^= (byte)(1 << (int)(bit % 8));
        file.Position = bit / 8;
        file.Write(one);
        file.Flush();
        try
        {
            return look();
        }
        finally
        {
            one[0] = sound;
            file.Position = bit / 8;
            file.Write(one);
            file.Flush();
        }
    }

    // Nothing is proven at open, so that each read stands on its own checks.
    private static StateStoreOptions Options() => Bodies.Options(proveUpToBytes: 0);

    private static async Task MakeAsync(string path, int objects)
    {
        await using StateStore store = StateStore.Create(path, Options());
        StateSession session = store.OpenSession(Bodies.Identity);
        for (int i = 0; i < objects; i++)
        {
            int size = i % 17 == 0 ? 9_000 : 40 + (i * 3);
            Assert.True((await session.CommitAsync(Batches.Of([Batches.Put($"object:{i:D3}", i, size), Batches.PutActor($"actor:{i}", i)]))).IsCommitted);
        }

        for (int i = 0; i < objects; i += 9)
        {
            Assert.True((await session.CommitAsync(Batches.Of([Batches.Delete($"object:{i:D3}")]))).IsCommitted);
        }
    }

    private static void Copy(string source, string target)
    {
        foreach (string directory in Directory.EnumerateDirectories(source, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(target, Path.GetRelativePath(source, directory)));
        }

        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            File.Copy(file, Path.Combine(target, Path.GetRelativePath(source, file)));
        }
    }

    private static string DataPath(string store) => Directory.GetFiles(Path.Combine(store, "state"), "data.mdb", SearchOption.AllDirectories).Single();

    // What the sound store answers, asked once.
    private sealed class Expected
    {
        private static readonly RecordKind[] s_kinds = [RecordKind.Object, RecordKind.Actor];
        private static readonly string[] s_absent = ["object:", "object:0005", "object:1", "object:999", "zzz", "a"];
        private readonly Dictionary<(RecordKind Kind, string Id), StoredRecord> _records = [];
        private readonly List<(Func<ReadSnapshot, List<string>> Ask, List<string> Answer)> _lists = [];
        private string _status = "";

        internal static Expected Read(string path, int objects)
        {
            Expected expected = new();
            using StateStore store = StateStore.OpenRead(path, Options());
            using ReadSnapshot snapshot = store.OpenSnapshot();
            foreach (RecordKind kind in s_kinds)
            {
                foreach (StoredRecord record in snapshot.Range(kind, includeTombstones: true).ToList())
                {
                    expected._records[(kind, record.Id)] = record;
                }

                expected.Add(snapshot, source => Lines(source.Range(kind, includeTombstones: true)));
                expected.Add(snapshot, source => Lines(source.Range(kind, afterId: kind == RecordKind.Object ? "object:050" : "actor:5")));
            }

            expected.Add(snapshot, static source => Lines(source.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile))));
            expected.Add(snapshot, static source => Lines(source.ByIndex(IndexQuery.ProfileAndType(Bodies.Profile, "note"))));
            expected.Add(snapshot, static source => [.. source.History(RecordKind.Object, "object:009").Select(static item => item.Sequence.ToString(CultureInfo.InvariantCulture))]);
            expected._status = Status(snapshot);
            Assert.Equal(objects * 2, expected._records.Count);
            return expected;
        }

        /// <summary>The first answer that differs; faults are answers of their own.</summary>
        internal string? FindDifference(ReadSnapshot snapshot, out bool faulted)
        {
            bool anyFault = false;
            string? Ask(Func<string?> question)
            {
                try
                {
                    return question();
                }
                catch (StateStoreException)
                {
                    anyFault = true;
                    return null;
                }
            }

            string? wrong = null;
            foreach (((RecordKind kind, string id), StoredRecord record) in _records)
            {
                wrong ??= Ask(() => snapshot.Get(kind, id) is { } found && Line(found) == Line(record) ? null : $"{kind} '{id}' is wrong or not found");
            }

            foreach (string id in s_absent)
            {
                wrong ??= Ask(() => snapshot.Get(RecordKind.Object, id) is null ? null : $"'{id}' never was and is found");
            }

            for (int i = 0; i < _lists.Count; i++)
            {
                int number = i;
                wrong ??= Ask(() => Compare(number, _lists[number].Ask(snapshot), _lists[number].Answer));
            }

            wrong ??= Ask(() => Status(snapshot) == _status ? null : "the status is wrong");
            faulted = anyFault;
            return wrong;
        }

        private static string? Compare(int number, List<string> found, List<string> expected)
        {
            int same = found.Zip(expected).TakeWhile(static pair => pair.First == pair.Second).Count();
            return same == found.Count && same == expected.Count ? null
                : string.Create(CultureInfo.InvariantCulture, $"list {number} has {found.Count} of {expected.Count} entries and differs from the {same}th on: {string.Join(" | ", found.Skip(Math.Max(0, same - 1)).Take(2).Select(static line => line[..Math.Min(40, line.Length)]))}");
        }

        private void Add(ReadSnapshot snapshot, Func<ReadSnapshot, List<string>> ask) => _lists.Add((ask, ask(snapshot)));

        private static List<string> Lines(RecordEnumerable records) => [.. records.ToList().Select(Line)];

        private static string Line(StoredRecord record) =>
            string.Create(CultureInfo.InvariantCulture, $"{record.Kind} {record.Id} {record.Sequence} {record.Surrogate} {record.IsTombstone} {Convert.ToHexString(record.Body.Span)}");

        private static string Status(ReadSnapshot snapshot)
        {
            StateStoreStatus status = snapshot.GetStatus();
            StringBuilder text = new();
            text.Append(CultureInfo.InvariantCulture, $"{status.Sequence} {status.FrameCount} {status.LogRoot}");
            foreach (KindStatus kind in status.Kinds)
            {
                text.Append(CultureInfo.InvariantCulture, $" {kind}");
            }

            return text.ToString();
        }
    }
}
