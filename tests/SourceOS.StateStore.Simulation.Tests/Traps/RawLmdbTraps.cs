// Why this file exists: a harness that finds nothing on raw LMDB would prove nothing on the store: the same kinds of damage, read by liblmdb as it comes, must show its traps. Invariants: what dies is a child; which cases there are follows from their numbers.

using System.Globalization;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class RawLmdbTraps(ITestOutputHelper output)
{
    private const int Flips = 600;
    private const int Cuts = 8;

    [Fact]
    public async Task Flipped_bits_give_wrong_data_in_silence()
    {
        Dictionary<string, int> found = await RunAsync("flip", Flips);
        Assert.True(found.GetValueOrDefault("wrong") > Flips / 20, Tell(found));
    }

    [Fact]
    public async Task A_file_that_was_cut_kills_who_reads_it()
    {
        Dictionary<string, int> found = await RunAsync("cut", Cuts);
        Assert.True(found.GetValueOrDefault("death") > Cuts / 2, Tell(found));
    }

    private async Task<Dictionary<string, int>> RunAsync(string damage, int cases)
    {
        using Scratch scratch = new();
        string path = scratch.Next();
        RawLmdb.Make(path);
        Assert.Equal("right", RawLmdb.Read(path));
        Dictionary<string, int> found = [];
        int next = 0;
        while (next < cases)
        {
            int from = next;
            using ChildProcess child = ChildProcess.Start([], "lmdb", path, damage, ChildProcess.Text(next), ChildProcess.Text(cases));
            foreach (string line in await child.EndAsync())
            {
                string[] parts = line.Split(' ');
                if (parts is [string number, "right" or "wrong" or "error" or "hang"] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int answered))
                {
                    Count(found, parts[1]);
                    next = answered + 1;
                }
            }

            if (next < cases && child.ExitCode != 9)
            {
                // It began a case and answered nothing.
                Count(found, "death");
                next++;
            }

            Assert.True(next > from, "A child did nothing.");
        }

        output.WriteLine($"raw LMDB, {damage}: {Tell(found)}");
        return found;
    }

    private static void Count(Dictionary<string, int> found, string what) => found[what] = found.GetValueOrDefault(what) + 1;

    private static string Tell(Dictionary<string, int> found) => string.Join(", ", found.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => $"{pair.Key} {pair.Value}"));
}
