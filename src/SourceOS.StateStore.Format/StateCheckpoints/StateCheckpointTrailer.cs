// Why this file exists: the end of a checkpoint says how much there is and what all of it hashes to, so that a file that ends early or was put together from parts fails (format-spec/checkpoints.md). Invariants: as
// long as the page says; the hash covers every byte before it.

using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

/// <summary>The last 64 bytes of a checkpoint. An immutable value.</summary>
/// <param name="Blocks">Blocks of the file.</param>
/// <param name="Entries">Entries of all blocks.</param>
/// <param name="FileLengthBytes">Length of the whole file, this trailer included.</param>
/// <param name="Hash">SHA-256 of every byte before the hash.</param>
public readonly record struct StateCheckpointTrailer(long Blocks, long Entries, long FileLengthBytes, Hash256 Hash)
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 64;

    /// <summary>Bytes of the trailer that the hash covers, too: all before it.</summary>
    public const int HashedLengthBytes = 32;

    private const int BlocksAt = 8;
    private const int EntriesAt = 16;
    private const int LengthAt = 24;

    private static ReadOnlySpan<byte> Magic => "SOSTATEE"u8;

    /// <summary>Whether bytes begin as a trailer does, and not as a block: no table has the code of its first letter.</summary>
    /// <param name="source">At least 8 bytes.</param>
    /// <returns>True for a trailer.</returns>
    public static bool IsTrailer(ReadOnlySpan<byte> source) => source.StartsWith(Magic);

    /// <summary>Writes everything before the hash.</summary>
    /// <param name="destination">Exactly 64 bytes; the hash is left zero.</param>
    public void Encode(Span<byte> destination)
    {
        ThrowHelper.ThrowIfNotLength(destination, LengthBytes, nameof(destination));
        Magic.CopyTo(destination);
        WriteInt64LittleEndian(destination[BlocksAt..], Blocks);
        WriteInt64LittleEndian(destination[EntriesAt..], Entries);
        WriteInt64LittleEndian(destination[LengthAt..], FileLengthBytes);
        Hash.CopyTo(destination[HashedLengthBytes..]);
    }

    /// <summary>Reads it.</summary>
    /// <param name="source">64 bytes.</param>
    /// <param name="trailer">The trailer, when its bytes are those of one.</param>
    /// <param name="fault">What is wrong, when they are not.</param>
    /// <returns>Whether they are.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> source, out StateCheckpointTrailer trailer, out FormatFault fault)
    {
        trailer = default;
        fault = source.Length != LengthBytes ? new FormatFault(FaultCode.Truncated, source.Length)
            : !IsTrailer(source) ? new FormatFault(FaultCode.BadMagic, 0)
            : FormatFault.None;
        if (fault.IsFault)
        {
            return false;
        }

        trailer = new StateCheckpointTrailer(
            ReadInt64LittleEndian(source[BlocksAt..]), ReadInt64LittleEndian(source[EntriesAt..]), ReadInt64LittleEndian(source[LengthAt..]), new Hash256(source.Slice(HashedLengthBytes, Hash256.LengthBytes)));
        return true;
    }
}
