// Why this file exists: a pattern as a small program over letters, for a matcher whose cost is known in advance.
// Invariants: immutable; counted repeats are unrolled, which the pattern's weight bounds; looks and references have no place here.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>What an instruction does.</summary>
internal enum PatternOperation : byte
{
    /// <summary>Consumes one letter out of a set.</summary>
    Letters,

    /// <summary>Goes on at two places.</summary>
    Split,

    /// <summary>Goes on at the start of the text.</summary>
    AssertStart,

    /// <summary>Goes on at the end of the text.</summary>
    AssertEnd,

    /// <summary>Goes on at a word boundary.</summary>
    AssertBoundary,

    /// <summary>Goes on where there is no word boundary.</summary>
    AssertNoBoundary,

    /// <summary>The pattern matched.</summary>
    Match,
}

/// <summary>One instruction.</summary>
/// <param name="Operation">What it does.</param>
/// <param name="Next">Where to go on.</param>
/// <param name="Other">The second place of a split; the set of <see cref="PatternOperation.Letters"/>.</param>
internal record struct PatternInstruction(PatternOperation Operation, int Next, int Other);

/// <summary>A pattern's program.</summary>
internal sealed class PatternProgram
{
    private readonly PatternAlphabet _alphabet;
    private readonly List<PatternInstruction> _code = [];
    private readonly List<LetterSet> _sets = [];
    private readonly Dictionary<CodePointSet, int> _setNumbers = [];

    private PatternProgram(PatternAlphabet alphabet) => _alphabet = alphabet;

    /// <summary>The instructions.</summary>
    public PatternInstruction[] Code { get; private set; } = [];

    /// <summary>The sets that instructions name.</summary>
    public LetterSet[] Sets { get; private set; } = [];

    /// <summary>The first instruction.</summary>
    public int Entry { get; private set; }

    /// <summary>Whether a match can only begin at the start of the text.</summary>
    public bool IsAnchored { get; private set; }

    /// <summary>Letters that are word characters; null when no boundary is asserted.</summary>
    public LetterSet? Words { get; private set; }

    /// <summary>Compiles a pattern; backwards, so that each part knows where to go on.</summary>
    public static PatternProgram Compile(PatternNode pattern, PatternAlphabet alphabet)
    {
        PatternProgram program = new(alphabet);
        int match = program.Add(PatternOperation.Match, 0, 0);
        program.Entry = program.Compile(pattern, match);
        program.Code = [.. program._code];
        program.Sets = [.. program._sets];
        program.IsAnchored = BeginsAtStart(pattern);
        return program;
    }

    private static bool BeginsAtStart(PatternNode node) => node switch
    {
        PatternNode.Start => true,
        PatternNode.Sequence { Parts.Count: > 0 } sequence => BeginsAtStart(sequence.Parts[0]),
        PatternNode.Choice choice => choice.Options.All(BeginsAtStart),
        PatternNode.Capture capture => BeginsAtStart(capture.Part),
        _ => false,
    };

    private int Add(PatternOperation operation, int next, int other)
    {
        _code.Add(new PatternInstruction(operation, next, other));
        return _code.Count - 1;
    }

    private int Compile(PatternNode node, int next)
    {
        switch (node)
        {
            case PatternNode.Set set:
                return Add(PatternOperation.Letters, next, SetNumber(set.Members));
            case PatternNode.Sequence sequence:
                for (int i = sequence.Parts.Count - 1; i >= 0; i--)
                {
                    next = Compile(sequence.Parts[i], next);
                }

                return next;
            case PatternNode.Choice choice:
                int entry = Compile(choice.Options[^1], next);
                for (int i = choice.Options.Count - 2; i >= 0; i--)
                {
                    entry = Add(PatternOperation.Split, Compile(choice.Options[i], next), entry);
                }

                return entry;
            case PatternNode.Repeat repeat:
                return CompileRepeat(repeat, next);
            case PatternNode.Capture capture:
                return Compile(capture.Part, next);
            case PatternNode.Start:
                return Add(PatternOperation.AssertStart, next, 0);
            case PatternNode.End:
                return Add(PatternOperation.AssertEnd, next, 0);
            case PatternNode.WordBoundary boundary:
                Words ??= new LetterSet(_alphabet, CodePointSet.Word);
                return Add(boundary.Negated ? PatternOperation.AssertNoBoundary : PatternOperation.AssertBoundary, next, 0);
            case PatternNode.Backreference { Number: 0 }:
                // A reference to what cannot have captured anything matches the empty text.
                return next;
            default:
                throw new InvalidOperationException("Looks and references are not for this matcher.");
        }
    }

    /// <summary>Unrolls a repeat into as many copies as its weight says: a loop shares its body with the last copy that must be there.</summary>
    private int CompileRepeat(PatternNode.Repeat repeat, int next)
    {
        int entry = next;
        int copies = repeat.Min;
        if (repeat.Max < 0)
        {
            int loop = Add(PatternOperation.Split, 0, next);
            int body = Compile(repeat.Part, loop);
            _code[loop] = new PatternInstruction(PatternOperation.Split, body, next);
            entry = repeat.Min == 0 ? loop : body;
            copies = Math.Max(0, repeat.Min - 1);
        }

        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            entry = Add(PatternOperation.Split, Compile(repeat.Part, entry), next);
        }

        for (int i = 0; i < copies; i++)
        {
            entry = Compile(repeat.Part, entry);
        }

        return entry;
    }

    private int SetNumber(CodePointSet set)
    {
        if (!_setNumbers.TryGetValue(set, out int number))
        {
            number = _sets.Count;
            _sets.Add(new LetterSet(_alphabet, set));
            _setNumbers.Add(set, number);
        }

        return number;
    }
}

/// <summary>A set of letters: one range, or a bitmap where one range does not do.</summary>
internal sealed class LetterSet
{
    private readonly char _first = '\uFFFF';
    private readonly char _last;
    private readonly ulong[]? _bits;

    public LetterSet(PatternAlphabet alphabet, CodePointSet set)
    {
        SortedSet<char> letters = alphabet.LettersOf(set);
        if (letters.Count == 0)
        {
            return;
        }

        _first = letters.Min;
        _last = letters.Max;
        if (letters.Count == _last - _first + 1)
        {
            return;
        }

        _bits = new ulong[(_last - _first + 64) >> 6];
        foreach (char letter in letters)
        {
            _bits[(letter - _first) >> 6] |= 1UL << ((letter - _first) & 63);
        }
    }

    /// <summary>Whether a letter is in the set.</summary>
    public bool Contains(char letter)
    {
        if (letter < _first || letter > _last)
        {
            return false;
        }

        int place = letter - _first;
        return _bits is null || (_bits[place >> 6] & (1UL << (place & 63))) != 0;
    }
}
