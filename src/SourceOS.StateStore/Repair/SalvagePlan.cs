// Why this file exists: when the log is damaged and the state does not hold everything either, what stood sound anywhere is still worth having; this decides from what, and where the log goes on behind it (format-spec/fences.md). Invariants: reads only; a number that the log
// or a slot ever used is not used again; what is not known of the log's tree is said, never made up; frames of another history end it.

using System.Globalization;
using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>From what records are saved, and the place behind everything that was.</summary>
/// <param name="Start">The state, or the checkpoint, that the sound frames are folded into; null when there is neither.</param>
/// <param name="Place">Position, numbers, chain head and frontier of the base that the new log starts at.</param>
/// <param name="IsTreeExact">Whether every leaf of the log's tree up to there is known; else those of lost frames are zero, and no proof leads across them.</param>
/// <param name="FoldUntil">The last sequence that is folded: frames behind it belong to a commit that was never acknowledged.</param>
internal sealed record SalvagePlan(StateInspection? Start, StateHeader Place, bool IsTreeExact, ulong FoldUntil)
{
    /// <summary>The last sequence that the start holds.</summary>
    internal ulong StartSequence => Start?.Header?.LastSequence ?? 0;

    internal string Fingerprint => string.Create(CultureInfo.InvariantCulture, $"|salvage:{StartSequence}|{Start?.Checkpoint}|{Place.FrameCount}|{Place.LastSequence}|{Place.ChainHead}|{FoldUntil}");

    /// <summary>Looks for what can be saved.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="superblock">Its superblock.</param>
    /// <param name="ops">The system calls.</param>
    /// <param name="files">How the log is read.</param>
    /// <param name="start">The state, or a checkpoint, when one proves.</param>
    /// <param name="found">What recovery says.</param>
    /// <returns>The plan; null when there is nothing, or when frames belong to another history.</returns>
    internal static SalvagePlan? TryMake(StoreLayout layout, Superblock superblock, FileOps ops, StoreFiles files, StateInspection? start, LogRecoveryResult found)
    {
        using LogReader reader = new(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), files);
        SalvageWalk walk = new(superblock, start?.Header, KnownFrontiers(layout, superblock, ops, files));
        if (!walk.Run(reader, found.EndOfSegments) || (walk.Frames == 0 && start?.Header is null))
        {
            return null;
        }

        ulong foldUntil = walk.EndsWithWholeCommit || found.DurableAddress >= walk.Place.LogPosition ? walk.Place.LastSequence : walk.LastCommitSequence;
        walk.GoTo(start?.Header);
        walk.GoTo(found.State.Told);
        walk.GoTo(found.Slots.Newest?.Descriptor);
        return new SalvagePlan(start, walk.Place, walk.IsExact, foldUntil);
    }

    private static Dictionary<ulong, StateHeader> KnownFrontiers(StoreLayout layout, Superblock superblock, FileOps ops, StoreFiles files)
    {
        Dictionary<ulong, StateHeader> known = [];
        if (!ops.Exists(layout.CheckpointsPath))
        {
            return known;
        }

        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.CheckpointsPath).Where(static entry => entry.Kind == FileKind.File))
        {
            string path = Path.Combine(layout.CheckpointsPath, entry.Name);
            if (StoreLayout.TryParseFrontierName(entry.Name, out int segment))
            {
                _ = StateFrontierFile.Read(path, superblock.StoreId, geometry, segment, files, out StateHeader? state, out _);
                Add(known, state);
            }
            else if (StoreLayout.TryParseCheckpointName(entry.Name, out _))
            {
                _ = StateCheckpointFile.Open(path, superblock.StoreId, files, out StateCheckpointFile? file, out _);
                using (file)
                {
                    Add(known, file?.Header.State);
                }
            }
        }

        return known;
    }

    private static void Add(Dictionary<ulong, StateHeader> known, StateHeader? state)
    {
        if (state is not null)
        {
            known[state.FrameCount] = state;
        }
    }
}

/// <summary>Follows the log over damage, frame by frame, and keeps its tree as far as it can be known.</summary>
internal sealed class SalvageWalk
{
    // No frame takes less room, so more frames than this allows cannot lie between two addresses, whatever a header says.
    private const long MinFrameBytes = 128;

    private readonly Superblock _superblock;
    private readonly StateHeader? _start;
    private readonly Dictionary<ulong, StateHeader> _known;
    private bool _isHeadKnown = true;

    internal SalvageWalk(Superblock superblock, StateHeader? start, Dictionary<ulong, StateHeader> known)
    {
        _superblock = superblock;
        _start = start;
        _known = known;
        Place = new StateHeader
        {
            StoreId = superblock.StoreId,
            Generation = 1,
            LogPosition = superblock.BaseAddress,
            LastSequence = superblock.BaseSequence - 1,
            ChainHead = superblock.BaseChainHead,
        };
        Place.Frontier.Set(superblock.BaseFrame, superblock.BaseFrontier);
        LastCommitSequence = Place.LastSequence;
    }

    /// <summary>Where the log stands behind everything that was met.</summary>
    internal StateHeader Place { get; }

    /// <summary>Frames met.</summary>
    internal long Frames { get; private set; }

    internal bool IsExact { get; private set; } = true;

    internal bool EndsWithWholeCommit { get; private set; } = true;

    internal ulong LastCommitSequence { get; private set; }

    /// <summary>Walks to the end of the last segment.</summary>
    /// <returns>False when frames of another history were met.</returns>
    internal bool Run(LogReader reader, long endOfSegments)
    {
        FrameSweep sweep = new(reader, _superblock, endOfSegments, FrameDepth.Leaves);
        while (sweep.MoveNext())
        {
            if (!Take(in sweep.Scanner.Header, in sweep.Scanner.Hash, sweep.Scanner.Position))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Goes on to the place of a state that holds more than the frames that are left.</summary>
    internal void GoTo(StateHeader? state)
    {
        if (state is not null && state.FrameCount > Place.FrameCount)
        {
            Place.Frontier.CopyFrom(state.Frontier);
            Set(state.LogPosition, state.LastSequence, state.LastCommitId, state.WriterEpoch, state.CommitTimeMicros, state.ChainHead);
            IsExact = true;
        }
    }

    /// <summary>Goes on to the place that a tail slot names, so that no number is used twice.</summary>
    internal void GoTo(TailSlot? slot)
    {
        if (slot is { } named && named.FrameCount > Place.FrameCount && Skip(named.FrameCount - Place.FrameCount, named.Tail))
        {
            Set(named.Tail, Math.Max(named.LastSequence, Place.LastSequence), Place.LastCommitId, Math.Max(named.WriterEpoch, Place.WriterEpoch), Place.CommitTimeMicros, named.ChainHead);
            IsExact = false;
        }
    }

    private bool Take(in FrameHeader frame, in Hash256 hash, long position)
    {
        ulong expected = Place.FrameCount;
        if (frame.FrameNumber < expected || frame.LastSequence <= Place.LastSequence)
        {
            // An older one that stands behind newer ones.
            return true;
        }

        if (frame.FrameNumber > expected)
        {
            if (!Skip(frame.FrameNumber - expected - 1, frame.Address))
            {
                return true;
            }

            IsExact &= frame.FrameNumber == expected + 1;
            Hash256 previous = frame.PreviousHash;
            Place.Frontier.AppendFrame(in previous);
            Place.ChainHead = previous;
            _isHeadKnown = true;
            LearnFrontier();
        }

        if (_isHeadKnown && (frame.PreviousHash != Place.ChainHead || !AgreesWithStart()))
        {
            return false;
        }

        Place.Frontier.AppendFrame(in hash);
        Set(position, frame.LastSequence, frame.CommitId, frame.WriterEpoch, frame.CommitTimeMicros, hash);
        Frames++;
        _isHeadKnown = true;
        EndsWithWholeCommit = frame.IsLastOfCommit;
        LastCommitSequence = frame.IsLastOfCommit ? frame.LastSequence : LastCommitSequence;
        LearnFrontier();
        return AgreesWithStart();
    }

    private bool AgreesWithStart() => _start is null || _start.FrameCount != Place.FrameCount || _start.ChainHead == Place.ChainHead;

    // A frontier that was kept for exactly this place brings the tree back, whatever was lost before it.
    private void LearnFrontier()
    {
        if (!IsExact && _known.TryGetValue(Place.FrameCount, out StateHeader? known) && known.ChainHead == Place.ChainHead)
        {
            Place.Frontier.CopyFrom(known.Frontier);
            IsExact = true;
        }
    }

    private bool Skip(ulong frames, long address)
    {
        if (frames > (ulong)(Math.Max(0, address - Place.LogPosition) / MinFrameBytes) + 1)
        {
            return false;
        }

        Hash256 unknown = default;
        for (ulong i = 0; i < frames; i++)
        {
            Place.Frontier.Append(in unknown);
        }

        _isHeadKnown = frames == 0 && _isHeadKnown;
        return true;
    }

    private void Set(long position, ulong lastSequence, ulong commitId, ulong epoch, long timeMicros, in Hash256 chainHead)
    {
        Place.LogPosition = Math.Max(position, Place.LogPosition);
        Place.LastSequence = lastSequence;
        Place.LastCommitId = commitId;
        Place.WriterEpoch = epoch;
        Place.CommitTimeMicros = timeMicros;
        Place.ChainHead = chainHead;
    }
}
