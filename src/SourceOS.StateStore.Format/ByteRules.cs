// Why this file exists: the checks that every decoder repeats: zero where nothing may stand, text where text stands, geometry within bounds.
// Invariants: reads only the given bytes; allocates nothing.

using System.Text.Unicode;
using static System.Buffers.Binary.BinaryPrimitives;

namespace SourceOS.StateStore.Format;

internal static class ByteRules
{
    /// <summary>Whether all bytes are zero.</summary>
    internal static bool IsZero(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept((byte)0);

    /// <summary>The fault of the first non-zero byte of a range that must be zero, or none.</summary>
    internal static FormatFault CheckZero(ReadOnlySpan<byte> bytes, int start, int end)
    {
        int at = bytes[start..end].IndexOfAnyExcept((byte)0);
        return at < 0 ? FormatFault.None : new FormatFault(FaultCode.ReservedNotZero, start + at);
    }

    /// <summary>
    /// The fault of a file's head of the common form, or none: magic (8), version (2), lowest reader version (2), flags (4, none known), and CRC32C of all before it in its last 4 bytes.
    /// </summary>
    internal static FormatFault CheckHead(ReadOnlySpan<byte> source, int lengthBytes, ReadOnlySpan<byte> magic)
    {
        const int versionAt = 8;
        const int flagsAt = 12;
        if (source.Length != lengthBytes)
        {
            return new FormatFault(source.Length < lengthBytes ? FaultCode.Truncated : FaultCode.TrailingBytes, Math.Min(source.Length, lengthBytes));
        }

        if (IsZero(source))
        {
            return new FormatFault(FaultCode.NeverWritten, 0);
        }

        if (!source.StartsWith(magic))
        {
            return new FormatFault(FaultCode.BadMagic, 0);
        }

        int checksumAt = lengthBytes - 4;
        if (ReadUInt32LittleEndian(source[checksumAt..]) != Checksum.Crc32C(source[..checksumAt]))
        {
            return new FormatFault(FaultCode.ChecksumMismatch, checksumAt);
        }

        int version = ReadUInt16LittleEndian(source[versionAt..]);
        int lowestReader = ReadUInt16LittleEndian(source[(versionAt + 2)..]);
        if (version < 1 || lowestReader < 1 || lowestReader > version || lowestReader > FormatLimits.FormatVersion)
        {
            return new FormatFault(FaultCode.UnsupportedVersion, versionAt);
        }

        return ReadUInt32LittleEndian(source[flagsAt..]) != 0 ? new FormatFault(FaultCode.UnknownFlag, flagsAt) : FormatFault.None;
    }

    /// <summary>Whether page and segment sizes are within the format's bounds.</summary>
    internal static bool IsGeometry(int pageBits, int segmentBits) =>
        pageBits is >= FormatLimits.MinPageBits and <= FormatLimits.MaxPageBits
        && segmentBits is >= FormatLimits.MinSegmentBits and <= FormatLimits.MaxSegmentBits
        && segmentBits >= pageBits;

    /// <summary>Whether a stored address is one that FASTER's signed addresses can express and that lies at or after the first.</summary>
    internal static bool IsAddress(ulong stored) => stored is >= (ulong)FormatLimits.FirstLogAddress and <= long.MaxValue;

    /// <summary>Length of zero-padded text, or -1 when it is not well-formed UTF-8 followed by zeroes only.</summary>
    internal static int PaddedTextLength(ReadOnlySpan<byte> padded)
    {
        int length = padded.IndexOf((byte)0);
        length = length < 0 ? padded.Length : length;
        return IsZero(padded[length..]) && Utf8.IsValid(padded[..length]) ? length : -1;
    }
}
