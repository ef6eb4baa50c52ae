// Why this file exists: CRC-32C at memory speed. The instruction has a latency of three cycles and a throughput of one, so three independent
// streams run interleaved and are joined with tables. Invariants: equal to the bit-by-bit definition for every length; no allocation after
// the tables exist.

using System.Buffers.Binary;
using System.Numerics;

namespace SourceOS.StateStore.Format;

internal static class Crc32CCore
{
    /// <summary>Bytes of one stream in an interleaved round.</summary>
    internal const int StreamLengthBytes = 1024;

    private const uint ReflectedPolynomial = 0x82F63B78u;

    // Shift[b * 256 + v]: what byte b with value v of a checksum becomes after StreamLengthBytes zero bytes.
    private static readonly uint[] Shift = BuildShift(StreamLengthBytes);

    /// <summary>Continues a raw (not inverted) checksum over an 8-byte number, little-endian.</summary>
    internal static uint AppendNumber(uint crc, ulong number) => BitOperations.Crc32C(crc, number);

    /// <summary>Continues a raw (not inverted) checksum over data.</summary>
    internal static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 3 * StreamLengthBytes)
        {
            crc = AppendThreeStreams(crc, data[..(3 * StreamLengthBytes)]);
            data = data[(3 * StreamLengthBytes)..];
        }

        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }

    private static uint AppendThreeStreams(uint crc, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<byte> first = data[..StreamLengthBytes];
        ReadOnlySpan<byte> second = data.Slice(StreamLengthBytes, StreamLengthBytes);
        ReadOnlySpan<byte> third = data.Slice(2 * StreamLengthBytes, StreamLengthBytes);
        uint a = crc;
        uint b = 0;
        uint c = 0;
        for (int i = 0; i <= StreamLengthBytes - sizeof(ulong); i += sizeof(ulong))
        {
            a = BitOperations.Crc32C(a, BinaryPrimitives.ReadUInt64LittleEndian(first[i..]));
            b = BitOperations.Crc32C(b, BinaryPrimitives.ReadUInt64LittleEndian(second[i..]));
            c = BitOperations.Crc32C(c, BinaryPrimitives.ReadUInt64LittleEndian(third[i..]));
        }

        return ShiftStream(ShiftStream(a) ^ b) ^ c;
    }

    private static uint ShiftStream(uint crc)
    {
        uint[] shift = Shift;
        return shift[crc & 0xFF]
            ^ shift[256 + ((crc >> 8) & 0xFF)]
            ^ shift[512 + ((crc >> 16) & 0xFF)]
            ^ shift[768 + (crc >> 24)];
    }

    private static uint[] BuildShift(int lengthBytes)
    {
        // The checksum is linear: the image of each single bit after the zeroes gives the image of every value.
        Span<uint> bits = stackalloc uint[32];
        for (int bit = 0; bit < 32; bit++)
        {
            uint value = 1u << bit;
            for (int i = 0; i < lengthBytes * 8; i++)
            {
                value = (value >> 1) ^ ((value & 1) != 0 ? ReflectedPolynomial : 0);
            }

            bits[bit] = value;
        }

        uint[] table = new uint[4 * 256];
        for (int index = 0; index < table.Length; index++)
        {
            uint sum = 0;
            for (int bit = 0; bit < 8; bit++)
            {
                if (((index >> bit) & 1) != 0)
                {
                    sum ^= bits[((index >> 8) * 8) + bit];
                }
            }

            table[index] = sum;
        }

        return table;
    }
}
