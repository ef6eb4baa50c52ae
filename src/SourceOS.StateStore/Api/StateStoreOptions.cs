// Why this file exists: every tunable of the engine in one validated place. Invariants: options are read once at open and never
// change afterwards; every unit stands at the end of its name; defaults are safe for a device with little memory.

using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>How a store is created and opened. Validated once by the call that takes it; later changes have no effect.</summary>
public sealed class StateStoreOptions
{
    /// <summary>Log page size as a power of two, 16 to 26; only read when a store is created. A frame cannot be larger than a page. Default 22 (4 MiB).</summary>
    public int LogPageBits { get; set; } = 22;

    /// <summary>Log segment size as a power of two, 17 to 30 and not below <see cref="LogPageBits"/>; only read when a store is created. Default 24 (16 MiB).</summary>
    public int SegmentBits { get; set; } = 24;

    /// <summary>Log pages kept in memory, 2 to 64. Default 4.</summary>
    public int LogMemoryPages { get; set; } = 4;

    /// <summary>Upper bound of the state database in bytes, at least 1 MiB. A commit that would pass it fails with <see cref="StateStoreErrorCode.DiskFull"/>. Default 256 GiB.</summary>
    public long StateQuotaBytes { get; set; } = 256L << 30;

    /// <summary>Free bytes on the device below which commits are refused, so that recovery always has room to work; 0 turns the check off. Default 16 MiB.</summary>
    public long ReserveBytes { get; set; } = 16L << 20;

    /// <summary>Commits that may wait for the writer, 1 to 65,536; beyond that callers wait (back-pressure). Default 1,024.</summary>
    public int QueueCapacity { get; set; } = 1024;

    /// <summary>Most commits that share one sync, 1 to 4,096. Default 256.</summary>
    public int GroupCommits { get; set; } = 256;

    /// <summary>Most body bytes that share one sync, 64 KiB to 64 MiB. Default 4 MiB.</summary>
    public int GroupBytes { get; set; } = 4 << 20;

    /// <summary>Idle time after which the last group is confirmed in the log, in milliseconds, 1 to 10,000. Default 10.</summary>
    public int ConfirmAfterIdleMs { get; set; } = 10;

    /// <summary>Longest life of a snapshot in milliseconds, 100 to 3,600,000; older ones refuse further reads. Default 60,000.</summary>
    public int SnapshotMaxAgeMs { get; set; } = 60_000;

    /// <summary>A state database up to this size in bytes is proven completely at open, so that damage never reaches a reader; larger ones are checked page by page as they are used. Default 16 MiB.</summary>
    public long ProveStateUpToBytes { get; set; } = 16L << 20;

    /// <summary>Whether an unreadable, missing or unproven state is rebuilt from the log at open. When false such a store refuses to open for writing with <see cref="StateStoreErrorCode.StateDamaged"/>. Default true.</summary>
    public bool RebuildStateAtOpen { get; set; } = true;

    /// <summary>Whether a writer makes parity of the log segments that it leaves behind, in the background (6.25 % of the log; docs/decisions/0014-parity.md). Default true.</summary>
    public bool KeepsParity { get; set; } = true;

    /// <summary>Whether a writer keeps checkpoints of the state, and the frontier of the log's tree for each segment, in the background (docs/decisions/0018-checkpoints.md). Default true.</summary>
    public bool KeepsCheckpoints { get; set; } = true;

    /// <summary>Events after which a new checkpoint is due, 1 to 2,147,483,647, and at least a quarter as many as there are records; a writer that closes makes one after half as many, when the state has at most 64 MiB. Default 250,000.</summary>
    public int CheckpointEveryEvents { get; set; } = 250_000;

    /// <summary>Time after which a new checkpoint is due when anything was committed, in milliseconds, 1,000 to 2,147,483,647. Default 3,600,000.</summary>
    public int CheckpointEveryMs { get; set; } = 3_600_000;

    /// <summary>Gates that see each proposed commit, in order; the first that does not allow it decides. They run on the writer thread and must not block.</summary>
    public IList<ICommitGate> Gates { get; } = [];

    /// <summary>What sets, before the gates, what callers do not choose; nothing when null.</summary>
    public ICommitAmender? Amender { get; set; }

    /// <summary>What remembers refusals of the gates; none when null. Refusals by the engine itself (expected sequence, no such record) are not recorded.</summary>
    public IRefusalAuditor? RefusalAuditor { get; set; }

    /// <summary>What signs privileged changes before they are queued; none when null.</summary>
    public IBatchSigner? Signer { get; set; }

    /// <summary>Where the engine logs; none when null.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>The clock for commit times; the system clock when null.</summary>
    public TimeProvider? Clock { get; set; }

    /// <summary>The system calls under the store; the operating system's when null. Tests put faults here.</summary>
    public FileOps? Files { get; set; }

    /// <summary>Checks every value and throws <see cref="ArgumentOutOfRangeException"/> for the first that is out of range.</summary>
    public void Validate()
    {
        Require(LogPageBits is >= 16 and <= 26, nameof(LogPageBits), LogPageBits, "16 to 26");
        Require(SegmentBits is >= 17 and <= 30 && SegmentBits >= LogPageBits, nameof(SegmentBits), SegmentBits, "17 to 30 and not below LogPageBits");
        Require(LogMemoryPages is >= 2 and <= 64, nameof(LogMemoryPages), LogMemoryPages, "2 to 64");
        Require(StateQuotaBytes >= 1 << 20, nameof(StateQuotaBytes), StateQuotaBytes, "at least 1048576");
        Require(ReserveBytes >= 0, nameof(ReserveBytes), ReserveBytes, "0 or more");
        Require(QueueCapacity is >= 1 and <= 65_536, nameof(QueueCapacity), QueueCapacity, "1 to 65536");
        Require(GroupCommits is >= 1 and <= 4_096, nameof(GroupCommits), GroupCommits, "1 to 4096");
        Require(GroupBytes is >= 64 << 10 and <= 64 << 20, nameof(GroupBytes), GroupBytes, "65536 to 67108864");
        Require(ConfirmAfterIdleMs is >= 1 and <= 10_000, nameof(ConfirmAfterIdleMs), ConfirmAfterIdleMs, "1 to 10000");
        Require(SnapshotMaxAgeMs is >= 100 and <= 3_600_000, nameof(SnapshotMaxAgeMs), SnapshotMaxAgeMs, "100 to 3600000");
        Require(CheckpointEveryEvents >= 1, nameof(CheckpointEveryEvents), CheckpointEveryEvents, "1 or more");
        Require(CheckpointEveryMs >= 1_000, nameof(CheckpointEveryMs), CheckpointEveryMs, "1000 or more");
        Require(ProveStateUpToBytes >= 0, nameof(ProveStateUpToBytes), ProveStateUpToBytes, "0 or more");
    }

    /// <summary>A copy that proves the whole state whatever its size, and rebuilds it if need be.</summary>
    internal StateStoreOptions ForRepair()
    {
        StateStoreOptions copy = (StateStoreOptions)MemberwiseClone();
        copy.ProveStateUpToBytes = long.MaxValue;
        copy.RebuildStateAtOpen = true;

        // A repair makes parity and checkpoints itself, in its turn.
        copy.KeepsParity = false;
        copy.KeepsCheckpoints = false;
        return copy;
    }

    private static void Require(bool condition, string name, object value, string range)
    {
        if (!condition)
        {
            throw new ArgumentOutOfRangeException(name, value, $"StateStoreOptions.{name} must be {range}.");
        }
    }
}
