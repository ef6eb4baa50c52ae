// Why this file exists: one parity file, opened and checked as far as its header and table. Invariants: its length must be the one that the segment's size gives before anything is allocated
// for it; blocks are read one at a time; nothing throws because of bytes.

using SourceOS.StateStore.Format;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Parity;

/// <summary>A parity file whose header and table are valid. Thread-safe for reading.</summary>
public sealed class ParityFile : IDisposable
{
    private readonly PositionalFile _file;
    private readonly byte[] _table;
    private readonly int _segmentBits;

    private ParityFile(PositionalFile file, in ParityHeader header, byte[] table)
    {
        _file = file;
        _table = table;
        _segmentBits = header.SegmentBits;
        Header = header;
    }

    /// <summary>The header.</summary>
    public ParityHeader Header { get; }

    /// <summary>Blocks of data that it covers.</summary>
    public int DataBlocks => ParityHeader.DataBlocksOf(_segmentBits);

    /// <summary>Groups, and so blocks of parity.</summary>
    public int Groups => ParityHeader.GroupsOf(_segmentBits);

    /// <summary>Opens the parity of a segment.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="geometry">The log's geometry.</param>
    /// <param name="storeId">The store's id.</param>
    /// <param name="segment">The segment's number.</param>
    /// <param name="files">How to open files.</param>
    /// <param name="file">The file; null when it cannot be read or is not valid.</param>
    /// <param name="fault">What is wrong with its bytes, with its offset in the file.</param>
    /// <returns>How reading went; <see cref="ReadStatus.NotFound"/> when there is none.</returns>
    public static ReadStatus Open(StoreLayout layout, LogGeometry geometry, in StoreId storeId, int segment, StoreFiles files, out ParityFile? file, out FormatFault fault)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(files);
        file = null;
        fault = FormatFault.None;
        ReadStatus status = files.Open(layout.ParityPath(segment), out PositionalFile? opened);
        if (status != ReadStatus.Ok || opened is null)
        {
            return status == ReadStatus.Ok ? ReadStatus.InputOutput : status;
        }

        status = Read(opened, geometry, storeId, segment, out file, out fault);
        if (file is null)
        {
            opened.Dispose();
        }

        return status;
    }

    /// <summary>The check of a block, as the table states it.</summary>
    /// <param name="index">The block's place in the table.</param>
    /// <returns>The check.</returns>
    public UInt128 Check(int index) => Checksum.Read128(_table.AsSpan(index * ParityHeader.CheckLengthBytes));

    /// <summary>Whether bytes are those of a block.</summary>
    /// <param name="index">The block's place in the table.</param>
    /// <param name="block">The bytes.</param>
    /// <returns>True when their check is the table's.</returns>
    public bool Matches(int index, ReadOnlySpan<byte> block) => ParityBlocks.BlockCheck(Header.StoreId, Header.SegmentNumber, index, block) == Check(index);

    /// <summary>Reads the parity of a group.</summary>
    /// <param name="group">The group's number.</param>
    /// <param name="block">Takes the block, 65,536 bytes.</param>
    /// <returns>Whether it could be read and is the one that the table names.</returns>
    public bool TryReadParity(int group, Span<byte> block) =>
        _file.Read(ParityHeader.ParityOffsetOf(_segmentBits) + ((long)group * ParityHeader.BlockLengthBytes), block, out _) == ReadStatus.Ok && Matches(DataBlocks + group, block);

    /// <summary>Computes a block of data again from its group's parity and the group's other blocks.</summary>
    /// <param name="index">The block's number.</param>
    /// <param name="segment">The segment's file.</param>
    /// <param name="block">Takes the block, 65,536 bytes.</param>
    /// <returns>Whether everything it is computed from is sound, and the result is the block that the table names.</returns>
    public bool TryRecompute(int index, PositionalFile segment, Span<byte> block)
    {
        ArgumentNullException.ThrowIfNull(segment);
        int group = index % Groups;
        if (!TryReadParity(group, block))
        {
            return false;
        }

        byte[] other = new byte[ParityHeader.BlockLengthBytes];
        for (int i = group; i < DataBlocks; i += Groups)
        {
            if (i == index)
            {
                continue;
            }

            if (ReadData(segment, i, other) != ReadStatus.Ok || !Matches(i, other))
            {
                return false;
            }

            ParityBlocks.Xor(block, other);
        }

        return Matches(index, block);
    }

    /// <summary>Reads a block of a segment's data.</summary>
    /// <param name="segment">The segment's file.</param>
    /// <param name="index">The block's number.</param>
    /// <param name="block">Takes the block, 65,536 bytes.</param>
    /// <returns>What became of it.</returns>
    public static ReadStatus ReadData(PositionalFile segment, int index, Span<byte> block)
    {
        ArgumentNullException.ThrowIfNull(segment);
        return segment.Read(LogGeometry.DataOffset + ((long)index * ParityHeader.BlockLengthBytes), block, out _);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static ReadStatus Read(PositionalFile opened, LogGeometry geometry, in StoreId storeId, int segment, out ParityFile? file, out FormatFault fault)
    {
        file = null;
        fault = FormatFault.None;
        ReadStatus status = opened.GetLength(out long lengthBytes);
        if (status != ReadStatus.Ok)
        {
            return status;
        }

        byte[] head = new byte[ParityHeader.LengthBytes];
        status = opened.Read(0, head, out int read);
        if (status is not (ReadStatus.Ok or ReadStatus.EndOfFile))
        {
            return status;
        }

        if (!ParityHeader.TryDecode(head.AsSpan(0, read), out ParityHeader header, out fault))
        {
            return ReadStatus.Ok;
        }

        FaultCode place = header.StoreId != storeId ? FaultCode.WrongStore
            : header.SegmentNumber != segment ? FaultCode.WrongPlace
            : header.SegmentBits != geometry.SegmentBits ? FaultCode.RuleBroken
            : lengthBytes != ParityHeader.FileLengthBytesOf(geometry.SegmentBits) ? FaultCode.LengthMismatch
            : FaultCode.None;
        if (place != FaultCode.None)
        {
            fault = new FormatFault(place, place == FaultCode.LengthMismatch ? Math.Min(lengthBytes, ParityHeader.FileLengthBytesOf(geometry.SegmentBits)) : 16);
            return ReadStatus.Ok;
        }

        byte[] table = new byte[ParityHeader.ParityOffsetOf(header.SegmentBits) - ParityHeader.LengthBytes];
        status = opened.Read(ParityHeader.LengthBytes, table, out _);
        if (status != ReadStatus.Ok)
        {
            return status;
        }

        int tableBytes = ParityHeader.TableLengthBytesOf(header.SegmentBits);
        int notZero = table.AsSpan(tableBytes).IndexOfAnyExcept((byte)0);
        fault = ParityBlocks.TableCheck(storeId, segment, table.AsSpan(0, tableBytes)) != header.TableCheck ? new FormatFault(FaultCode.ChecksumMismatch, ParityHeader.LengthBytes)
            : notZero >= 0 ? new FormatFault(FaultCode.ReservedNotZero, ParityHeader.LengthBytes + tableBytes + notZero)
            : FormatFault.None;
        file = fault.IsFault ? null : new ParityFile(opened, header, table);
        return ReadStatus.Ok;
    }
}
