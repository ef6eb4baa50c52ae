// Why this file exists: what one page of the log holds, in the form in which pages are linked. Invariants: runs are in the order of their
// addresses and do not overlap; the frames of a run continue each other; memory is bounded by the frames a page can hold.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Verify;

/// <summary>A place behind a frame that someone else makes a statement about.</summary>
/// <param name="Address">Log address behind the frame.</param>
/// <param name="Header">The frame's header.</param>
/// <param name="Hash">The frame's hash.</param>
/// <param name="FrameInRun">Which frame of its run it is, from 0.</param>
internal readonly record struct LogMark(long Address, FrameHeader Header, Hash256 Hash, int FrameInRun);

/// <summary>Frames that continue each other.</summary>
internal sealed class LogRun
{
    public required FrameHeader First { get; init; }

    public FrameHeader Last { get; set; }

    public Hash256 LastHash { get; set; }

    public long End { get; set; }

    /// <summary>The last frame that ends a commit.</summary>
    public LogMark? LastCommit { get; set; }

    /// <summary>The most durable frames that a frame of the run states.</summary>
    public ulong DurableFrames { get; set; }

    /// <summary>Leaves of the log tree.</summary>
    public List<Hash256> Leaves { get; } = [];

    /// <summary>Frames of the run at which somebody's statement is to be checked.</summary>
    public List<LogMark> Marks { get; } = [];
}

/// <summary>Something wrong in a page.</summary>
/// <param name="Fault">What.</param>
/// <param name="From">First address concerned.</param>
/// <param name="Until">Address behind the last one concerned.</param>
/// <param name="Frame">The frame whose content is at fault while its place in the chain is sound; null when the chain itself is.</param>
internal readonly record struct LogDamage(LogFault Fault, long From, long Until, FrameHeader? Frame);

/// <summary>What one page holds.</summary>
internal sealed class LogPage(long start)
{
    private const int MaxDamage = 4096;

    /// <summary>Address of the page's first byte.</summary>
    public long Start { get; } = start;

    /// <summary>Whether the segment has no file.</summary>
    public bool IsMissing { get; set; }

    /// <summary>The entry that goes on behind the plan's limit; it and all behind it was left out. Null when there is none.</summary>
    public long? CrossesLimitAt { get; set; }

    public List<LogRun> Runs { get; } = [];

    public List<LogDamage> Damage { get; } = [];

    /// <summary>Damages that were too many to keep.</summary>
    public long FurtherDamage { get; private set; }

    /// <summary>Bytes of the page that were read and judged.</summary>
    public long SeenBytes { get; set; }

    public long Frames { get; set; }

    public long Events { get; set; }

    public void Add(in LogDamage damage)
    {
        if (Damage.Count < MaxDamage)
        {
            Damage.Add(damage);
        }
        else
        {
            FurtherDamage++;
        }
    }
}
