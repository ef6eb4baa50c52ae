// Why this file exists: checkpoints and frontiers that do not prove, or are of another history, are taken away and made again (docs/repair.md). Invariants: looking only reads; they repeat what log and state hold, so nothing of them is set aside; nothing is
// taken away while the log is damaged, where each of them may still be of use.

using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>What must be done for checkpoints and frontiers.</summary>
/// <param name="Bad">Names of files that do not hold.</param>
/// <param name="LeftOver">Names of files that are of no use any more.</param>
internal sealed record CheckpointFacts(IReadOnlyList<string> Bad, IReadOnlyList<string> LeftOver)
{
    /// <summary>Nothing.</summary>
    internal static CheckpointFacts None { get; } = new([], []);

    internal bool HasWork => Bad.Count + LeftOver.Count > 0;

    /// <summary>Whether a checkpoint of the state is among what is made again.</summary>
    internal bool RemakesCheckpoint => Bad.Any(static name => StoreLayout.TryParseCheckpointName(name, out _));

    internal string Fingerprint => HasWork ? "|checkpoints:" + string.Join(',', Bad.Concat(LeftOver)) : "";

    internal RepairStep Step(int order) => new(
        order,
        RepairAction.RemakeCheckpoints,
        $"{StoreLayout.CheckpointsName}/{string.Join(", ", Bad.Concat(LeftOver).Take(8))}{(Bad.Count + LeftOver.Count > 8 ? " and more" : "")}",
        "the log and the state",
        Bad.Count > 0 ? "checkpoints of the state and frontiers of the log's tree" : "",
        "",
        IsDestructive: false);
}

/// <summary>Finds and mends checkpoints and frontiers.</summary>
internal static class CheckpointRepair
{
    /// <summary>Looks at all of them, against a log that is whole.</summary>
    internal static CheckpointFacts Find(StoreLayout layout, Superblock superblock, StoreFiles files, LogTip tip)
    {
        List<string> names = [];
        _ = files.List(layout.CheckpointsPath, (name, kind) =>
        {
            if (kind == StoreEntryKind.File)
            {
                names.Add(name);
            }

            return true;
        });
        List<string> bad = [];
        List<string> leftOver = [];
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        using LogReader reader = new(layout, geometry, files);
        foreach (string name in names.Order(StringComparer.Ordinal))
        {
            bool isUnfinished = name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal);
            string plain = isUnfinished ? name[..^StoreLayout.UnfinishedSuffix.Length] : name;
            bool isCheckpoint = StoreLayout.TryParseCheckpointName(plain, out ulong sequence);
            bool isFrontier = StoreLayout.TryParseFrontierName(plain, out int segment);
            if (!isCheckpoint && !isFrontier)
            {
                continue;
            }

            string path = Path.Combine(layout.CheckpointsPath, name);
            StateHeader? state = isUnfinished ? null : isCheckpoint ? Prove(path, sequence, superblock, files) : ReadFrontier(path, superblock, geometry, segment, files);
            if (isUnfinished || (state is not null && state.LogPosition < superblock.BaseAddress))
            {
                leftOver.Add(name);
            }
            else if (state is null || !Continues(reader, superblock, state, tip))
            {
                bad.Add(name);
            }
        }

        return new CheckpointFacts(bad, leftOver);
    }

    /// <summary>Takes away what does not hold, and makes the frontiers again. The caller holds the writer's lock; the log is whole.</summary>
    internal static void Apply(StoreLayout layout, Superblock superblock, FileOps ops, StoreFiles files, TimeProvider clock, CheckpointFacts facts, LogTip tip)
    {
        HashSet<string> names = [.. facts.Bad, .. facts.LeftOver];
        CheckpointFolder.Drop(ops, layout, names.Contains);
        if (facts.Bad.Any(static name => StoreLayout.TryParseFrontierName(name, out _)))
        {
            _ = FrontierMaker.MakeMissing(ops, layout, superblock, files, tip, clock);
        }
    }

    private static StateHeader? Prove(string path, ulong sequence, Superblock superblock, StoreFiles files)
    {
        _ = StateCheckpointFile.Open(path, superblock.StoreId, files, out StateCheckpointFile? file, out _);
        using (file)
        {
            return file is not null && file.Header.State.LastSequence == sequence && file.Run(null, superblock.PageBits) == ReadStatus.Ok && !file.Fault.IsFault ? file.Header.State : null;
        }
    }

    private static StateHeader? ReadFrontier(string path, Superblock superblock, LogGeometry geometry, int segment, StoreFiles files)
    {
        _ = StateFrontierFile.Read(path, superblock.StoreId, geometry, segment, files, out StateHeader? state, out _);
        return state;
    }

    // The frame behind it says what it continues; at the log's end the end itself says it.
    private static bool Continues(LogReader reader, Superblock superblock, StateHeader state, LogTip tip)
    {
        if (state.LogPosition >= tip.Address)
        {
            return state.LogPosition == tip.Address && state.ChainHead == tip.ChainHead;
        }

        ScanStart start = ScanStart.AfterCommit(superblock.StoreId, state.LogPosition, state.FrameCount, state.LastSequence, state.LastCommitId, state.WriterEpoch, state.ChainHead);
        return new FrameScanner(reader, superblock.StoreId, start, tip.Address, FrameDepth.Chain).MoveNext() == ScanOutcome.Frame;
    }
}
