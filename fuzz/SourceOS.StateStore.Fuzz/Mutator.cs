// Why this file exists: small changes that decoders get wrong: lengths at their limits, parts moved, doubled or missing, pieces of another sample. Invariants: the same random source gives the same bytes; never longer
// than the bound.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Fuzz;

/// <summary>Changes bytes.</summary>
internal static class Mutator
{
    private const int MaxGrowthBytes = 4096;
    private static readonly long[] s_edges = [0, 1, -1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue];

    /// <summary>Some changes of a sample.</summary>
    internal static byte[] Change(byte[] sample, byte[] other, Random random)
    {
        byte[] bytes = [.. sample];
        int steps = 1 + (random.Next(3) == 0 ? random.Next(8) : random.Next(2));
        for (int i = 0; i < steps; i++)
        {
            bytes = Step(bytes, other, random);
        }

        return bytes;
    }

    private static byte[] Step(byte[] bytes, byte[] other, Random random)
    {
        int at = bytes.Length == 0 ? 0 : Place(bytes.Length, random);
        switch (random.Next(12))
        {
            case 0 or 1 when bytes.Length > 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 2 when bytes.Length > 0:
                bytes[at] = (byte)random.Next(256);
                return bytes;
            case 3 or 4 when bytes.Length > 0:
                WriteNumber(bytes.AsSpan(at), s_edges[random.Next(s_edges.Length)] + random.Next(-1, 2), random.Next(4));
                return bytes;
            case 5 when bytes.Length > 0:
                bytes.AsSpan(at, Run(bytes.Length - at, random)).Fill(random.Next(2) == 0 ? (byte)0 : (byte)random.Next(256));
                return bytes;
            case 6:
                return bytes[..at];
            case 7 when bytes.Length > 0:
                return [.. bytes[..at], .. bytes[(at + Run(bytes.Length - at, random))..]];
            case 8 when bytes.Length > 0:
                int length = Run(Math.Min(bytes.Length - at, MaxGrowthBytes), random);
                return [.. bytes[..(at + length)], .. bytes[at..]];
            case 9 when other.Length > 0:
                int from = random.Next(other.Length);
                return [.. bytes[..at], .. other.AsSpan(from, Run(Math.Min(other.Length - from, MaxGrowthBytes), random)), .. bytes[at..]];
            case 10 when other.Length > 0 && bytes.Length > 0:
                int source = random.Next(other.Length);
                int count = Math.Min(Run(other.Length - source, random), bytes.Length - at);
                other.AsSpan(source, count).CopyTo(bytes.AsSpan(at));
                return bytes;
            case 11 when bytes.Length > 8:
                // Two words change places.
                int second = Place(bytes.Length - 8, random) & ~3;
                int first = Place(bytes.Length - 8, random) & ~3;
                (bytes[first], bytes[second]) = (bytes[second], bytes[first]);
                (bytes[first + 1], bytes[second + 1]) = (bytes[second + 1], bytes[first + 1]);
                return bytes;
            default:
                return [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
        }
    }

    // Heads say more than tails.
    private static int Place(int length, Random random) => random.Next(2) == 0 ? random.Next(length) : random.Next(Math.Min(length, 320));

    private static int Run(int most, Random random) => most <= 0 ? 0 : 1 + random.Next(Math.Min(most, random.Next(4) == 0 ? most : 64));

    private static void WriteNumber(Span<byte> target, long value, int width)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        int bytes = Math.Min(1 << width, target.Length);
        number[..bytes].CopyTo(target);
    }
}
