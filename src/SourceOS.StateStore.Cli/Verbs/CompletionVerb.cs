// Why this file exists: `completion` prints a script that a shell sources. Invariants: the words come from the grammar itself, so the script cannot offer what the
// parser refuses; the script runs no program.

using System.CommandLine;
using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Prints completion scripts.</summary>
internal static class CompletionVerb
{
    /// <summary>The command.</summary>
    public static VerbCommand Create()
    {
        VerbCommand group = new(
            "completion", "Print a shell's completion script", "source <(statestore completion bash)", "statestore completion fish > ~/.config/fish/completions/statestore.fish");
        group.Subcommands.Add(Shell("bash", "source <(statestore completion bash)", CompletionScripts.Bash));
        group.Subcommands.Add(Shell("zsh", "source <(statestore completion zsh)", CompletionScripts.Zsh));
        group.Subcommands.Add(Shell("fish", "statestore completion fish | source", CompletionScripts.Fish));
        return group;
    }

    private static VerbCommand Shell(string name, string example, Func<CompletionNode, string> render) => new(name, $"The script for {name}", example)
    {
        Run = VerbCommand.Sync(context =>
        {
            context.Out.Write(render(CompletionNode.Of(context.Parse.RootCommandResult.Command)));
            return ExitCode.Done;
        }),
    };
}

/// <summary>A command as completion sees it.</summary>
/// <param name="Path">The words below the program's name.</param>
/// <param name="Description">What it does.</param>
/// <param name="Options">Its own options with their descriptions and values.</param>
/// <param name="Words">Words that may stand for its first argument.</param>
/// <param name="Children">Its commands.</param>
internal sealed record CompletionNode(
    IReadOnlyList<string> Path,
    string Description,
    IReadOnlyList<CompletionOption> Options,
    IReadOnlyList<string> Words,
    IReadOnlyList<CompletionNode> Children)
{
    /// <summary>Reads a command and everything below it.</summary>
    public static CompletionNode Of(Command command) => Of(command, []);

    /// <summary>This command and all below it.</summary>
    public IEnumerable<CompletionNode> All() => [this, .. Children.SelectMany(static child => child.All())];

    private static CompletionNode Of(Command command, IReadOnlyList<string> path) => new(
        path,
        command.Description ?? "",
        [.. command.Options.Where(static option => !option.Hidden && option.Name.StartsWith("--", StringComparison.Ordinal)).Select(static option => new CompletionOption(
            option.Name,
            option.Description ?? "",
            option.ValueType != typeof(bool) && option.Arity.MaximumNumberOfValues > 0,
            WordsOf(option)))],
        command.Arguments.Count > 0 ? WordsOf(command.Arguments[0]) : [],
        [.. command.Subcommands.Where(static sub => !sub.Hidden).Select(sub => Of(sub, [.. path, sub.Name]))]);

    private static List<string> WordsOf(Symbol symbol) =>
        [.. symbol.GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Select(static item => item.Label)];
}

/// <summary>An option as completion sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does.</param>
/// <param name="TakesValue">Whether a value follows.</param>
/// <param name="Values">The values it takes, when they are few.</param>
internal sealed record CompletionOption(string Name, string Description, bool TakesValue, IReadOnlyList<string> Values);
