// Why this file exists: the answer of the boot check, the same for the small program, the command and the C library. Invariants: exit codes are 0, 10 and 20 and nothing else; a verdict other than
// verified has at least one reason.

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>What the boot check says.</summary>
public enum BootDecision
{
    /// <summary>The store is what it was; the boot may go on.</summary>
    Verified = 1,

    /// <summary>Something needs a person, or could not be shown in time.</summary>
    ReviewRequired = 2,

    /// <summary>The store must not be trusted.</summary>
    Blocked = 3,
}

/// <summary>One reason of a verdict.</summary>
/// <param name="Code">A stable name.</param>
/// <param name="Message">For people.</param>
/// <param name="Place">Where; may be empty.</param>
public sealed record BootReason(string Code, string Message, string Place = "");

/// <summary>The verdict. Immutable.</summary>
public sealed record BootVerdict
{
    /// <summary>What it comes to.</summary>
    public required BootDecision Decision { get; init; }

    /// <summary>Why; empty for a store that is verified without remarks.</summary>
    public required IReadOnlyList<BootReason> Reasons { get; init; }

    /// <summary>Root of the log tree, in hexadecimal digits; empty when it could not be told.</summary>
    public string Root { get; init; } = "";

    /// <summary>Frames under the root.</summary>
    public ulong Size { get; init; }

    /// <summary>The last sequence; 0 when it could not be told.</summary>
    public ulong Sequence { get; init; }

    /// <summary>The store's id; empty when nothing tells it.</summary>
    public string StoreId { get; init; } = "";

    /// <summary>How deep the check went: `none`, `quick` or `standard`.</summary>
    public required string Level { get; init; }

    /// <summary>How long it took, in milliseconds.</summary>
    public long ElapsedMs { get; init; }

    /// <summary>The decision as other programs spell it.</summary>
    public string DecisionText => Decision switch
    {
        BootDecision.Verified => "verified",
        BootDecision.Blocked => "blocked",
        _ => "review_required",
    };

    /// <summary>The exit code: 0 verified, 10 review required, 20 blocked.</summary>
    public int ExitCode => Decision switch
    {
        BootDecision.Verified => 0,
        BootDecision.Blocked => 20,
        _ => 10,
    };
}
