// Why this file exists: the promise of repair, cell by cell: each file of a store x each kind of damage x each class of place. Invariants: cells are generated, not chosen; damage that changes
// what the store says is found in the file that was damaged; whatever is offered is applied; afterwards the store verifies and every record is there. STATESTORE_SCALE
// multiplies how many cells are tried; a large one tries all.

using System.Globalization;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;
using Xunit.Abstractions;

namespace SourceOS.StateStore.Tests;

public sealed class DamageMatrixTests(ITestOutputHelper output)
{
    private const int InCi = 36;

    // What a crash may leave is no damage to a verifier, and is put in order all the same; none of it touches anything that exists once.
    private static readonly string[] s_afterCrashes = [nameof(RepairAction.CutTornTail), nameof(RepairAction.ClearSlot), nameof(RepairAction.ReplayState), nameof(RepairAction.RebuildState), nameof(RepairAction.MakeParity)];

    [Fact]
    public async Task Every_kind_of_damage_to_every_file_is_found_and_repaired()
    {
        using TestDirectory directory = await FencedStores.MakeAsync(200);
        await HealOneBlockAsync(directory.StorePath);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            store.MakeStateCheckpoint();
        }

        string older = Path.Combine(directory.Root, "older");
        StoreCopy.CopyLive(directory.StorePath, older);
        await using (StateStore store = StateStore.Open(directory.StorePath, FencedStores.Options()))
        {
            for (int i = 0; i < 40; i++)
            {
                await store.OpenSession(FencedStores.Me).CommitAsync(new CommitBatch().Put(RecordKindOfNotes, $"later:{i}", RoundTripTests.ObjectBody("note", FencedStores.Title(i))));
            }

            store.MakeStateCheckpoint();
        }

        string other = Path.Combine(directory.Root, "other");
        await FencedStores.FillAsync(other, 120);
        Dictionary<string, string> records = FencedStores.Records(directory.StorePath);
        List<Cell> cells = [.. Cells(directory.StorePath)];
        int wanted = (int)Math.Min(cells.Count, InCi * CutCalls.Scale);
        Random random = new(20260);
        List<string> failures = [];
        Dictionary<string, int> outcomes = [];
        int tried = 0;
        foreach (Cell cell in cells.OrderBy(_ => random.Next()).Take(wanted))
        {
            string copy = Path.Combine(directory.Root, string.Create(CultureInfo.InvariantCulture, $"cell-{tried++}"));
            StoreCopy.CopyLive(directory.StorePath, copy);
            if (Damage(copy, cell, older, other))
            {
                string outcome = await JudgeAsync(copy, cell, records);
                outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
                if (outcome.StartsWith("failed", StringComparison.Ordinal))
                {
                    failures.Add($"{cell}: {outcome}");
                }
            }

            Directory.Delete(copy, recursive: true);
        }

        string books = $"damage matrix: {tried} of {cells.Count} cells tried, {failures.Count} failed [{string.Join(", ", outcomes.Where(static pair => !pair.Key.StartsWith("failed", StringComparison.Ordinal)).OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => $"{pair.Key} {pair.Value}"))}]";
        output.WriteLine(books);
        if (Environment.GetEnvironmentVariable("STATESTORE_REPORT") is { Length: > 0 } report)
        {
            await File.AppendAllTextAsync(report, books + Environment.NewLine + string.Concat(failures.Select(static line => line + Environment.NewLine)));
        }

        Assert.True(failures.Count == 0, books + Environment.NewLine + string.Join(Environment.NewLine, failures.Take(10)));
    }

    private static Format.RecordKind RecordKindOfNotes => Format.RecordKind.Object;

    // Leaves what a repair leaves: something in quarantine, a report, its events.
    private static async Task HealOneBlockAsync(string path)
    {
        FencedStores.Flip(FencedStores.Segment(path, 0), 32768 + 5000);
        await StoreRepair.ApplyAsync(path, StoreRepair.Plan(path).PlanHash, FencedStores.Me, FencedStores.Options());
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(path, "quarantine"), "*", SearchOption.AllDirectories));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(path, "reports")));
    }

    private static async Task<string> JudgeAsync(string path, Cell cell, Dictionary<string, string> records)
    {
        try
        {
            VerificationReport found = StoreVerifier.Run(path);
            List<string> places = [.. found.Findings.Where(static finding => finding.Severity != FindingSeverity.Info).Select(static finding => finding.Place.File).Distinct()];

            // A whole superblock of another store contradicts everything else, and nothing tells a verifier which of the two is right.
            bool isExact = places.Count == 0 || cell is { File: "STORE", Kind: "other" } || places.Exists(place => cell.File.StartsWith(place, StringComparison.Ordinal));
            if (!isExact)
            {
                return $"failed: found in {string.Join(", ", places)}";
            }

            string steps = "";
            for (int round = 0; round < 3; round++)
            {
                RepairPlan plan = StoreRepair.Plan(path);
                if (plan.IsBlocked)
                {
                    return $"failed: blocked, {plan.HumanReview[0]}";
                }

                if (plan.Steps.Count == 0)
                {
                    break;
                }

                steps += (steps.Length > 0 ? "+" : "") + string.Join("+", plan.Steps.Select(static step => step.Action).Distinct());
                await StoreRepair.ApplyAsync(path, plan.PlanHash, FencedStores.Me, FencedStores.Options(), acceptsLoss: true);
            }

            if (found.Verdict == VerificationVerdict.Clean && steps.Split('+').Except(s_afterCrashes).Any(static step => step.Length > 0))
            {
                return $"failed: verify was clean, repair did {steps}";
            }

            VerificationReport after = StoreVerifier.Run(path);
            if (after.Verdict != VerificationVerdict.Clean)
            {
                return $"failed: after {steps}: {after.Findings[0].Code} {after.Findings[0].Place}";
            }

            // Nothing of the store depends on these, and neither may what looks at them.
            _ = StoreRepair.ListQuarantine(path);
            _ = StoreRepair.ReadReports(path);
            Dictionary<string, string> now = FencedStores.Records(path);
            return records.Any(pair => !now.TryGetValue(pair.Key, out string? value) || value != pair.Value) ? $"failed: records differ after {steps}"
                : steps.Length > 0 ? steps : IsAside(cell.File) ? "nothing depends on it" : "unused";
        }
        catch (StateStoreException exception)
        {
            return $"failed: {exception.Code} {exception.Message}";
        }
    }

    private static IEnumerable<Cell> Cells(string path)
    {
        foreach (string full in Directory.GetFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string file = Path.GetRelativePath(path, full);
            if (file.EndsWith("lock.mdb", StringComparison.Ordinal))
            {
                // liblmdb's own; every copy that a cell is tried on lacks it already.
                continue;
            }

            if (file is "LOCK")
            {
                yield return new Cell(file, "delete", 0);
                continue;
            }

            foreach (long offset in Places(file, new FileInfo(full).Length))
            {
                yield return new Cell(file, "flip", offset);
                yield return new Cell(file, "zero", offset & -4096);
                yield return new Cell(file, "truncate", offset);
            }

            foreach (string kind in (string[])["delete", "older", "other"])
            {
                yield return new Cell(file, kind, 0);
            }
        }
    }

    // The classes of place: heads, slots and their copies, the first, middle and last part of what a file holds.
    private static IEnumerable<long> Places(string file, long length) => file switch
    {
        "STORE" => [0, 16, 60, 4000, 4096, 4136, 8190],
        _ when file.StartsWith("events", StringComparison.Ordinal) =>
            [8, 30, 4090, 4104, 4150, 8300, 12296, 12400, 16500, 21000, 32770, 32768 + 64, 32768 + 80, 32768 + 200, 32768 + 330, 32768 + 700, 32768 + 65536, 32768 + 65700, (32768 + length) / 2, length - 5000, length - 8],
        _ when file.StartsWith("parity", StringComparison.Ordinal) => [0, 20, 60, 100, 4090, 4096 + 5, 4096 + 20, 4096 + 40, 4096 + 2000, 8192 + 10, length / 2, length - 8],
        _ when file.StartsWith("checkpoints", StringComparison.Ordinal) => [.. ((long[])[0, 9, 20, 70, 300, 4000, 4093, 4096 + 2, 4096 + 3000, 20500, 20550, 21000, length / 2, length - 100, length - 64, length - 40, length - 1]).Where(offset => offset >= 0 && offset < length)],
        _ when IsAside(file) => [.. ((long[])[0, 1, 40, length / 2, length - 1]).Where(offset => offset >= 0 && offset < length).Distinct()],
        _ => [8, 24, 120, 4096 + 24, 4096 + 120, 8192 + 8, 8192 + 600, 12288 + 20, length / 3, length / 2, length * 2 / 3, length - 4000, length - 8],
    };

    private static bool IsAside(string file) => file.StartsWith("quarantine", StringComparison.Ordinal) || file.StartsWith("reports", StringComparison.Ordinal);

    private static bool Damage(string path, Cell cell, string older, string other)
    {
        string file = Path.Combine(path, cell.File);
        byte[] before = File.ReadAllBytes(file);
        switch (cell.Kind)
        {
            case "flip":
                FencedStores.Flip(file, cell.Offset);
                break;
            case "zero":
                byte[] bytes = (byte[])before.Clone();
                Array.Clear(bytes, (int)cell.Offset, (int)Math.Min(4096, bytes.Length - cell.Offset));
                File.WriteAllBytes(file, bytes);
                break;
            case "truncate":
                File.WriteAllBytes(file, before.AsSpan(0, (int)cell.Offset).ToArray());
                break;
            case "delete":
                File.Delete(file);
                break;
            default:
                string source = Path.Combine(cell.Kind == "older" ? older : other, cell.File);
                if (!File.Exists(source))
                {
                    return false;
                }

                File.Copy(source, file, overwrite: true);
                break;
        }

        return !File.Exists(file) || !File.ReadAllBytes(file).AsSpan().SequenceEqual(before);
    }

    private sealed record Cell(string File, string Kind, long Offset);
}
