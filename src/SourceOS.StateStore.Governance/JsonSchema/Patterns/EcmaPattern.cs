// Why this file exists: a pattern ready to match, with bounded time whatever the pattern and the text.
// Invariants: immutable but for one lazily built matcher; thread-safe. Patterns without looks, boundaries and references run on
// the linear-time matcher unless their counted repeats would make it too large; everything runs under a time limit.

using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>A compiled ECMA-262 pattern.</summary>
internal sealed class EcmaPattern
{
    /// <summary>Longest pattern that is accepted, in UTF-16 units.</summary>
    public const int MaxLength = 16 * 1024;

    private const int MaxLinearWeight = 5_000;

    private readonly Regex _basic;
    private readonly Lazy<Regex> _astral;

    private EcmaPattern(Regex basic, Lazy<Regex> astral)
    {
        _basic = basic;
        _astral = astral;
    }

    /// <summary>Whether the pattern runs in time linear in the text.</summary>
    public bool IsLinear => _basic.Options.HasFlag(RegexOptions.NonBacktracking);

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

        PatternNode? node = PatternParser.Parse(pattern, out error);
        if (node is null)
        {
            return false;
        }

        string? basicText = PatternEmitter.Emit(node, astral: false, out bool needsBacktracking);
        string? astralText = PatternEmitter.Emit(node, astral: true, out _);
        if (basicText is null || astralText is null)
        {
            error = "its classes are too large when written out";
            return false;
        }

        bool linear = !needsBacktracking && PatternEmitter.Weight(node) <= MaxLinearWeight;
        RegexOptions options = RegexOptions.CultureInvariant | (linear ? RegexOptions.NonBacktracking : RegexOptions.None);
        try
        {
            Regex basic = new(basicText, options, timeLimit);
            Lazy<Regex> astral = astralText == basicText ? new Lazy<Regex>(basic) : new Lazy<Regex>(() => new Regex(astralText, options, timeLimit));
            compiled = new EcmaPattern(basic, astral);
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
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="inTime">False when the time limit ended the match; the answer is then unknown.</param>
    public bool IsMatch(ReadOnlySpan<char> text, out bool inTime)
    {
        inTime = true;
        try
        {
            return (text.ContainsAnyInRange('\uD800', '\uDFFF') ? _astral.Value : _basic).IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            inTime = false;
            return false;
        }
    }
}
