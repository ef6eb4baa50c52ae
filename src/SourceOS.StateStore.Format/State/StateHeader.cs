// Why this file exists: what the state says about itself: which log position it folds, the chain head there, counts by kind and lane, and
// the frontier of the log tree (format-spec/state.md). Invariants: written in the same LMDB transaction as the entries it describes.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format;

/// <summary>Events of one lane.</summary>
/// <param name="Events">How many.</param>
/// <param name="LastSequence">The last one's sequence; 0 when there is none.</param>
/// <param name="LastTimeMicros">When the last one happened.</param>
public readonly record struct LaneCount(ulong Events, ulong LastSequence, long LastTimeMicros);

/// <summary>Records of one kind.</summary>
/// <param name="Live">Records that exist.</param>
/// <param name="Tombstones">Records of which the tombstone is left.</param>
public readonly record struct KindCount(ulong Live, ulong Tombstones);

/// <summary>Records that carry the mark for boot and are no tombstones.</summary>
/// <param name="Records">How many.</param>
/// <param name="Sum">The sum of their entries in the `records` table, as a digest sums them, modulo 2^128.</param>
public readonly record struct BootCriticalCount(ulong Records, UInt128 Sum)
{
    /// <summary>With one more.</summary>
    /// <param name="key">The record's key.</param>
    /// <param name="value">Its whole value.</param>
    /// <returns>The count with it.</returns>
    public BootCriticalCount With(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        new(Records + 1, unchecked(Sum + StateDigest.EntrySum(StateTable.Records, key, value)));

    /// <summary>Without one that was counted.</summary>
    /// <param name="key">The record's key.</param>
    /// <param name="value">Its whole value.</param>
    /// <returns>The count without it.</returns>
    public BootCriticalCount Without(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        new(Records - 1, unchecked(Sum - StateDigest.EntrySum(StateTable.Records, key, value)));
}

/// <summary>The `header` value. Mutable, not thread-safe.</summary>
public sealed class StateHeader
{
    private const int StoreIdAt = 8;
    private const int GenerationAt = StoreIdAt + 16;
    private const int PositionAt = GenerationAt + 8;
    private const int FrameCountAt = PositionAt + 8;
    private const int SequenceAt = FrameCountAt + 8;
    private const int CommitAt = SequenceAt + 8;
    private const int EpochAt = CommitAt + 8;
    private const int TimeAt = EpochAt + 8;
    private const int ChainAt = TimeAt + 8;
    private const int BootCriticalAt = ChainAt + 32;
    private const int KindsAt = BootCriticalAt + 24;
    private const int LanesAt = KindsAt + (KindPlaces * 16);
    private const int LaneReservedAt = LanesAt + (LanePlaces * 24);
    private const int FrontierAt = LaneReservedAt + 8;
    private const int HashLengthBytes = 16;
    private const byte FrontierStandsWhereTheSpecificationSays = FrontierAt == 968 ? 0 : -1;

    /// <summary>Places for kinds; the index is the kind's code.</summary>
    public const int KindPlaces = 32;

    /// <summary>Places for lanes; the index is the lane's code less one.</summary>
    public const int LanePlaces = 13;

    /// <summary>Longest encoding in bytes.</summary>
    public const int MaxEncodedLengthBytes = FrontierAt + (MerkleFrontier.MaxHashes * Hash256.LengthBytes) + HashLengthBytes;

    private readonly KindCount[] _kinds = new KindCount[KindPlaces];
    private readonly LaneCount[] _lanes = new LaneCount[LanePlaces];

    /// <summary>The store.</summary>
    public StoreId StoreId { get; set; }

    /// <summary>Generation of the state.</summary>
    public ulong Generation { get; set; }

    /// <summary>Log address behind the last folded frame.</summary>
    public long LogPosition { get; set; }

    /// <summary>Last folded sequence; 0 when there is none.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Last folded commit; 0 when there is none.</summary>
    public ulong LastCommitId { get; set; }

    /// <summary>Writer epoch of the last folded frame.</summary>
    public ulong WriterEpoch { get; set; }

    /// <summary>Commit time of the last folded frame.</summary>
    public long CommitTimeMicros { get; set; }

    /// <summary>Hash of the last folded frame.</summary>
    public Hash256 ChainHead { get; set; }

    /// <summary>The frontier of the log tree; its leaf count is the number of the next frame.</summary>
    public MerkleFrontier Frontier { get; } = new();

    /// <summary>Number of the next frame.</summary>
    public ulong FrameCount => Frontier.LeafCount;

    /// <summary>What the quick check at boot reads.</summary>
    public BootCriticalCount BootCritical { get; set; }

    /// <summary>Counts by kind code.</summary>
    public Span<KindCount> Kinds => _kinds;

    /// <summary>Counts by lane code less one.</summary>
    public Span<LaneCount> Lanes => _lanes;

    /// <summary>Length of the encoding in bytes.</summary>
    public int EncodedLengthBytes => FrontierAt + Frontier.EncodedLengthBytes + HashLengthBytes;

    /// <summary>Becomes a copy of another header.</summary>
    /// <param name="other">The other header.</param>
    public void CopyFrom(StateHeader other)
    {
        ArgumentNullException.ThrowIfNull(other);
        StoreId = other.StoreId;
        Generation = other.Generation;
        LogPosition = other.LogPosition;
        LastSequence = other.LastSequence;
        LastCommitId = other.LastCommitId;
        WriterEpoch = other.WriterEpoch;
        CommitTimeMicros = other.CommitTimeMicros;
        ChainHead = other.ChainHead;
        BootCritical = other.BootCritical;
        Frontier.CopyFrom(other.Frontier);
        other._kinds.CopyTo(_kinds, 0);
        other._lanes.CopyTo(_lanes, 0);
    }

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="EncodedLengthBytes"/> bytes.</param>
    /// <returns>The number of bytes written.</returns>
    public int Encode(Span<byte> destination)
    {
        int length = EncodedLengthBytes;
        ThrowHelper.ThrowIfShort(destination, length, nameof(destination));
        _ = FrontierStandsWhereTheSpecificationSays;
        destination = destination[..length];
        destination.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(destination, FormatLimits.FormatVersion);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], (ushort)Frontier.HashCount);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], (uint)length);
        StoreId.CopyTo(destination[StoreIdAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[GenerationAt..], Generation);
        BinaryPrimitives.WriteInt64LittleEndian(destination[PositionAt..], LogPosition);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[FrameCountAt..], FrameCount);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[SequenceAt..], LastSequence);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[CommitAt..], LastCommitId);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[EpochAt..], WriterEpoch);
        BinaryPrimitives.WriteInt64LittleEndian(destination[TimeAt..], CommitTimeMicros);
        ChainHead.CopyTo(destination[ChainAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[BootCriticalAt..], BootCritical.Records);
        BinaryPrimitives.WriteUInt128LittleEndian(destination[(BootCriticalAt + 8)..], BootCritical.Sum);
        for (int i = 0; i < KindPlaces; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(destination[(KindsAt + (i * 16))..], _kinds[i].Live);
            BinaryPrimitives.WriteUInt64LittleEndian(destination[(KindsAt + (i * 16) + 8)..], _kinds[i].Tombstones);
        }

        for (int i = 0; i < LanePlaces; i++)
        {
            Span<byte> place = destination.Slice(LanesAt + (i * 24), 24);
            BinaryPrimitives.WriteUInt64LittleEndian(place, _lanes[i].Events);
            BinaryPrimitives.WriteUInt64LittleEndian(place[8..], _lanes[i].LastSequence);
            BinaryPrimitives.WriteInt64LittleEndian(place[16..], _lanes[i].LastTimeMicros);
        }

        Frontier.Encode(destination[FrontierAt..]);
        int hashAt = length - HashLengthBytes;
        Checksum.Write128(destination[hashAt..], Checksum.Xxh128(Tables.Identity(StateTable.Meta, Tables.HeaderKey), destination[..hashAt]));
        return length;
    }

    /// <summary>Becomes the header that a stored value describes; stays as it is when that does not hold.</summary>
    /// <param name="value">The stored value.</param>
    /// <param name="fault">What is wrong, when the result is false.</param>
    /// <returns>Whether the value holds.</returns>
    public bool TryDecode(ReadOnlySpan<byte> value, out FormatFault fault)
    {
        fault = Check(value);
        if (fault.IsFault)
        {
            return false;
        }

        ulong frameCount = BinaryPrimitives.ReadUInt64LittleEndian(value[FrameCountAt..]);
        if (!Frontier.TryDecode(frameCount, value[FrontierAt..^HashLengthBytes], out fault))
        {
            fault = fault.At(FrontierAt);
            return false;
        }

        StoreId = new StoreId(value.Slice(StoreIdAt, StoreId.LengthBytes));
        Generation = BinaryPrimitives.ReadUInt64LittleEndian(value[GenerationAt..]);
        LogPosition = BinaryPrimitives.ReadInt64LittleEndian(value[PositionAt..]);
        LastSequence = BinaryPrimitives.ReadUInt64LittleEndian(value[SequenceAt..]);
        LastCommitId = BinaryPrimitives.ReadUInt64LittleEndian(value[CommitAt..]);
        WriterEpoch = BinaryPrimitives.ReadUInt64LittleEndian(value[EpochAt..]);
        CommitTimeMicros = BinaryPrimitives.ReadInt64LittleEndian(value[TimeAt..]);
        ChainHead = new Hash256(value.Slice(ChainAt, Hash256.LengthBytes));
        BootCritical = new BootCriticalCount(BinaryPrimitives.ReadUInt64LittleEndian(value[BootCriticalAt..]), BinaryPrimitives.ReadUInt128LittleEndian(value[(BootCriticalAt + 8)..]));
        for (int i = 0; i < KindPlaces; i++)
        {
            ReadOnlySpan<byte> place = value.Slice(KindsAt + (i * 16), 16);
            _kinds[i] = new KindCount(BinaryPrimitives.ReadUInt64LittleEndian(place), BinaryPrimitives.ReadUInt64LittleEndian(place[8..]));
        }

        for (int i = 0; i < LanePlaces; i++)
        {
            ReadOnlySpan<byte> place = value.Slice(LanesAt + (i * 24), 24);
            _lanes[i] = new LaneCount(
                BinaryPrimitives.ReadUInt64LittleEndian(place), BinaryPrimitives.ReadUInt64LittleEndian(place[8..]), BinaryPrimitives.ReadInt64LittleEndian(place[16..]));
        }

        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> value)
    {
        if (value.Length < FrontierAt + HashLengthBytes || value.Length > MaxEncodedLengthBytes)
        {
            return new FormatFault(FaultCode.LengthMismatch, 0);
        }

        int hashAt = value.Length - HashLengthBytes;
        if (Checksum.Read128(value[hashAt..]) != Checksum.Xxh128(Tables.Identity(StateTable.Meta, Tables.HeaderKey), value[..hashAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, hashAt);
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(value) != FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, 0);
        }

        int frontierHashes = BinaryPrimitives.ReadUInt16LittleEndian(value[2..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(value[4..]) != (uint)value.Length
            || value.Length != FrontierAt + (frontierHashes * Hash256.LengthBytes) + HashLengthBytes)
        {
            return new FormatFault(FaultCode.LengthMismatch, 4);
        }

        FormatFault fault = CheckUnusedPlaces(value);
        if (fault.IsFault)
        {
            return fault;
        }

        return BinaryPrimitives.ReadInt64LittleEndian(value[PositionAt..]) < FormatLimits.FirstLogAddress
            ? new FormatFault(FaultCode.OutOfRange, PositionAt)
            : FormatFault.None;
    }

    private static FormatFault CheckUnusedPlaces(ReadOnlySpan<byte> value)
    {
        FormatFault fault = ByteRules.CheckZero(value, KindsAt, KindsAt + 16);
        fault = fault.IsFault ? fault : ByteRules.CheckZero(value, KindsAt + ((RecordKinds.All.Count + 1) * 16), LanesAt);
        return fault.IsFault ? fault : ByteRules.CheckZero(value, LanesAt + ((int)Lane.Archive * 24), FrontierAt);
    }
}
