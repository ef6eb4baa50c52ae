// Why this file exists: a pattern tells code points apart only by its own classes, so pattern and text are both rewritten over one
// letter per kind of code point. Characters beyond the basic plane become single letters, and matchers see tiny alphabets.
// Invariants: immutable; two code points share a letter exactly when every set of the pattern holds both or neither; a text maps to
// at most as many letters as it has bytes. Patterns with references compare
// the characters themselves and have no alphabet.

using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The letters of one pattern.</summary>
internal sealed class PatternAlphabet
{
    /// <summary>The first letter; printable, for whoever looks at one in a debugger.</summary>
    public const int FirstLetter = ' ';

    private const int MaxLetters = 60_000;
    private const int AsciiCount = 128;

    private readonly int[] _starts;
    private readonly char[] _letters;
    private readonly char[] _ascii = new char[AsciiCount];

    private PatternAlphabet(int[] starts, char[] letters, int count)
    {
        Count = count;
        _starts = starts;
        _letters = letters;
        for (int i = 0; i < AsciiCount; i++)
        {
            _ascii[i] = LetterOf(i);
        }
    }

    /// <summary>Number of letters.</summary>
    public int Count { get; }

    /// <summary>Makes the alphabet of a pattern.</summary>
    /// <returns>Null when it would need more letters than there are.</returns>
    public static PatternAlphabet? TryCreate(PatternNode pattern)
    {
        List<CodePointSet> sets = [];
        Collect(pattern, sets);
        List<(int At, UInt128 Mark)> edges = [];
        foreach (CodePointSet set in sets)
        {
            // A random mark per set: the exclusive or of the marks of all sets that hold a code point tells kinds apart.
            UInt128 mark = new((ulong)Random.Shared.NextInt64(), (ulong)Random.Shared.NextInt64());
            for (int i = 0; i < set.RangeCount; i++)
            {
                (int first, int last) = set.Range(i);
                edges.Add((first, mark));
                edges.Add((last + 1, mark));
            }
        }

        edges.Sort((left, right) => left.At.CompareTo(right.At));
        Dictionary<UInt128, char> known = [];
        List<int> starts = [];
        List<char> letters = [];
        UInt128 kind = 0;
        int edge = 0;
        for (int at = 0; at <= CodePointSet.Last; at = edge < edges.Count ? edges[edge].At : CodePointSet.Last + 1)
        {
            while (edge < edges.Count && edges[edge].At == at)
            {
                kind ^= edges[edge++].Mark;
            }

            if (!known.TryGetValue(kind, out char letter))
            {
                letter = (char)(FirstLetter + known.Count);
                known.Add(kind, letter);
            }

            starts.Add(at);
            letters.Add(letter);
            if (known.Count > MaxLetters)
            {
                return null;
            }
        }

        return new PatternAlphabet([.. starts], [.. letters], known.Count);
    }

    /// <summary>Rewrites a text.</summary>
    /// <param name="text">UTF-8; what is not well-formed counts as U+FFFD.</param>
    /// <param name="letters">At least as long as the text.</param>
    /// <returns>The number of letters.</returns>
    public int Map(ReadOnlySpan<byte> text, Span<char> letters)
    {
        int length = 0;
        int at = 0;
        while (at < text.Length)
        {
            byte value = text[at];
            if (value < AsciiCount)
            {
                letters[length++] = _ascii[value];
                at++;
                continue;
            }

            Rune.DecodeFromUtf8(text[at..], out Rune rune, out int consumed);
            letters[length++] = LetterOf(rune.Value);
            at += consumed;
        }

        return length;
    }

    /// <summary>The letters that stand for a set, in order.</summary>
    public SortedSet<char> LettersOf(CodePointSet set)
    {
        SortedSet<char> letters = [];
        for (int i = 0; i < set.RangeCount; i++)
        {
            (int first, int last) = set.Range(i);
            for (int place = PlaceOf(first); place < _starts.Length && _starts[place] <= last; place++)
            {
                letters.Add(_letters[place]);
            }
        }

        return letters;
    }

    private char LetterOf(int codePoint) => _letters[PlaceOf(codePoint)];

    private int PlaceOf(int codePoint)
    {
        int place = Array.BinarySearch(_starts, codePoint);
        return place >= 0 ? place : ~place - 1;
    }

    private static void Collect(PatternNode node, List<CodePointSet> sets)
    {
        switch (node)
        {
            case PatternNode.Set set:
                sets.Add(set.Members);
                break;
            case PatternNode.WordBoundary:
                sets.Add(CodePointSet.Word);
                break;
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts)
                {
                    Collect(part, sets);
                }

                break;
            case PatternNode.Choice choice:
                foreach (PatternNode option in choice.Options)
                {
                    Collect(option, sets);
                }

                break;
            case PatternNode.Repeat repeat:
                Collect(repeat.Part, sets);
                break;
            case PatternNode.Capture capture:
                Collect(capture.Part, sets);
                break;
            case PatternNode.Look look:
                Collect(look.Part, sets);
                break;
        }
    }
}
