// Why this file exists: help that ends with examples to copy, and a version that names the format it writes. Invariants: both go to stdout
// and end with 0.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>The usual help, and the command's examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private const int Columns = 100;

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        help.MaxWidth = Columns;
        string? usual = GlobalOptions.Profile.Description;
        GlobalOptions.Profile.Description = (parseResult.CommandResult.Command as VerbCommand)?.ProfileHelp ?? usual;
        help.Invoke(parseResult);
        GlobalOptions.Profile.Description = usual;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        IReadOnlyList<string> examples = parseResult.CommandResult.Command switch
        {
            VerbCommand verb => verb.Examples,
            _ => ["statestore init", "statestore adopt ~/src --init", "statestore status", "statestore list objects --where object_type=file --json"],
        };
        output.WriteLine("Examples:");
        foreach (string example in examples)
        {
            output.WriteLine("  " + example);
        }

        if (parseResult.CommandResult.Command is RootCommand)
        {
            output.WriteLine();
            output.WriteLine("Exit codes:");
            output.WriteLine("  0 yes or done   1 the answer is no   2 usage        3 not found     4 refused");
            output.WriteLine("  5 locked        6 unsafe             7 input/output 8 bad input     130 interrupted");
        }

        return 0;
    }
}

/// <summary>The program's version.</summary>
internal sealed class VersionAction : SynchronousCommandLineAction
{
    /// <summary>The version this build carries.</summary>
    public static string Version { get; } =
        typeof(VersionAction).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"statestore {Version} (store format {Format.FormatLimits.FormatVersion})");
        return 0;
    }
}
