// Why this file exists: lookarounds, back-references and very large counts are beyond the linear-time matcher; this is the program
// that the backtracking one runs for them.
// Invariants: immutable; counted repeats keep counters instead of being unrolled, so the program grows with the pattern's text; parts
// inside a lookbehind are compiled to run backwards, as ECMA-262 has them.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>What an instruction of a backtracking program does.</summary>
internal enum BacktrackOperation : byte
{
    /// <summary>Consumes one code point of the set A, backwards when B is 1.</summary>
    Set,

    /// <summary>Consumes A to B code points of the set C as one step; D holds lazy (1) and backwards (2).</summary>
    SetLoop,

    /// <summary>Goes on at A, and at B when that fails.</summary>
    Split,

    /// <summary>Goes on at A.</summary>
    Jump,

    /// <summary>Stores the place in slot A.</summary>
    Save,

    /// <summary>Consumes what group A captured, backwards when B is 1.</summary>
    Reference,

    /// <summary>Goes on at the start of the text.</summary>
    AssertStart,

    /// <summary>Goes on at the end of the text.</summary>
    AssertEnd,

    /// <summary>Goes on at a word boundary, or where there is none when A is 1.</summary>
    AssertBoundary,

    /// <summary>Matches the part behind this instruction without moving, then goes on at A; fails on a match when B is 1.</summary>
    Look,

    /// <summary>Sets the counter A to zero.</summary>
    LoopBegin,

    /// <summary>Decides on another round of the loop with the counter A: at least B, at most C, lazy when D is 1; leaves to E.</summary>
    LoopTest,

    /// <summary>Ends a round of the loop with the counter A, of which B are required, and goes to C.</summary>
    LoopEnd,

    /// <summary>Forgets what groups A to B captured.</summary>
    Forget,

    /// <summary>The pattern, or the part of a look, matched.</summary>
    Accept,
}

/// <summary>One instruction of a backtracking program.</summary>
internal record struct BacktrackInstruction(BacktrackOperation Operation, int A = 0, int B = 0, int C = 0, int D = 0, int E = 0);

/// <summary>A backtracking program.</summary>
internal sealed class BacktrackCode
{
    private readonly List<BacktrackInstruction> _code = [];
    private readonly List<CodePointSet> _sets = [];

    private BacktrackCode()
    {
    }

    /// <summary>The instructions; the first one begins the pattern.</summary>
    public BacktrackInstruction[] Code { get; private set; } = [];

    /// <summary>The sets that instructions name.</summary>
    public CodePointSet[] Sets { get; private set; } = [];

    /// <summary>Number of counters; each has a mark of where its round began beside it.</summary>
    public int CounterCount { get; private set; }

    /// <summary>Number of groups.</summary>
    public int GroupCount { get; private set; }

    /// <summary>Compiles a pattern.</summary>
    public static BacktrackCode Compile(PatternNode pattern)
    {
        BacktrackCode code = new();
        code.Write(pattern, backwards: false);
        code.Add(new BacktrackInstruction(BacktrackOperation.Accept));
        code.Code = [.. code._code];
        code.Sets = [.. code._sets];
        code.GroupCount = PatternTraits.LastGroup(pattern);
        return code;
    }

    private int Add(BacktrackInstruction instruction)
    {
        _code.Add(instruction);
        return _code.Count - 1;
    }

    private int SetNumber(CodePointSet set)
    {
        _sets.Add(set);
        return _sets.Count - 1;
    }

    private void Write(PatternNode node, bool backwards)
    {
        int way = backwards ? 1 : 0;
        switch (node)
        {
            case PatternNode.Set set:
                Add(new BacktrackInstruction(BacktrackOperation.Set, SetNumber(set.Members), way));
                break;
            case PatternNode.Sequence sequence:
                for (int i = 0; i < sequence.Parts.Count; i++)
                {
                    Write(sequence.Parts[backwards ? sequence.Parts.Count - 1 - i : i], backwards);
                }

                break;
            case PatternNode.Choice choice:
                WriteChoice(choice, backwards);
                break;
            case PatternNode.Repeat repeat:
                WriteRepeat(repeat, backwards);
                break;
            case PatternNode.Capture capture:
                int start = capture.Number * 2;
                Add(new BacktrackInstruction(BacktrackOperation.Save, start + way));
                Write(capture.Part, backwards);
                Add(new BacktrackInstruction(BacktrackOperation.Save, start + 1 - way));
                break;
            case PatternNode.Backreference reference:
                Add(new BacktrackInstruction(BacktrackOperation.Reference, reference.Number, way));
                break;
            case PatternNode.Start:
                Add(new BacktrackInstruction(BacktrackOperation.AssertStart));
                break;
            case PatternNode.End:
                Add(new BacktrackInstruction(BacktrackOperation.AssertEnd));
                break;
            case PatternNode.WordBoundary boundary:
                Add(new BacktrackInstruction(BacktrackOperation.AssertBoundary, boundary.Negated ? 1 : 0));
                break;
            case PatternNode.Look look:
                int begin = Add(default);
                Write(look.Part, look.Behind);
                Add(new BacktrackInstruction(BacktrackOperation.Accept));
                _code[begin] = new BacktrackInstruction(BacktrackOperation.Look, _code.Count, look.Negated ? 1 : 0);
                break;
        }
    }

    private void WriteChoice(PatternNode.Choice choice, bool backwards)
    {
        List<int> jumps = [];
        for (int i = 0; i < choice.Options.Count; i++)
        {
            bool last = i + 1 == choice.Options.Count;
            int split = last ? -1 : Add(default);
            Write(choice.Options[i], backwards);
            if (!last)
            {
                jumps.Add(Add(default));
                _code[split] = new BacktrackInstruction(BacktrackOperation.Split, split + 1, _code.Count);
            }
        }

        foreach (int jump in jumps)
        {
            _code[jump] = new BacktrackInstruction(BacktrackOperation.Jump, _code.Count);
        }
    }

    private void WriteRepeat(PatternNode.Repeat repeat, bool backwards)
    {
        int max = repeat.Max < 0 ? int.MaxValue : repeat.Max;
        if (repeat.Part is PatternNode.Set set)
        {
            int flags = (repeat.Lazy ? 1 : 0) | (backwards ? 2 : 0);
            Add(new BacktrackInstruction(BacktrackOperation.SetLoop, repeat.Min, max, SetNumber(set.Members), flags));
            return;
        }

        int counter = CounterCount++;
        Add(new BacktrackInstruction(BacktrackOperation.LoopBegin, counter));
        int test = Add(default);
        int firstGroup = PatternTraits.FirstGroup(repeat.Part);
        if (firstGroup < int.MaxValue)
        {
            Add(new BacktrackInstruction(BacktrackOperation.Forget, firstGroup, PatternTraits.LastGroup(repeat.Part)));
        }

        Write(repeat.Part, backwards);
        Add(new BacktrackInstruction(BacktrackOperation.LoopEnd, counter, repeat.Min, test));
        _code[test] = new BacktrackInstruction(BacktrackOperation.LoopTest, counter, repeat.Min, max, repeat.Lazy ? 1 : 0, _code.Count);
    }
}
