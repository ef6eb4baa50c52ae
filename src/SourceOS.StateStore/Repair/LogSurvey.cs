// Why this file exists: what of the log is sound, also behind damage, so that what is lost can be named sequence by sequence. Invariants: reads only; a sequence counts
// as sound only when its whole frame was checked; ends on any input.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore;

/// <summary>A range of sequences.</summary>
/// <param name="First">The first.</param>
/// <param name="Last">The last, not below <paramref name="First"/>.</param>
public readonly record struct SequenceRange(ulong First, ulong Last)
{
    /// <summary>How many sequences it holds.</summary>
    public ulong Count => Last - First + 1;

    /// <inheritdoc/>
    public override string ToString() => First == Last
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{First}")
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{First} to {Last}");
}

/// <summary>What a survey of the log found.</summary>
/// <param name="WholeUntil">Log address up to which the log is whole from its base.</param>
/// <param name="StopReason">What stands there, for people.</param>
/// <param name="Sound">Sequences of sound frames, merged, in order.</param>
internal sealed record LogSurvey(long WholeUntil, string StopReason, IReadOnlyList<SequenceRange> Sound)
{
    /// <summary>The highest sequence that a sound frame holds; 0 when there is none.</summary>
    internal ulong HighestSequence => Sound.Count == 0 ? 0 : Sound[^1].Last;

    /// <summary>Reads the whole log.</summary>
    internal static LogSurvey Run(LogReader reader, Superblock superblock, long endOfSegments)
    {
        FrameSweep sweep = new(reader, superblock, endOfSegments);
        List<SequenceRange> sound = [];
        while (sweep.MoveNext())
        {
            FrameHeader header = sweep.Scanner.Header;
            sound.Add(new SequenceRange(header.FirstSequence, header.LastSequence));
            if (sound.Count > 4096)
            {
                sound = Merge(sound);
            }
        }

        return new LogSurvey(sweep.WholeUntil, sweep.StopReason, Merge(sound));
    }

    /// <summary>The sequences of a range that no sound frame holds.</summary>
    internal IReadOnlyList<SequenceRange> Missing(ulong first, ulong last)
    {
        List<SequenceRange> missing = [];
        ulong next = first;
        foreach (SequenceRange range in Sound)
        {
            if (range.First > next && next <= last)
            {
                missing.Add(new SequenceRange(next, Math.Min(last, range.First - 1)));
            }

            next = Math.Max(next, range.Last + 1);
        }

        if (next <= last)
        {
            missing.Add(new SequenceRange(next, last));
        }

        return missing;
    }

    private static List<SequenceRange> Merge(List<SequenceRange> ranges)
    {
        List<SequenceRange> merged = [];
        foreach (SequenceRange range in ranges.OrderBy(static range => range.First))
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last + 1)
            {
                merged[^1] = merged[^1] with { Last = Math.Max(merged[^1].Last, range.Last) };
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged;
    }
}
