// Why this file exists: parity files, checkpoints of the state and frontiers are read by repair and verification when a store is at its worst, so they take hostile bytes. Invariants: what decodes encodes to the same bytes; a checkpoint that proves holds
// exactly the entries that it counts.

using System.Buffers.Binary;
using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;
using SourceOS.StateStore.Readers.StateCheckpoints;

namespace SourceOS.StateStore.Fuzz.Targets;

/// <summary>Parity header, checkpoint of the state.</summary>
internal static class CheckpointTargets
{
    private const int ChecksumAt = 4092;
    private const string Root = "/store";
    private static readonly StoreId s_storeId = new("fuzz-fuzz-fuzz-1"u8);

    internal static IReadOnlyList<Target> List { get; } =
    [
        new("parity-header", ParityHeaders, Parity, MendHeader),
        new("state-checkpoint", Checkpoints, Checkpoint, MendCheckpoint),
    ];

    private static List<byte[]> ParityHeaders()
    {
        byte[] bytes = new byte[ParityHeader.LengthBytes];
        new ParityHeader { StoreId = s_storeId, SegmentNumber = 3, SegmentBits = 24, MadeAtMicros = 1, TableCheck = 7 }.Encode(bytes);
        return [bytes];
    }

    private static ulong Parity(byte[] bytes)
    {
        if (!ParityHeader.TryDecode(bytes, out ParityHeader header, out FormatFault fault))
        {
            return Hold.Way(fault);
        }

        byte[] again = new byte[ParityHeader.LengthBytes];
        header.Encode(again);
        bool isLater = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8)) != BinaryPrimitives.ReadUInt32LittleEndian(again.AsSpan(8));
        Hold.That(isLater || bytes.AsSpan().SequenceEqual(again), "a parity header that decodes encodes to the same bytes");
        return Hold.Way(header.SegmentBits);
    }

    // Three frames of one commit each in two blocks, the second compressed where that can be had: everything that a checkpoint can hold has the same form.
    private static List<byte[]> Checkpoints()
    {
        StateHeader state = new() { StoreId = s_storeId, Generation = 1, LogPosition = 4096, LastSequence = 3, LastCommitId = 3, WriterEpoch = 1, CommitTimeMicros = 1, ChainHead = Checksum.Sha256("head"u8) };
        StateDigest digest = new();
        List<byte[]> blocks = [];
        for (int i = 0; i < 3; i++)
        {
            byte[] key = new byte[8];
            byte[] value = new byte[FrameEntry.EncodedLengthBytes];
            Tables.NumberKey((ulong)i + 1, key);
            new FrameEntry((ulong)i, 64 + (i * 600), 596, 1, (ulong)i + 1, 1).Encode(key, value);
            digest.Add(StateTable.Frames, key, value);
            state.Frontier.AppendFrame(Checksum.Sha256(key));
            blocks.Add([8, 0, (byte)value.Length, 0, 0, 0, .. key, .. value]);
        }

        byte[] head = new byte[StateCheckpointHeader.LengthBytes + StateDigest.EncodedLengthBytes];
        new StateCheckpointHeader(state, 1).Encode(head.AsSpan(0, StateCheckpointHeader.LengthBytes));
        digest.Encode(head.AsSpan(StateCheckpointHeader.LengthBytes));
        List<byte> file = [.. head, .. Block(0, 1, blocks[0], false), .. Block(1, 2, [.. blocks[1], .. blocks[2]], true)];
        byte[] trailer = new byte[StateCheckpointTrailer.LengthBytes];
        new StateCheckpointTrailer(2, 3, file.Count + trailer.Length, default).Encode(trailer);
        byte[] bytes = [.. file, .. trailer];
        MendTrailer(bytes);
        Hold.That(Read(bytes, out _) == FormatFault.None, "the seed is a checkpoint that proves");
        return [bytes];
    }

    private static byte[] Block(long index, int entries, byte[] raw, bool compress)
    {
        byte[] stored = new byte[raw.Length];
        bool isCompressed = compress && Lz4.TryCompress(raw, stored.AsSpan(0, raw.Length - 1), out int length) && (stored = stored[..length]).Length > 0;
        byte[] bytes = [.. new byte[StateCheckpointBlock.LengthBytes], .. isCompressed ? stored : raw, .. new byte[StateCheckpointBlock.CheckLengthBytes]];
        new StateCheckpointBlock(StateTable.Frames, isCompressed, entries, raw.Length, isCompressed ? stored.Length : raw.Length).Encode(bytes);
        Checksum.Write128(bytes.AsSpan(bytes.Length - 16), StateCheckpointBlock.Check(s_storeId, 3, index, bytes.AsSpan(0, bytes.Length - 16)));
        return bytes;
    }

    private static ulong Checkpoint(byte[] bytes)
    {
        FormatFault fault = Read(bytes, out long entries);
        Hold.That(fault.IsFault || BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(bytes.Length - 48)) == entries, "a checkpoint that proves holds the entries that it counts");
        return Hold.Way(Hold.Way(fault) == 0 ? 0 : (long)fault.Code, Math.Min(fault.OffsetBytes, 30_000) / 8, entries);
    }

    private static FormatFault Read(byte[] bytes, out long entries)
    {
        Counter counter = new();
        MemoryStoreFiles files = new(Root, new Dictionary<string, byte[]> { ["c"] = bytes });
        _ = StateCheckpointFile.Open(Root + "/c", s_storeId, files, out StateCheckpointFile? file, out FormatFault fault);
        using (file)
        {
            if (file is not null)
            {
                _ = file.Run(counter, 22);
                fault = file.Fault;
            }
        }

        entries = counter.Entries;
        return fault;
    }

    private static void MendHeader(byte[] bytes)
    {
        if (bytes.Length >= 4096)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumAt), Checksum.Crc32C(bytes.AsSpan(0, ChecksumAt)));
        }
    }

    private static void MendCheckpoint(byte[] bytes)
    {
        MendHeader(bytes);
        int at = StateCheckpointHeader.LengthBytes + StateDigest.EncodedLengthBytes;
        for (long index = 0; bytes.Length - at >= StateCheckpointBlock.LengthBytes + StateCheckpointBlock.CheckLengthBytes; index++)
        {
            int stored = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 12));
            if (StateCheckpointTrailer.IsTrailer(bytes.AsSpan(at)) || stored < 0 || stored > bytes.Length - at - 32)
            {
                break;
            }

            int length = StateCheckpointBlock.LengthBytes + stored;
            Checksum.Write128(bytes.AsSpan(at + length), StateCheckpointBlock.Check(s_storeId, 3, index, bytes.AsSpan(at, length)));
            at += length + StateCheckpointBlock.CheckLengthBytes;
        }

        MendTrailer(bytes);
    }

    private static void MendTrailer(byte[] bytes)
    {
        if (bytes.Length >= StateCheckpointTrailer.LengthBytes)
        {
            Checksum.Sha256(bytes.AsSpan(0, bytes.Length - 32), bytes.AsSpan(bytes.Length - 32));
        }
    }

    private sealed class Counter : IStateCheckpointVisitor
    {
        internal long Entries { get; private set; }

        public void Visit(StateTable table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => Entries++;
    }
}
