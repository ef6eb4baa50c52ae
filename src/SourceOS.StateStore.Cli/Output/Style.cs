// Why this file exists: colour is a help for eyes and a nuisance for everything else. Invariants: colours appear only on a terminal,
// never with NO_COLOR, --no-color, --json or TERM=dumb; meaning never rests on colour alone.

namespace SourceOS.StateStore.Cli.Output;

/// <summary>Colours, when they are wanted.</summary>
internal sealed class Style(bool isEnabled)
{
    public string Bold(string text) => Wrap("1", text);

    public string Dim(string text) => Wrap("2", text);

    public string Red(string text) => Wrap("31", text);

    public string Green(string text) => Wrap("32", text);

    public string Yellow(string text) => Wrap("33", text);

    /// <summary>Whether colours are used.</summary>
    public bool IsEnabled => isEnabled;

    /// <summary>Whether colours are wanted.</summary>
    /// <param name="isTerminal">Whether the output is a terminal.</param>
    /// <param name="noColorOption">Whether <c>--no-color</c> was given.</param>
    public static bool IsWanted(bool isTerminal, bool noColorOption) =>
        isTerminal && !noColorOption && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    private string Wrap(string code, string text) => isEnabled ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
