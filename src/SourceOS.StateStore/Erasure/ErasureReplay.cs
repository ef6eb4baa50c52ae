// Why this file exists: finishes an erasure whose journal is there, whenever a writer opens the store: first the frames, then the slots and the state that repeat their bytes, then what repair set
// aside, and the journal last (format-spec/erasure.md). Invariants: every step may be done twice; nothing is written before the whole journal was checked and fits the log; a journal that
// is worth nothing is set aside, and the log is judged as it stands.

using SourceOS.StateStore.Checkpoints;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Parity;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Recovery;
using SourceOS.StateStore.Storage.Events;
using SourceOS.StateStore.Storage.Files;

namespace SourceOS.StateStore.Erasure;

/// <summary>An erasure that is being finished.</summary>
internal sealed class ErasureReplay
{
    private readonly FileOps _ops;
    private readonly StoreLayout _layout;

    private ErasureReplay(FileOps ops, StoreLayout layout, ErasureJournalHead head)
    {
        _ops = ops;
        _layout = layout;
        Head = head;
    }

    /// <summary>What the journal says of itself.</summary>
    internal ErasureJournalHead Head { get; }

    /// <summary>Writes the frames of the journal into the log, durably.</summary>
    /// <returns>The erasure to be finished once the state is new; null when there is none.</returns>
    internal static ErasureReplay? Run(FileOps ops, StoreLayout layout, Superblock superblock, SegmentFiles segments, TimeProvider clock)
    {
        using JournalReader? journal = JournalReader.TryOpen(ops, layout, superblock.StoreId, out string flaw);
        if (journal is null || !Fits(journal, segments, superblock))
        {
            if (journal is not null || flaw.Length > 0)
            {
                SetAside(ops, layout, clock);
            }

            return null;
        }

        // Parity of the old bytes would bring them back, and can hold them as they are; checkpoints do hold them. The writer that opens the store makes both anew.
        ParityMaker.DropAll(ops, layout);
        CheckpointFolder.DropAll(ops, layout);
        journal.ForEach((address, frame) => Write(segments, address, frame.Span));
        segments.SyncDirty();
        return new ErasureReplay(ops, layout, journal.Head);
    }

    /// <summary>Ends the erasure: nothing that repeats the bytes is left.</summary>
    /// <param name="generation">The generation of the state that counts now.</param>
    internal void Finish(ulong generation)
    {
        string name = StoreLayout.GenerationName(generation);
        if (StoreDirectory.List(_ops, _layout.StatePath).FirstOrDefault(entry => entry.Name != name) is { Name.Length: > 0 } other)
        {
            throw new StateStoreException(
                StateStoreErrorCode.InputOutput,
                "Beside the state stands something that is not the store's, or an older state that could not be removed; it may hold what was erased.",
                Path.Combine(_layout.StatePath, other.Name),
                "Move what is yours out of the store's directory, and open the store again: the erasure is finished then.",
                isRetryable: true);
        }

        DropQuarantine(_ops, _layout);
        StoreDirectory.RemoveFile(_ops, _layout.ErasureJournalPath);
        StoreDirectory.Sync(_ops, _layout.StorePath);
    }

    // Of a fence its note and its superblock stay: nothing else repeats a base, and neither holds a byte of a record.
    private static void DropQuarantine(FileOps ops, StoreLayout layout)
    {
        if (!ops.Exists(layout.QuarantinePath))
        {
            return;
        }

        foreach (DirectoryEntry entry in StoreDirectory.List(ops, layout.QuarantinePath))
        {
            string path = Path.Combine(layout.QuarantinePath, entry.Name);
            if (entry.Kind == FileKind.Directory && entry.Name.StartsWith(RepairFolder.Prefix, StringComparison.Ordinal))
            {
                RepairFolder folder = new(ops, layout, entry.Name);
                StoreTree.Remove(ops, folder.Old);
                StoreTree.Remove(ops, folder.Undone);
                StoreTree.Remove(ops, folder.New);
                StoreDirectory.Sync(ops, path);
            }
            else if (entry.Kind == FileKind.Directory)
            {
                StoreTree.Remove(ops, path);
            }
            else
            {
                StoreDirectory.RemoveFile(ops, path);
            }
        }

        StoreDirectory.Sync(ops, layout.QuarantinePath);
    }

    // A journal of another copy of this store may name frames that stand elsewhere here: where a sound frame stands, it must be the journal's.
    private static bool Fits(JournalReader journal, SegmentFiles segments, Superblock superblock)
    {
        bool fits = true;
        byte[] present = new byte[FrameHeader.LengthBytes];
        journal.ForEach((address, frame) =>
        {
            int segment = segments.SegmentOf(address);
            if (address < superblock.BaseAddress || !segments.Contains(segment) || segments.SegmentOf(address + LogGeometry.EntryPrefixBytes + frame.Length - 1) != segment)
            {
                fits = false;
                return;
            }

            segments.ReadExactly(address + LogGeometry.EntryPrefixBytes, present);
            bool isHeader = FrameHeader.TryDecode(present, out _, out _);
            fits &= !isHeader || present.AsSpan().SequenceEqual(frame.Span[..FrameHeader.LengthBytes]);
        });
        return fits;
    }

    private static void Write(SegmentFiles segments, long address, ReadOnlySpan<byte> frame)
    {
        long start = address + LogGeometry.EntryPrefixBytes;
        _ = FrameHeader.TryDecode(frame, out FrameHeader header, out _);
        byte[] present = new byte[header.BodyAreaOffset];
        segments.ReadExactly(start, present);
        int from = present.AsSpan().SequenceEqual(frame[..present.Length]) ? present.Length : 0;
        segments.Write(start + from, frame[from..]);
    }

    private static void SetAside(FileOps ops, StoreLayout layout, TimeProvider clock)
    {
        StoreDirectory.CreateIfMissing(ops, layout.QuarantinePath);
        string stamp = clock.GetUtcNow().ToString("yyyyMMddTHHmmssfffffff", System.Globalization.CultureInfo.InvariantCulture);
        StoreDirectory.Rename(ops, layout.ErasureJournalPath, Path.Combine(layout.QuarantinePath, $"erasure-journal-{stamp}.bin"));
        StoreDirectory.Sync(ops, layout.QuarantinePath);
        StoreDirectory.Sync(ops, layout.StorePath);
    }
}
