// Why this file exists: a process that reads damaged files with raw liblmdb, and may die of it. Invariants: says which case it begins before it begins it, so that its parent knows which one killed it; a case that does not end says so and ends the process.

using System.Globalization;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>Reads damaged files, one after the other.</summary>
internal static class RawLmdbChild
{
    private const int HangsAfterMs = 10_000;
    private const int PageBytes = 4096;

    /// <summary>Damages and reads.</summary>
    /// <param name="path">A directory with a sound file.</param>
    /// <param name="damage">"flip" or "cut".</param>
    /// <param name="from">The first case.</param>
    /// <param name="until">The one behind the last.</param>
    internal static void Run(string path, string damage, int from, int until)
    {
        byte[] sound = File.ReadAllBytes(Path.Combine(path, "data.mdb"));
        string work = Path.Combine(path, "work");
        Directory.CreateDirectory(work);
        for (int number = from; number < until; number++)
        {
            File.WriteAllBytes(Path.Combine(work, "data.mdb"), damage == "flip" ? Flip(sound, number) : sound[..Cut(sound.Length, number)]);
            int current = number;
            ChildOutput.Say(string.Create(CultureInfo.InvariantCulture, $"begin {current}"));
            using Timer watch = new(_ =>
            {
                ChildOutput.Say(string.Create(CultureInfo.InvariantCulture, $"{current} hang"));
                Environment.Exit(9);
            }, null, HangsAfterMs, Timeout.Infinite);
            ChildOutput.Say(string.Create(CultureInfo.InvariantCulture, $"{current} {RawLmdb.Read(work)}"));
        }
    }

    // Every other one in the first bytes of a page, where its head and its pointers are.
    private static byte[] Flip(byte[] sound, int number)
    {
        Random random = new(number);
        byte[] bytes = (byte[])sound.Clone();
        int at = number % 2 == 0 ? random.Next(bytes.Length) : (random.Next(bytes.Length / PageBytes) * PageBytes) + random.Next(48);
        bytes[at] ^= (byte)(1 << random.Next(8));
        return bytes;
    }

    private static int Cut(int length, int number) => Math.Max(3, (number + 2) % (length / PageBytes)) * PageBytes;
}
