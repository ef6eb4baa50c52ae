// Why this file exists: every failure reaches the user as one error with a code, a place and what to do next, and as one exit code. Invariants:
// nothing else is printed about a failure; a stack trace never is.

namespace SourceOS.StateStore.Cli.Host;

/// <summary>The error as it is printed.</summary>
/// <param name="Exit">How the program ends.</param>
/// <param name="Code">A stable snake_case word.</param>
/// <param name="Message">What happened, in a sentence.</param>
/// <param name="Place">Where: a file and line, a record, a sequence; empty when it has no place.</param>
/// <param name="IsRetryable">Whether the same command may succeed later without any change by the caller.</param>
/// <param name="Next">What to do, in a sentence; empty when there is nothing.</param>
/// <param name="Rule">The rule that refused; empty when none did.</param>
internal sealed record CliError(
    ExitCode Exit, string Code, string Message, string Place = "", bool IsRetryable = false, string Next = "", string Rule = "");

/// <summary>Ends a verb with an error.</summary>
internal sealed class CliException(CliError error) : Exception(error.Message)
{
    /// <summary>The error.</summary>
    public CliError Error { get; } = error;

    /// <summary>The command line is wrong in a way that its grammar does not show.</summary>
    public static CliException Usage(string message, string next = "") => new(new CliError(ExitCode.Usage, "usage", message, Next: next));

    /// <summary>A record or a place does not exist.</summary>
    public static CliException NotFound(string message, string place = "", string next = "") =>
        new(new CliError(ExitCode.NotFound, "not_found", message, place, Next: next));

    /// <summary>Data breaks a rule.</summary>
    public static CliException BadData(string message, string place = "", string next = "", string code = "invalid_input") =>
        new(new CliError(ExitCode.BadData, code, message, place, Next: next));

    /// <summary>The operating system could not do it.</summary>
    public static CliException InputOutput(string message, string place = "", string next = "") =>
        new(new CliError(ExitCode.InputOutput, "input_output", message, place, Next: next));
}
