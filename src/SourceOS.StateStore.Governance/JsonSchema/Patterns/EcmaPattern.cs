// Why this file exists: a pattern ready to match, with bounded time whatever the pattern and the text.
// Invariants: immutable and thread-safe. Patterns without looks, boundaries and references run on the linear-time matcher unless
// their counted repeats would make it too large; everything runs under a time limit.

using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A compiled ECMA-262 pattern.</summary>
internal sealed class EcmaPattern
{
    /// <summary>Longest pattern that is accepted, in UTF-16 units.</summary>
    public const int MaxLength = 16 * 1024;

    private const int MaxLinearWeight = 5_000;

    private readonly Regex _regex;
    private readonly PatternAlphabet? _alphabet;

    private EcmaPattern(Regex regex, PatternAlphabet? alphabet)
    {
        _regex = regex;
        _alphabet = alphabet;
    }

    /// <summary>Whether the pattern runs in time linear in the text.</summary>
    public bool IsLinear => _regex.Options.HasFlag(RegexOptions.NonBacktracking);

    /// <summary>Compiles a pattern.</summary>
    /// <param name="pattern">The pattern as the schema writes it.</param>
    /// <param name="timeLimit">Longest time that one match may take.</param>
    /// <param name="compiled">The pattern, when it is one.</param>
    /// <param name="error">Why it is refused.</param>
    public static bool TryCompile(string pattern, TimeSpan timeLimit, [NotNullWhen(true)] out EcmaPattern? compiled, out string error)
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

        PatternAlphabet? alphabet = hasReferences ? null : PatternAlphabet.TryCreate(node);
        bool needsBacktracking = false;
        string? text = alphabet is null && !hasReferences ? null : PatternEmitter.Emit(node, alphabet, out needsBacktracking);
        if (text is null)
        {
            error = "its classes are too large when written out";
            return false;
        }

        bool linear = !needsBacktracking && PatternEmitter.Weight(node) <= MaxLinearWeight;
        RegexOptions options = RegexOptions.CultureInvariant | (linear ? RegexOptions.NonBacktracking : RegexOptions.None);
        try
        {
            compiled = new EcmaPattern(new Regex(text, options, timeLimit), alphabet);
            return true;
        }
        catch (ArgumentException exception)
        {
            error = exception.Message;
            return false;
        }
        catch (NotSupportedException exception)
        {
            error = exception.Message;
            return false;
        }
    }

    /// <summary>Whether the pattern matches anywhere in a text.</summary>
    /// <param name="text">UTF-8; what is not well-formed counts as U+FFFD.</param>
    /// <param name="buffer">At least as long as the text.</param>
    /// <param name="inTime">False when the time limit ended the match; the answer is then unknown.</param>
    public bool IsMatch(ReadOnlySpan<byte> text, Span<char> buffer, out bool inTime)
    {
        int length = _alphabet is null ? Encoding.UTF8.GetChars(text, buffer) : _alphabet.Map(text, buffer);
        inTime = true;
        try
        {
            return _regex.IsMatch(buffer[..length]);
        }
        catch (RegexMatchTimeoutException)
        {
            inTime = false;
            return false;
        }
    }
}
