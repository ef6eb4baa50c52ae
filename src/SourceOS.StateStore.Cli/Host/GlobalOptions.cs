// Why this file exists: the options that every command takes, declared once. Invariants: they may stand before or behind the verb.

using System.CommandLine;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>The global options.</summary>
internal static class GlobalOptions
{
    /// <summary>The environment variable that names the store.</summary>
    public const string StoreVariable = "SOURCEOS_STATE_STORE";

    /// <summary>The store when neither option nor variable names one.</summary>
    public const string DefaultStore = "./.statestore";

    public static readonly Option<string> Store = new("--store")
    {
        Description = $"The store's directory; else ${StoreVariable}, else {DefaultStore}", HelpName = "DIR", Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json") { Description = "One JSON document on stdout; NDJSON for lists and the log", Recursive = true };

    public static readonly Option<string> Actor = new("--actor")
    {
        Description = "Act as this registered actor; else as the calling user's own", HelpName = "ID", Recursive = true,
    };

    public static readonly Option<string> Profile = new("--profile")
    {
        Description = "Act and read in this profile; else in that of the record, or the first in the actor's scope", HelpName = "ID", Recursive = true,
    };

    public static readonly Option<bool> NoColor = new("--no-color") { Description = "Never use colours; NO_COLOR in the environment does the same", Recursive = true };

    public static readonly Option<bool> Quiet = new("--quiet") { Description = "No messages and no progress on stderr, errors only", Recursive = true };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [Store, Json, Actor, Profile, NoColor, Quiet];

    /// <summary>The store's path that a command line and an environment name.</summary>
    /// <param name="option">The option's value, or null.</param>
    /// <param name="variable">The variable's value, or null.</param>
    public static string StorePath(string? option, string? variable) =>
        option ?? (string.IsNullOrEmpty(variable) ? DefaultStore : variable);
}
