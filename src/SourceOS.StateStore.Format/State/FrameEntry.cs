// Why this file exists: the value of the `frames` table, which finds the frame of a sequence (format-spec/state.md).
// Invariants: 48 bytes, the last 8 being the check that binds it to its key.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format;

/// <summary>Where a frame stands in the log.</summary>
/// <param name="FrameNumber">The frame's number.</param>
/// <param name="Address">Log address of its entry.</param>
/// <param name="EntryLengthBytes">The entry's length, without FASTER's length prefix.</param>
/// <param name="EventCount">Events in it.</param>
/// <param name="CommitId">The commit it belongs to.</param>
/// <param name="CommitTimeMicros">That commit's time.</param>
public readonly record struct FrameEntry(
    ulong FrameNumber, long Address, uint EntryLengthBytes, uint EventCount, ulong CommitId, long CommitTimeMicros)
{
    private const int NumberAt = 0;
    private const int AddressAt = NumberAt + 8;
    private const int LengthAt = AddressAt + 8;
    private const int CountAt = LengthAt + 4;
    private const int CommitAt = CountAt + 4;
    private const int TimeAt = CommitAt + 8;
    private const int CheckAt = TimeAt + 8;

    /// <summary>Length of the encoded value in bytes.</summary>
    public const int EncodedLengthBytes = CheckAt + Tables.CheckLengthBytes;

    private const byte EncodingEndsWhereTheSpecificationSays = EncodedLengthBytes == 48 ? 0 : -1;

    /// <summary>Writes the value with its check.</summary>
    /// <param name="key">The entry's key.</param>
    /// <param name="destination">Exactly <see cref="EncodedLengthBytes"/> bytes.</param>
    public void Encode(ReadOnlySpan<byte> key, Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, EncodedLengthBytes, nameof(destination));
        BinaryPrimitives.WriteUInt64LittleEndian(destination[NumberAt..], FrameNumber);
        BinaryPrimitives.WriteInt64LittleEndian(destination[AddressAt..], Address);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[LengthAt..], EntryLengthBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[CountAt..], EventCount);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[CommitAt..], CommitId);
        BinaryPrimitives.WriteInt64LittleEndian(destination[TimeAt..], CommitTimeMicros);
        Tables.WriteCheck(StateTable.Frames, key, destination);
        _ = EncodingEndsWhereTheSpecificationSays;
    }

    /// <summary>Reads a value and checks it against its key.</summary>
    /// <param name="key">The entry's key.</param>
    /// <param name="value">The stored value.</param>
    /// <param name="entry">The entry when it holds.</param>
    /// <returns>Whether it holds.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, out FrameEntry entry)
    {
        entry = default;
        if (value.Length != EncodedLengthBytes || !Tables.TryVerifyCheck(StateTable.Frames, key, value, out ReadOnlySpan<byte> content))
        {
            return false;
        }

        long address = BinaryPrimitives.ReadInt64LittleEndian(content[AddressAt..]);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(content[CountAt..]);
        if (address < FormatLimits.FirstLogAddress || count is 0 or > FormatLimits.MaxFrameEvents)
        {
            return false;
        }

        entry = new FrameEntry(
            BinaryPrimitives.ReadUInt64LittleEndian(content[NumberAt..]),
            address,
            BinaryPrimitives.ReadUInt32LittleEndian(content[LengthAt..]),
            count,
            BinaryPrimitives.ReadUInt64LittleEndian(content[CommitAt..]),
            BinaryPrimitives.ReadInt64LittleEndian(content[TimeAt..]));
        return true;
    }
}
