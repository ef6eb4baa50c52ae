// Why this file exists: following a program through one letter needs marks and lists, which matches of one pattern share in turn.
// Invariants: used by one thread at a time; a step visits each instruction at most once, and tells how many it visited.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>What stands before a place in the text.</summary>
internal enum PatternContext : byte
{
    Start = 0,
    Other = 1,
    Word = 2,
}

/// <summary>Steps a set of places in a program over one letter, or over the end of the text.</summary>
internal sealed class PatternWorkspace
{
    private readonly PatternProgram _program;
    private readonly int[] _stack;
    private readonly int[] _seen;
    private readonly int[] _kept;
    private int _round;

    public PatternWorkspace(PatternProgram program)
    {
        _program = program;
        _stack = new int[(program.Code.Length * 2) + 2];
        _seen = new int[program.Code.Length];
        _kept = new int[program.Code.Length];
        Result = new int[program.Code.Length + 1];
    }

    /// <summary>The places after the last step, unordered.</summary>
    public int[] Result { get; private set; }

    /// <summary>How many places there are after the last step.</summary>
    public int Count { get; private set; }

    /// <summary>Instructions visited by the last step.</summary>
    public int Visited { get; private set; }

    /// <summary>Takes a step.</summary>
    /// <param name="places">Where the program stands.</param>
    /// <param name="before">What stands before this point of the text.</param>
    /// <param name="letter">The next letter; -1 at the end of the text.</param>
    /// <returns>Whether the pattern matched before the letter was consumed.</returns>
    public bool Step(ReadOnlySpan<int> places, PatternContext before, int letter)
    {
        if (++_round == int.MaxValue)
        {
            Array.Clear(_seen);
            Array.Clear(_kept);
            _round = 1;
        }

        Count = 0;
        Visited = 0;
        bool boundary = _program.Words is { } words && (before == PatternContext.Word) != (letter >= 0 && words.Contains((char)letter));
        int depth = 0;
        foreach (int place in places)
        {
            _stack[depth++] = place;
            while (depth > 0)
            {
                int at = _stack[--depth];
                if (_seen[at] == _round)
                {
                    continue;
                }

                _seen[at] = _round;
                Visited++;
                ref readonly PatternInstruction instruction = ref _program.Code[at];
                switch (instruction.Operation)
                {
                    case PatternOperation.Match:
                        return true;
                    case PatternOperation.Split:
                        _stack[depth++] = instruction.Other;
                        _stack[depth++] = instruction.Next;
                        break;
                    case PatternOperation.Letters:
                        if (letter >= 0 && _program.Sets[instruction.Other].Contains((char)letter))
                        {
                            Keep(instruction.Next);
                        }

                        break;
                    default:
                        if (Holds(instruction.Operation, before, letter, boundary))
                        {
                            _stack[depth++] = instruction.Next;
                        }

                        break;
                }
            }
        }

        if (!_program.IsAnchored && letter >= 0)
        {
            Keep(_program.Entry);
        }

        return false;
    }

    /// <summary>What stands before the point after a letter.</summary>
    public PatternContext ContextAfter(int letter) =>
        _program.Words is { } words && words.Contains((char)letter) ? PatternContext.Word : PatternContext.Other;

    /// <summary>Makes the result the places to go on from, so that the next step may write anew.</summary>
    public int[] TakeResult(int[] replacement)
    {
        int[] taken = Result;
        Result = replacement;
        return taken;
    }

    private static bool Holds(PatternOperation operation, PatternContext before, int letter, bool boundary) => operation switch
    {
        PatternOperation.AssertStart => before == PatternContext.Start,
        PatternOperation.AssertEnd => letter < 0,
        PatternOperation.AssertBoundary => boundary,
        _ => !boundary,
    };

    private void Keep(int place)
    {
        if (_kept[place] != _round)
        {
            _kept[place] = _round;
            Result[Count++] = place;
        }
    }
}
