// Why this file exists: verify and repair run beside a living store. A writer, four readers, a verifier and somebody who asks for repairs work on the same store. Invariants: no finding is a warning or worse, no read is wrong, nothing is repaired and no
// commit fails; how long it takes follows from how many verifications are asked for, not from a clock.

using System.Globalization;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Verify;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class BesideTests(ITestOutputHelper output)
{
    private const int StoresInCi = 4;
    private const int VerificationsEach = 20;
    private const int CommitsEach = 250;
    private const int Readers = 4;
    private const int Ids = 40;

    [Fact]
    public async Task Verify_and_repair_beside_a_writer_and_four_readers_raise_no_alarm()
    {
        Campaign campaign = new("beside", output);
        using Scratch scratch = new();
        int stores = Campaign.Size(StoresInCi);
        for (int number = 0; number < stores; number++)
        {
            string path = scratch.Next();
            await RunAsync(path, campaign, unchecked(Campaign.Seed + number));
            VerificationReport report = StoreVerifier.Run(path);
            campaign.Try(Name("at rest", number), () => report.Verdict == VerificationVerdict.Clean && report.IsComplete ? null : Tell(report));
            Scratch.Remove(path);
        }

        campaign.Finish(atLeast: VerificationsEach);
    }

    private static async Task RunAsync(string path, Campaign campaign, int seed)
    {
        StateStoreOptions options = Bodies.Options();
        options.CheckpointEveryEvents = 50;
        await using StateStore store = StateStore.Create(path, options);
        using CancellationTokenSource ended = new();
        StateSession session = store.OpenSession(Bodies.Identity);
        _ = await session.CommitAsync(Batches.Of([.. Enumerable.Range(0, Ids).Select(static i => Batches.Put(Id(i), i, 300))]));
        using SemaphoreSlim allowed = new(CommitsEach);
        List<Task> others = [Task.Run(() => WriteAsync(session, campaign, seed, allowed, ended.Token), CancellationToken.None)];
        for (int reader = 0; reader < Readers; reader++)
        {
            int number = reader;
            others.Add(Task.Run(() => Read(number % 2 == 0 ? store : null, path, campaign, seed + number, ended.Token), CancellationToken.None));
        }

        for (int i = 0; i < VerificationsEach; i++)
        {
            VerificationLevel level = i % 5 == 0 ? VerificationLevel.Quick : VerificationLevel.Standard;
            campaign.Try(Name("verify", i), () => Verify(path, new VerifyOptions { Level = level, DegreeOfParallelism = 1 + (i % 2) }));
            await AskForRepairAsync(path, campaign, i);
            _ = allowed.Release(CommitsEach);
        }

        await ended.CancelAsync();
        await Task.WhenAll(others);
    }

    private static string? Verify(string path, VerifyOptions options)
    {
        VerificationReport report = StoreVerifier.Run(path, options);
        return report.Findings.Any(static finding => finding.Severity != FindingSeverity.Info) || report.Verdict != VerificationVerdict.Clean ? Tell(report) : null;
    }

    // Whatever plan a store at work shows, applying it is refused before anything is touched.
    private static async Task AskForRepairAsync(string path, Campaign campaign, int number)
    {
        string? problem;
        try
        {
            RepairPlan plan = StoreRepair.Plan(path);
            problem = plan.IsDestructive ? $"a plan gives up data: {plan.HumanReview[0]}" : null;
            if (plan.Steps.Count > 0)
            {
                _ = await StoreRepair.ApplyAsync(path, plan.PlanHash, Bodies.Identity, Bodies.Options());
                problem = "a store at work was repaired";
            }
        }
        catch (StateStoreException exception)
        {
            campaign.Count($"repair {exception.Code}");
            problem = null;
        }
        catch (ArgumentException)
        {
            // The plan was of a moment that is gone.
            campaign.Count("repair of another moment");
            problem = null;
        }

        campaign.Try(Name("repair", number), () => problem);
    }

    private static async Task WriteAsync(StateSession session, Campaign campaign, int seed, SemaphoreSlim allowed, CancellationToken ended)
    {
        Random random = new(seed);
        int commits = 0;
        while (!ended.IsCancellationRequested)
        {
            int number = random.Next(Ids);
            CommitReceipt receipt = await session.CommitAsync(Batches.Of([Batches.Put(Id(number), number + (Ids * random.Next(1000)), random.Next(20) == 0 ? 20_000 : random.Next(50, 900))]), cancellationToken: CancellationToken.None);
            if (!receipt.IsCommitted)
            {
                campaign.Try(Name("commit", commits), () => $"a commit was refused: {receipt.Refusal}");
                return;
            }

            // So many commits for each verification: a store that grows faster than it is verified would never be done.
            commits++;
            if (!await WaitAsync(allowed, ended))
            {
                break;
            }
        }

        campaign.Try("commits", () => commits > 0 ? null : "nothing was committed beside");
    }

    private static async Task<bool> WaitAsync(SemaphoreSlim allowed, CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            if (await allowed.WaitAsync(5, CancellationToken.None))
            {
                return true;
            }
        }

        return false;
    }

    private static void Read(StateStore? shared, string path, Campaign campaign, int seed, CancellationToken ended)
    {
        Random random = new(seed);
        long reads = 0;
        string? problem = null;
        StateStore store = shared ?? StateStore.OpenRead(path, Bodies.Options());
        try
        {
            // A reader that began late still reads once, beside nobody.
            while (problem is null && (!ended.IsCancellationRequested || reads == 0))
            {
                problem = ReadOne(store, random, campaign);
                reads++;
            }
        }
        finally
        {
            if (shared is null)
            {
                store.Dispose();
            }
        }

        campaign.Try(Name("reader", seed), () => problem);
    }

    // A store that is opened for reading in the writer's own process cannot hold the state still, and says so when the writer went on.
    private static string? ReadOne(StateStore store, Random random, Campaign campaign)
    {
        try
        {
            using ReadSnapshot snapshot = store.OpenSnapshot();
            campaign.Count("reads");
            return ReadOne(snapshot, random);
        }
        catch (StateStoreException exception)
        {
            campaign.Count($"reads refused, {exception.Code}");
            return exception.IsRetryable ? null : exception.ToString();
        }
    }

    private static string? ReadOne(ReadSnapshot snapshot, Random random)
    {
        string id = Id(random.Next(Ids));
        StoredRecord? record = snapshot.Get(RecordKind.Object, id);
        if (record is null)
        {
            return $"'{id}' is not found";
        }

        // The last event of the record is the one that made it what it is.
        StoredEvent? item = snapshot.ReadEvent(record.Sequence);
        int listed = random.Next(4) == 0 ? snapshot.Range(RecordKind.Object).ToList().Count : Ids;
        return item is null || item.SubjectId != id || !item.Image.Span.SequenceEqual(record.Body.Span) ? $"'{id}' is not what event {record.Sequence} says"
            : listed != Ids ? string.Create(CultureInfo.InvariantCulture, $"{listed} objects are listed of {Ids}") : null;
    }

    private static string Id(int number) => string.Create(CultureInfo.InvariantCulture, $"object:{number:D4}");

    private static string Name(string what, int number) => string.Create(CultureInfo.InvariantCulture, $"{what} {number}");

    private static string Tell(VerificationReport report) => $"{report.Verdict}: {string.Join("; ", report.Findings.Where(static finding => finding.Severity != FindingSeverity.Info).Take(3).Select(static finding => $"{finding.Code} {finding.Place} {finding.Message}"))}";
}
