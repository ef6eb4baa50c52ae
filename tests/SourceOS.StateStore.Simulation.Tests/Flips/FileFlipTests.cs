// Why this file exists: "never a wrong byte", for every file of a store but the state: a bit of the log, of its heads and slots, of the superblock, of parity, of a checkpoint flips, and the store is verified, read, and opened for writing. Invariants: nobody dies or hangs;
// each answer is the right one or a typed fault; the verifier names the file, whatever the bit; where it was the last copy of nothing, a writer goes on with everything acknowledged.

using System.Globalization;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class FileFlipTests(ITestOutputHelper output)
{
    private const int FlipsInCi = 600;
    private const int Objects = 110;
    private const int Lanes = 2;
    private const int WritersEach = 12;
    private const int HeadBytes = 32768;

    [Theory]
    [InlineData("sealed-segment", "events/segment-00000000.log", HeadBytes, int.MaxValue)]
    [InlineData("open-segment", "events/segment-00000001.log", HeadBytes, int.MaxValue)]
    [InlineData("sealed-head", "events/segment-00000000.log", 0, HeadBytes)]
    [InlineData("open-head", "events/segment-00000001.log", 0, HeadBytes)]
    [InlineData("superblock", "STORE", 0, int.MaxValue)]
    [InlineData("parity", "parity/segment-00000000.parity", 0, int.MaxValue)]
    [InlineData("checkpoint", "checkpoints/state-*", 0, int.MaxValue)]
    [InlineData("frontier", "checkpoints/frontier-*", 0, int.MaxValue)]
    public async Task Every_bit_of_a_file_that_flips_is_found_and_never_believed(string kind, string pattern, int from, int until)
    {
        Campaign campaign = new("flip-" + kind, output);
        using Scratch scratch = new();
        string made = scratch.Next();
        await FlipStore.MakeAsync(made, Objects);
        using (StateStore store = StateStore.Open(made, FlipStore.Options()))
        {
            _ = store.MakeStateCheckpoint();
        }

        Assert.Empty(StoreVerifier.Run(made).Findings);
        FlipExpectation expected = FlipExpectation.Read(made, Objects, withLog: true);
        string name = Path.GetRelativePath(made, Directory.GetFiles(Path.Combine(made, Path.GetDirectoryName(pattern)!), Path.GetFileName(pattern)).Order(StringComparer.Ordinal).First());
        long first = from * 8L;
        long bits = (Math.Min(until, new FileInfo(Path.Combine(made, name)).Length) * 8) - first;
        long flips = Math.Min(bits, Campaign.Size(FlipsInCi));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{flips} of {bits} bits of {name}"));
        Parallel.For(0, Lanes, lane =>
        {
            string copy = scratch.Next("lane");
            FlipStore.Copy(made, copy);
            using FileStream file = new(Path.Combine(copy, name), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            Random random = new(Campaign.Seed + lane);
            for (long i = lane; i < flips; i += Lanes)
            {
                long bit = first + random.NextInt64((long)((Int128)bits * i / flips), (long)((Int128)bits * (i + 1) / flips));
                if (campaign.Replay is string replay)
                {
                    bit = long.Parse(replay, CultureInfo.InvariantCulture);
                }

                bool writes = i % WritersEach < Lanes;
                campaign.Try(bit.ToString(CultureInfo.InvariantCulture), () => FlipStore.Flipped(file, bit, () => Look(copy, name, expected, campaign) ?? (writes ? Write(scratch, copy, expected, campaign) : null)));
            }
        });
        campaign.Finish(atLeast: (int)Math.Min(100, flips));
    }

    private static string? Look(string path, string name, FlipExpectation expected, Campaign campaign)
    {
        VerificationReport report = StoreVerifier.Run(path, new VerifyOptions { DegreeOfParallelism = 1 });
        if (!report.Findings.Any(finding => finding.Place.File == name))
        {
            return $"verify says {report.Verdict} and nothing of {name}";
        }

        _ = FlipStore.Count(campaign, $"verify {report.Verdict}");
        return Read(() => StateStore.OpenRead(path, FlipStore.Options()), expected, campaign, "read");
    }

    // A writer may refuse; what it opens has every acknowledged commit, and is sound once it is closed.
    private static string? Write(Scratch scratch, string path, FlipExpectation expected, Campaign campaign)
    {
        string copy = scratch.Next("written");
        FlipStore.Copy(path, copy);
        try
        {
            return Read(() => StateStore.Open(copy, Bodies.Options()), expected, campaign, "written");
        }
        finally
        {
            Scratch.Remove(copy);
        }
    }

    private static string? Read(Func<StateStore> open, FlipExpectation expected, Campaign campaign, string how)
    {
        try
        {
            using StateStore store = open();
            using ReadSnapshot snapshot = store.OpenSnapshot();
            return expected.FindDifference(snapshot, out bool faulted) is string wrong ? $"{how}: {wrong}" : FlipStore.Count(campaign, faulted ? $"{how} with faults" : $"{how} right in all");
        }
        catch (StateStoreException)
        {
            return FlipStore.Count(campaign, $"{how} refused");
        }
    }
}
