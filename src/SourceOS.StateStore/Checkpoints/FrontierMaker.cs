// Why this file exists: frontiers of the log's tree as files, hashes only: written as the log reaches a segment, and made again from the log when they rotted. Invariants: a frontier holds no count of records or lanes and no byte of a body; it stands at
// the end of the first commit that ends in its segment.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Log;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Checkpoints;

/// <summary>Makes frontiers.</summary>
internal static class FrontierMaker
{
    /// <summary>What a frontier keeps of a state's header.</summary>
    internal static StateHeader PlaceOf(StateHeader header)
    {
        StateHeader place = new()
        {
            StoreId = header.StoreId,
            Generation = header.Generation,
            LogPosition = header.LogPosition,
            LastSequence = header.LastSequence,
            LastCommitId = header.LastCommitId,
            WriterEpoch = header.WriterEpoch,
            CommitTimeMicros = header.CommitTimeMicros,
            ChainHead = header.ChainHead,
        };
        place.Frontier.CopyFrom(header.Frontier);
        return place;
    }

    /// <summary>Writes a frontier, whole or not at all.</summary>
    internal static void Write(FileOps ops, string path, StateHeader place, TimeProvider clock)
    {
        byte[] bytes = new byte[StateCheckpointHeader.LengthBytes];
        new StateCheckpointHeader(place, Times.MicrosOf(clock.GetUtcNow())).Encode(bytes);
        StoreTree.WriteWhole(ops, path, bytes);
    }

    /// <summary>Makes every frontier again that is missing, from a log that is whole.</summary>
    /// <param name="ops">The system calls.</param>
    /// <param name="layout">The store's paths.</param>
    /// <param name="superblock">The store's superblock.</param>
    /// <param name="files">How the log is read.</param>
    /// <param name="tip">Its end.</param>
    /// <param name="clock">The clock.</param>
    /// <returns>How many were made.</returns>
    internal static int MakeMissing(FileOps ops, StoreLayout layout, Superblock superblock, StoreFiles files, LogTip tip, TimeProvider clock)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        using LogReader reader = new(layout, geometry, files);
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), tip.Address, FrameDepth.Chain);
        StateHeader place = new() { StoreId = superblock.StoreId, Generation = superblock.StateGeneration };
        place.Frontier.Set(superblock.BaseFrame, superblock.BaseFrontier);
        int segment = geometry.SegmentOf(superblock.BaseAddress);
        int made = 0;
        while (scanner.MoveNext() == ScanOutcome.Frame)
        {
            FrameHeader frame = scanner.Header;
            place.Frontier.AppendFrame(in scanner.Hash);
            int reached = geometry.SegmentOf(scanner.Position - 1);
            if (!frame.IsLastOfCommit || reached <= segment)
            {
                continue;
            }

            segment = reached;
            place.LogPosition = scanner.Position;
            place.LastSequence = frame.LastSequence;
            place.LastCommitId = frame.CommitId;
            place.WriterEpoch = frame.WriterEpoch;
            place.CommitTimeMicros = frame.CommitTimeMicros;
            place.ChainHead = scanner.Hash;
            if (!ops.Exists(layout.FrontierPath(segment)))
            {
                CheckpointFolder.Create(ops, layout);
                Write(ops, layout.FrontierPath(segment), place, clock);
                made++;
            }
        }

        return made;
    }
}
