// Why this file exists: what the gates cost a commit, beside the same commit without them, and what the answers for people cost.

using System.Text;
using BenchmarkDotNet.Attributes;
using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Governance.Bootstrap;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Governance.Explain;
using SourceOS.StateStore.Governance.Gates;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>Commits through the gates and without, explanations, the glance.</summary>
public class GovernedBenchmarks : IDisposable
{
    private const int Objects = 10_000;
    private const string Actor = "actor:bench";
    private const string Device = "device:bench";
    private const string Profile = "profile:personal";
    private BenchContext? _context;
    private StateStore? _governed;
    private StateStore? _plain;
    private StateSession? _governedSession;
    private StateSession? _plainSession;
    private ReadSnapshot? _snapshot;
    private int _next;

    private StateStore Governed => _governed ?? throw new InvalidOperationException("The suite was not set up.");

    /// <summary>Loads two stores with the same records.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _context = new BenchContext(Scale.Short, null);
        _governed = GovernedStore.Create(_context.NewPath("governed"));
        _plain = StateStore.Create(_context.NewPath("plain"));
        SetupPlan plan = new(Device, "bench", Profile, "personal", Actor, "Bench", "identity:bench");
        _ = StoreSetup.EnsureAsync(_governed, plan, DateTimeOffset.UtcNow).GetAwaiter().GetResult();
        _ = StoreSetup.EnsureAsync(_plain, plan, DateTimeOffset.UtcNow).GetAwaiter().GetResult();
        _governedSession = _governed.OpenSession(new SessionIdentity(Actor, Device, Profile));
        _plainSession = _plain.OpenSession(new SessionIdentity(Actor, Device, Profile));
        for (int first = 0; first < Objects; first += 500)
        {
            Commit(_governedSession, first, 500).GetAwaiter().GetResult();
            Commit(_plainSession, first, 500).GetAwaiter().GetResult();
        }
    }

    /// <summary>A snapshot of bounded age for each iteration.</summary>
    [IterationSetup(Targets = [nameof(Explain), nameof(Glance)])]
    public void OpenSnapshot() => _snapshot = Governed.OpenSnapshot();

    /// <summary>Gives it back.</summary>
    [IterationCleanup(Targets = [nameof(Explain), nameof(Glance)])]
    public void CloseSnapshot() => _snapshot?.Dispose();

    /// <summary>Removes the stores.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _governed?.Dispose();
        _plain?.Dispose();
        _context?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A commit of one changed object through all gates.</summary>
    [Benchmark]
    public Task<ulong> Commit_governed() => Commit(_governedSession!, _next++ % Objects, 1);

    /// <summary>The same commit without gates.</summary>
    [Benchmark]
    public Task<ulong> Commit_without_gates() => Commit(_plainSession!, _next++ % Objects, 1);

    /// <summary>The eleven answers, warm.</summary>
    [Benchmark(OperationsPerInvoke = 10)]
    public int Explain()
    {
        int answers = 0;
        for (int i = 0; i < 10; i++)
        {
            answers += ObjectExplainer.Explain(_snapshot!, IdOf(_next++ % Objects))!.Answers.Count;
        }

        return answers;
    }

    /// <summary>The status that every door shows.</summary>
    [Benchmark(OperationsPerInvoke = 10)]
    public ulong Glance()
    {
        ulong sequence = 0;
        for (int i = 0; i < 10; i++)
        {
            sequence += StoreGlance.Of(_snapshot!).Status.Sequence;
        }

        return sequence;
    }

    private static string IdOf(int number) => $"note:{number:D6}";

    private static async Task<ulong> Commit(StateSession session, int first, int count)
    {
        CommitBatch batch = new();
        for (int i = 0; i < count; i++)
        {
            batch.PutJson(Encoding.UTF8.GetBytes($$"""{"schema":"sourceos.object-record/v1alpha1","object_id":"{{IdOf(first + i)}}","object_type":"note","profile_id":"{{Profile}}","workspace_id":"workspace:bench","title":"a title of some length","path":"notes/{{first + i}}.md"}"""));
        }

        CommitReceipt receipt = await session.CommitAsync(batch);
        return receipt.IsCommitted ? receipt.LastSequence : throw new InvalidOperationException(receipt.Refusal?.Reason);
    }
}
