// Why this file exists: everything that stands before a segment's data, read once and judged part by part. Invariants: one read of 32 KiB;
// each part is judged by itself, so damage to one hides nothing about another; the bytes are kept for who heals from a slot's copy.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Readers.Log;

/// <summary>One tail slot as it was read.</summary>
/// <param name="Descriptor">The slot; meaningful only when <paramref name="IsValid"/>.</param>
/// <param name="IsWritten">Whether any byte of the slot is not zero, or could not be read.</param>
/// <param name="IsValid">Whether the descriptor is valid and belongs to this place.</param>
/// <param name="IsCopyValid">Whether the descriptor is valid and its block copy is the one it describes.</param>
/// <param name="Fault">What is wrong with the descriptor, or else with the copy; offsets count from the slot's start. Never written is a fault too.</param>
public readonly record struct SlotInfo(TailSlot Descriptor, bool IsWritten, bool IsValid, bool IsCopyValid, FormatFault Fault);

/// <summary>The head of one segment file. Immutable.</summary>
public sealed class SegmentInfo
{
    private readonly byte[] _prologue;
    private readonly SlotInfo _slot0;
    private readonly SlotInfo _slot1;

    private SegmentInfo(int number, string path, ReadStatus status, long lengthBytes, byte[] prologue, int readBytes, in SegmentExpectation expected)
    {
        Number = number;
        Path = path;
        Status = status;
        LengthBytes = lengthBytes;
        _prologue = prologue;
        ReadOnlySpan<byte> bytes = prologue.AsSpan(0, readBytes);
        HeaderFault = JudgeHeader(bytes, number, expected, out SegmentHeader header);
        Header = header;
        _slot0 = JudgeSlot(bytes, number, 0, expected);
        _slot1 = JudgeSlot(bytes, number, 1, expected);
        int reservedFrom = SegmentHeader.SlotFileOffset(1) + TailSlot.LengthBytes;
        int notZero = readBytes > reservedFrom ? bytes[reservedFrom..].IndexOfAnyExcept((byte)0) : -1;
        ReservedFault = notZero >= 0 ? new FormatFault(FaultCode.ReservedNotZero, reservedFrom + notZero) : FormatFault.None;
    }

    /// <summary>The segment's number, from its name.</summary>
    public int Number { get; }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>How opening the file and reading its first 32 KiB went; the parts beyond a failure are judged as missing.</summary>
    public ReadStatus Status { get; }

    /// <summary>The file's length; 0 when it could not be opened.</summary>
    public long LengthBytes { get; }

    /// <summary>The header; meaningful only when <see cref="HeaderFault"/> is none.</summary>
    public SegmentHeader Header { get; }

    /// <summary>What is wrong with the header, with its offset in the file.</summary>
    public FormatFault HeaderFault { get; }

    /// <summary>The first byte between slots and data that is not zero, with its offset in the file.</summary>
    public FormatFault ReservedFault { get; }

    /// <summary>The bytes that were read, from the file's start; zero where nothing could be read.</summary>
    public ReadOnlyMemory<byte> Prologue => _prologue;

    /// <summary>Reads the head of a segment.</summary>
    /// <param name="layout">The store's paths.</param>
    /// <param name="number">The segment's number.</param>
    /// <param name="storeId">The store's id; null when it is not known, and then not checked.</param>
    /// <param name="geometry">The log's geometry; null when it is not known, and then not checked.</param>
    /// <param name="files">How to open files; the running kernel's when null.</param>
    /// <returns>What is there.</returns>
    public static SegmentInfo Read(StoreLayout layout, int number, StoreId? storeId, LogGeometry? geometry, StoreFiles? files = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        string path = layout.SegmentPath(number);
        SegmentExpectation expected = new(storeId, geometry);
        byte[] prologue = new byte[LogGeometry.DataOffset];
        ReadStatus status = (files ?? StoreFiles.Native).Open(path, out PositionalFile? file);
        if (file is null)
        {
            return new SegmentInfo(number, path, status == ReadStatus.Ok ? ReadStatus.InputOutput : status, 0, prologue, 0, expected);
        }

        using (file)
        {
            status = file.GetLength(out long lengthBytes);
            ReadStatus read = file.Read(0, prologue, out int readBytes);
            if (read != ReadStatus.Ok)
            {
                prologue.AsSpan(readBytes).Clear();
            }

            return new SegmentInfo(number, path, status == ReadStatus.Ok ? read : status, lengthBytes, prologue, readBytes, expected);
        }
    }

    /// <summary>One of the two slots.</summary>
    /// <param name="slotIndex">0 or 1.</param>
    /// <returns>The slot.</returns>
    public SlotInfo Slot(int slotIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slotIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(slotIndex, 1);
        return slotIndex == 0 ? _slot0 : _slot1;
    }

    /// <summary>The bytes of one of the two slots, as they were read.</summary>
    /// <param name="slotIndex">0 or 1.</param>
    /// <returns>8,192 bytes.</returns>
    public ReadOnlyMemory<byte> SlotBytes(int slotIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slotIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(slotIndex, 1);
        return Prologue.Slice(SegmentHeader.SlotFileOffset(slotIndex), TailSlot.LengthBytes);
    }

    private static FormatFault JudgeHeader(ReadOnlySpan<byte> bytes, int number, in SegmentExpectation expected, out SegmentHeader header)
    {
        header = default;
        if (bytes.Length < SegmentHeader.LengthBytes)
        {
            return new FormatFault(FaultCode.Truncated, bytes.Length);
        }

        if (!SegmentHeader.TryDecode(bytes[..SegmentHeader.LengthBytes], out header, out FormatFault fault))
        {
            return fault;
        }

        if (expected.StoreId is { } storeId && header.StoreId != storeId)
        {
            return new FormatFault(FaultCode.WrongStore, 16);
        }

        if (header.SegmentNumber != number)
        {
            return new FormatFault(FaultCode.WrongPlace, 32);
        }

        bool isOtherGeometry = expected.Geometry is { } geometry && (header.PageBits != geometry.PageBits || header.SegmentBits != geometry.SegmentBits);
        return isOtherGeometry ? new FormatFault(FaultCode.RuleBroken, 48) : FormatFault.None;
    }

    private static SlotInfo JudgeSlot(ReadOnlySpan<byte> bytes, int number, int index, in SegmentExpectation expected)
    {
        int offset = SegmentHeader.SlotFileOffset(index);
        if (bytes.Length < offset + TailSlot.LengthBytes)
        {
            return new SlotInfo(default, IsWritten: true, IsValid: false, IsCopyValid: false, new FormatFault(FaultCode.Truncated, Math.Max(0, bytes.Length - offset)));
        }

        bool isValid = TailSlot.TryDecode(bytes.Slice(offset, TailSlot.LengthBytes), out TailSlot slot, out bool isCopyValid, out FormatFault fault);
        if (!isValid)
        {
            return new SlotInfo(default, fault.Code != FaultCode.NeverWritten, IsValid: false, IsCopyValid: false, fault);
        }

        FormatFault place = slot.CheckPlace(
            expected.StoreId ?? slot.StoreId, number, index, expected.Geometry?.SegmentBits ?? SegmentBitsOf(slot, number));
        return place.IsFault
            ? new SlotInfo(default, IsWritten: true, IsValid: false, IsCopyValid: false, place)
            : new SlotInfo(slot, IsWritten: true, IsValid: true, isCopyValid, fault);
    }

    // Without a known geometry, any that puts the tail into this segment will do.
    private static int SegmentBitsOf(in TailSlot slot, int number)
    {
        for (int bits = LogGeometry.MinSegmentBits; bits < LogGeometry.MaxSegmentBits; bits++)
        {
            if (TailSlot.SegmentOf(slot.Tail, bits) == number)
            {
                return bits;
            }
        }

        return LogGeometry.MaxSegmentBits;
    }

    private readonly record struct SegmentExpectation(StoreId? StoreId, LogGeometry? Geometry);
}
