// Why this file exists: the daemon's command line. Invariants: a wrong word ends it with 2 before anything is opened; standard output belongs to what the command is for (the address, the protocol), everything else goes to standard error.

using System.CommandLine;
using SourceOS.StateStore.Daemon.Http;
using SourceOS.StateStore.Daemon.Mcp;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon;

/// <summary>The program `statestored`.</summary>
public static class Program
{
    private const string StoreVariable = "SOURCEOS_STATE_STORE";

    private static readonly Option<string> s_store = new("--store") { Description = $"The store's directory; else ${StoreVariable}, else ./.statestore", HelpName = "DIR", Recursive = true };
    private static readonly Option<string> s_actor = new("--actor") { Description = "Read as this registered actor; else as the user's own", HelpName = "ID", Recursive = true };
    private static readonly Option<string> s_profile = new("--profile") { Description = "Only this profile", HelpName = "ID", Recursive = true };
    private static readonly Option<string> s_listen = new("--listen") { Description = "unix:PATH, or HOST:PORT with a loopback address; port 0 takes a free one", HelpName = "ADDRESS", DefaultValueFactory = static _ => ListenAddress.Default };
    private static readonly Option<bool> s_own = new("--own") { Description = "Hold the writer's lock; nobody else writes meanwhile" };
    private static readonly Option<string> s_policy = new("--policy") { Description = "With --own: a policy file that is loaded now and whenever it changes", HelpName = "FILE" };

    /// <summary>Runs the program.</summary>
    /// <param name="args">The command line.</param>
    /// <returns>0 after a stop that was asked for; 2 usage; 3 no store to own; 5 locked; 7 I/O, or the address cannot be listened on.</returns>
    public static Task<int> Main(string[] args)
    {
        RootCommand root = new("statestored: a state store over HTTP on loopback or a socket, and for agents over stdio\n\nExamples:\n  statestored --store ./.statestore\n  statestored --store /var/lib/sourceos/state --listen unix:/run/statestored/http.sock --own\n  statestored mcp --store ./.statestore --actor actor:agent-one");
        root.Options.Add(s_store);
        root.Options.Add(s_actor);
        root.Options.Add(s_profile);
        root.Options.Add(s_listen);
        root.Options.Add(s_own);
        root.Options.Add(s_policy);
        root.SetAction(ServeAsync);
        Command mcp = new("mcp", "Speak the Model Context Protocol on standard input and output, as the agent that --actor names");
        mcp.SetAction(McpAsync);
        root.Subcommands.Add(mcp);
        ParseResult parse = root.Parse(args);
        if (parse.Errors.Count > 0)
        {
            foreach (System.CommandLine.Parsing.ParseError error in parse.Errors)
            {
                Console.Error.WriteLine($"statestored: {error.Message}");
            }

            Console.Error.WriteLine("See: statestored --help");
            return Task.FromResult(2);
        }

        return parse.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    private static async Task<int> ServeAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string text = parse.GetValue(s_listen) ?? ListenAddress.Default;
        if (!ListenAddress.TryParse(text, out ListenAddress? address, out string reason))
        {
            return Refuse($"{reason} (--listen {text})");
        }

        if (OptionsOf(parse) is not { } options)
        {
            return 2;
        }

        if (options.PolicyFile.Length > 0 && !options.Owns)
        {
            return Refuse("--policy needs --own: loading a policy is a commit.");
        }

        return await Guarded(() => HttpDoor.RunAsync(options, address!, Console.Out, cancellationToken)).ConfigureAwait(false);
    }

    private static async Task<int> McpAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        if (OptionsOf(parse) is not { } options)
        {
            return 2;
        }

        return options.ActorId.Length == 0
            ? Refuse("The agents' door is bound to one registered agent; name it with --actor.")
            : await Guarded(() => McpDoor.RunAsync(options, cancellationToken)).ConfigureAwait(false);
    }

    private static StateStoreHostOptions? OptionsOf(ParseResult parse)
    {
        StateStoreHostOptions options = new()
        {
            StorePath = parse.GetValue(s_store) ?? Environment.GetEnvironmentVariable(StoreVariable) ?? ".statestore",
            ActorId = parse.GetValue(s_actor) ?? "",
            ProfileId = parse.GetValue(s_profile) ?? "",
            Owns = parse.GetValue(s_own),
            PolicyFile = parse.GetValue(s_policy) ?? "",
        };
        string reason = options.StorePath.Length == 0 || options.StorePath.Contains('\0', StringComparison.Ordinal) ? "The store's path is empty; name a directory with --store." : "";
        foreach ((string name, string? value) in (ReadOnlySpan<(string, string?)>)[("--actor", parse.GetValue(s_actor)), ("--profile", parse.GetValue(s_profile))])
        {
            if (value is not null && !Identifier.IsValid(value, out string fault))
            {
                reason = $"{name} is not valid: {fault}.";
            }
        }

        if (reason.Length > 0)
        {
            Refuse(reason);
            return null;
        }

        return options;
    }

    private static int Refuse(string reason)
    {
        Console.Error.WriteLine($"statestored: {reason}");
        return 2;
    }

    private static async Task<int> Guarded(Func<Task<int>> run)
    {
        try
        {
            return await run().ConfigureAwait(false);
        }
        catch (StateStoreException exception)
        {
            Console.Error.WriteLine($"statestored: {exception.Message}{(exception.Next.Length > 0 ? " " + exception.Next : "")}");
            return exception.Code switch
            {
                StateStoreErrorCode.NotInitialized => 3,
                StateStoreErrorCode.Locked => 5,
                _ => Governance.Doors.DoorError.IsUnsafe(exception.Code) ? 6 : 7,
            };
        }
        catch (ReadRefusedException refused)
        {
            Console.Error.WriteLine($"statestored: {refused.Error.Message} {refused.Error.Next}");
            return 4;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine($"statestored: {exception.Message}");
            return 7;
        }
    }
}
