// Why this file exists: matches patterns in time linear in the text, with a cost in steps instead of a clock, so that a verdict does
// not depend on how busy the machine is. States are sets of places in the program, made when first reached and kept for the next text.
// Invariants: thread-safe; the states kept are bounded, and beyond the bound the sets are stepped without keeping them; every
// visited instruction is charged.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A linear-time matcher.</summary>
internal sealed class PatternAutomaton
{
    private const int MaxKeptInts = 32 * 1024;
    private const int FirstLetter = PatternAlphabet.FirstLetter;

    private static readonly State s_matched = new([], PatternContext.Other, 0);
    private static readonly State s_dead = new([], PatternContext.Other, 0);

    private readonly PatternProgram _program;
    private readonly int _letterCount;
    private readonly State _initial;
    private readonly Dictionary<StateKey, State> _states = [];
    private readonly Lock _gate = new();
    private PatternWorkspace? _spare;
    private int _keptInts;

    public PatternAutomaton(PatternProgram program, int letterCount)
    {
        _program = program;
        _letterCount = letterCount;
        _initial = new State([program.Entry], PatternContext.Start, letterCount);
    }

    /// <summary>Whether the pattern matches anywhere in a text.</summary>
    /// <param name="letters">The text over the pattern's alphabet.</param>
    /// <param name="budget">Steps left; the answer is meaningless once it is below zero.</param>
    public bool IsMatch(ReadOnlySpan<char> letters, ref long budget)
    {
        State state = _initial;
        for (int i = 0; i < letters.Length; i++)
        {
            State? next = Volatile.Read(ref state.Next[letters[i] - FirstLetter]);
            if (next is null)
            {
                next = Extend(state, letters[i], ref budget);
                if (next is null)
                {
                    return RunWithoutKeeping(state, letters[i..], ref budget);
                }
            }

            if (ReferenceEquals(next, s_matched) || ReferenceEquals(next, s_dead))
            {
                return ReferenceEquals(next, s_matched);
            }

            state = next;
        }

        return MatchesAtEnd(state, ref budget);
    }

    private bool MatchesAtEnd(State state, ref long budget)
    {
        int known = Volatile.Read(ref state.AtEnd);
        if (known == 0)
        {
            PatternWorkspace workspace = Rent();
            known = workspace.Step(state.Places, state.Before, -1) ? 1 : -1;
            budget -= workspace.Visited >> 2;
            Volatile.Write(ref _spare, workspace);
            Volatile.Write(ref state.AtEnd, known);
        }

        return known > 0;
    }

    /// <summary>Makes the state after a letter; null when no more states are kept.</summary>
    private State? Extend(State state, char letter, ref long budget)
    {
        PatternWorkspace workspace = Rent();
        bool matched = workspace.Step(state.Places, state.Before, letter);
        budget -= workspace.Visited >> 2;
        State? next;
        if (matched)
        {
            next = s_matched;
        }
        else if (workspace.Count == 0)
        {
            next = s_dead;
        }
        else
        {
            int[] places = workspace.Result[..workspace.Count];
            Array.Sort(places);
            next = FindOrAdd(new StateKey(places, workspace.ContextAfter(letter)));
        }

        Volatile.Write(ref _spare, workspace);
        if (next is not null)
        {
            Volatile.Write(ref state.Next[letter - FirstLetter], next);
        }

        return next;
    }

    private State? FindOrAdd(StateKey key)
    {
        lock (_gate)
        {
            if (_states.TryGetValue(key, out State? known))
            {
                return known;
            }

            int cost = key.Places.Length + _letterCount + 16;
            if (_keptInts + cost > MaxKeptInts)
            {
                return null;
            }

            _keptInts += cost;
            State state = new(key.Places, key.Before, _letterCount);
            _states.Add(key, state);
            return state;
        }
    }

    private bool RunWithoutKeeping(State state, ReadOnlySpan<char> letters, ref long budget)
    {
        PatternWorkspace workspace = Rent();
        int[] places = new int[_program.Code.Length + 1];
        state.Places.CopyTo(places, 0);
        int count = state.Places.Length;
        PatternContext before = state.Before;
        bool matched = false;
        for (int i = 0; i < letters.Length && !matched && count > 0 && budget >= 0; i++)
        {
            matched = workspace.Step(places.AsSpan(0, count), before, letters[i]);
            budget -= 1 + (workspace.Visited >> 2);
            before = workspace.ContextAfter(letters[i]);
            count = workspace.Count;
            places = workspace.TakeResult(places);
        }

        matched = matched || (count > 0 && workspace.Step(places.AsSpan(0, count), before, -1));
        Volatile.Write(ref _spare, workspace);
        return matched;
    }

    private PatternWorkspace Rent() => Interlocked.Exchange(ref _spare, null) ?? new PatternWorkspace(_program);

    /// <summary>A set of places with what stands before them, and where each letter leads.</summary>
    private sealed class State(int[] places, PatternContext before, int letterCount)
    {
        public readonly State?[] Next = new State?[letterCount];

        /// <summary>Whether the text may end here: 0 unknown, 1 yes, -1 no.</summary>
        public int AtEnd;

        public int[] Places { get; } = places;

        public PatternContext Before { get; } = before;
    }

    private readonly struct StateKey(int[] places, PatternContext before) : IEquatable<StateKey>
    {
        public int[] Places { get; } = places;

        public PatternContext Before { get; } = before;

        public bool Equals(StateKey other) => Before == other.Before && Places.AsSpan().SequenceEqual(other.Places);

        public override bool Equals(object? obj) => obj is StateKey other && Equals(other);

        public override int GetHashCode()
        {
            HashCode hash = default;
            hash.Add(Before);
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(Places.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
