// Why this file exists: `boot-check` is the boot check for people who have the large program at hand. Invariants: everything behind the verb is the small program's own command line, so both say the same; exit codes
// 0, 10 and 20 only.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Readers.Boot;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>The boot check.</summary>
internal static class BootCheckVerb
{
    /// <summary>Its name.</summary>
    public const string Name = "boot-check";

    /// <summary>The command, as the help and the completion show it.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new(Name, "Say whether a boot may rest on this store; exit code 0 verified, 10 review required, 20 blocked", "statestore boot-check --json", "statestore boot-check --budget-ms 500 --min-root root.note --root-key root.key")
        {
            Run = VerbCommand.Sync(static _ => ExitCode.Done),
        };
        // The store is an option of every command, which the grammar has already.
        foreach ((string name, string value, string description) in BootCommand.Options.Where(static option => option.Name != GlobalOptions.Store.Name))
        {
            command.Options.Add(new System.CommandLine.Option<string>(name) { Description = description, HelpName = value });
        }

        command.Options.Add(new System.CommandLine.Option<bool>(BootCommand.QuickOption) { Description = BootCommand.QuickDescription });
        return command;
    }

    /// <summary>Runs the boot check when the arguments ask for it, before the parser sees them: its exit codes are its own, also for bad arguments.</summary>
    /// <param name="arguments">All arguments of the program.</param>
    /// <param name="exitCode">Its exit code.</param>
    /// <returns>Whether it ran.</returns>
    public static bool TryRun(string[] arguments, out int exitCode)
    {
        exitCode = 0;
        int at = VerbAt(arguments);
        if (at < 0 || arguments[at] != Name || arguments.Any(static argument => argument is "--help" or "-h" or "-?"))
        {
            return false;
        }

        // What a person may always say does not change this answer.
        List<string> own = [];
        for (int i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] is "--actor" or "--profile")
            {
                i++;
            }
            else if (i != at && arguments[i] is not ("--no-color" or "--quiet"))
            {
                own.Add(arguments[i]);
            }
        }

        using Stream output = Console.OpenStandardOutput();
        exitCode = BootCommand.Run(own, Environment.GetEnvironmentVariable(GlobalOptions.StoreVariable), output);
        return true;
    }

    private static int VerbAt(string[] arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] is "--store" or "--actor" or "--profile")
            {
                i++;
            }
            else if (!arguments[i].StartsWith('-'))
            {
                return i;
            }
        }

        return -1;
    }
}
