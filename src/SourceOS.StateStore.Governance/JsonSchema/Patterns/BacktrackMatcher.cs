// Why this file exists: runs backtracking programs with everything bounded: steps by the evaluation's budget, memory by a fixed number of
// remembered places. .NET's own matcher is bounded by a clock alone, and some patterns make it fill memory before the clock runs out.
// Invariants: one instance runs one text; recursion happens only for looks, whose nesting the parser bounds; after any failure the
// registers are as they were when the remembered place was noted.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>How a backtracking match ended.</summary>
internal enum BacktrackOutcome : byte
{
    NoMatch = 0,
    Match = 1,
    OutOfMemory = 2,
}

/// <summary>A run of a backtracking program over one text.</summary>
internal ref struct BacktrackMatcher
{
    private const int MaxRemembered = 256 * 1024;
    private const int Unset = -1;

    private readonly BacktrackCode _code;
    private readonly ReadOnlySpan<int> _text;
    private readonly int[] _slots;
    private readonly int[] _counters;
    private Remembered[] _stack;
    private int _depth;
    private long _budget;
    private bool _overflowed;

    private BacktrackMatcher(BacktrackCode code, ReadOnlySpan<int> text, long budget)
    {
        _code = code;
        _text = text;
        _budget = budget;
        _slots = new int[(code.GroupCount + 1) * 2];
        _counters = new int[code.CounterCount * 2];
        _stack = new Remembered[64];
    }

    /// <summary>What a remembered entry restores or resumes.</summary>
    private enum Kind : byte
    {
        Resume,
        Slot,
        Counter,
        Shrink,
        Grow,
    }

    /// <summary>Whether a program matches anywhere in a text.</summary>
    /// <param name="code">The program.</param>
    /// <param name="text">The text as code points.</param>
    /// <param name="budget">Steps left; the outcome is meaningless once it is below zero.</param>
    public static BacktrackOutcome Run(BacktrackCode code, ReadOnlySpan<int> text, ref long budget)
    {
        BacktrackMatcher matcher = new(code, text, budget);
        bool matched = false;
        for (int start = 0; start <= text.Length && !matched && !matcher.IsEnded; start++)
        {
            matcher._slots.AsSpan().Fill(Unset);
            matched = matcher.Match(0, start);
            matcher._depth = 0;
        }

        budget = matcher._budget;
        return matcher._overflowed ? BacktrackOutcome.OutOfMemory : matched ? BacktrackOutcome.Match : BacktrackOutcome.NoMatch;
    }

    private readonly bool IsEnded => _overflowed || _budget < 0;

    /// <summary>Runs from an instruction and a place to an accept; what it remembered stays above the caller's depth.</summary>
    private bool Match(int pc, int at)
    {
        int floor = _depth;
        while (!IsEnded)
        {
            _budget--;
            ref readonly BacktrackInstruction instruction = ref _code.Code[pc];
            if (instruction.Operation == BacktrackOperation.Accept)
            {
                return true;
            }

            bool goesOn = Advance(instruction, ref pc, ref at);
            while (!goesOn)
            {
                if (_depth == floor)
                {
                    return false;
                }

                goesOn = Recall(ref pc, ref at);
            }
        }

        return false;
    }

    /// <summary>Executes one instruction; false when it fails.</summary>
    private bool Advance(in BacktrackInstruction instruction, ref int pc, ref int at)
    {
        switch (instruction.Operation)
        {
            case BacktrackOperation.Set:
                return Consume(_code.Sets[instruction.A], instruction.B == 1, ref at) && Continue(ref pc);
            case BacktrackOperation.SetLoop:
                return RunSetLoop(instruction, ref pc, ref at);
            case BacktrackOperation.Split:
                Remember(new Remembered(Kind.Resume, instruction.B, at, 0));
                pc = instruction.A;
                return true;
            case BacktrackOperation.Jump:
                pc = instruction.A;
                return true;
            case BacktrackOperation.Save:
                SetSlot(instruction.A, at);
                return Continue(ref pc);
            case BacktrackOperation.Reference:
                return ConsumeCaptured(instruction.A, instruction.B == 1, ref at) && Continue(ref pc);
            case BacktrackOperation.AssertStart:
                return at == 0 && Continue(ref pc);
            case BacktrackOperation.AssertEnd:
                return at == _text.Length && Continue(ref pc);
            case BacktrackOperation.AssertBoundary:
                return (IsWord(at - 1) != IsWord(at)) == (instruction.A == 0) && Continue(ref pc);
            case BacktrackOperation.Look:
                return Look(instruction, ref pc, at);
            case BacktrackOperation.Forget:
                for (int slot = instruction.A * 2; slot <= (instruction.B * 2) + 1; slot++)
                {
                    SetSlot(slot, Unset);
                }

                return Continue(ref pc);
            default:
                return AdvanceLoop(instruction, ref pc, at);
        }
    }

    private bool AdvanceLoop(in BacktrackInstruction instruction, ref int pc, int at)
    {
        int counter = instruction.A * 2;
        switch (instruction.Operation)
        {
            case BacktrackOperation.LoopBegin:
                SetCounter(counter, 0);
                return Continue(ref pc);
            case BacktrackOperation.LoopTest:
                int rounds = _counters[counter];
                bool mustGo = rounds < instruction.B;
                if (!mustGo && (rounds >= instruction.C || instruction.D == 1))
                {
                    if (rounds < instruction.C)
                    {
                        Remember(new Remembered(Kind.Resume, ~pc, at, 0));
                    }

                    pc = instruction.E;
                    return true;
                }

                if (!mustGo)
                {
                    Remember(new Remembered(Kind.Resume, instruction.E, at, 0));
                }

                BeginRound(counter, at);
                return Continue(ref pc);
            default:
                // A round beyond the required ones that consumed nothing would repeat for ever.
                if (_counters[counter] > instruction.B && _counters[counter + 1] == at)
                {
                    return false;
                }

                pc = instruction.C;
                return true;
        }
    }

    private void BeginRound(int counter, int at)
    {
        SetCounter(counter, _counters[counter] + 1);
        SetCounter(counter + 1, at);
    }

    private static bool Continue(ref int pc)
    {
        pc++;
        return true;
    }

    private readonly bool Consume(CodePointSet set, bool backwards, ref int at)
    {
        int place = backwards ? at - 1 : at;
        if ((uint)place >= (uint)_text.Length || !set.Contains(_text[place]))
        {
            return false;
        }

        at += backwards ? -1 : 1;
        return true;
    }

    private bool RunSetLoop(in BacktrackInstruction instruction, ref int pc, ref int at)
    {
        CodePointSet set = _code.Sets[instruction.C];
        bool lazy = (instruction.D & 1) != 0;
        bool backwards = (instruction.D & 2) != 0;
        int wanted = lazy ? instruction.A : instruction.B;
        int count = 0;
        int least = at;
        while (count < wanted && Consume(set, backwards, ref at))
        {
            count++;
            least = count == instruction.A ? at : least;
        }

        _budget -= count >> 1;
        if (count < instruction.A)
        {
            return false;
        }

        if (lazy && count < instruction.B)
        {
            Remember(new Remembered(Kind.Grow, pc, at, instruction.B - count));
        }
        else if (!lazy && count > instruction.A)
        {
            Remember(new Remembered(Kind.Shrink, pc, at, least));
        }

        return Continue(ref pc);
    }

    private bool ConsumeCaptured(int group, bool backwards, ref int at)
    {
        int start = group == 0 ? Unset : _slots[group * 2];
        int end = group == 0 ? Unset : _slots[(group * 2) + 1];
        if (start == Unset || end == Unset)
        {
            return true;
        }

        int length = end - start;
        int place = backwards ? at - length : at;
        _budget -= length >> 2;
        if (place < 0 || place + length > _text.Length || !_text.Slice(place, length).SequenceEqual(_text.Slice(start, length)))
        {
            return false;
        }

        at += backwards ? -length : length;
        return true;
    }

    /// <summary>Runs the part of a look; its choices are final, and a negated one leaves no captures.</summary>
    private bool Look(in BacktrackInstruction instruction, ref int pc, int at)
    {
        int floor = _depth;
        bool matched = Match(pc + 1, at);
        bool negated = instruction.B == 1;
        if (matched && !negated)
        {
            DropChoices(floor);
        }
        else
        {
            while (_depth > floor)
            {
                Undo(_stack[--_depth]);
            }
        }

        pc = instruction.A;
        return matched != negated;
    }

    /// <summary>Forgets the choices since a depth but keeps what undoes registers, should an earlier choice be taken.</summary>
    private void DropChoices(int floor)
    {
        int kept = floor;
        for (int i = floor; i < _depth; i++)
        {
            if (_stack[i].Kind is Kind.Slot or Kind.Counter)
            {
                _stack[kept++] = _stack[i];
            }
        }

        _depth = kept;
    }

    private readonly void Undo(in Remembered entry)
    {
        switch (entry.Kind)
        {
            case Kind.Slot:
                _slots[entry.Where] = entry.At;
                break;
            case Kind.Counter:
                _counters[entry.Where] = entry.At;
                break;
        }
    }

    /// <summary>Takes the latest remembered entry; true when it resumes the match somewhere.</summary>
    private bool Recall(ref int pc, ref int at)
    {
        ref Remembered entry = ref _stack[_depth - 1];
        switch (entry.Kind)
        {
            case Kind.Resume:
                _depth--;
                at = entry.At;
                pc = entry.Where;
                if (pc < 0)
                {
                    // A lazy loop that must take another round after all.
                    pc = ~pc;
                    BeginRound(_code.Code[pc].A * 2, at);
                    pc++;
                }

                return true;
            case Kind.Shrink:
                entry.At += entry.Rest > entry.At ? 1 : -1;
                at = entry.At;
                pc = entry.Where + 1;
                _depth -= entry.At == entry.Rest ? 1 : 0;
                return true;
            case Kind.Grow:
                BacktrackInstruction loop = _code.Code[entry.Where];
                at = entry.At;
                pc = entry.Where + 1;
                bool grown = Consume(_code.Sets[loop.C], (loop.D & 2) != 0, ref at);
                entry.At = at;
                entry.Rest--;
                _depth -= !grown || entry.Rest == 0 ? 1 : 0;
                return grown;
            default:
                Undo(entry);
                _depth--;
                return false;
        }
    }

    private readonly bool IsWord(int place) => (uint)place < (uint)_text.Length && CodePointSet.Word.Contains(_text[place]);

    private void SetSlot(int slot, int value)
    {
        Remember(new Remembered(Kind.Slot, slot, _slots[slot], 0));
        _slots[slot] = value;
    }

    private void SetCounter(int counter, int value)
    {
        Remember(new Remembered(Kind.Counter, counter, _counters[counter], 0));
        _counters[counter] = value;
    }

    private void Remember(in Remembered entry)
    {
        if (_depth == _stack.Length)
        {
            if (_depth >= MaxRemembered)
            {
                _overflowed = true;
                return;
            }

            Array.Resize(ref _stack, _depth * 2);
        }

        _stack[_depth++] = entry;
    }

    /// <summary>An entry of the stack: where to resume or what to restore.</summary>
    private record struct Remembered(Kind Kind, int Where, int At, int Rest);
}
