// Why this file exists: every codec is held to the same three promises: no flipped bit passes, no truncation throws, no reserved byte is ignored.

using System.Buffers.Binary;

namespace SourceOS.StateStore.Format.Tests;

internal delegate bool Accepts(ReadOnlySpan<byte> bytes);

internal static class Damage
{
    /// <summary>Fails when a copy with one flipped bit is still accepted.</summary>
    internal static void AssertEveryBitFlipIsRefused(byte[] valid, Accepts accepts)
    {
        Assert.True(accepts(valid), "the undamaged bytes are refused");
        byte[] copy = [.. valid];
        for (int bit = 0; bit < valid.Length * 8; bit++)
        {
            copy[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.False(accepts(copy), $"bit {bit & 7} of byte {bit >> 3} may flip unseen");
            copy[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    /// <summary>Fails when a proper prefix is accepted, or throws.</summary>
    internal static void AssertEveryTruncationIsRefused(byte[] valid, Accepts accepts)
    {
        for (int length = 0; length < valid.Length; length++)
        {
            // A copy of its own length makes a read beyond the end visible.
            Assert.False(accepts(valid.AsSpan(0, length).ToArray()), $"the first {length} bytes are accepted");
        }
    }

    /// <summary>Fails when random bytes in place of parts of valid ones make the decoder throw; acceptance is not judged.</summary>
    internal static void AssertNoiseNeverThrows(byte[] valid, Accepts accepts, int rounds, int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < rounds; round++)
        {
            byte[] copy = valid.AsSpan(0, random.Next(4) == 0 ? random.Next(valid.Length + 1) : valid.Length).ToArray();
            for (int edits = random.Next(1, 6); edits > 0 && copy.Length > 0; edits--)
            {
                int at = random.Next(copy.Length);
                Span<byte> place = copy.AsSpan(at, Math.Min(random.Next(1, 9), copy.Length - at));
                switch (random.Next(4))
                {
                    case 0: place.Fill(0xFF); break;
                    case 1: place.Clear(); break;
                    case 2: place[0] ^= (byte)(1 << random.Next(8)); break;
                    default: random.NextBytes(place); break;
                }
            }

            _ = accepts(copy);
        }
    }

    /// <summary>Makes the CRC-32C at an offset right again for the bytes before it.</summary>
    internal static void Reseal(byte[] bytes, int checksumAt) =>
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(checksumAt), Checksum.Crc32C(bytes.AsSpan(0, checksumAt)));
}
