// Why this file exists: the smoke tests rest on the check that contestants hold the same data; a check that cannot fail would prove nothing.

using SourceOS.StateStore.Bench.Comparisons;
using SourceOS.StateStore.Bench.Measure;
using SourceOS.StateStore.Bench.Peers;

namespace SourceOS.StateStore.Bench.Tests;

public sealed class AgreementTests
{
    [Fact]
    public void A_missing_object_and_an_old_version_are_both_noticed()
    {
        using BenchContext context = new(Scale.Tiny, null);
        ChangeOrder order = new(3, inserts: false);
        using SqlitePeer sqlite = new(context.NewPath("sqlite.db"));
        sqlite.Commit([.. order.Preload().Take(2)]);
        Assert.Throws<InvalidOperationException>(() => Agreement.Require(order, sqlite));
        sqlite.Commit([.. order.Preload().Skip(2)]);
        Agreement.Require(order, sqlite);
        SampleObject change = order.Next();
        Assert.Throws<InvalidOperationException>(() => Agreement.Require(order, sqlite));
        sqlite.Commit([change]);
        Agreement.Require(order, sqlite);
    }

    [Fact]
    public void A_ratio_is_taken_inside_its_round()
    {
        Contestant subject = WorkContestant.Of("ours", Role.Subject, static (_, _) => { });
        Contestant peer = WorkContestant.Of("theirs", Role.Peer, static (_, _) => { });
        RoundLog[] logs = [new RoundLog(), new RoundLog()];
        foreach ((double ours, double theirs) in new[] { (10.0, 20.0), (1000.0, 2000.0), (5.0, 10.0) })
        {
            logs[0].RoundMeansNs.Add(ours);
            logs[1].RoundMeansNs.Add(theirs);
        }

        ComparisonResult result = ComparisonResult.Build("name", "unit", new RunShape(3, 0, 1), TimeSpan.Zero, [subject, peer], logs);
        Assert.Equal(new Spread(2, 2, 2), result.Contestants[1].Ratios["ours"]);
        Assert.Equal(10, result.Contestants[0].RoundNs.Median);
    }
}
