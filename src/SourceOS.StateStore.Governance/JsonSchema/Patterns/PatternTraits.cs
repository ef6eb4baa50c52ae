// Why this file exists: which matcher a pattern can use is read off its tree.
// Invariants: recursion is bounded by the parser's nesting; estimates saturate.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Facts about patterns.</summary>
internal static class PatternTraits
{
    /// <summary>Whether a pattern looks ahead or behind.</summary>
    public static bool HasLooks(PatternNode node) => node switch
    {
        PatternNode.Look => true,
        PatternNode.Sequence sequence => sequence.Parts.Any(HasLooks),
        PatternNode.Choice choice => choice.Options.Any(HasLooks),
        PatternNode.Repeat repeat => HasLooks(repeat.Part),
        PatternNode.Capture capture => HasLooks(capture.Part),
        _ => false,
    };

    /// <summary>Estimates the states of a pattern with its counted repeats unrolled; saturates.</summary>
    public static int Weight(PatternNode node)
    {
        const int Cap = 1_000_000;
        long weight = 1;
        switch (node)
        {
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts)
                {
                    weight += Weight(part);
                }

                break;
            case PatternNode.Choice choice:
                foreach (PatternNode option in choice.Options)
                {
                    weight += Weight(option);
                }

                break;
            case PatternNode.Repeat repeat:
                weight = (long)Weight(repeat.Part) * Math.Max(1, Math.Max(repeat.Min, repeat.Max));
                break;
            case PatternNode.Capture capture:
                weight = Weight(capture.Part);
                break;
            case PatternNode.Look look:
                weight = Weight(look.Part);
                break;
        }

        return (int)Math.Min(weight, Cap);
    }

    /// <summary>The highest group number in a pattern; 0 when it captures nothing.</summary>
    public static int LastGroup(PatternNode node) => node switch
    {
        PatternNode.Sequence sequence => sequence.Parts.Select(LastGroup).DefaultIfEmpty().Max(),
        PatternNode.Choice choice => choice.Options.Select(LastGroup).Max(),
        PatternNode.Repeat repeat => LastGroup(repeat.Part),
        PatternNode.Look look => LastGroup(look.Part),
        PatternNode.Capture capture => Math.Max(capture.Number, LastGroup(capture.Part)),
        _ => 0,
    };

    /// <summary>The lowest group number in a pattern; <see cref="int.MaxValue"/> when it captures nothing.</summary>
    public static int FirstGroup(PatternNode node) => node switch
    {
        PatternNode.Sequence sequence => sequence.Parts.Select(FirstGroup).DefaultIfEmpty(int.MaxValue).Min(),
        PatternNode.Choice choice => choice.Options.Select(FirstGroup).Min(),
        PatternNode.Repeat repeat => FirstGroup(repeat.Part),
        PatternNode.Look look => FirstGroup(look.Part),
        PatternNode.Capture capture => capture.Number,
        _ => int.MaxValue,
    };
}
