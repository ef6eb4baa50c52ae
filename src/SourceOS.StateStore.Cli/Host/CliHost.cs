// Why this file exists: from arguments to an exit code: parse, act, report. Invariants: whatever happens, the answer is either complete on stdout or an
// error in the one shape; Ctrl-C ends the verb at its next safe point; the second Ctrl-C ends the process.

using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.InteropServices;
using System.Text.Unicode;
using SourceOS.StateStore.Cli.Output;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Runs the program.</summary>
internal sealed class CliHost(ByteOutput output, ByteOutput errors)
{
    private static readonly ParserConfiguration Parsing = new() { EnablePosixBundling = false, ResponseFileTokenReplacer = null };

    /// <summary>Runs one command line.</summary>
    /// <param name="args">The arguments.</param>
    /// <returns>How the program ends.</returns>
    public async Task<ExitCode> RunAsync(string[] args)
    {
        ParseResult parse = CommandTree.Build().Parse(args, Parsing);
        bool isJson = args.TakeWhile(static arg => arg != "--").Contains("--json", StringComparer.Ordinal);
        bool isTerminal = !Console.IsErrorRedirected;
        Style style = new(Style.IsWanted(isTerminal, args.Contains("--no-color", StringComparer.Ordinal)));
        Messages messages = new(errors, style, isTerminal, args.Contains("--quiet", StringComparer.Ordinal));
        using CancellationTokenSource interrupted = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Interrupt(context, interrupted));
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Interrupt(context, interrupted));
        string storePath = GlobalOptions.DefaultStore;
        try
        {
            CheckEncoding(args);
            ExitCode exit;
            if (parse.Action is HelpAction or HelpWithExamples or VersionAction)
            {
                exit = ShowHelp(parse);
            }
            else
            {
                VerbCommand verb = CheckedVerb(parse);
                VerbContext context = new(parse, output, messages, interrupted.Token);
                storePath = context.StorePath;
                exit = await verb.Run!(context).ConfigureAwait(false);
            }

            output.Flush();
            return exit;
        }
        catch (Exception exception) when (ErrorMapping.ToError(exception, storePath) is { } error)
        {
            return Report(error, isJson, messages);
        }
    }

    private ExitCode Report(CliError error, bool isJson, Messages messages)
    {
        messages.EndProgress();
        if (error.Code == "broken_pipe")
        {
            return error.Exit;
        }

        try
        {
            if (isJson && error.Exit != ExitCode.Interrupted)
            {
                ErrorJson.Write(output, error);
                output.Flush();
            }
            else
            {
                output.Flush();
            }

            if (!isJson)
            {
                messages.Error(error);
            }
        }
        catch (Exception exception) when (exception is BrokenPipeException or CliException)
        {
            // The reader of the output is gone or its device is full; the exit code still says what happened.
            return error.Exit;
        }

        return error.Exit;
    }

    private static VerbCommand CheckedVerb(ParseResult parse)
    {
        string path = CommandTree.PathOf(parse.CommandResult);
        string help = $"See: statestore {path}--help";
        if (parse.Errors.Count > 0)
        {
            // A mistyped command also lacks a command; the word itself tells more.
            bool isMistyped = parse.UnmatchedTokens.Count > 0 && parse.CommandResult.Command.Subcommands.Count > 0;
            throw CliException.Usage(isMistyped ? $"There is no command '{path}{parse.UnmatchedTokens[0]}'." : parse.Errors[0].Message, help);
        }

        return parse.CommandResult.Command is VerbCommand { Run: not null } verb
            ? verb
            : throw CliException.Usage(path.Length == 0 ? "A command is missing." : $"'{path.TrimEnd()}' needs a command.", help);
    }

    private ExitCode ShowHelp(ParseResult parse)
    {
        using StringWriter text = new();
        parse.Invoke(new InvocationConfiguration { Output = text, Error = text, EnableDefaultExceptionHandler = false });
        output.Write(text.ToString());
        return ExitCode.Done;
    }

    private static void Interrupt(PosixSignalContext context, CancellationTokenSource interrupted)
    {
        // The first signal is a request; a second one finds it pending and takes its default course.
        if (!interrupted.IsCancellationRequested)
        {
            context.Cancel = true;
            interrupted.Cancel();
        }
    }

    // The runtime replaces bytes that are not UTF-8 before Main sees them, so the kernel's copy of the arguments is asked.
    private static void CheckEncoding(string[] args)
    {
        if (!args.Any(static arg => arg.Contains('\uFFFD', StringComparison.Ordinal)))
        {
            return;
        }

        byte[] raw = File.ReadAllBytes("/proc/self/cmdline");
        if (!Utf8.IsValid(raw))
        {
            throw CliException.BadData("An argument is not UTF-8.", next: "Identifiers and paths given to this program are UTF-8 text.", code: "invalid_identifier");
        }
    }
}
