// Why this file exists: the first bytes of a checkpoint of the state (format-spec/checkpoints.md): which store, which position of the log, and the state's own header there. Invariants: what it says about the
// position is said once, by the state's header inside; every byte that means nothing is zero; written once, never changed in place.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The first 4,096 bytes of a checkpoint. Immutable; <see cref="State"/> must not be changed by who reads it.</summary>
public sealed class StateCheckpointHeader
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 4096;

    private const int MagicAt = 0;
    private const int VersionAt = MagicAt + 8;
    private const int LowestReaderAt = VersionAt + 2;
    private const int FlagsAt = LowestReaderAt + 2;
    private const int StoreIdAt = FlagsAt + 4;
    private const int MadeAtAt = StoreIdAt + StoreId.LengthBytes;
    private const int StateLengthAt = MadeAtAt + 8;
    private const int ReservedAt = StateLengthAt + 4;
    private const int StateAt = ReservedAt + 20;
    private const int ChecksumAt = LengthBytes - 4;
    private const byte _stateFits = StateAt == 64 && StateAt + StateHeader.MaxEncodedLengthBytes <= ChecksumAt ? 0 : -1;

    private static ReadOnlySpan<byte> Magic => "SOSTATE1"u8;

    /// <summary>Creates a header.</summary>
    /// <param name="state">The state's header; kept as it is.</param>
    /// <param name="madeAtMicros">When the checkpoint was made, in microseconds since 1970 UTC.</param>
    public StateCheckpointHeader(StateHeader state, long madeAtMicros)
    {
        ArgumentNullException.ThrowIfNull(state);
        State = state;
        MadeAtMicros = madeAtMicros;
    }

    /// <summary>The header of the state that was copied; its generation is the one that it was copied from.</summary>
    public StateHeader State { get; }

    /// <summary>When the checkpoint was made, in microseconds since 1970 UTC.</summary>
    public long MadeAtMicros { get; }

    /// <summary>Writes the header.</summary>
    /// <param name="destination">Exactly 4,096 bytes; all of them are written.</param>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes, nameof(destination));
        _ = _stateFits;
        destination.Clear();
        Magic.CopyTo(destination);
        WriteUInt16LittleEndian(destination[VersionAt..], FormatLimits.FormatVersion);
        WriteUInt16LittleEndian(destination[LowestReaderAt..], FormatLimits.LowestReaderVersion);
        State.StoreId.CopyTo(destination[StoreIdAt..]);
        WriteInt64LittleEndian(destination[MadeAtAt..], MadeAtMicros);
        WriteUInt32LittleEndian(destination[StateLengthAt..], (uint)State.Encode(destination[StateAt..ChecksumAt]));
        WriteUInt32LittleEndian(destination[ChecksumAt..], Checksum.Crc32C(destination[..ChecksumAt]));
    }

    /// <summary>Reads a header.</summary>
    /// <param name="source">The header's bytes, 4,096.</param>
    /// <param name="header">The header, when it is valid.</param>
    /// <param name="fault">What is wrong, when it is not.</param>
    /// <returns>Whether it is valid.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out StateCheckpointHeader? header, out FormatFault fault)
    {
        header = null;
        fault = Check(source);
        if (fault.IsFault)
        {
            return false;
        }

        int length = (int)ReadUInt32LittleEndian(source[StateLengthAt..]);
        StateHeader state = new();
        if (!state.TryDecode(source.Slice(StateAt, length), out fault))
        {
            fault = fault.At(StateAt);
            return false;
        }

        if (state.StoreId != new StoreId(source.Slice(StoreIdAt, StoreId.LengthBytes)))
        {
            fault = new FormatFault(FaultCode.RuleBroken, StoreIdAt);
            return false;
        }

        header = new StateCheckpointHeader(state, ReadInt64LittleEndian(source[MadeAtAt..]));
        return true;
    }

    private static FormatFault Check(ReadOnlySpan<byte> source)
    {
        FormatFault fault = ByteRules.CheckHead(source, LengthBytes, Magic);
        if (fault.IsFault)
        {
            return fault;
        }

        uint length = ReadUInt32LittleEndian(source[StateLengthAt..]);
        if (length > StateHeader.MaxEncodedLengthBytes)
        {
            return new FormatFault(FaultCode.OutOfRange, StateLengthAt);
        }

        fault = ByteRules.CheckZero(source, ReservedAt, StateAt);
        return fault.IsFault ? fault : ByteRules.CheckZero(source, StateAt + (int)length, ChecksumAt);
    }
}
