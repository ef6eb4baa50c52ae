// Why this file exists: what a watch tells while it runs and when it ends. Invariants: causes and ends are stable words; a round that could not be written says so and loses nothing.

namespace SourceOS.StateStore.Governance.Workspace;

/// <summary>Why a round was made. The words are stable.</summary>
public static class WatchCause
{
    /// <summary>The first round.</summary>
    public const string Start = "start";

    /// <summary>Something in the tree was touched.</summary>
    public const string Events = "events";

    /// <summary>The kernel dropped events, so the whole tree is looked at.</summary>
    public const string Overflow = "overflow";

    /// <summary>It was time to look at the whole tree.</summary>
    public const string Rescan = "rescan";

    /// <summary>The root had gone and came back.</summary>
    public const string RootBack = "root_back";
}

/// <summary>How a watch ended.</summary>
public enum WatchEnd
{
    /// <summary>The caller ended it.</summary>
    Cancelled = 1,

    /// <summary>The root is gone, or another directory is in its place.</summary>
    RootGone = 2,

    /// <summary>A gate refused a commit.</summary>
    Refused = 3,
}

/// <summary>One round of a watch.</summary>
/// <param name="Number">1, 2, and so on.</param>
/// <param name="Cause">One of <see cref="WatchCause"/>.</param>
/// <param name="IsWholeTree">Whether the whole tree was looked at, not only what was touched.</param>
/// <param name="IsWatching">Whether the tree is watched; when not, it is looked at from time to time.</param>
/// <param name="Report">What the round found and wrote; null when it was put off.</param>
/// <param name="Notice">What people should know, a sentence; empty when there is nothing.</param>
public sealed record WatchRound(long Number, string Cause, bool IsWholeTree, bool IsWatching, AdoptReport? Report, string Notice);

/// <summary>What a watch came to.</summary>
public sealed record WatchSummary
{
    /// <summary>How it ended.</summary>
    public required WatchEnd End { get; init; }

    /// <summary>Rounds that looked at the tree.</summary>
    public required long Rounds { get; init; }

    /// <summary>Rounds that were put off because another writer held the store.</summary>
    public required long Deferred { get; init; }

    /// <summary>Rounds that looked at the whole tree because events were lost.</summary>
    public required long Overflows { get; init; }

    /// <summary>Objects written, of files, folders and links.</summary>
    public required long Written { get; init; }

    /// <summary>The store's sequence after the last round that wrote; 0 when none did.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>The refused round's report; null unless one was refused.</summary>
    public AdoptReport? Refused { get; init; }
}
