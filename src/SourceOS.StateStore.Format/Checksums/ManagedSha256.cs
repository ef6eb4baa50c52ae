// Why this file exists: SHA-256 (FIPS 180-4) for early boot, where no OpenSSL may be there. Invariants: the same result as the native code for
// every input; the state is the 112 bytes of the context and nothing else.

using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Format;

internal static unsafe class ManagedSha256
{
    private const int BlockLengthBytes = 64;

    // Arrays, not spans over constants: unoptimised code would build such a span anew, with an allocation, at each use.
    private static readonly uint[] RoundConstants =
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    private static readonly uint[] StartWords =
    [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ];

    internal static void Start(ref Sha256Context context)
    {
        context = default;
        StartWords.AsSpan().CopyTo(MemoryMarshal.CreateSpan(ref context.Words[0], 8));
    }

    internal static void Append(ref Sha256Context context, ReadOnlySpan<byte> data)
    {
        ulong lengthBits = (context.LengthLow | ((ulong)context.LengthHigh << 32)) + ((ulong)data.Length << 3);
        context.LengthLow = (uint)lengthBits;
        context.LengthHigh = (uint)(lengthBits >> 32);
        Span<uint> words = MemoryMarshal.CreateSpan(ref context.Words[0], 8);
        Span<byte> block = MemoryMarshal.CreateSpan(ref context.Block[0], BlockLengthBytes);
        int filled = (int)context.Filled;
        if (filled > 0)
        {
            int taken = Math.Min(data.Length, BlockLengthBytes - filled);
            data[..taken].CopyTo(block[filled..]);
            data = data[taken..];
            filled += taken;
            if (filled < BlockLengthBytes)
            {
                context.Filled = (uint)filled;
                return;
            }

            Compress(words, block);
        }

        while (data.Length >= BlockLengthBytes)
        {
            Compress(words, data);
            data = data[BlockLengthBytes..];
        }

        data.CopyTo(block);
        context.Filled = (uint)data.Length;
    }

    internal static void Finish(ref Sha256Context context, Span<byte> destination)
    {
        ulong lengthBits = context.LengthLow | ((ulong)context.LengthHigh << 32);
        Span<uint> words = MemoryMarshal.CreateSpan(ref context.Words[0], 8);
        Span<byte> block = MemoryMarshal.CreateSpan(ref context.Block[0], BlockLengthBytes);
        int filled = (int)context.Filled;
        block[filled++] = 0x80;
        if (filled > BlockLengthBytes - sizeof(ulong))
        {
            block[filled..].Clear();
            Compress(words, block);
            filled = 0;
        }

        block[filled..].Clear();
        BinaryPrimitives.WriteUInt64BigEndian(block[(BlockLengthBytes - sizeof(ulong))..], lengthBits);
        Compress(words, block);
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination[(i * sizeof(uint))..], words[i]);
        }
    }

    [SkipLocalsInit]
    private static void Compress(Span<uint> words, ReadOnlySpan<byte> block)
    {
        Span<uint> schedule = stackalloc uint[64];
        for (int i = 0; i < 16; i++)
        {
            schedule[i] = BinaryPrimitives.ReadUInt32BigEndian(block[(i * sizeof(uint))..]);
        }

        for (int i = 16; i < 64; i++)
        {
            uint early = schedule[i - 15];
            uint late = schedule[i - 2];
            uint low = BitOperations.RotateRight(early, 7) ^ BitOperations.RotateRight(early, 18) ^ (early >> 3);
            uint high = BitOperations.RotateRight(late, 17) ^ BitOperations.RotateRight(late, 19) ^ (late >> 10);
            schedule[i] = schedule[i - 16] + low + schedule[i - 7] + high;
        }

        uint a = words[0], b = words[1], c = words[2], d = words[3];
        uint e = words[4], f = words[5], g = words[6], h = words[7];
        ReadOnlySpan<uint> constants = RoundConstants;
        for (int i = 0; i < 64; i++)
        {
            uint mixE = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
            uint one = h + mixE + ((e & f) ^ (~e & g)) + constants[i] + schedule[i];
            uint mixA = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
            uint two = mixA + ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + one;
            d = c;
            c = b;
            b = a;
            a = one + two;
        }

        words[0] += a;
        words[1] += b;
        words[2] += c;
        words[3] += d;
        words[4] += e;
        words[5] += f;
        words[6] += g;
        words[7] += h;
    }
}
