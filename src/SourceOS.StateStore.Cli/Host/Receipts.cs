// Why this file exists: what a commit's refusal means at the command line. Invariants: a refusal is never reported as done; its rule, reason and
// remedy reach the caller.

using SourceOS.StateStore.Format;

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
        (ExitCode exit, string code) = status switch
        {
            CommitStatus.NotFound => (ExitCode.NotFound, "not_found"),
            CommitStatus.Conflict => (ExitCode.Refused, "conflict"),
            CommitStatus.ReviewRequired => (ExitCode.Refused, "review_required"),
            _ when refusal?.Rule == "engine.frame-size" => (ExitCode.BadData, "too_large"),
            _ => (ExitCode.Refused, "policy_denied"),
        };
        string place = refusal is { Kind: { } kind } ? $"{RecordKinds.Get(kind).Name} {refusal.Id}" : "";
        return new CliError(exit, code, refusal?.Reason ?? "The commit was refused.", place, Next: refusal?.Remedy ?? "", Rule: refusal?.Rule ?? "");
    }
}
