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
        await FlipStore.MakeAsync(made, Objects);
        FlipExpectation expected = FlipExpectation.Read(made, Objects);
        int flips = Campaign.Size(keepsStoreOpen ? FlipsInCi : FlipsInCi / 8);
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            FlipStore.Copy(made, copy);
            using FileStream file = new(FlipStore.DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            StateStore? kept = keepsStoreOpen ? StateStore.OpenRead(copy, FlipStore.Options()) : null;
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

                campaign.Try(bit.ToString(CultureInfo.InvariantCulture), () => FlipStore.Flipped(file, bit, () => Look(copy, kept, expected, campaign)));
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
        await FlipStore.MakeAsync(made, FewObjects);
        FlipExpectation expected = FlipExpectation.Read(made, FewObjects);
        long bits = new FileInfo(FlipStore.DataPath(made)).Length * 8;
        long flips = Math.Min(bits, Campaign.Size(EveryBitInCi));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{flips} of {bits} bits"));
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            FlipStore.Copy(made, copy);
            using FileStream file = new(FlipStore.DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using StateStore store = StateStore.OpenRead(copy, FlipStore.Options());
            Random random = new(Campaign.Seed + lane);
            for (long i = lane; i < flips; i += Lanes)
            {
                long first = (long)((Int128)bits * i / flips), next = (long)((Int128)bits * (i + 1) / flips);
                long bit = campaign.Replay is string replay ? long.Parse(replay, CultureInfo.InvariantCulture) : random.NextInt64(first, next);
                campaign.Try(bit.ToString(CultureInfo.InvariantCulture), () => FlipStore.Flipped(file, bit, () => Look(copy, store, expected, campaign)));
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
        await FlipStore.MakeAsync(made, FewObjects);
        FlipExpectation expected = FlipExpectation.Read(made, FewObjects);
        byte[] sound = File.ReadAllBytes(FlipStore.DataPath(made));
        List<long> pointers = PagePointers.Find(sound);
        Assert.True(pointers.Count > 20, $"{pointers.Count} pointers");
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            FlipStore.Copy(made, copy);
            using FileStream file = new(FlipStore.DataPath(copy), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using StateStore store = StateStore.OpenRead(copy, FlipStore.Options());
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

    private static string? Look(string path, StateStore? kept, FlipExpectation expected, Campaign campaign)
    {
        StateStore? store = kept;
        try
        {
            store ??= StateStore.OpenRead(path, FlipStore.Options());
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return expected.FindDifference(snapshot, out bool faulted) is string wrong ? wrong : FlipStore.Count(campaign, faulted ? "faults" : "right in all");
        }
        catch (StateStoreException)
        {
            return FlipStore.Count(campaign, "refused");
        }
        finally
        {
            if (kept is null)
            {
                store?.Dispose();
            }
        }
    }
}
