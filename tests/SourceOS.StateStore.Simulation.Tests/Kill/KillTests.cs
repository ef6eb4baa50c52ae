// Why this file exists: the promise as a user meets it. A real process commits and dies by SIGKILL at any moment, also while it recovers what the one before
// it left; then every acknowledged commit is there, byte for byte, and no commit half. Invariants: what must be there comes from the plan and the
// child's lines alone; a store lives through many deaths; the seed of everything but the kernel's timing is printed.

using System.Globalization;
using SourceOS.StateStore.Readers.Verify;
using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

public sealed class KillTests(ITestOutputHelper output)
{
    private const int RoundsInCi = 320;
    private const int RoundsOfLife = 16;

    [Fact]
    public async Task Every_acknowledged_commit_survives_kill_9()
    {
        Campaign campaign = new("kill", output);
        using Scratch scratch = new();
        int lives = Math.Max(1, Campaign.Size(RoundsInCi) / RoundsOfLife);
        IEnumerable<int> chosen = campaign.Replay is string replay ? [Numbers.Parse(replay)] : Enumerable.Range(0, lives);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 1, 4) };
        await Parallel.ForEachAsync(chosen, parallel, async (life, _) => await new Life(campaign, scratch.Next("killed"), unchecked(Campaign.Seed + (life * 1009))).LiveAsync(life));
        campaign.Finish(atLeast: RoundsOfLife);
    }

    // One store and everything that happens to it.
    private sealed class Life(Campaign campaign, string path, int seed)
    {
        private readonly KillLedger _ledger = new(name => KillPlan.Changes(seed, name));
        private readonly Random _random = new(seed);

        internal async Task LiveAsync(int number)
        {
            for (int round = 0; round < RoundsOfLife; round++)
            {
                string? problem = await BookedAsync(round);
                campaign.Try(string.Create(CultureInfo.InvariantCulture, $"{number}"), () => problem is null ? null : $"[round {round}] {problem}");
                if (problem is not null)
                {
                    Scratch.Keep(path, $"kill-{number}");
                    return;
                }
            }

            Scratch.Remove(path);
        }

        // What a round throws is an outcome too: booked with its seed, and its store kept.
        private async Task<string?> BookedAsync(int round)
        {
            try
            {
                return await RoundAsync(round);
            }
            catch (Exception exception) when (exception is StateStoreException or IOException or OperationCanceledException)
            {
                return exception.ToString();
            }
        }

        private async Task<string?> RoundAsync(int round)
        {
            string? problem = await KillOneAsync(round, waitsForWork: _random.Next(8) != 0);
            if (problem is null && _random.Next(4) == 0)
            {
                // The next one dies while it recovers, or soon after; its commits have names of their own.
                campaign.Count("killed twice");
                problem = await KillOneAsync(1000 + round, waitsForWork: false);
            }

            if (problem is not null || !File.Exists(Path.Combine(path, "STORE")))
            {
                return problem ?? (_ledger.Acknowledged > 0 ? "the store is gone" : null);
            }

            Harm();
            return Check(round) ?? CheckAgain(round);
        }

        private async Task<string?> KillOneAsync(int round, bool waitsForWork)
        {
            using ChildProcess child = ChildProcess.Start([], "commit", path, ChildProcess.Text(seed), ChildProcess.Text(round));
            if (waitsForWork)
            {
                await child.Works;
                await Task.Delay(_random.Next(150));
            }
            else
            {
                await Task.Delay(_random.Next(60, 400));
            }

            int before = _ledger.Acknowledged;
            string? problem = _ledger.Hear(await child.KillAsync());
            campaign.Count(_ledger.Acknowledged > before ? "killed while committing" : "killed before its first commit");
            return problem;
        }

        // What may be gone after a death without a commit being gone.
        private void Harm()
        {
            switch (_random.Next(8))
            {
                case 0:
                    campaign.Count("with its state deleted");
                    Scratch.Remove(Path.Combine(path, "state"));
                    break;
                case 1 or 2:
                    StoreCopy.ChangeBoot(path);
                    break;
                case 3:
                    File.Delete(Path.Combine(path, "LOCK"));
                    break;
                default:
                    break;
            }
        }

        private string? Check(int round)
        {
            using StateStore store = StateStore.Open(path, KillPlan.Options(seed, round));
            campaign.Count(store.Recovery!.Case.ToString());
            return _ledger.FindDifference(store, fromStart: round == RoundsOfLife - 1);
        }

        private string? CheckAgain(int round)
        {
            using (StateStore store = StateStore.Open(path, KillPlan.Options(seed, round)))
            {
                if (store.Recovery!.Case != RecoveryCase.Clean || _ledger.LastSequence != store.VisibleSequence)
                {
                    return $"opened as {store.Recovery.Case} at {store.VisibleSequence} after a clean close at {_ledger.LastSequence}";
                }
            }

            if (round % 5 != 4 && round != RoundsOfLife - 1)
            {
                return null;
            }

            campaign.Count("verified");
            VerificationReport report = StoreVerifier.Run(path);
            Finding? finding = report.Findings.FirstOrDefault(item => item.Severity != FindingSeverity.Info);
            return report.Verdict == VerificationVerdict.Clean ? null : $"verify says {report.Verdict}: {finding?.Code} {finding?.Place}";
        }
    }
}
