// Why this file exists: shows what a file of a store holds, whatever state it is in. Invariants: the file is recognised by its bytes, not by its name; at most the parts
// that are shown are read, with positional reads; nothing is opened for writing.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Lmdb;

namespace SourceOS.StateStore.Cli.Inspect;

/// <summary>Inspects single files.</summary>
internal static class FileInspector
{
    private const int PrologueBytes = 32_768;
    private const int HeadBytes = 64;

    /// <summary>Reads a file's structures.</summary>
    /// <param name="path">The file.</param>
    /// <returns>What it is, and its parts; no parts when it is no file of a store.</returns>
    public static (string Kind, IReadOnlyList<InspectedPart> Parts) Inspect(string path)
    {
        using Stream stream = InputFiles.Open(path);
        byte[] bytes = new byte[PrologueBytes];
        int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        ReadOnlySpan<byte> head = bytes.AsSpan(0, length);
        if (head.StartsWith("SOSTATE1"u8) || (length >= 2 * Superblock.SlotLengthBytes && head[Superblock.SlotLengthBytes..].StartsWith("SOSTATE1"u8)))
        {
            return ("superblock", [SuperblockSlot(head, 0), SuperblockSlot(head, 1)]);
        }

        if (head.StartsWith("SOSEGMT1"u8) || (length >= 8 + SegmentHeader.FirstSlotFileOffset && head[SegmentHeader.FirstSlotFileOffset..].StartsWith("SOTAILS1"u8)))
        {
            return ("segment", [SegmentHead(head), Slot(head, 0), Slot(head, 1)]);
        }

        if (length >= 24 && head[16..].StartsWith((ReadOnlySpan<byte>)[0xDE, 0xC0, 0xEF, 0xBE]))
        {
            return ("state database", LmdbMetas(head));
        }

        InspectedPart unknown = new("unknown", 0, "not a structure of a store", [new InspectedField(0, Math.Min(length, HeadBytes), "first_bytes", FieldTable.Hex(head[..Math.Min(length, HeadBytes)]))]);
        return ("unknown", [unknown]);
    }

    private static InspectedPart SuperblockSlot(ReadOnlySpan<byte> file, int index)
    {
        int offset = index * Superblock.SlotLengthBytes;
        ReadOnlySpan<byte> slot = Part(file, offset, Superblock.SlotLengthBytes);
        string verdict = Superblock.TryDecodeSlot(slot, index, out _, out FormatFault fault) ? "valid" : fault.ToString();
        return new InspectedPart($"superblock slot {index}", offset, verdict, FieldTable.Read(Rulers.Superblock, slot, offset));
    }

    private static InspectedPart SegmentHead(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> header = Part(file, 0, SegmentHeader.LengthBytes);
        string verdict = SegmentHeader.TryDecode(header, out _, out FormatFault fault) ? "valid" : fault.ToString();
        return new InspectedPart("segment header", 0, verdict, FieldTable.Read(Rulers.Segment, header, 0));
    }

    private static InspectedPart Slot(ReadOnlySpan<byte> file, int index)
    {
        int offset = SegmentHeader.SlotFileOffset(index);
        ReadOnlySpan<byte> slot = Part(file, offset, TailSlot.LengthBytes);
        bool isValid = TailSlot.TryDecode(slot, out _, out bool isCopyValid, out FormatFault fault);
        string verdict = !isValid ? fault.ToString() : isCopyValid ? "valid" : "valid, but its block copy is not";
        IReadOnlyList<InspectedField> fields = fault.Code == FaultCode.NeverWritten ? [] : FieldTable.Read(Rulers.TailSlot, slot, offset);
        return new InspectedPart($"tail slot {index}", offset, verdict, fields);
    }

    private static List<InspectedPart> LmdbMetas(ReadOnlySpan<byte> file)
    {
        List<InspectedPart> parts = [LmdbMetaPart(file, 0, 0)];

        // The page size stands in the first meta; a hostile one must not move the second out of what was read.
        int pageSize = file.Length >= 44 ? System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(file[40..]) : 0;
        if (pageSize is >= LmdbLayout.MinPageSizeBytes and <= PrologueBytes / 2)
        {
            parts.Add(LmdbMetaPart(file, 1, pageSize));
        }

        return parts;
    }

    private static InspectedPart LmdbMetaPart(ReadOnlySpan<byte> file, int slot, int offset)
    {
        ReadOnlySpan<byte> page = Part(file, offset, LmdbLayout.MinPageSizeBytes);
        LmdbFault fault = LmdbMeta.Parse(page, slot, out _);
        return new InspectedPart($"meta page {slot}", offset, fault.IsFault ? fault.ToString() : "valid", FieldTable.Read(Rulers.LmdbMeta, page, offset));
    }

    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> file, int offset, int length) =>
        offset >= file.Length ? default : file.Slice(offset, Math.Min(length, file.Length - offset));
}
