// Why this file exists: what a verb is to the rest of the program: a command of the grammar, an action, and examples that the
// help shows and a test runs. Invariants: a command has an action or subcommands, and at least one example.

using System.CommandLine;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>One command of the program.</summary>
internal sealed class VerbCommand : Command
{
    /// <summary>Makes a command.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does, in a line.</param>
    /// <param name="examples">Command lines that show it.</param>
    public VerbCommand(string name, string description, params string[] examples)
        : base(name, description)
    {
        Examples = examples;
    }

    /// <summary>Command lines that show it.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>What the global option `--profile` means to this command; null when it means the same as everywhere.</summary>
    public string? ProfileHelp { get; init; }

    /// <summary>What it does; null for a command that only groups others.</summary>
    public Func<VerbContext, Task<ExitCode>>? Run { get; init; }

    /// <summary>Sets an action that does not wait for anything.</summary>
    /// <param name="run">The action.</param>
    public static Func<VerbContext, Task<ExitCode>> Sync(Func<VerbContext, ExitCode> run) => context => Task.FromResult(run(context));
}
