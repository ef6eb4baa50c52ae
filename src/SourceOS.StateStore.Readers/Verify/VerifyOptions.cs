// Why this file exists: what a caller can ask of a verification. Invariants: the defaults are right for a store at rest or beside a
// writer in another process.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;
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
    public PinnedState? PinnedState { get; init; }

    /// <summary>A root that the caller holds: the log must have at least its size and exactly its root there; null when the caller holds none.</summary>
    public KnownRoot? MinimumRoot { get; init; }

    /// <summary>How files are opened; the running kernel's when null.</summary>
    public StoreFiles? Files { get; init; }

    /// <summary>The same options at another level.</summary>
    /// <param name="level">The level.</param>
    /// <returns>The options.</returns>
    public VerifyOptions At(VerificationLevel level) => new()
    {
        Level = level,
        DegreeOfParallelism = DegreeOfParallelism,
        Progress = Progress,
        MaxFindings = MaxFindings,
        StateAttempts = StateAttempts,
        PinnedState = PinnedState,
        MinimumRoot = MinimumRoot,
        Files = Files,
    };
}

/// <summary>A root of the log tree that someone vouches for.</summary>
/// <param name="Size">Number of frames under it.</param>
/// <param name="Root">The root.</param>
public sealed record KnownRoot(ulong Size, Hash256 Root);

/// <summary>A snapshot of the state whose pages its giver keeps from being reused until the verification ends.</summary>
/// <param name="Generation">The state generation it belongs to.</param>
/// <param name="Meta">Its meta, as it was when it was pinned; the file may hold later ones by now.</param>
public sealed record PinnedState(ulong Generation, LmdbMeta Meta);
