// Why this file exists: the table of format-spec/recovery.md, walked over every combination of facts. Invariants: the rows are written here a second
// time, as predicates; each combination must meet exactly one first row, and the code must answer as that row says.

namespace SourceOS.StateStore.Tests;

public sealed class RecoveryTableTests
{
    private static readonly Row[] s_rows =
    [
        new(RecoveryCase.HealedFromSlot, facts => facts.EndReachesDurable && facts.CopyHeals && Follows(facts.State), MayWrite: true),
        new(RecoveryCase.RolledBackLog, facts => !facts.EndReachesDurable && facts.Stop == LogStop.Zeroes && facts.State == StateRelation.Ahead, MayWrite: false),
        new(RecoveryCase.LostTail, facts => !facts.EndReachesDurable && facts.Stop == LogStop.Zeroes && facts.State != StateRelation.Ahead, MayWrite: false),
        new(RecoveryCase.Damage, facts => !facts.EndReachesDurable && facts.Stop == LogStop.Bytes, MayWrite: false),
        new(RecoveryCase.ForkedLog, facts => facts.EndReachesDurable && !Follows(facts.State), MayWrite: false),
        new(RecoveryCase.TornTail, facts => facts.EndReachesDurable && !facts.CopyHeals && facts.Stop == LogStop.Bytes && Follows(facts.State), MayWrite: true),
        new(RecoveryCase.Clean, facts => facts.EndReachesDurable && !facts.CopyHeals && facts.Stop == LogStop.Zeroes && Follows(facts.State) && facts.NewestSlotIsCleanAtEnd, MayWrite: true),
        new(RecoveryCase.Crash, facts => facts.EndReachesDurable && !facts.CopyHeals && facts.Stop == LogStop.Zeroes && Follows(facts.State) && !facts.NewestSlotIsCleanAtEnd, MayWrite: true),
    ];

    [Fact]
    public void Every_combination_of_facts_meets_exactly_one_row_and_the_code_answers_as_it_says()
    {
        int walked = 0;
        foreach (RecoveryFacts facts in AllFacts())
        {
            walked++;
            Row row = Assert.Single(s_rows, candidate => candidate.Holds(facts));
            RecoveryDecision decision = RecoveryTable.Decide(in facts);
            Assert.Equal(row.Case, decision.Case);
            Assert.Equal(row.MayWrite, decision.MayWrite);
        }

        Assert.Equal(2 * 2 * 2 * 5 * 2, walked);
    }

    [Fact]
    public void Writing_is_allowed_only_where_nothing_durable_is_missing_and_the_state_is_of_this_log()
    {
        foreach (RecoveryFacts facts in AllFacts())
        {
            RecoveryDecision decision = RecoveryTable.Decide(in facts);
            Assert.Equal(facts.EndReachesDurable && Follows(facts.State), decision.MayWrite);
            Assert.False(decision.CutTail && !decision.MayWrite, $"{facts} cuts where it may not write");
            Assert.Equal(decision.MayWrite && facts.Stop == LogStop.Bytes, decision.CutTail);
        }
    }

    [Fact]
    public void The_state_is_rebuilt_when_there_is_none_replayed_when_it_is_behind_and_kept_otherwise()
    {
        foreach (RecoveryFacts facts in AllFacts())
        {
            RecoveryDecision decision = RecoveryTable.Decide(in facts);
            StateAction wanted = (decision.MayWrite, facts.State) switch
            {
                (true, StateRelation.None) => StateAction.Rebuild,
                (true, StateRelation.Behind) => StateAction.Replay,
                _ => StateAction.Keep,
            };
            Assert.Equal(wanted, decision.State);
        }
    }

    private static bool Follows(StateRelation state) => state is StateRelation.None or StateRelation.At or StateRelation.Behind;

    private static IEnumerable<RecoveryFacts> AllFacts() =>
        from reaches in (bool[])[false, true]
        from stop in Enum.GetValues<LogStop>()
        from heals in (bool[])[false, true]
        from state in Enum.GetValues<StateRelation>()
        from clean in (bool[])[false, true]
        select new RecoveryFacts(reaches, stop, heals, state, clean);

    private sealed record Row(RecoveryCase Case, Func<RecoveryFacts, bool> Holds, bool MayWrite);
}
