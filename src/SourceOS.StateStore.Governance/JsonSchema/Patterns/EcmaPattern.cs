// Why this file exists: a pattern ready to match, with bounded work whatever the pattern and the text.
// Invariants: thread-safe. Patterns without looks and references run on the linear-time matcher unless their counted repeats would
// make it too large; the others backtrack within the same budget of steps and a fixed bound on memory. No clock is involved.

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A compiled ECMA-262 pattern.</summary>
internal sealed class EcmaPattern
{
    /// <summary>Longest pattern that is accepted, in UTF-16 units.</summary>
    public const int MaxLength = 16 * 1024;

    private const int MaxLinearWeight = 2_000;

    private readonly PatternAutomaton? _automaton;
    private readonly PatternAlphabet? _alphabet;
    private readonly BacktrackCode? _code;

    private EcmaPattern(PatternAutomaton automaton, PatternAlphabet alphabet)
    {
        _automaton = automaton;
        _alphabet = alphabet;
    }

    private EcmaPattern(BacktrackCode code) => _code = code;

    /// <summary>Whether the pattern runs in time linear in the text.</summary>
    public bool IsLinear => _automaton is not null;

    /// <summary>Compiles a pattern.</summary>
    /// <param name="pattern">The pattern as the schema writes it.</param>
    /// <param name="compiled">The pattern, when it is one.</param>
    /// <param name="error">Why it is refused.</param>
    public static bool TryCompile(string pattern, [NotNullWhen(true)] out EcmaPattern? compiled, out string error)
    {
        compiled = null;
        if (pattern.Length > MaxLength)
        {
            error = $"longer than {MaxLength} characters";
            return false;
        }

        PatternNode? node = PatternParser.Parse(pattern, out error, out bool hasReferences);
        if (node is null)
        {
            return false;
        }

        bool linear = !hasReferences && PatternTraits.Weight(node) <= MaxLinearWeight && !PatternTraits.HasLooks(node);
        compiled = linear && PatternAlphabet.TryCreate(node) is { } alphabet
            ? new EcmaPattern(new PatternAutomaton(PatternProgram.Compile(node, alphabet), alphabet.Count), alphabet)
            : new EcmaPattern(BacktrackCode.Compile(node));
        return true;
    }

    /// <summary>Whether the pattern matches anywhere in a text.</summary>
    /// <param name="text">UTF-8; what is not well-formed counts as U+FFFD.</param>
    /// <param name="buffer">At least as long as the text.</param>
    /// <param name="budget">Steps left; the answer is meaningless once it is below zero.</param>
    /// <param name="inMemory">False when backtracking would have to remember more places than it may; the answer is then unknown.</param>
    public bool IsMatch(ReadOnlySpan<byte> text, Span<char> buffer, ref long budget, out bool inMemory)
    {
        inMemory = true;
        if (_automaton is not null)
        {
            return _automaton.IsMatch(buffer[.._alphabet!.Map(text, buffer)], ref budget);
        }

        int[] codePoints = ArrayPool<int>.Shared.Rent(text.Length);
        int count = 0;
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out Rune rune, out int consumed);
            codePoints[count++] = rune.Value;
            text = text[consumed..];
        }

        BacktrackOutcome outcome = BacktrackMatcher.Run(_code!, codePoints.AsSpan(0, count), ref budget);
        ArrayPool<int>.Shared.Return(codePoints);
        inMemory = outcome != BacktrackOutcome.OutOfMemory;
        return outcome == BacktrackOutcome.Match;
    }
}
