// Why this file exists: `serve` and `mcp` start the daemon, which is a program of its own because it brings a web server along. Invariants: the daemon takes this process's place, so signals, standard streams and the exit code are its
// own; only the one that was installed beside this program is started, never one that a search path names.

using System.CommandLine;
using System.Runtime.InteropServices;
using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Verbs;

/// <summary>Starts the daemon.</summary>
internal static partial class ServeVerb
{
    private const string ProgramName = "statestored";

    private static readonly Option<string> s_listen = new("--listen") { Description = "unix:PATH, or HOST:PORT with a loopback address; port 0 takes a free one", HelpName = "ADDRESS" };
    private static readonly Option<bool> s_own = new("--own") { Description = "Hold the writer's lock; nobody else writes meanwhile" };
    private static readonly Option<string> s_policy = new("--policy") { Description = "With --own: a policy file that is loaded now and whenever it changes", HelpName = "FILE" };

    /// <summary>The command `serve`.</summary>
    public static VerbCommand Create()
    {
        VerbCommand command = new("serve", "Serve the store over HTTP on loopback or a socket, for programs and for a page", "statestore serve", "statestore serve --listen unix:/run/user/1000/statestored.sock")
        {
            Run = VerbCommand.Sync(Serve),
        };
        command.Options.Add(s_listen);
        command.Options.Add(s_own);
        command.Options.Add(s_policy);
        return command;
    }

    /// <summary>The command `mcp`.</summary>
    public static VerbCommand CreateMcp() => new("mcp", "Speak the Model Context Protocol on standard input and output, as the agent that --actor names", "statestore --actor actor:agent-one mcp")
    {
        Run = VerbCommand.Sync(static context => Replace(context, ["mcp"])),
    };

    private static ExitCode Serve(VerbContext context)
    {
        List<string> arguments = [];
        Add(arguments, "--listen", context.Get(s_listen));
        Add(arguments, "--policy", context.Get(s_policy));
        if (context.Get(s_own))
        {
            arguments.Add("--own");
        }

        return Replace(context, arguments);
    }

    private static unsafe ExitCode Replace(VerbContext context, List<string> arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, ProgramName);
        if (!File.Exists(program))
        {
            throw CliException.NotFound($"The daemon is not installed: there is no '{program}'.", program, "Install statestored beside this program (docs/daemon.md).");
        }

        arguments = [program, .. arguments, "--store", context.CheckedStorePath()];
        Add(arguments, "--actor", context.Parse.GetValue(GlobalOptions.Actor));
        Add(arguments, "--profile", context.Parse.GetValue(GlobalOptions.Profile));
        nint* list = (nint*)NativeMemory.AllocZeroed((nuint)arguments.Count + 1, (nuint)sizeof(nint));
        for (int i = 0; i < arguments.Count; i++)
        {
            list[i] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
        }

        // Returns only when it failed; then this process ends with the reason, and what was allocated goes with it.
        _ = Execv(program, list);
        throw CliException.InputOutput($"The daemon cannot be started: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.", program);
    }

    private static void Add(List<string> arguments, string name, string? value)
    {
        if (value is not null)
        {
            arguments.Add(name);
            arguments.Add(value);
        }
    }

    [LibraryImport("libc", EntryPoint = "execv", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static unsafe partial int Execv(string path, nint* arguments);
}
