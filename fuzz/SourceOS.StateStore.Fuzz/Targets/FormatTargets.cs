// Why this file exists: the structures of the log and the superblock as targets. Invariants: what decodes encodes to the same bytes, because every structure has one encoding.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Superblock, segment header, tail slot, frame, event.</summary>
internal static class FormatTargets
{
    private const int ChecksumAt = 4092;
    private const int DataOffset = 32768;
    private const int FrameChecksumAt = 252;
    private const int BodyHeadBytes = 16;
    private static readonly FrameScratch s_scratch = new();

    internal static IReadOnlyList<Target> List { get; } =
    [
        new("superblock", static () => [Corpus.Golden["STORE"]], Superblocks, static bytes => MendEach(bytes, 4096)),
        new("segment-header", static () => [Segment[..4096]], SegmentHeaders, static bytes => MendEach(bytes, 4096)),
        new("tail-slot", static () => [Segment[4096..12288], Segment[12288..20480]], TailSlots, MendSlot),
        new("frame", Frames, Frame, MendFrame),
        new("event", Events, Event),
        new("erasure-journal", Journals, Journal, MendJournal),
    ];

    internal static byte[] Segment => Corpus.Golden["events/segment-00000000.log"];

    /// <summary>The frames of the golden log, found by their magic.</summary>
    internal static List<byte[]> Frames()
    {
        List<byte[]> frames = [];
        for (int at = DataOffset + 64; at < Segment.Length - 8; at += 4)
        {
            if (Segment.AsSpan(at + 4, 4).SequenceEqual("SSFR"u8))
            {
                frames.Add(Segment[(at + 4)..(at + 4 + BinaryPrimitives.ReadInt32LittleEndian(Segment.AsSpan(at)))]);
            }
        }

        return frames;
    }

    /// <summary>The events of the golden log.</summary>
    internal static List<byte[]> Events()
    {
        List<byte[]> events = [];
        foreach (byte[] bytes in Frames())
        {
            if (FrameView.TryRead(bytes, out FrameView frame, out _) && frame.TryOpenBody(s_scratch, out FrameBody body, out _))
            {
                foreach (FrameEvent item in body)
                {
                    events.Add(item.EventBytes.ToArray());
                }
            }
        }

        return events;
    }

    // A head and one entry for the first frame of the golden log: what the seal is for is checked in the store targets' way, by whole files.
    private static List<byte[]> Journals()
    {
        byte[] frame = Frames()[0];
        _ = FrameView.TryRead(frame, out FrameView view, out _);
        ErasureJournalEntry entry = new(view.Header.Address, frame.Length);
        byte[] bytes = new byte[ErasureJournalHead.HeadLengthBytes + entry.LengthBytes];
        new ErasureJournalHead(view.Header.StoreId, 1, 1, bytes.Length + ErasureJournalHead.SealLengthBytes).Encode(bytes);
        entry.EncodeHead(frame, bytes.AsSpan(ErasureJournalHead.HeadLengthBytes));
        frame.CopyTo(bytes.AsSpan(ErasureJournalHead.HeadLengthBytes + ErasureJournalEntry.HeadLengthBytes));
        return [bytes];
    }

    private static ulong Journal(byte[] bytes)
    {
        if (!ErasureJournalHead.TryDecode(bytes, out ErasureJournalHead head, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[ErasureJournalHead.HeadLengthBytes];
        head.Encode(again);
        Hold.That(bytes.AsSpan(0, again.Length).SequenceEqual(again), "a journal's head that decodes encodes to the same bytes");
        ReadOnlySpan<byte> rest = bytes.AsSpan(again.Length);
        if (!ErasureJournalEntry.TryDecodeHead(rest, out ErasureJournalEntry entry, out fault) || !entry.TryReadFrame(rest, head.StoreId, out FrameView frame, out fault))
        {
            return Hold.Way(fault) + 1;
        }

        Hold.That(frame.Header.Address == entry.Address && frame.Header.EntryLengthBytes == entry.FrameLengthBytes, "an entry's frame belongs where the entry says");
        return Hold.Way(frame.Header.EventCount, 2);
    }

    private static void MendJournal(byte[] bytes)
    {
        int head = ErasureJournalHead.HeadLengthBytes;
        if (bytes.Length >= head)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(head - 4), Checksum.Crc32C(bytes.AsSpan(0, head - 4)));
        }

        if (ErasureJournalEntry.TryDecodeHead(bytes.AsSpan(Math.Min(head, bytes.Length)), out ErasureJournalEntry entry, out _) && bytes.Length >= head + 16 + entry.FrameLengthBytes)
        {
            entry.EncodeHead(bytes.AsSpan(head + 16, entry.FrameLengthBytes), bytes.AsSpan(head));
        }
    }

    private static ulong Superblocks(byte[] bytes)
    {
        ulong way = 0;
        for (int slot = 0; slot < 2; slot++)
        {
            ReadOnlySpan<byte> part = bytes.AsSpan(Math.Min(bytes.Length, slot * 4096), Math.Clamp(bytes.Length - (slot * 4096), 0, 4096));
            if (!Superblock.TryDecodeSlot(part, slot, out Superblock? superblock, out FormatFault fault))
            {
                way ^= Hold.Way(fault) << slot;
                continue;
            }

            byte[] again = new byte[4096];
            superblock.Encode(again);
            Hold.That(IsLater(part) || part.SequenceEqual(again), "a superblock slot that decodes encodes to the same bytes");
            way ^= Hold.Way(slot, superblock.PageBits, superblock.SegmentBits, superblock.BaseFrame == 0 ? 0 : 1);
        }

        return way;
    }

    private static ulong SegmentHeaders(byte[] bytes)
    {
        if (!SegmentHeader.TryDecode(bytes, out SegmentHeader header, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[4096];
        header.Encode(again);
        Hold.That(IsLater(bytes) || bytes.AsSpan(0, 4096).SequenceEqual(again), "a segment header that decodes encodes to the same bytes");
        return Hold.Way(header.PageBits, header.SegmentBits);
    }

    private static ulong TailSlots(byte[] bytes)
    {
        if (!TailSlot.TryDecode(bytes, out TailSlot slot, out bool isCopyValid, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        if (isCopyValid)
        {
            byte[] again = new byte[TailSlot.LengthBytes];
            slot.Encode(again, bytes.AsSpan(4096, 4096));
            Hold.That(IsLater(bytes) || bytes.AsSpan().SequenceEqual(again), "a tail slot that decodes encodes to the same bytes");
        }

        return Hold.Way(slot.SlotIndex, slot.BlockLength / 64, isCopyValid ? 1 : 0, slot.IsCleanClose ? 1 : 0);
    }

    private static ulong Frame(byte[] bytes)
    {
        if (!FrameView.TryRead(bytes, out FrameView frame, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        FormatFault whole = frame.CheckAll(s_scratch);
        bool isOpen = frame.TryOpenBody(s_scratch, out FrameBody body, out fault);
        Hold.That(isOpen || whole.IsFault, "a frame without faults has a body");
        ulong way = Hold.Way((long)whole.Code, (long)fault.Code, frame.Header.EventCount, isOpen ? body.ErasedCount : -1);
        if (isOpen)
        {
            Hold.That(body.Count == frame.Header.EventCount, "a body holds the events that its header counts");
            foreach (FrameEvent item in body)
            {
                FormatFault eventFault = default;
                bool isSound = item.IsErased || (frame.VerifyEvent(item) && item.TryRead(out EventView view, out eventFault) && !(eventFault = view.CheckContent()).IsFault);
                Hold.That(isSound || whole.IsFault, "a frame without faults has sound events");
                way ^= Hold.Way(item.Index, (long)eventFault.Code);
            }
        }

        // What may be read may be erased, and is a frame afterwards.
        if (!whole.IsFault && body.Count > body.ErasedCount)
        {
            byte[] erased = [.. bytes];
            if (FrameEraser.TryErase(erased, [0], out _))
            {
                Hold.That(FrameView.TryRead(erased, out FrameView left, out _) && !left.CheckAll(s_scratch).IsFault && left.Hash() == frame.Hash(), "erasing leaves a sound frame with the same hash");
            }
        }

        return way;
    }

    private static ulong Event(byte[] bytes)
    {
        if (!EventView.TryRead(bytes, out EventView view, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        int parts = view.Type.Length + view.Actor.Length + view.Device.Length + view.Profile.Length + view.Workspace.Length + view.SubjectId.Length + view.DecisionId.Length + view.Data.Length + view.Image.Length;
        Hold.That(64 + parts == bytes.Length, "the parts of an event are all of it");
        return Hold.Way((long)view.Action, (long)view.Lane, (long)view.CheckContent().Code, view.HasSubject ? 1 : 0);
    }

    // What a later version wrote for readers of this one is read, and written again as this version's.
    private static bool IsLater(ReadOnlySpan<byte> structure) => BinaryPrimitives.ReadUInt16LittleEndian(structure[8..]) > FormatLimits.FormatVersion;

    private static void MendEach(byte[] bytes, int size)
    {
        for (int at = 0; at + size <= bytes.Length; at += size)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + ChecksumAt), Checksum.Crc32C(bytes.AsSpan(at, ChecksumAt)));
        }
    }

    private static void MendSlot(byte[] bytes)
    {
        if (bytes.Length < TailSlot.LengthBytes)
        {
            return;
        }

        int copied = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(136)), 4096);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(140), Checksum.Crc32C(BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(128)), bytes.AsSpan(4096, copied)));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumAt), Checksum.Crc32C(bytes.AsSpan(0, ChecksumAt)));
    }

    private static void MendFrame(byte[] bytes)
    {
        if (bytes.Length < FrameHeader.LengthBytes)
        {
            return;
        }

        long area = FrameHeader.LengthBytes + (32L * BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(12)));
        if (area + BodyHeadBytes <= bytes.Length)
        {
            Span<byte> head = bytes.AsSpan((int)area, BodyHeadBytes);
            long stored = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            if (area + BodyHeadBytes + stored <= bytes.Length)
            {
                ulong number = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(40));
                BinaryPrimitives.WriteUInt32LittleEndian(head[12..], Checksum.Crc32C(number, head[..12], bytes.AsSpan((int)area + BodyHeadBytes, (int)stored)));
            }

            if (area > FrameHeader.LengthBytes)
            {
                MerkleHash.Root(bytes.AsSpan(FrameHeader.LengthBytes, (int)area - FrameHeader.LengthBytes)).CopyTo(bytes.AsSpan(128));
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(FrameChecksumAt), Checksum.Crc32C(bytes.AsSpan(0, FrameChecksumAt)));
    }
}
