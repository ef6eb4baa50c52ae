// Why this file exists: damage seldom comes alone. Two or three files of a store are spoiled at once, at random; what stood sound anywhere must be there after repair, and what is gone must have been announced. Invariants: what must be there is told by
// SoundParts and by which files were left alone, never by repair; every case follows from its number, which is printed; STATESTORE_SCALE multiplies how many are tried, STATESTORE_REPLAY=multi-damage:<number> tries one.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Tests;

public sealed class MultiDamageTests(ITestOutputHelper output)
{
    private const int InCi = 40;
    private const int BeforeCheckpoint = 120;
    private static readonly string[][] s_together =
    [
        ["state", "events"], ["events", "parity"], ["STORE", "state"], ["checkpoints", "state", "events"], ["STORE", "events"], ["state", "state", "STORE"], ["events", "events"],
        ["parity", "checkpoints", "events"], ["LOCK", "state", "events"], ["events", "checkpoints"],
    ];

    [Fact]
    public async Task Whatever_stood_sound_anywhere_is_there_after_several_files_were_damaged_at_once()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(BeforeCheckpoint);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            store.MakeStateCheckpoint();
            await StateCheckpointTests.WriteAsync(store, 1000, 40);
        }

        Known known = Known.Of(directory.StorePath);
        List<string> failures = [];
        SortedDictionary<string, int> outcomes = new(StringComparer.Ordinal);
        int tried = 0;
        foreach (int number in Numbers())
        {
            string copy = Path.Combine(directory.Root, string.Create(CultureInfo.InvariantCulture, $"case-{number}"));
            StoreCopy.CopyLive(directory.StorePath, copy);
            string damage = Damage(copy, new Random(number));
            string outcome = await JudgeAsync(copy, known);
            if (outcome.StartsWith("failed", StringComparison.Ordinal))
            {
                failures.Add(string.Create(CultureInfo.InvariantCulture, $"STATESTORE_REPLAY=multi-damage:{number} {damage}: {outcome}"));
                outcome = "failed";
            }

            tried++;
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            Directory.Delete(copy, recursive: true);
        }

        string books = $"multi-damage: {tried} tried, {tried - failures.Count} held [{string.Join(", ", outcomes.Select(static pair => $"{pair.Key} {pair.Value}"))}]";
        output.WriteLine(books);
        if (Environment.GetEnvironmentVariable("STATESTORE_REPORT") is { Length: > 0 } report)
        {
            await File.AppendAllTextAsync(report, books + Environment.NewLine + string.Concat(failures.Select(static line => line + Environment.NewLine)));
        }

        Assert.True(failures.Count == 0, books + Environment.NewLine + string.Join(Environment.NewLine, failures.Take(10)));
    }

    private static IEnumerable<int> Numbers() =>
        Environment.GetEnvironmentVariable("STATESTORE_REPLAY") is string replay && replay.StartsWith("multi-damage:", StringComparison.Ordinal)
            ? [int.Parse(replay["multi-damage:".Length..], CultureInfo.InvariantCulture)]
            : Enumerable.Range(0, (int)(InCi * CutCalls.Scale));

    private static string Damage(string path, Random random)
    {
        List<string> done = [];
        foreach (string kind in s_together[random.Next(s_together.Length)])
        {
            string[] files = kind is "STORE" or "LOCK" ? [Path.Combine(path, kind)] : [.. Directory.GetFiles(Path.Combine(path, kind), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
            string file = files.Length == 0 ? "" : files[random.Next(files.Length)];
            byte[] bytes = File.Exists(file) ? File.ReadAllBytes(file) : [];
            if (bytes.Length == 0)
            {
                // The damage before this one deleted it, or cut it to nothing.
                continue;
            }

            int at = random.Next(bytes.Length);
            int block = at & -4096;
            string what = kind == "LOCK" ? "deleted" : random.Next(12) switch { < 4 => "flipped", < 7 => "zeroed", < 9 => "noise", 9 => "cut", 10 => "long noise", _ => "deleted" };
            switch (what)
            {
                case "flipped":
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case "zeroed":
                    Array.Clear(bytes, block, Math.Min(4096, bytes.Length - block));
                    break;
                case "noise":
                    random.NextBytes(bytes.AsSpan(block, Math.Min(4096, bytes.Length - block)));
                    break;
                case "long noise":
                    random.NextBytes(bytes.AsSpan(block, Math.Min(20_000, bytes.Length - block)));
                    break;
                case "cut":
                    bytes = bytes[..at];
                    break;
            }

            if (what == "deleted")
            {
                File.Delete(file);
            }
            else
            {
                File.WriteAllBytes(file, bytes);
            }

            done.Add(string.Create(CultureInfo.InvariantCulture, $"{Path.GetRelativePath(path, file)} {what} at {at}"));
        }

        return string.Join(" + ", done);
    }

    private static async Task<string> JudgeAsync(string path, Known known)
    {
        HashSet<ulong> sound = SoundParts.Sequences(path, known.Superblock);
        bool isStateWhole = known.IsAsItWas(path, "state");
        ulong checkpoint = known.WholeCheckpoint(path);
        try
        {
            VerificationReport found = StoreVerifier.Run(path);
            if (sound.Count < known.Events && found.Verdict == VerificationVerdict.Clean)
            {
                return "failed: frames are damaged and verify is clean";
            }

            (string steps, List<SequenceRange> lost, ulong lostRecords) = await RepairAsync(path);
            if (steps.StartsWith("failed", StringComparison.Ordinal))
            {
                return steps;
            }

            if (lost.SelectMany(static range => Enumerable.Range(0, (int)range.Count).Select(i => range.First + (ulong)i)).FirstOrDefault(sound.Contains) is > 0 and ulong wrong)
            {
                return $"failed: {steps} calls sequence {wrong} lost, whose frame is sound";
            }

            VerificationReport after = StoreVerifier.Run(path);
            return after.Verdict != VerificationVerdict.Clean
                ? $"failed: after {steps}: {after.Findings[0].Code} {after.Findings[0].Place}"
                : known.FindLoss(path, isStateWhole, checkpoint, sound, lostRecords) is string loss ? $"failed: after {steps}: {loss}" : steps.Length == 0 ? "nothing to do" : steps;
        }
        catch (StateStoreException exception)
        {
            return $"failed: {exception.Code} {exception.Message}";
        }
    }

    private static async Task<(string Steps, List<SequenceRange> Lost, ulong LostRecords)> RepairAsync(string path)
    {
        List<string> steps = [];
        List<SequenceRange> lost = [];
        ulong records = 0;
        for (int round = 0; ; round++)
        {
            RepairPlan plan = StoreRepair.Plan(path);
            if (plan.IsBlocked)
            {
                return ($"failed: blocked, {plan.HumanReview[0]}", lost, records);
            }

            if (plan.Steps.Count == 0)
            {
                return (string.Join('+', steps), lost, records);
            }

            if (round == 4)
            {
                return ("failed: the repair does not end", lost, records);
            }

            steps.AddRange(plan.Steps.Select(static step => step.Action.ToString()).Except(steps));
            lost.AddRange(plan.LostRanges);
            records += plan.LostRecords;
            await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
        }
    }

    // The undamaged store.
    private sealed record Known(Superblock Superblock, Dictionary<string, (ulong Sequence, string Value)> Records, Dictionary<string, byte[]> Files)
    {
        internal int Events { get; private init; }

        internal static Known Of(string path)
        {
            Superblock superblock = Readers.Log.SuperblockReader.Read(new Readers.Log.StoreLayout(path)).Newest!;
            Dictionary<string, string> values = FencedStores.Records(path);
            Dictionary<string, (ulong, string)> records = [];
            using StateStore store = StateStore.OpenRead(path);
            using ReadSnapshot snapshot = store.OpenSnapshot();
            foreach (StoredRecord record in snapshot.Range(RecordKind.Object, includeTombstones: true).ToList())
            {
                string name = $"object/{record.Id}";
                records.Add(name, (record.Sequence, values[name]));
            }

            Dictionary<string, byte[]> files = Directory.GetFiles(path, "*", SearchOption.AllDirectories)
                .Where(static file => Path.GetFileName(file) is not ("lock.mdb" or "LOCK")).ToDictionary(file => Path.GetRelativePath(path, file), File.ReadAllBytes);
            Assert.Contains(files.Keys, static name => Readers.Log.StoreLayout.TryParseCheckpointName(Path.GetFileName(name), out _));
            int events = SoundParts.Sequences(path, superblock).Count;
            Assert.Equal(snapshot.Sequence, (ulong)events);
            return new Known(superblock, records, files) { Events = events };
        }

        internal bool IsAsItWas(string path, string folder) =>
            Files.Where(pair => pair.Key.StartsWith(folder, StringComparison.Ordinal)).All(pair => File.Exists(Path.Combine(path, pair.Key)) && File.ReadAllBytes(Path.Combine(path, pair.Key)).AsSpan().SequenceEqual(pair.Value));

        /// <summary>The last sequence of the newest checkpoint of the state that was left alone; 0 when there is none.</summary>
        internal ulong WholeCheckpoint(string path) => Files.Keys.Where(name => name.StartsWith("checkpoints/", StringComparison.Ordinal) && IsAsItWas(path, name))
            .Select(static name => Readers.Log.StoreLayout.TryParseCheckpointName(Path.GetFileName(name), out ulong sequence) ? sequence : 0).Append(0UL).Max();

        /// <summary>Holds the records of a repaired store against what stood sound.</summary>
        internal string? FindLoss(string path, bool isStateWhole, ulong checkpoint, HashSet<ulong> sound, ulong announced)
        {
            Dictionary<string, string> now = FencedStores.Records(path);
            ulong gone = 0;
            foreach ((string name, (ulong sequence, string value)) in Records)
            {
                if (now.TryGetValue(name, out string? found) && found == value)
                {
                    continue;
                }

                gone++;
                if (isStateWhole || sequence <= checkpoint || sound.Contains(sequence))
                {
                    return $"{name} of sequence {sequence} stood sound and is {(found is null ? "gone" : "another")}";
                }
            }

            return now.Keys.FirstOrDefault(name => name.StartsWith("object/", StringComparison.Ordinal) && !Records.ContainsKey(name)) is string made ? $"{made} was never there"
                : gone > announced ? $"{gone} records are gone, {announced} were announced" : null;
        }
    }
}
