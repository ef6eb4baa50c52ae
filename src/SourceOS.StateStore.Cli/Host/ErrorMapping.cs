// Why this file exists: one table from everything that can go wrong to one exit code and one error. Invariants: every code of the store has
// a row; an exception that nobody foresaw is named as an internal error with its type, and never printed as a stack trace.

using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Exceptions as errors.</summary>
internal static class ErrorMapping
{
    /// <summary>The error an exception stands for.</summary>
    /// <param name="exception">What a verb threw.</param>
    /// <param name="storePath">The store the command was about, for advice.</param>
    public static CliError ToError(Exception exception, string storePath) => exception switch
    {
        CliException cli => cli.Error,
        StateStoreException store => FromStore(store, storePath),
        OperationCanceledException => new CliError(ExitCode.Interrupted, "interrupted", "Interrupted; nothing that was not acknowledged is kept."),
        BrokenPipeException => new CliError(ExitCode.Done, "broken_pipe", "The reader of the output has gone."),
        UnauthorizedAccessException denied => new CliError(ExitCode.InputOutput, "access_denied", denied.Message),
        FileNotFoundException or DirectoryNotFoundException => new CliError(ExitCode.NotFound, "not_found", exception.Message),
        IOException io => new CliError(ExitCode.InputOutput, "input_output", io.Message),
        ArgumentException argument => new CliError(ExitCode.BadData, "invalid_input", FirstLine(argument.Message)),
        DllNotFoundException missing => new CliError(ExitCode.InputOutput, "native_library_missing", FirstLine(missing.Message)),
        OutOfMemoryException => new CliError(ExitCode.InputOutput, "out_of_memory", "The machine has not enough memory for this command."),
        _ => new CliError(
            ExitCode.InputOutput, "internal", $"Internal error: {exception.GetType().Name}: {FirstLine(exception.Message)}",
            Next: "Please report this, with the command that caused it."),
    };

    /// <summary>The exit code of a store's error code.</summary>
    /// <param name="code">The store's code.</param>
    public static ExitCode ExitOf(StateStoreErrorCode code) => code switch
    {
        StateStoreErrorCode.NotInitialized => ExitCode.NotFound,
        StateStoreErrorCode.Locked => ExitCode.Locked,
        StateStoreErrorCode.AlreadyExists or StateStoreErrorCode.InvalidInput => ExitCode.BadData,
        _ when DoorError.IsUnsafe(code) => ExitCode.Unsafe,
        _ => ExitCode.InputOutput,
    };

    /// <summary>A code as programs read it: snake_case.</summary>
    /// <param name="code">The store's code.</param>
    public static string CodeOf(StateStoreErrorCode code) => DoorError.CodeOf(code);

    /// <summary>Turns a PascalCase name into snake_case.</summary>
    /// <param name="name">The name.</param>
    public static string SnakeCase(string name) => DoorError.SnakeCase(name);

    /// <summary>A path as a shell takes it.</summary>
    /// <param name="path">The path.</param>
    public static string Quote(string path) => DoorError.Quote(path);

    private static CliError FromStore(StateStoreException exception, string storePath)
    {
        DoorError error = DoorError.Of(exception, storePath);
        return new CliError(ExitOf(exception.Code), error.Code, error.Message, error.Place, error.IsRetryable, error.Next);
    }

    private static string FirstLine(string text)
    {
        int end = text.IndexOfAny(['\r', '\n']);
        return end < 0 ? text : text[..end];
    }
}
