// Why this file exists: what lies in a store's folder of checkpoints, and how it goes. Invariants: only names that the format knows are touched; removals are durable before anybody relies on them.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Checkpoints;

/// <summary>The folder of checkpoints and frontiers.</summary>
internal static class CheckpointFolder
{
    /// <summary>Checkpoints kept: the newest, and the one before it for the day when the newest does not prove.</summary>
    internal const int Kept = 2;

    /// <summary>The sequences of the checkpoints, newest first.</summary>
    internal static List<ulong> List(FileOps ops, StoreLayout layout)
    {
        List<ulong> sequences = [];
        if (ops.Exists(layout.CheckpointsPath))
        {
            foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.CheckpointsPath))
            {
                if (entry.Kind == FileKind.File && StoreLayout.TryParseCheckpointName(entry.Name, out ulong sequence))
                {
                    sequences.Add(sequence);
                }
            }
        }

        sequences.Sort(static (a, b) => b.CompareTo(a));
        return sequences;
    }

    /// <summary>Makes the folder when it is missing.</summary>
    internal static void Create(FileOps ops, StoreLayout layout)
    {
        if (StoreDirectory.CreateIfMissing(ops, layout.CheckpointsPath))
        {
            StoreDirectory.Sync(ops, layout.StorePath);
        }
    }

    /// <summary>Removes every checkpoint and frontier, durably: what they repeat is about to be given up.</summary>
    internal static void DropAll(FileOps ops, StoreLayout layout) => Drop(ops, layout, static _ => true);

    /// <summary>Removes checkpoints that are older than the newest ones.</summary>
    internal static void DropOld(FileOps ops, StoreLayout layout)
    {
        HashSet<ulong> kept = [.. List(ops, layout).Take(Kept)];
        Drop(ops, layout, name => StoreLayout.TryParseCheckpointName(name, out ulong sequence) && !kept.Contains(sequence));
    }

    /// <summary>Removes what was never finished, and what was made before the log's present beginning.</summary>
    internal static void DropLeftOvers(FileOps ops, StoreLayout layout, Superblock superblock, StoreFiles files) => Drop(ops, layout, name =>
    {
        if (name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal))
        {
            return true;
        }

        return superblock.BaseFrame > 0 && PositionOf(layout, superblock, files, name) is long position && position < superblock.BaseAddress;
    });

    /// <summary>Removes some files by name, durably.</summary>
    internal static void Drop(FileOps ops, StoreLayout layout, Predicate<string> goes)
    {
        if (!ops.Exists(layout.CheckpointsPath))
        {
            return;
        }

        bool hasGone = false;
        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.CheckpointsPath).Where(static entry => entry.Kind == FileKind.File))
        {
            string plain = entry.Name.EndsWith(StoreLayout.UnfinishedSuffix, StringComparison.Ordinal) ? entry.Name[..^StoreLayout.UnfinishedSuffix.Length] : entry.Name;
            if ((StoreLayout.TryParseCheckpointName(plain, out _) || StoreLayout.TryParseFrontierName(plain, out _)) && goes(entry.Name))
            {
                hasGone |= StoreDirectory.RemoveFile(ops, Path.Combine(layout.CheckpointsPath, entry.Name));
            }
        }

        if (hasGone)
        {
            StoreDirectory.Sync(ops, layout.CheckpointsPath);
        }
    }

    private static long? PositionOf(StoreLayout layout, Superblock superblock, StoreFiles files, string name)
    {
        string path = Path.Combine(layout.CheckpointsPath, name);
        if (StoreLayout.TryParseFrontierName(name, out int segment))
        {
            LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
            _ = StateFrontierFile.Read(path, superblock.StoreId, geometry, segment, files, out StateHeader? state, out _);
            return state?.LogPosition;
        }

        _ = StateCheckpointFile.Open(path, superblock.StoreId, files, out StateCheckpointFile? file, out _);
        using (file)
        {
            return file?.Header.State.LogPosition;
        }
    }
}
