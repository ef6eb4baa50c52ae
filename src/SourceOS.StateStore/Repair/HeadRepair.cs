// Why this file exists: headers, tail slots and lengths of segments follow from the superblock and the frames, so what rotted there is made again (format-spec/recovery.md,
// "Segment heads"). Invariants: only parts that do not verify are written; each is set aside first; no frame of a segment is ever written here.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore;

/// <summary>One part of a segment's file that does not verify.</summary>
/// <param name="Segment">The segment.</param>
/// <param name="Part">`header`, `slot 0`, `slot 1`, `reserved`, `log head` or `length`.</param>
/// <param name="OffsetBytes">Where it stands in the file.</param>
/// <param name="LengthBytes">How long it is.</param>
internal sealed record HeadFlaw(int Segment, string Part, long OffsetBytes, int LengthBytes)
{
    /// <summary>The step that makes it again.</summary>
    internal RepairStep Step(int order) => new(
        order,
        Part == "length" ? RepairAction.RestoreSegmentLength : Part == "header" ? RepairAction.RebuildSegmentHeader : RepairAction.ClearSlot,
        $"{StoreLayout.EventsName}/{StoreLayout.SegmentName(Segment)} {Part}",
        "every frame",
        Part switch
        {
            "header" => "the header, from the superblock",
            "length" => "the file's length, with zeroes",
            _ => "zeroes, as if it had never been written; what it vouched for is known without it",
        },
        Part == "length" ? "" : $"its {LengthBytes} bytes",
        IsDestructive: false);
}

/// <summary>Finds and repairs the heads of segments.</summary>
internal static class HeadRepair
{
    /// <summary>Finds what does not verify.</summary>
    internal static List<HeadFlaw> Find(StoreLayout layout, Superblock superblock, StoreFiles files)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        List<HeadFlaw> flaws = [];
        foreach (int number in SegmentCatalog.List(layout, files).Segments)
        {
            SegmentInfo info = SegmentInfo.Read(layout, number, superblock.StoreId, geometry, files);
            if (info.Status is not (ReadStatus.Ok or ReadStatus.EndOfFile))
            {
                continue;
            }

            if (info.LengthBytes != geometry.SegmentFileBytes)
            {
                flaws.Add(new HeadFlaw(number, "length", Math.Min(info.LengthBytes, geometry.SegmentFileBytes), 0));
            }

            if (info.HeaderFault.IsFault)
            {
                flaws.Add(new HeadFlaw(number, "header", 0, SegmentHeader.LengthBytes));
            }

            for (int index = 0; index < 2; index++)
            {
                SlotInfo slot = info.Slot(index);
                if ((slot.IsWritten && !slot.IsValid) || (slot.IsValid && !slot.IsCopyValid))
                {
                    flaws.Add(new HeadFlaw(number, $"slot {index}", SegmentHeader.SlotFileOffset(index), TailSlot.LengthBytes));
                }
            }

            if (info.ReservedFault.IsFault)
            {
                int from = SegmentHeader.SlotFileOffset(1) + TailSlot.LengthBytes;
                flaws.Add(new HeadFlaw(number, "reserved", from, LogGeometry.DataOffset - from));
            }
        }

        AddLogHead(layout, superblock, files, geometry, flaws);
        return flaws;
    }

    // A log's first address is 64 bytes into its segment, and those bytes are zero.
    private static void AddLogHead(StoreLayout layout, Superblock superblock, StoreFiles files, LogGeometry geometry, List<HeadFlaw> flaws)
    {
        int segment = geometry.SegmentOf(superblock.BaseAddress);
        int length = (int)(superblock.BaseAddress - geometry.SegmentStart(segment));
        if (length != LogGeometry.FirstAddress || files.Open(layout.SegmentPath(segment), out PositionalFile? file) != ReadStatus.Ok || file is null)
        {
            return;
        }

        using (file)
        {
            byte[] head = new byte[length];
            if (file.Read(LogGeometry.DataOffset, head, out _) == ReadStatus.Ok && head.AsSpan().ContainsAnyExcept((byte)0))
            {
                flaws.Add(new HeadFlaw(segment, "log head", LogGeometry.DataOffset, length));
            }
        }
    }

    /// <summary>Makes the parts again.</summary>
    internal static void Apply(StoreLayout layout, Superblock superblock, FileOps ops, Quarantine quarantine, IReadOnlyList<HeadFlaw> flaws, ulong epoch)
    {
        LogGeometry geometry = new(superblock.PageBits, superblock.SegmentBits);
        foreach (HeadFlaw flaw in flaws)
        {
            using StoreFile file = StoreFile.Open(ops, layout.SegmentPath(flaw.Segment), OpenOptions.ReadWrite | OpenOptions.NoFollow);
            if (flaw.Part == "length")
            {
                RestoreLength(file, geometry, quarantine, flaw);
                continue;
            }

            byte[] old = new byte[flaw.LengthBytes];
            int length = file.ReadUpTo(old, flaw.OffsetBytes);
            quarantine.Keep($"segment-{flaw.Segment}-{flaw.Part.Replace(' ', '-')}", old.AsSpan(0, length), geometry.SegmentStart(flaw.Segment), $"{flaw.Part} of segment {flaw.Segment} at file offset {flaw.OffsetBytes}, before it was made again");
            file.Write(flaw.Part == "header" ? Header(superblock, flaw.Segment, epoch) : new byte[flaw.LengthBytes], flaw.OffsetBytes);
            file.SyncAll();
        }
    }

    private static void RestoreLength(StoreFile file, LogGeometry geometry, Quarantine quarantine, HeadFlaw flaw)
    {
        long length = file.GetStatus().SizeBytes;
        if (length > geometry.SegmentFileBytes)
        {
            byte[] extra = new byte[(int)Math.Min(length - geometry.SegmentFileBytes, 1 << 20)];
            int read = file.ReadUpTo(extra, geometry.SegmentFileBytes);
            quarantine.Keep($"segment-{flaw.Segment}-extra", extra.AsSpan(0, read), geometry.SegmentStart(flaw.Segment + 1), $"the bytes behind the end of segment {flaw.Segment}, at most 1 MiB of them");
        }

        file.Truncate(geometry.SegmentFileBytes);
        if (length < geometry.SegmentFileBytes)
        {
            // Written, not only lengthened: a later write below the end must not find the disk full.
            byte[] zeroes = new byte[(int)Math.Min(1 << 20, geometry.SegmentFileBytes - length)];
            for (long at = length; at < geometry.SegmentFileBytes; at += zeroes.Length)
            {
                file.Write(zeroes.AsSpan(0, (int)Math.Min(zeroes.Length, geometry.SegmentFileBytes - at)), at);
            }
        }

        file.SyncAll();
    }

    private static byte[] Header(Superblock superblock, int segment, ulong epoch)
    {
        byte[] bytes = new byte[SegmentHeader.LengthBytes];
        new SegmentHeader
        {
            StoreId = superblock.StoreId,
            SegmentNumber = segment,
            PageBits = superblock.PageBits,
            SegmentBits = superblock.SegmentBits,
            CreatedAtMicros = superblock.CreatedAtMicros,
            WriterEpoch = Math.Max(1, epoch),
        }.Encode(bytes);
        return bytes;
    }
}
