// Why this file exists: what a commit's refusal means at the command line. Invariants: a refusal is never reported as done; its rule, reason and
// remedy reach the caller.

using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Cli.Host;

/// <summary>Commit receipts as errors.</summary>
internal static class Receipts
{
    /// <summary>Throws unless the commit happened.</summary>
    /// <param name="receipt">The receipt.</param>
    public static CommitReceipt Require(CommitReceipt receipt) =>
        receipt.IsCommitted ? receipt : throw new CliException(ToError(receipt.Status, receipt.Refusal));

    /// <summary>The error of a refusal.</summary>
    /// <param name="status">The receipt's status.</param>
    /// <param name="refusal">Its refusal.</param>
    public static CliError ToError(CommitStatus status, CommitRefusal? refusal)
    {
        DoorError error = DoorError.Of(status, refusal);
        ExitCode exit = error.Code switch
        {
            "not_found" => ExitCode.NotFound,
            "too_large" => ExitCode.BadData,
            _ => ExitCode.Refused,
        };
        return new CliError(exit, error.Code, error.Message, error.Place, error.IsRetryable, error.Next, error.Rule);
    }
}
