// Why this file exists: what a caller can ask of a verification. Invariants: the defaults are right for a store at rest or beside a
// writer in another process.

using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>Where a verification stands.</summary>
/// <param name="Phase">What it is doing, in a word.</param>
/// <param name="DoneBytes">Bytes done in this phase.</param>
/// <param name="TotalBytes">Bytes of this phase; 0 when not known.</param>
public readonly record struct VerificationProgress(string Phase, long DoneBytes, long TotalBytes);

/// <summary>What a caller asks of a verification.</summary>
public sealed class VerifyOptions
{
    /// <summary>How much to prove.</summary>
    public VerificationLevel Level { get; init; } = VerificationLevel.Standard;

    /// <summary>How many threads work, 1 to 256; 0 means one for each processor.</summary>
    public int DegreeOfParallelism { get; init; }

    /// <summary>Told now and then how far the work is; called on worker threads, one at a time.</summary>
    public IProgress<VerificationProgress>? Progress { get; init; }

    /// <summary>Most findings that the report holds; more are counted.</summary>
    public int MaxFindings { get; init; } = 10_000;

    /// <summary>How often the state is read again when a writer changed it meanwhile, before it is reported as not checked.</summary>
    public int StateAttempts { get; init; } = 3;

    /// <summary>Gives a snapshot that the caller keeps from being reused, for a store that is open in this process; null otherwise.</summary>
    public IPinnedState? PinnedState { get; init; }

    /// <summary>How files are opened; the running kernel's when null.</summary>
    public StoreFiles? Files { get; init; }
}

/// <summary>A snapshot of the state that its giver keeps alive for the time of a verification.</summary>
public interface IPinnedState
{
    /// <summary>Transaction id of the snapshot; its pages are not reused until the verification ends.</summary>
    ulong TransactionId { get; }

    /// <summary>The state generation it belongs to.</summary>
    ulong Generation { get; }
}
