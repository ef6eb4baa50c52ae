// Why this file exists: a superblock whose two slots are bad is made again from what repeats it: segment headers, the first frame, the state's
// directory (format-spec/superblock.md). Invariants: derives a log that starts at frame 0, or at a base of which a fence kept a copy; the
// damaged file is set aside before it is replaced, by rename.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>Makes superblocks again.</summary>
internal static class SuperblockDerivation
{
    /// <summary>Derives the superblock; null when the segments do not agree on one, or the log does not start at frame 0.</summary>
    internal static Superblock? TryDerive(StoreLayout layout, StoreFiles files)
    {
        SegmentCatalog catalog = SegmentCatalog.List(layout, files);
        if (catalog.Status != ReadStatus.Ok || catalog.Count == 0)
        {
            return null;
        }

        SegmentInfo first = SegmentInfo.Read(layout, catalog.First, null, null, files);
        if (first.HeaderFault.IsFault)
        {
            return null;
        }

        SegmentHeader header = first.Header;
        foreach (int number in catalog.Segments)
        {
            SegmentInfo info = SegmentInfo.Read(layout, number, header.StoreId, new LogGeometry(header.PageBits, header.SegmentBits), files);
            if (info.HeaderFault.IsFault)
            {
                return null;
            }
        }

        Superblock? superblock = catalog.First == 0
            ? Superblock.CreateNew(header.StoreId, header.PageBits, header.SegmentBits, header.CreatedAtMicros, EngineBuild.Name)
            : FindBase(layout, files, header, catalog.First);
        return superblock is not null && StartsAtBase(layout, files, superblock) ? superblock with { StateGeneration = Math.Max(1, NewestGeneration(layout, files)) } : null;
    }

    /// <summary>Puts a derived superblock in place.</summary>
    internal static void Write(StoreLayout layout, FileOps ops, Quarantine quarantine, Superblock superblock)
    {
        if (ops.Exists(layout.SuperblockPath))
        {
            using StoreFile old = StoreFile.Open(ops, layout.SuperblockPath, OpenOptions.Read | OpenOptions.NoFollow);
            byte[] bytes = new byte[(int)Math.Min(old.GetStatus().SizeBytes, 1 << 20)];
            int length = old.ReadUpTo(bytes, 0);
            quarantine.Keep("superblock", bytes.AsSpan(0, length), 0, "a superblock without a valid slot, before it was made again");
        }

        byte[] content = new byte[Superblock.FileLengthBytes];
        superblock.EncodeNewFile(content);
        string temporary = layout.SuperblockPath + StoreLayout.UnfinishedSuffix;
        StoreDirectory.RemoveFile(ops, temporary);
        using (StoreFile file = StoreFile.Open(ops, temporary, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.Exclusive | OpenOptions.NoFollow))
        {
            file.Write(content, 0);
            file.SyncAll();
        }

        StoreDirectory.Rename(ops, temporary, layout.SuperblockPath);
        StoreDirectory.Sync(ops, layout.StorePath);
    }

    private static bool StartsAtBase(StoreLayout layout, StoreFiles files, Superblock superblock)
    {
        using LogReader reader = new(layout, new LogGeometry(superblock.PageBits, superblock.SegmentBits), files);
        FrameScanner scanner = new(reader, superblock.StoreId, ScanStart.AtBase(superblock), superblock.BaseAddress + (1L << superblock.PageBits), FrameDepth.Chain);
        ScanOutcome outcome = scanner.MoveNext();
        return outcome is ScanOutcome.Frame or ScanOutcome.EndOfLog;
    }

    // A fence keeps a copy of the superblock that it made.
    private static Superblock? FindBase(StoreLayout layout, StoreFiles files, SegmentHeader header, int firstSegment)
    {
        Superblock? found = null;
        _ = files.List(layout.QuarantinePath, (name, kind) =>
        {
            if (kind == StoreEntryKind.Directory && name.StartsWith(RepairFolder.Prefix, StringComparison.Ordinal)
                && files.Open(Path.Combine(layout.QuarantinePath, name, RepairFolder.BaseName), out PositionalFile? file) == ReadStatus.Ok && file is not null)
            {
                using (file)
                {
                    byte[] slot = new byte[Superblock.SlotLengthBytes];
                    for (int index = 0; index < 2 && found is null; index++)
                    {
                        if (file.Read((long)index * slot.Length, slot, out _) == ReadStatus.Ok
                            && Superblock.TryDecodeSlot(slot, index, out Superblock? copy, out _)
                            && copy.StoreId == header.StoreId && copy.PageBits == header.PageBits && copy.SegmentBits == header.SegmentBits
                            && copy.BaseAddress >> copy.SegmentBits == firstSegment)
                        {
                            found = copy;
                        }
                    }
                }
            }

            return true;
        });
        return found;
    }

    private static ulong NewestGeneration(StoreLayout layout, StoreFiles files)
    {
        ulong newest = 0;
        _ = files.List(layout.StatePath, (name, kind) =>
        {
            if (kind == StoreEntryKind.Directory && StoreLayout.TryParseGenerationName(name, out ulong generation))
            {
                newest = Math.Max(newest, generation);
            }

            return true;
        });
        return newest;
    }
}
